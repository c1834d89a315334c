//! What a `next.config` file sets, read from its syntax tree without running it.
//!
//! Follows what people write: an object or a function that returns one, through
//! variables, spreads, later assignments and the wrappers of plugins. What cannot be
//! followed is left out; only a file of which nothing can be read says so.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use oxc::allocator::Allocator;
use oxc::ast::ast::{
    ArrowFunctionBody, BindingPattern, Declaration, ExportDefaultDeclarationKind, Expression, Function,
    FunctionBody, MemberExpression, ObjectExpression, ObjectPropertyKind, Statement, VariableDeclaration,
};
use oxc::parser::Parser;
use oxc::span::SourceType;

/// Extensions of the file, in the order in which Next.js looks for it.
const EXTENSIONS: [&str; 5] = ["js", "mjs", "ts", "mts", "cjs"];

/// How far variables, calls and spreads are followed.
const DEPTH: usize = 16;

/// What is known of the file without running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NextConfig {
    /// The file.
    pub path: PathBuf,
    /// The keys that it sets to something else than nothing; none if it cannot be read.
    pub keys: Option<Vec<String>>,
    /// `pageExtensions`, if it is a list of strings.
    pub page_extensions: Option<Vec<String>>,
}

impl NextConfig {
    /// Reads the file of a project, if there is one.
    pub(super) fn of(root: &Path) -> Option<Self> {
        let names = EXTENSIONS.map(|extension| root.join(format!("next.config.{extension}")));
        let path = names.into_iter().find(|path| path.is_file())?;
        let source = std::fs::read_to_string(&path).unwrap_or_default();
        Some(Self::read(path, &source))
    }

    /// Whether it sets a key.
    pub(super) fn sets(&self, key: &str) -> bool {
        self.keys.as_ref().is_some_and(|keys| keys.iter().any(|known| known == key))
    }

    fn read(path: PathBuf, source: &str) -> Self {
        let allocator = Allocator::default();
        let source_type = SourceType::from_path(&path).unwrap_or_default();
        let parsed = Parser::new(&allocator, source, source_type).parse();
        let mut scope = Scope::default();
        scope.statements(&parsed.program.body);
        let mut found = Found::default();
        for root in std::mem::take(&mut scope.roots) {
            match root {
                Root::Expression(expression) => found.expression(&scope, expression, 0),
                Root::Function(function) => found.body(&scope, function.body.as_deref(), 0),
            }
        }
        found.assigned(&scope, MODULE_EXPORTS);
        let page_extensions = found
            .set
            .iter()
            .rev()
            .find(|(key, _)| key == "pageExtensions")
            .and_then(|(_, value)| strings(&scope, *value));
        let mut keys: Vec<String> = found
            .set
            .into_iter()
            .filter(|(_, value)| !value.is_some_and(is_nothing))
            .map(|(key, _)| key)
            .collect();
        keys.sort();
        keys.dedup();
        Self { path, keys: found.objects.then_some(keys), page_extensions }
    }
}

/// The name under which assignments to `module.exports` are kept.
const MODULE_EXPORTS: &str = "module.exports";

/// Values that leave a key as if it were not set.
fn is_nothing(value: &Expression<'_>) -> bool {
    match value.get_inner_expression() {
        Expression::BooleanLiteral(literal) => !literal.value,
        Expression::StringLiteral(text) => text.value.is_empty(),
        Expression::NullLiteral(_) => true,
        Expression::Identifier(name) => name.name == "undefined",
        _ => false,
    }
}

fn strings(scope: &Scope<'_, '_>, value: Option<&Expression<'_>>) -> Option<Vec<String>> {
    let mut value = value?.get_inner_expression();
    if let Expression::Identifier(name) = value {
        value = scope.variables.get(name.name.as_str())?.get_inner_expression();
    }
    let Expression::ArrayExpression(array) = value else { return None };
    array
        .elements
        .iter()
        .map(|element| match element.as_expression()?.get_inner_expression() {
            Expression::StringLiteral(text) => Some(text.value.to_string()),
            _ => None,
        })
        .collect()
}

/// What the file exports as its configuration.
#[derive(Clone, Copy)]
enum Root<'s, 'a> {
    Expression(&'s Expression<'a>),
    Function(&'s Function<'a>),
}

/// Names of a file and what they stand for. One for the whole file: a name that means
/// two things in two functions is rare in such a file.
#[derive(Default)]
struct Scope<'s, 'a> {
    variables: HashMap<&'s str, &'s Expression<'a>>,
    functions: HashMap<&'s str, &'s Function<'a>>,
    /// `name.key = value`.
    assigned: Vec<(String, String, &'s Expression<'a>)>,
    roots: Vec<Root<'s, 'a>>,
}

impl<'s, 'a> Scope<'s, 'a> {
    fn statements(&mut self, statements: &'s [Statement<'a>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &'s Statement<'a>) {
        match statement {
            Statement::VariableDeclaration(declaration) => self.variables(declaration),
            Statement::FunctionDeclaration(function) => self.function(function),
            Statement::ExportDeclaration(export) => match &export.declaration {
                Declaration::VariableDeclaration(declaration) => self.variables(declaration),
                Declaration::FunctionDeclaration(function) => self.function(function),
                _ => {}
            },
            Statement::ExportDefaultDeclaration(export) => match &export.declaration {
                ExportDefaultDeclarationKind::FunctionDeclaration(function) => {
                    self.function(function);
                    self.roots.push(Root::Function(function));
                }
                other => self.roots.extend(other.as_expression().map(Root::Expression)),
            },
            Statement::ExpressionStatement(statement) => self.assignment(&statement.expression),
            Statement::BlockStatement(block) => self.statements(&block.body),
            Statement::IfStatement(branch) => {
                self.statement(&branch.consequent);
                if let Some(alternate) = &branch.alternate {
                    self.statement(alternate);
                }
            }
            Statement::TryStatement(attempt) => self.statements(&attempt.block.body),
            _ => {}
        }
    }

    fn variables(&mut self, declaration: &'s VariableDeclaration<'a>) {
        for declarator in &declaration.declarations {
            if let (BindingPattern::BindingIdentifier(name), Some(init)) = (&declarator.id, &declarator.init)
            {
                self.variables.insert(name.name.as_str(), init);
                if let Some(body) = body_of(init) {
                    self.statements(&body.statements);
                }
            }
        }
    }

    fn function(&mut self, function: &'s Function<'a>) {
        if let Some(name) = &function.id {
            self.functions.insert(name.name.as_str(), function);
        }
        if let Some(body) = &function.body {
            self.statements(&body.statements);
        }
    }

    fn assignment(&mut self, expression: &'s Expression<'a>) {
        let Expression::AssignmentExpression(assignment) = expression.get_inner_expression() else { return };
        let Some(member) = assignment.left.as_member_expression() else { return };
        let Some(key) = member.static_property_name() else { return };
        if is_module_exports(member) {
            self.roots.push(Root::Expression(&assignment.right));
            if let Some(body) = body_of(&assignment.right) {
                self.statements(&body.statements);
            }
            return;
        }
        let object = match member.object().get_inner_expression() {
            Expression::Identifier(name) if name.name == "exports" => MODULE_EXPORTS.to_owned(),
            Expression::Identifier(name) => name.name.to_string(),
            object => match object.as_member_expression() {
                Some(inner) if is_module_exports(inner) => MODULE_EXPORTS.to_owned(),
                _ => return,
            },
        };
        self.assigned.push((object, key.to_owned(), &assignment.right));
    }
}

fn is_module_exports(member: &MemberExpression<'_>) -> bool {
    member.static_property_name() == Some("exports") && member.object().is_specific_id("module")
}

fn body_of<'s, 'a>(expression: &'s Expression<'a>) -> Option<&'s FunctionBody<'a>> {
    match expression.get_inner_expression() {
        Expression::ArrowFunctionExpression(arrow) => arrow.get_function_body(),
        Expression::FunctionExpression(function) => function.body.as_deref(),
        _ => None,
    }
}

/// What was found by following the exported value.
#[derive(Default)]
struct Found<'s, 'a> {
    /// Whether there was an object at all.
    objects: bool,
    set: Vec<(String, Option<&'s Expression<'a>>)>,
}

impl<'s, 'a> Found<'s, 'a> {
    fn expression(&mut self, scope: &Scope<'s, 'a>, expression: &'s Expression<'a>, depth: usize) {
        if depth > DEPTH {
            return;
        }
        let depth = depth + 1;
        match expression.get_inner_expression() {
            Expression::ObjectExpression(object) => self.object(scope, object, depth),
            Expression::Identifier(name) => {
                let name = name.name.as_str();
                if let Some(value) = scope.variables.get(name) {
                    self.expression(scope, value, depth);
                } else if let Some(function) = scope.functions.get(name) {
                    self.body(scope, function.body.as_deref(), depth);
                }
                self.assigned(scope, name);
            }
            Expression::ArrowFunctionExpression(arrow) => match &arrow.body {
                ArrowFunctionBody::FunctionBody(body) => self.body(scope, Some(body), depth),
                body => {
                    if let Some(value) = body.as_expression() {
                        self.expression(scope, value, depth);
                    }
                }
            },
            Expression::FunctionExpression(function) => self.body(scope, function.body.as_deref(), depth),
            // A plugin that takes the configuration, or a function that makes it.
            Expression::CallExpression(call) => {
                for argument in &call.arguments {
                    if let Some(value) = argument.as_expression() {
                        let mut found = Self::default();
                        found.expression(scope, value, depth);
                        if found.objects {
                            self.objects = true;
                            self.set.append(&mut found.set);
                            return;
                        }
                    }
                }
                self.expression(scope, &call.callee, depth);
            }
            Expression::AwaitExpression(waiting) => self.expression(scope, &waiting.argument, depth),
            Expression::ConditionalExpression(choice) => {
                self.expression(scope, &choice.consequent, depth);
                self.expression(scope, &choice.alternate, depth);
            }
            Expression::LogicalExpression(choice) => {
                self.expression(scope, &choice.left, depth);
                self.expression(scope, &choice.right, depth);
            }
            Expression::AssignmentExpression(assignment) => self.expression(scope, &assignment.right, depth),
            _ => {}
        }
    }

    fn object(&mut self, scope: &Scope<'s, 'a>, object: &'s ObjectExpression<'a>, depth: usize) {
        self.objects = true;
        for property in &object.properties {
            match property {
                ObjectPropertyKind::ObjectProperty(property) => {
                    if let Some(key) = property.key.static_name().filter(|_| !property.computed) {
                        self.set.push((key.into_owned(), Some(&property.value)));
                    }
                }
                ObjectPropertyKind::SpreadProperty(spread) => {
                    self.expression(scope, &spread.argument, depth);
                }
            }
        }
    }

    fn body(&mut self, scope: &Scope<'s, 'a>, body: Option<&'s FunctionBody<'a>>, depth: usize) {
        if let Some(body) = body.filter(|_| depth <= DEPTH) {
            self.returns(scope, &body.statements, depth);
        }
    }

    fn returns(&mut self, scope: &Scope<'s, 'a>, statements: &'s [Statement<'a>], depth: usize) {
        for statement in statements {
            match statement {
                Statement::ReturnStatement(end) => {
                    if let Some(value) = &end.argument {
                        self.expression(scope, value, depth);
                    }
                }
                Statement::BlockStatement(block) => self.returns(scope, &block.body, depth),
                Statement::IfStatement(branch) => {
                    self.returns(scope, std::slice::from_ref(&branch.consequent), depth);
                    if let Some(alternate) = &branch.alternate {
                        self.returns(scope, std::slice::from_ref(alternate), depth);
                    }
                }
                Statement::TryStatement(attempt) => self.returns(scope, &attempt.block.body, depth),
                Statement::SwitchStatement(switch) => {
                    for case in &switch.cases {
                        self.returns(scope, &case.consequent, depth);
                    }
                }
                _ => {}
            }
        }
    }

    fn assigned(&mut self, scope: &Scope<'s, 'a>, name: &str) {
        let assigned = scope.assigned.iter().filter(|(object, _, _)| object == name);
        let before = self.set.len();
        self.set.extend(assigned.map(|(_, key, value)| (key.clone(), Some(*value))));
        self.objects |= self.set.len() > before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(source: &str) -> Option<String> {
        NextConfig::read("next.config.ts".into(), source).keys.map(|keys| keys.join(" "))
    }

    #[test]
    fn what_people_write_is_read() {
        for (source, expected) in [
            ("export default { basePath: '/docs', images: {} };", "basePath images"),
            (
                "module.exports = { async rewrites() { return []; }, 'headers': () => [] };",
                "headers rewrites",
            ),
            (
                "import type { NextConfig } from 'next'; const nextConfig: NextConfig = { redirects: async () => [] }; export default nextConfig;",
                "redirects",
            ),
            (
                "const c = { a: 1 } satisfies X; c.rewrites = async () => []; export default c as X;",
                "a rewrites",
            ),
            (
                "module.exports = (phase, { defaultConfig }) => { if (phase === 'x') { return { env: {} }; } return { i18n: {} }; };",
                "env i18n",
            ),
            ("export default async () => ({ trailingSlash: true });", "trailingSlash"),
            ("export default async function config() { const c = { headers }; return c; }", "headers"),
            (
                "const withMdx = createMdx({ extension: /x/ }); const base = { basePath: '/x' }; export default withSentryConfig(withMdx({ ...base, env: {} }), { org: 'o' });",
                "basePath env",
            ),
            (
                "const plugins = [a, b]; module.exports = async () => plugins.reduce((acc, next) => next(acc), { rewrites });",
                "rewrites",
            ),
            ("function make() { return { headers() {} }; } module.exports = make();", "headers"),
            ("module.exports = {}; module.exports.basePath = '/b'; exports.env = {};", "basePath env"),
            ("export default process.env.X ? { headers() {} } : { rewrites() {} };", "headers rewrites"),
            ("export default { basePath: '', trailingSlash: false, i18n: undefined, output: null };", ""),
            ("export default {};", ""),
        ] {
            assert_eq!(keys(source).as_deref(), Some(expected), "{source}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        for source in [
            "export { default } from './other.mjs';",
            "module.exports = require('./other');",
            "export default ;",
        ] {
            assert_eq!(keys(source), None, "{source}");
        }
        assert_eq!(keys("const a = b; const b = a; export default a;"), None);
    }

    #[test]
    fn page_extensions_are_a_list_of_strings() {
        let list = |source: &str| NextConfig::read("next.config.mjs".into(), source).page_extensions;
        let expected = Some(vec!["page.tsx".to_owned(), "api.ts".to_owned()]);
        assert_eq!(list("export default { pageExtensions: ['page.tsx', 'api.ts'] }"), expected);
        assert_eq!(list("const e = ['page.tsx', 'api.ts']; export default { pageExtensions: e }"), expected);
        assert_eq!(list("export default { pageExtensions: [x] }"), None);
        assert_eq!(list("export default {}"), None);
    }
}
