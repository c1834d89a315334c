//! What user code does to the prototypes of built-ins reaches no script of the host: the
//! rules of `runtime-js/README.md`, read off the syntax.
//!
//! A line that has to break one says why in a comment in front of it or at its end:
//! `// Ordinary: ...`.

use std::collections::BTreeSet;
use std::path::Path;

use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::ast::ast::{
    AssignmentTarget, BinaryOperator, ClassElement, Expression, LogicalOperator, ObjectExpression,
    ObjectPropertyKind, PropertyKey,
};
use oxc::parser::Parser;
use oxc::semantic::{NodeId, Semantic, SemanticBuilder};
use oxc::span::{GetSpan, SourceType, Span};

/// Globals that scripts may name: no user code can have changed what they mean.
const GLOBALS: [&str; 4] = ["__bootstrap", "arguments", "globalThis", "undefined"];

/// Methods of built-ins, each of which a primordial stands for.
const METHODS: &str = "push pop shift unshift slice splice map filter forEach reduce reduceRight join concat includes indexOf lastIndexOf some every find findIndex findLast flat flatMap fill sort reverse at split replace replaceAll trim trimStart trimEnd startsWith endsWith toLowerCase toUpperCase charCodeAt charAt codePointAt padStart padEnd repeat substring match matchAll search localeCompare normalize test then catch finally call apply bind hasOwnProperty isPrototypeOf propertyIsEnumerable toFixed getTime toISOString subarray";

/// Primordials that assign elements, which calls accessors that user code puts on prototypes.
const SETTING: [&str; 3] = ["ArrayPrototypePush", "ArrayPrototypeShift", "ArrayPrototypeUnshift"];

/// Functions whose last argument is copied, own property by own property, or handed to
/// the user as it is.
const COPIES: [&str; 3] = ["ObjectAssign", "ObjectFreeze", "ObjectSetPrototypeOf"];

struct Lint<'a> {
    code: &'a str,
    semantic: Semantic<'a>,
    methods: BTreeSet<&'static str>,
    found: Vec<String>,
}

/// What is wrong in a script, by line.
fn lint(name: &str, code: &str) -> Vec<String> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, code, SourceType::mjs()).parse();
    assert!(!parsed.panicked, "{name} cannot be parsed");
    let semantic = SemanticBuilder::new().with_build_nodes(true).build(&parsed.program).semantic;
    let mut lint = Lint { code, semantic, methods: METHODS.split(' ').collect(), found: Vec::new() };
    lint.globals();
    let ids: Vec<NodeId> = lint.semantic.nodes().iter().map(|node| node.id()).collect();
    for id in ids {
        lint.node(id);
    }
    lint.found.iter().map(|found| format!("{name}:{found}")).collect()
}

impl<'a> Lint<'a> {
    fn report(&mut self, span: Span, what: &str) {
        let at = span.start as usize;
        let line = self.code[..at].matches('\n').count();
        let lines: Vec<&str> = self.code.lines().collect();
        let explained = |line: usize| lines.get(line).is_some_and(|text| text.contains("// Ordinary: "));
        if explained(line)
            || line > 0 && lines[line - 1].trim_start().starts_with("//") && explained(line - 1)
        {
            return;
        }
        self.found.push(format!("{}: {what}: {}", line + 1, lines[line].trim()));
    }

    fn globals(&mut self) {
        let scoping = self.semantic.scoping();
        let mut wrong = Vec::new();
        for (name, references) in scoping.root_unresolved_references() {
            if GLOBALS.contains(&name.as_str()) {
                continue;
            }
            for reference in references {
                let node = scoping.get_reference(*reference).node_id();
                wrong.push((self.semantic.nodes().get_node(node).kind().span(), name.to_string()));
            }
        }
        for (span, name) in wrong {
            self.report(
                span,
                &format!("the global {name} is user code's to change: take it from primordials"),
            );
        }
    }

    fn parent(&self, id: NodeId) -> AstKind<'a> {
        self.semantic.nodes().parent_kind(id)
    }

    fn node(&mut self, id: NodeId) {
        let kind = self.semantic.nodes().kind(id);
        let span = kind.span();
        match kind {
            AstKind::ForOfStatement(each) if !is_safe_iterator(&each.right) => {
                self.report(span, "the iteration can be replaced: iterate over new SafeArrayIterator(...)");
            }
            AstKind::SpreadElement(spread)
                if !matches!(self.parent(id), AstKind::ObjectExpression(_))
                    && !is_safe_iterator(&spread.argument) =>
            {
                self.report(span, "the iteration can be replaced: spread new SafeArrayIterator(...)");
            }
            AstKind::ArrayPattern(_) | AstKind::ArrayAssignmentTarget(_) => {
                self.report(span, "the iteration can be replaced: take { 0: one, 1: other }");
            }
            AstKind::RegExpLiteral(_) => {
                self.report(span, "its methods can be replaced: new SafeRegExp(...)")
            }
            AstKind::BinaryExpression(binary) if binary.operator == BinaryOperator::Instanceof => {
                self.report(span, "Symbol.hasInstance can be replaced: ObjectPrototypeIsPrototypeOf");
            }
            AstKind::CallExpression(call) => {
                if let Expression::Identifier(name) = &call.callee
                    && SETTING.contains(&name.name.as_str())
                {
                    self.report(span, "an accessor of an index can take the value: append(list, value)");
                }
                if let Expression::StaticMemberExpression(member) = &call.callee
                    && self.methods.contains(member.property.name.as_str())
                    && !matches!(member.object, Expression::Super(_))
                {
                    self.report(
                        span,
                        &format!("{} can be replaced: take its primordial", member.property.name),
                    );
                }
            }
            AstKind::AssignmentExpression(assignment) => self.assignment(id, &assignment.left),
            AstKind::ObjectExpression(object) => self.object(id, object),
            AstKind::ComputedMemberExpression(member) => self.lookup(&member.object),
            AstKind::ForInStatement(each) => self.lookup(&each.right),
            _ => {}
        }
    }

    /// Fields of a class are defined, not assigned: an accessor of that name on a prototype
    /// would be given the value, and one for all.
    fn assignment(&mut self, id: NodeId, target: &AssignmentTarget<'a>) {
        let AssignmentTarget::StaticMemberExpression(member) = target else { return };
        if !matches!(member.object, Expression::ThisExpression(_)) {
            return;
        }
        let field = member.property.name.as_str();
        let class = self.semantic.nodes().ancestor_kinds(id).find_map(|kind| match kind {
            AstKind::Class(class) => Some(class),
            _ => None,
        });
        let Some(class) = class else { return };
        let is_named = |key: &PropertyKey<'_>| key.is_specific_static_name(field);
        let is_declared = class.body.body.iter().any(|element| match element {
            ClassElement::PropertyDefinition(property) => is_named(&property.key),
            ClassElement::MethodDefinition(method) => is_named(&method.key),
            _ => false,
        });
        if !is_declared {
            self.report(member.span, &format!("{field} is assigned and not defined: declare it as a field"));
        }
    }

    /// Objects that somebody may ask for what they do not have.
    fn object(&mut self, id: NodeId, object: &ObjectExpression<'a>) {
        if has_no_prototype(object) {
            return;
        }
        let span = object.span;
        let is_asked = match self.parent(id) {
            AstKind::CallExpression(call) => {
                !callee_name(&call.callee).is_some_and(|name| COPIES.contains(&name))
            }
            AstKind::NewExpression(_) | AstKind::AssignmentPattern(_) | AstKind::FormalParameter(_) => true,
            AstKind::LogicalExpression(logical) => logical.operator != LogicalOperator::And,
            // The descriptors of several properties.
            AstKind::ObjectProperty(_) => {
                self.semantic.nodes().ancestor_kinds(id).nth(2).is_some_and(|kind| {
                    matches!(kind, AstKind::CallExpression(call)
                    if matches!(callee_name(&call.callee), Some("ObjectDefineProperties" | "ObjectCreate")))
                })
            }
            _ => false,
        };
        if is_asked || object.properties.is_empty() {
            self.report(
                span,
                "what it does not have is looked for in Object.prototype: begin with __proto__: null",
            );
        }
    }

    /// Tables that are asked by a computed name.
    fn lookup(&mut self, object: &Expression<'a>) {
        let Expression::Identifier(identifier) = object else { return };
        let scoping = self.semantic.scoping();
        let Some(symbol) = identifier.reference_id.get().and_then(|id| scoping.get_reference(id).symbol_id())
        else {
            return;
        };
        let declaration = self.semantic.nodes().kind(scoping.symbol_declaration(symbol));
        if let AstKind::VariableDeclarator(declarator) = declaration
            && let Some(Expression::ObjectExpression(table)) = &declarator.init
            && !has_no_prototype(table)
        {
            self.report(table.span, "it is asked by computed names: begin with __proto__: null");
        }
    }
}

fn has_no_prototype(object: &ObjectExpression<'_>) -> bool {
    object.properties.first().is_some_and(|property| {
        matches!(property, ObjectPropertyKind::ObjectProperty(property)
            if property.key.is_specific_static_name("__proto__") && matches!(property.value, Expression::NullLiteral(_)))
    })
}

fn callee_name<'a>(callee: &Expression<'a>) -> Option<&'a str> {
    match callee {
        Expression::Identifier(identifier) => Some(identifier.name.as_str()),
        Expression::StaticMemberExpression(member) => Some(member.property.name.as_str()),
        _ => None,
    }
}

fn is_safe_iterator(expression: &Expression<'_>) -> bool {
    matches!(expression, Expression::NewExpression(new)
        if callee_name(&new.callee).is_some_and(|name| name.starts_with("Safe") && name.ends_with("Iterator")))
}

#[test]
fn scripts_keep_away_from_what_user_code_can_replace() {
    let scripts = walkdir::WalkDir::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("runtime-js"))
        .sort_by_file_name()
        .into_iter()
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "js"));
    let mut found = Vec::new();
    for script in scripts {
        let code = std::fs::read_to_string(script.path()).expect("readable");
        found.extend(lint(&script.file_name().to_string_lossy(), &code));
    }
    assert!(found.is_empty(), "{} lines:\n{}", found.len(), found.join("\n"));
}

#[test]
fn the_rules_tell_good_from_bad() {
    let lines = |code: &str| {
        lint("x", code)
            .iter()
            .map(|found| found.split(':').nth(1).expect("a line").parse().expect("a number"))
            .collect::<Vec<usize>>()
    };
    assert_eq!(
        lines(
            "for (const one of list()) {}\nf(...list());\nconst [a] = list();\n/x/;\na instanceof f;\na.push(1);\nclass A { b; constructor() { this.b = 1; this.c = 2; } }\nf({ a });\nfunction f(o = {}) { return o ?? { a }; }\nconst t = { a };\nt[a];\nArray;\nfunction list() {}"
        ),
        [12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 10],
    );
    assert_eq!(
        lines(
            "const { SafeArrayIterator, ObjectAssign } = __bootstrap.primordials;\nconst { 0: a } = f(...new SafeArrayIterator([]));\nfor (const one of new SafeArrayIterator(a)) f(one);\nclass A extends f { b = 1; m() { this.b = super.push({ __proto__: null }); } }\nObjectAssign(a, { a });\nconst t = { __proto__: null };\nt[a];\n// Ordinary: an example.\na.push(1);\na.pop(); // Ordinary: another.\nfunction f(o = { __proto__: null }) { return { o }; }"
        ),
        Vec::<usize>::new(),
    );
}
