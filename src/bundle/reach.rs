//! What bundled code asks of its surroundings, found in its syntax.

use std::collections::HashSet;

use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::ast::ast::{Argument, BindingPattern, Expression, UnaryOperator};
use oxc::ast_visit::{Visit, walk};
use oxc::parser::Parser;
use oxc::semantic::{Semantic, SemanticBuilder};
use oxc::span::SourceType;

use super::virtuals::BUILTINS_SYMBOL;

/// Globals that only the Node layer has.
const GLOBALS: [&str; 5] = ["Buffer", "clearImmediate", "global", "process", "setImmediate"];

/// Names of the object that has them.
const GLOBAL_OBJECTS: [&str; 3] = ["globalThis", "self", "window"];

/// Methods that only the timers of Node.js have.
const TIMER_METHODS: [&str; 3] = ["hasRef", "unref", "refresh"];

/// Whether the code needs the Node layer: it imports a built-in module, might do
/// so under a name that it computes, or names a global of Node.js.
///
/// In doubt it says yes, which costs memory; a wrong no would cost correctness.
pub(super) fn wants_node(code: &str) -> bool {
    let suspicious = GLOBALS.iter().chain(&TIMER_METHODS).any(|name| code.contains(name))
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
pub(super) fn references(semantic: &Semantic<'_>, name: &str) -> Vec<oxc::semantic::NodeId> {
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
        let name = member.property.name.as_str();
        if let Expression::Identifier(object) = member.object.without_parentheses()
            && GLOBAL_OBJECTS.contains(&object.name.as_str())
        {
            self.node |= GLOBALS.contains(&name);
        }
        walk::walk_static_member_expression(self, member);
    }

    fn visit_computed_member_expression(&mut self, member: &oxc::ast::ast::ComputedMemberExpression<'a>) {
        if let (Expression::Identifier(object), Expression::StringLiteral(name)) =
            (member.object.without_parentheses(), &member.expression)
            && GLOBAL_OBJECTS.contains(&object.name.as_str())
        {
            self.node |= GLOBALS.contains(&name.value.as_str());
        }
        walk::walk_computed_member_expression(self, member);
    }

    fn visit_call_expression(&mut self, call: &oxc::ast::ast::CallExpression<'a>) {
        if let Some(member) = call.callee.get_inner_expression().as_member_expression() {
            self.node |= member.static_property_name().is_some_and(|name| TIMER_METHODS.contains(&name));
        }
        walk::walk_call_expression(self, call);
    }
}

/// The modules that a file reaches as soon as it runs: by an `import` declaration, or by
/// a `require` outside of every function, `try` and condition.
pub(super) fn at_load(code: &str, source_type: SourceType) -> HashSet<String> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, code, source_type).parse();
    let mut reach = Reach::default();
    reach.visit_program(&parsed.program);
    reach.found
}

#[derive(Default)]
struct Reach {
    depth: usize,
    found: HashSet<String>,
}

impl<'a> Visit<'a> for Reach {
    fn visit_import_declaration(&mut self, import: &oxc::ast::ast::ImportDeclaration<'a>) {
        self.found.insert(import.source.value.to_string());
    }

    fn visit_export_from_declaration(&mut self, export: &oxc::ast::ast::ExportFromDeclaration<'a>) {
        self.found.insert(export.source.value.to_string());
    }

    fn visit_export_all_declaration(&mut self, export: &oxc::ast::ast::ExportAllDeclaration<'a>) {
        self.found.insert(export.source.value.to_string());
    }

    fn visit_call_expression(&mut self, call: &oxc::ast::ast::CallExpression<'a>) {
        if self.depth == 0
            && call.callee.is_specific_id("require")
            && let Some(Argument::StringLiteral(name)) = call.arguments.first()
        {
            self.found.insert(name.value.to_string());
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

    fn visit_switch_statement(&mut self, statement: &oxc::ast::ast::SwitchStatement<'a>) {
        self.depth += 1;
        walk::walk_switch_statement(self, statement);
        self.depth -= 1;
    }

    fn visit_conditional_expression(&mut self, expression: &oxc::ast::ast::ConditionalExpression<'a>) {
        self.depth += 1;
        walk::walk_conditional_expression(self, expression);
        self.depth -= 1;
    }

    fn visit_logical_expression(&mut self, expression: &oxc::ast::ast::LogicalExpression<'a>) {
        self.visit_expression(&expression.left);
        self.depth += 1;
        self.visit_expression(&expression.right);
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
            "const o = { unref: 1 }; o.unref;",
            "new globalThis.AsyncLocalStorage(); AsyncLocalStorage.snapshot();",
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
            "globalThis['Buffer'].from('x');",
            "const timer = setInterval(clean, 1000); timer.unref();",
            "setTimeout(clean, 1000)?.unref?.();",
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
        let reached = |code| at_load(code, SourceType::unambiguous()).contains("fs");
        assert!(reached("import fs from 'fs'"));
        assert!(reached("export * from 'fs'"));
        assert!(reached("const fs = require('fs')"));
        assert!(!reached("import fs from 'node:path'"));
        assert!(!reached("try { require('fs') } catch {}"));
        assert!(!reached("function f() { return require('fs') }"));
        assert!(!reached("if (process.version) require('fs')"));
        assert!(!reached("const fs = process.version ? require('fs') : null"));
        assert!(!reached("const fs = process.version && require('fs')"));
        assert!(reached("const fs = require('fs') || null"));
        assert!(!reached("switch (process.version) { case 1: require('fs') }"));
        assert!(!reached("import('fs')"));
    }
}
