//! What bundled code asks of its surroundings, found in its syntax.

use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::ast::ast::{Argument, BindingPattern, Expression, UnaryOperator};
use oxc::ast_visit::{Visit, walk};
use oxc::parser::Parser;
use oxc::semantic::{Semantic, SemanticBuilder};
use oxc::span::{GetSpan, SourceType, Span};

use super::virtuals::BUILTINS_SYMBOL;

/// Globals that only the Node layer has.
const GLOBALS: [&str; 6] =
    ["AsyncLocalStorage", "Buffer", "clearImmediate", "global", "process", "setImmediate"];

/// Names of the object that has them.
const GLOBAL_OBJECTS: [&str; 3] = ["globalThis", "self", "window"];

/// Whether the code needs the Node layer: it imports a built-in module, might do
/// so under a name that it computes, or names a global of Node.js.
///
/// In doubt it says yes, which costs memory; a wrong no would cost correctness.
pub(super) fn wants_node(code: &str) -> bool {
    let suspicious = GLOBALS.iter().any(|name| code.contains(name))
        || code.contains("node:")
        || code.contains("import(")
        || code.contains(BUILTINS_SYMBOL);
    if !suspicious {
        return false;
    }
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, code, SourceType::mjs()).parse();
    if parsed.panicked {
        return true;
    }
    let mut imports = Imports::default();
    imports.visit_program(&parsed.program);
    if imports.node {
        return true;
    }
    let semantic = SemanticBuilder::new().with_build_nodes(true).build(&parsed.program).semantic;
    GLOBALS.iter().any(|name| uses(&semantic, name).iter().any(|used| !matches!(used, Use::Harmless)))
}

/// How a global is used.
enum Use {
    /// `typeof process`, `process.env`: the same in every layer.
    Harmless,
    Real,
}

fn uses(semantic: &Semantic<'_>, name: &str) -> Vec<Use> {
    let nodes = semantic.nodes();
    references(semantic, name)
        .into_iter()
        .map(|node| match nodes.parent_kind(node) {
            AstKind::StaticMemberExpression(member) if name == "process" && member.property.name == "env" => {
                Use::Harmless
            }
            AstKind::UnaryExpression(unary)
                if name == "process" && unary.operator == UnaryOperator::Typeof =>
            {
                Use::Harmless
            }
            _ => Use::Real,
        })
        .collect()
}

/// Where a name that nothing in the file declares is used.
fn references(semantic: &Semantic<'_>, name: &str) -> Vec<oxc::semantic::NodeId> {
    let scoping = semantic.scoping();
    scoping
        .root_unresolved_references()
        .iter()
        .filter(|(found, _)| found.as_str() == name)
        .flat_map(|(_, ids)| ids.iter().map(|id| scoping.get_reference(*id).node_id()))
        .collect()
}

#[derive(Default)]
struct Imports {
    node: bool,
}

impl<'a> Visit<'a> for Imports {
    fn visit_import_declaration(&mut self, import: &oxc::ast::ast::ImportDeclaration<'a>) {
        self.node |= import.source.value.starts_with("node:");
    }

    fn visit_export_from_declaration(&mut self, export: &oxc::ast::ast::ExportFromDeclaration<'a>) {
        self.node |= export.source.value.starts_with("node:");
    }

    fn visit_export_all_declaration(&mut self, export: &oxc::ast::ast::ExportAllDeclaration<'a>) {
        self.node |= export.source.value.starts_with("node:");
    }

    fn visit_import_expression(&mut self, import: &oxc::ast::ast::ImportExpression<'a>) {
        self.node |= match &import.source {
            Expression::StringLiteral(text) => text.value.starts_with("node:"),
            _ => true,
        };
        walk::walk_import_expression(self, import);
    }

    fn visit_variable_declarator(&mut self, declarator: &oxc::ast::ast::VariableDeclarator<'a>) {
        if let (BindingPattern::ObjectPattern(pattern), Some(Expression::Identifier(object))) =
            (&declarator.id, &declarator.init)
            && GLOBAL_OBJECTS.contains(&object.name.as_str())
        {
            let names = pattern.properties.iter().filter_map(|property| property.key.static_name());
            self.node |= names.into_iter().any(|name| GLOBALS.contains(&name.as_ref()));
        }
        walk::walk_variable_declarator(self, declarator);
    }

    fn visit_string_literal(&mut self, text: &oxc::ast::ast::StringLiteral<'a>) {
        self.node |= text.value == BUILTINS_SYMBOL;
    }

    fn visit_static_member_expression(&mut self, member: &oxc::ast::ast::StaticMemberExpression<'a>) {
        if let Expression::Identifier(object) = member.object.without_parentheses()
            && GLOBAL_OBJECTS.contains(&object.name.as_str())
        {
            self.node |= GLOBALS.contains(&member.property.name.as_str());
        }
        walk::walk_static_member_expression(self, member);
    }
}

/// What a source file says of its own place on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// `import.meta.url`.
    Url,
    /// `import.meta.filename`, `__filename`.
    File,
    /// `import.meta.dirname`, `__dirname`.
    Folder,
    /// `require` other than of a name that is written out.
    Require,
}

/// A mention of the file's own place.
pub(super) struct Mention {
    pub(super) span: Span,
    pub(super) place: Place,
    /// The name that has to be written before it: it is a property `{ __dirname }`.
    pub(super) shorthand: Option<&'static str>,
}

/// Every mention of the file's own place. `require` is looked for if asked for.
pub(super) fn places(code: &str, source_type: SourceType, with_require: bool) -> Vec<Mention> {
    let with_require = with_require && code.contains("require");
    let named = ["import.meta", "__dirname", "__filename"].iter().any(|name| code.contains(name));
    if !(named || with_require && computes_require(code)) {
        return Vec::new();
    }
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, code, source_type).parse();
    if parsed.panicked {
        return Vec::new();
    }
    let mut meta = Meta::default();
    meta.visit_program(&parsed.program);
    let mut found: Vec<Mention> =
        meta.0.into_iter().map(|(span, place)| Mention { span, place, shorthand: None }).collect();
    let semantic = SemanticBuilder::new().with_build_nodes(true).build(&parsed.program).semantic;
    let nodes = semantic.nodes();
    let shorthand = |node, name| {
        matches!(nodes.parent_kind(node), AstKind::ObjectProperty(property) if property.shorthand)
            .then_some(name)
    };
    for (name, place) in [("__dirname", Place::Folder), ("__filename", Place::File)] {
        for node in references(&semantic, name) {
            let span = nodes.get_node(node).kind().span();
            found.push(Mention { span, place, shorthand: shorthand(node, name) });
        }
    }
    if with_require {
        for node in references(&semantic, "require") {
            let span = nodes.get_node(node).kind().span();
            let is_literal = matches!(
                nodes.parent_kind(node),
                AstKind::CallExpression(call) if call.callee.span() == span
                    && match call.arguments.first() {
                        Some(Argument::StringLiteral(_)) => true,
                        Some(Argument::TemplateLiteral(template)) => template.expressions.is_empty(),
                        _ => false,
                    }
            );
            if !is_literal && !is_typeof(nodes.parent_kind(node)) {
                found.push(Mention { span, place: Place::Require, shorthand: shorthand(node, "require") });
            }
        }
    }
    found
}

fn is_typeof(kind: AstKind<'_>) -> bool {
    matches!(kind, AstKind::UnaryExpression(unary) if unary.operator == UnaryOperator::Typeof)
}

/// Whether some `require` is not followed by a quoted name; looks at the text only.
fn computes_require(code: &str) -> bool {
    code.match_indices("require").any(|(at, word)| {
        let after = code[at + word.len()..].trim_start();
        match after.strip_prefix('(') {
            Some(argument) => !argument.trim_start().starts_with(['"', '\'']),
            None => true,
        }
    })
}

#[derive(Default)]
struct Meta(Vec<(Span, Place)>);

impl<'a> Visit<'a> for Meta {
    fn visit_static_member_expression(&mut self, member: &oxc::ast::ast::StaticMemberExpression<'a>) {
        if matches!(member.object.without_parentheses(), Expression::ImportMeta(_)) {
            let place = match member.property.name.as_str() {
                "url" => Some(Place::Url),
                "filename" => Some(Place::File),
                "dirname" => Some(Place::Folder),
                _ => None,
            };
            self.0.extend(place.map(|place| (member.span, place)));
        }
        walk::walk_static_member_expression(self, member);
    }
}

/// Whether a file reaches a module as soon as it runs: by an `import` declaration,
/// or by a `require` outside of every function and every `try`.
pub(super) fn reaches(code: &str, source_type: SourceType, specifier: &str) -> bool {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, code, source_type).parse();
    let mut reach = Reach { specifier, depth: 0, found: false };
    reach.visit_program(&parsed.program);
    reach.found
}

struct Reach<'s> {
    specifier: &'s str,
    depth: usize,
    found: bool,
}

impl<'a> Visit<'a> for Reach<'_> {
    fn visit_import_declaration(&mut self, import: &oxc::ast::ast::ImportDeclaration<'a>) {
        self.found |= import.source.value == self.specifier;
    }

    fn visit_export_from_declaration(&mut self, export: &oxc::ast::ast::ExportFromDeclaration<'a>) {
        self.found |= export.source.value == self.specifier;
    }

    fn visit_export_all_declaration(&mut self, export: &oxc::ast::ast::ExportAllDeclaration<'a>) {
        self.found |= export.source.value == self.specifier;
    }

    fn visit_call_expression(&mut self, call: &oxc::ast::ast::CallExpression<'a>) {
        if self.depth == 0
            && call.callee.is_specific_id("require")
            && matches!(call.arguments.first(), Some(Argument::StringLiteral(name)) if name.value == self.specifier)
        {
            self.found = true;
        }
        walk::walk_call_expression(self, call);
    }

    fn visit_function(&mut self, function: &oxc::ast::ast::Function<'a>, flags: oxc::semantic::ScopeFlags) {
        self.depth += 1;
        walk::walk_function(self, function, flags);
        self.depth -= 1;
    }

    fn visit_arrow_function_expression(&mut self, arrow: &oxc::ast::ast::ArrowFunctionExpression<'a>) {
        self.depth += 1;
        walk::walk_arrow_function_expression(self, arrow);
        self.depth -= 1;
    }

    fn visit_try_statement(&mut self, statement: &oxc::ast::ast::TryStatement<'a>) {
        self.depth += 1;
        walk::walk_try_statement(self, statement);
        self.depth -= 1;
    }

    fn visit_if_statement(&mut self, statement: &oxc::ast::ast::IfStatement<'a>) {
        self.depth += 1;
        walk::walk_if_statement(self, statement);
        self.depth -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_stays_within_web_apis_wants_no_node() {
        for code in [
            "export const GET = () => new Response(process.env.A);",
            "const process = { exit() {} }; process.exit();",
            "// Buffer, process.exit(), import('node:fs')\nconst text = 'Buffer'; export { text };",
            "if (typeof process !== 'undefined') console.log(process.env['HOME']);",
            "import('./chunk.js'); const o = { Buffer: 1 }; o.Buffer; o.global;",
        ] {
            assert!(!wants_node(code), "{code}");
        }
    }

    #[test]
    fn code_that_reaches_for_node_wants_it() {
        for code in [
            "import fs from 'node:fs';",
            "export { join } from 'node:path';",
            "const name = 'x'; import(name);",
            "Buffer.from('x');",
            "const { Buffer } = globalThis; Buffer;",
            "typeof Buffer === 'function';",
            "globalThis.process?.versions;",
            "process.exit(1);",
            "const p = process;",
            "setImmediate(() => {});",
            "global.x = 1;",
            "module.exports = globalThis[Symbol.for('edgehost.builtin')]('fs');",
        ] {
            assert!(wants_node(code), "{code}");
        }
    }

    #[test]
    fn only_what_runs_for_certain_is_reached() {
        let reached = |code| reaches(code, SourceType::unambiguous(), "fs");
        assert!(reached("import fs from 'fs'"));
        assert!(reached("export * from 'fs'"));
        assert!(reached("const fs = require('fs')"));
        assert!(!reached("import fs from 'node:path'"));
        assert!(!reached("try { require('fs') } catch {}"));
        assert!(!reached("function f() { return require('fs') }"));
        assert!(!reached("if (process.version) require('fs')"));
        assert!(!reached("import('fs')"));
    }
}
