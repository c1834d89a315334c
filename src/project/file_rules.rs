//! How files that are no code are imported: the rules of `next.config`, as far as they
//! can be read without running it. What `webpack` does is a function that only webpack
//! could call.
//!
//! Read are `turbopack.rules` and the rules that a `webpack` function adds, where they
//! are written out. A rule that depends on what only the running file knows, or that
//! asks for a loader, which is a program, is left out and named.

use std::collections::HashMap;
use std::path::Path;

use oxc::allocator::Allocator;
use oxc::ast::ast::{
    Argument, ArrayExpression, ArrayExpressionElement, AssignmentExpression, AssignmentTarget,
    BindingPattern, CallExpression, ConditionalExpression, Expression, Function, IdentifierReference,
    IfStatement, LogicalExpression, ObjectExpression, ObjectProperty, ObjectPropertyKind, Program, Statement,
    SwitchStatement, VariableDeclarator,
};
use oxc::ast_visit::{Visit, walk};
use oxc::parser::Parser;
use oxc::semantic::ScopeFlags;
use oxc::span::SourceType;

use super::next_config::NAMES;

/// What an import of a file gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum FileKind {
    /// Its text, as the default export.
    Text,
    /// Its text, as CommonJS has it: `require` gives the text itself.
    Source,
    /// Its bytes, as a `Uint8Array`.
    Bytes,
    /// A `data:` URL of it.
    DataUrl,
    /// What its JSON means.
    Json,
    /// It is JavaScript after all.
    JavaScript,
    /// It is TypeScript.
    TypeScript,
    /// Nothing.
    Empty,
}

/// A text that paths or queries are compared with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Pattern {
    /// As the shell has it; without a slash it is compared with the name of the file.
    Glob(String),
    /// A regular expression of JavaScript: its source and flags.
    Regex(String, String),
    /// The text itself.
    Text(String),
}

/// When a rule applies.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// The path below the project.
    Path(Pattern),
    /// The whole path.
    WholePath(Pattern),
    /// What follows the path in an import, with its question mark.
    Query(Pattern),
    /// The bundle is for edge routes.
    Edge,
    /// The file is of a package.
    Foreign,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct FileRule {
    pub(crate) when: Condition,
    pub(crate) kind: FileKind,
}

/// The rules of a project.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileRules {
    /// In order: the first that applies counts.
    pub(crate) rules: Vec<FileRule>,
    /// What is left out, full sentences.
    pub(crate) hints: Vec<String>,
}

impl FileRules {
    /// Reads the rules of the project in `root`.
    pub(super) fn of_project(root: &Path) -> Self {
        let found = NAMES.iter().find_map(|name| {
            let path = root.join(name);
            let source = std::fs::read_to_string(&path).ok()?;
            Some((*name, source, SourceType::from_path(&path).unwrap_or_default()))
        });
        found.map(|(name, source, source_type)| Self::read(name, &source, source_type)).unwrap_or_default()
    }

    fn read(name: &str, source: &str, source_type: SourceType) -> Self {
        // Most projects have no such rules.
        if !source.contains("rules") {
            return Self::default();
        }
        let allocator = Allocator::default();
        let source_type = if source_type.is_typescript() { source_type } else { SourceType::unambiguous() };
        let parsed = Parser::new(&allocator, source, source_type).parse();
        if parsed.panicked {
            let hint = format!("{name} cannot be read: its rules for files are not applied.");
            return Self { hints: vec![hint], ..Self::default() };
        }
        let reading = Reading { known: constants(&parsed.program) };
        let functions = functions(&parsed.program);
        let mut finder =
            Finder { name, reading, functions, conditions: 0, webpack: 0, found: Self::default() };
        finder.visit_program(&parsed.program);
        finder.found
    }
}

/// The functions that the file declares.
fn functions<'p, 'a>(program: &'p Program<'a>) -> HashMap<&'p str, &'p Function<'a>> {
    let declared = program.body.iter().filter_map(|statement| match statement {
        Statement::FunctionDeclaration(function) => Some((function.id.as_ref()?.name.as_str(), &**function)),
        _ => None,
    });
    declared.collect()
}

/// The initial values of the file's own constants.
fn constants<'p, 'a>(program: &'p Program<'a>) -> HashMap<&'p str, &'p Expression<'a>> {
    let declared = program.body.iter().filter_map(|statement| match statement {
        Statement::VariableDeclaration(declaration) => Some(&declaration.declarations),
        _ => None,
    });
    declared.flatten().filter_map(constant).collect()
}

fn constant<'p, 'a>(declarator: &'p VariableDeclarator<'a>) -> Option<(&'p str, &'p Expression<'a>)> {
    match (&declarator.id, &declarator.init) {
        (BindingPattern::BindingIdentifier(name), Some(value)) => Some((name.name.as_str(), value)),
        _ => None,
    }
}

/// A rule, or why it is left out, with what it is about.
type Found = (String, Result<FileRule, String>);

fn left_out(what: &str, why: &str) -> Found {
    (what.to_owned(), Err(why.to_owned()))
}

/// Makes rules of expressions.
struct Reading<'p, 'a> {
    known: HashMap<&'p str, &'p Expression<'a>>,
}

impl<'p, 'a> Reading<'p, 'a> {
    /// An expression without what has no meaning when it runs; names stand for constants.
    fn value<'e>(&'e self, expression: &'e Expression<'a>) -> &'e Expression<'a> {
        let mut expression = expression.get_inner_expression();
        // Constants may be defined by themselves, in a circle.
        for _ in 0..8 {
            let Expression::Identifier(name) = expression else { break };
            let Some(value) = self.known.get(name.name.as_str()) else { break };
            expression = value.get_inner_expression();
        }
        expression
    }

    /// What a name stands for.
    fn known_value(&self, expression: &Expression<'a>) -> Option<&'p Expression<'a>> {
        match expression.get_inner_expression() {
            Expression::Identifier(name) => self.known.get(name.name.as_str()).copied(),
            _ => None,
        }
    }

    fn text<'e>(&'e self, expression: &'e Expression<'a>) -> Option<&'e str> {
        match self.value(expression) {
            Expression::StringLiteral(text) => Some(text.value.as_str()),
            Expression::TemplateLiteral(template) if template.expressions.is_empty() => {
                template.quasis.first()?.value.cooked.as_ref().map(|text| text.as_str())
            }
            _ => None,
        }
    }

    fn property<'e>(&'e self, object: &'e ObjectExpression<'a>, name: &str) -> Option<&'e Expression<'a>> {
        let properties = object.properties.iter().filter_map(|property| match property {
            ObjectPropertyKind::ObjectProperty(property) => Some(property),
            ObjectPropertyKind::SpreadProperty(_) => None,
        });
        let mut named = properties.filter(|property| is_named(property, name));
        named.next().map(|property| self.value(&property.value))
    }

    /// `{ '*.md': .. }`
    fn turbopack(&self, rules: &Expression<'a>) -> Vec<Found> {
        let Expression::ObjectExpression(rules) = self.value(rules) else {
            return vec![left_out("all files", "`turbopack.rules` is not written out")];
        };
        let mut found = Vec::new();
        for property in &rules.properties {
            let ObjectPropertyKind::ObjectProperty(property) = property else {
                found.push(left_out("some files", "`turbopack.rules` is put together from others"));
                continue;
            };
            let Some(glob) = property.key.static_name() else {
                found.push(left_out("some files", "its pattern is computed"));
                continue;
            };
            let what = format!("'{glob}'");
            match self.value(&property.value) {
                Expression::ObjectExpression(item) => found.push((what, self.turbopack_item(&glob, item))),
                Expression::ArrayExpression(list) => {
                    found.extend(
                        self.turbopack_list(&glob, list).into_iter().map(|rule| (what.clone(), rule)),
                    );
                }
                _ => found.push(left_out(&what, "it is not written out")),
            }
        }
        found
    }

    /// A list of loaders, or of rules with conditions.
    fn turbopack_list(&self, glob: &str, list: &ArrayExpression<'a>) -> Vec<Result<FileRule, String>> {
        let objects = list.elements.iter().filter_map(|element| match self.value(element.as_expression()?) {
            Expression::ObjectExpression(object) => Some(object),
            _ => None,
        });
        let rules: Vec<_> = objects.filter(|item| self.property(item, "loader").is_none()).collect();
        if rules.is_empty() {
            let when = Condition::Path(Pattern::Glob(glob.to_owned()));
            return vec![self.loaders(list).map(|kind| FileRule { when, kind })];
        }
        rules.into_iter().map(|item| self.turbopack_item(glob, item)).collect()
    }

    fn turbopack_item(&self, glob: &str, item: &ObjectExpression<'a>) -> Result<FileRule, String> {
        let kind = match (self.property(item, "type"), self.property(item, "loaders")) {
            (Some(kind), _) => self.turbopack_type(kind)?,
            (None, Some(Expression::ArrayExpression(loaders))) => self.loaders(loaders)?,
            _ => return Err("it names neither a type nor loaders".to_owned()),
        };
        let mut when = vec![Condition::Path(Pattern::Glob(glob.to_owned()))];
        if let Some(condition) = self.property(item, "condition") {
            when.push(self.condition(condition).ok_or("its condition cannot be read")?);
        }
        Ok(FileRule { when: Condition::All(when), kind })
    }

    fn turbopack_type(&self, kind: &Expression<'a>) -> Result<FileKind, String> {
        Ok(match self.text(kind).unwrap_or_default() {
            "raw" | "text" => FileKind::Text,
            "bytes" => FileKind::Bytes,
            "asset" => FileKind::DataUrl,
            "json" => FileKind::Json,
            "ecmascript" => FileKind::JavaScript,
            "typescript" => FileKind::TypeScript,
            "css" | "css-module" => FileKind::Empty,
            other => return Err(format!("the type '{other}' is not supported")),
        })
    }

    /// What one loader makes of a file; more than one, or others than these, would have to run.
    fn loaders(&self, list: &ArrayExpression<'a>) -> Result<FileKind, String> {
        match list.elements.first() {
            Some(only) if list.elements.len() == 1 => match only.as_expression() {
                Some(loader) => self.loader(loader),
                None => Err("its loaders are not written out".to_owned()),
            },
            _ => Err("several loaders would have to run".to_owned()),
        }
    }

    fn loader(&self, loader: &Expression<'a>) -> Result<FileKind, String> {
        let name = match self.value(loader) {
            Expression::ObjectExpression(object) => self.property(object, "loader").unwrap_or(loader),
            Expression::ArrayExpression(list) => return self.loaders(list),
            other => other,
        };
        let name = match self.value(name) {
            // `require.resolve('raw-loader')`
            Expression::CallExpression(call) => self.first_text(call),
            _ => self.text(name),
        };
        match name {
            Some("raw-loader") => Ok(FileKind::Text),
            Some("url-loader" | "file-loader") => Ok(FileKind::DataUrl),
            Some("json-loader") => Ok(FileKind::Json),
            Some(name) => Err(format!("the loader '{name}' does not run here")),
            None => Err("its loader is not written out".to_owned()),
        }
    }

    fn first_text<'e>(&'e self, call: &'e CallExpression<'a>) -> Option<&'e str> {
        call.arguments.first().and_then(Argument::as_expression).and_then(|argument| self.text(argument))
    }

    fn condition(&self, expression: &Expression<'a>) -> Option<Condition> {
        let always = || Condition::All(Vec::new());
        let never = || Condition::Any(Vec::new());
        let object = match self.value(expression) {
            Expression::ObjectExpression(object) => object,
            text => {
                return Some(match self.text(text)? {
                    "production" => always(),
                    "browser" | "development" => never(),
                    "edge-light" => Condition::Edge,
                    "node" => Condition::Not(Box::new(Condition::Edge)),
                    "foreign" => Condition::Foreign,
                    _ => return None,
                });
            }
        };
        let mut all = Vec::new();
        for property in &object.properties {
            let ObjectPropertyKind::ObjectProperty(property) = property else { return None };
            let value = self.value(&property.value);
            all.push(match &*property.key.static_name()? {
                "not" => Condition::Not(Box::new(self.condition(value)?)),
                "all" => Condition::All(self.conditions(value)?),
                "any" => Condition::Any(self.conditions(value)?),
                "path" => Condition::Path(self.pattern(value, Pattern::Glob)?),
                "query" => Condition::Query(self.pattern(value, Pattern::Text)?),
                _ => return None,
            });
        }
        Some(Condition::All(all))
    }

    fn conditions(&self, expression: &Expression<'a>) -> Option<Vec<Condition>> {
        let Expression::ArrayExpression(list) = expression else { return None };
        list.elements.iter().map(|element| self.condition(element.as_expression()?)).collect()
    }

    fn pattern(&self, value: &Expression<'a>, of_text: fn(String) -> Pattern) -> Option<Pattern> {
        match self.value(value) {
            Expression::RegExpLiteral(regex) => {
                let (source, flags) = (regex.regex.pattern.text.to_string(), regex.regex.flags.to_string());
                Some(Pattern::Regex(source, flags))
            }
            other => self.text(other).map(|text| of_text(text.to_owned())),
        }
    }

    /// `{ test: /\.md$/, type: 'asset/source' }`, or several below `oneOf`.
    fn webpack(&self, rule: &ObjectExpression<'a>) -> Option<Vec<Found>> {
        let test = self.property(rule, "test");
        let Some(Expression::ArrayExpression(list)) = self.property(rule, "oneOf") else {
            return Some(vec![(self.about(test?), self.webpack_rule(rule, &[]))]);
        };
        let rules = list.elements.iter().filter_map(|element| match self.value(element.as_expression()?) {
            Expression::ObjectExpression(inner) => Some(inner),
            _ => None,
        });
        let found = rules.filter_map(|inner| {
            let test = self.property(inner, "test").or(test)?;
            let rule =
                self.webpack_conditions(rule).and_then(|conditions| self.webpack_rule(inner, &conditions));
            Some((self.about(test), rule))
        });
        Some(found.collect()).filter(|found: &Vec<Found>| !found.is_empty())
    }

    /// What a rule is about, for people.
    fn about(&self, test: &Expression<'a>) -> String {
        match self.pattern(test, Pattern::Text) {
            Some(Pattern::Regex(source, _)) => format!("/{source}/"),
            _ => "some files".to_owned(),
        }
    }

    /// `outer` holds for the rules around it.
    fn webpack_rule(&self, rule: &ObjectExpression<'a>, outer: &[Condition]) -> Result<FileRule, String> {
        let when = [outer, &self.webpack_conditions(rule)?].concat();
        let kind = match self.property(rule, "type").and_then(|kind| self.text(kind)) {
            Some("asset/source") => FileKind::Source,
            Some("asset" | "asset/inline" | "asset/resource") => FileKind::DataUrl,
            Some("json") => FileKind::Json,
            Some("javascript/auto" | "javascript/esm") | None => {
                let loader = self.property(rule, "use").or_else(|| self.property(rule, "loader"));
                self.loader(loader.ok_or("it names neither a type nor a loader")?)?
            }
            Some(other) => return Err(format!("the type '{other}' is not supported")),
        };
        Ok(FileRule { when: Condition::All(when), kind })
    }

    /// When a rule holds.
    fn webpack_conditions(&self, rule: &ObjectExpression<'a>) -> Result<Vec<Condition>, String> {
        let mut when = Vec::new();
        for property in &rule.properties {
            let ObjectPropertyKind::ObjectProperty(property) = property else {
                return Err("it is put together from others".to_owned());
            };
            let name = property.key.static_name().unwrap_or_default();
            let pattern = || {
                let pattern = self.pattern(self.value(&property.value), Pattern::Text);
                pattern.filter(is_regex).ok_or_else(|| format!("its `{name}` cannot be read"))
            };
            match &*name {
                "test" | "include" => when.push(Condition::WholePath(pattern()?)),
                "exclude" => when.push(Condition::Not(Box::new(Condition::WholePath(pattern()?)))),
                "resourceQuery" => when.push(Condition::Query(pattern()?)),
                "type" | "use" | "loader" | "options" | "generator" | "parser" | "enforce" | "oneOf" => {}
                _ => return Err(format!("its `{name}` cannot be read")),
            }
        }
        Ok(when)
    }
}

fn is_regex(pattern: &Pattern) -> bool {
    matches!(pattern, Pattern::Regex(..))
}

fn is_named(property: &ObjectProperty<'_>, name: &str) -> bool {
    property.key.static_name().is_some_and(|found| found == name)
}

/// Walks the configuration and picks up rules.
struct Finder<'p, 'a> {
    name: &'p str,
    reading: Reading<'p, 'a>,
    functions: HashMap<&'p str, &'p Function<'a>>,
    /// How many conditions are around.
    conditions: usize,
    /// How many properties called `webpack` are around.
    webpack: usize,
    found: FileRules,
}

impl<'a> Finder<'_, 'a> {
    fn add(&mut self, (what, rule): Found) {
        let why = match rule {
            Ok(_) if self.conditions > 0 => "it depends on a condition".to_owned(),
            Ok(rule) => return self.found.rules.push(rule),
            Err(why) => why,
        };
        let hint = format!("{}: the rule for {what} is not applied: {why}.", self.name);
        if !self.found.hints.contains(&hint) {
            self.found.hints.push(hint);
        }
    }

    /// A value with a name; whether it is one that holds rules.
    fn named(&mut self, name: &str, value: &Expression<'a>) -> bool {
        match name {
            // Next.js 14 calls it `turbo`, below `experimental`.
            "turbopack" | "turbo" => {
                if let Expression::ObjectExpression(options) = self.reading.value(value)
                    && let Some(rules) = self.reading.property(options, "rules")
                {
                    let found = self.reading.turbopack(rules);
                    found.into_iter().for_each(|found| self.add(found));
                    return true;
                }
                false
            }
            "webpack" if self.webpack == 0 => {
                self.webpack += 1;
                let declared = match value.get_inner_expression() {
                    Expression::Identifier(name) => self.functions.get(name.name.as_str()).copied(),
                    _ => None,
                };
                let known = self.reading.known_value(value);
                match (declared, known) {
                    (Some(function), _) => walk::walk_function(self, function, ScopeFlags::Function),
                    (None, Some(known)) => self.visit_expression(known),
                    (None, None) => self.visit_expression(value),
                }
                self.webpack -= 1;
                true
            }
            _ => false,
        }
    }
}

impl<'a> Visit<'a> for Finder<'_, 'a> {
    fn visit_object_property(&mut self, property: &ObjectProperty<'a>) {
        let name = property.key.static_name().unwrap_or_default();
        if !self.named(&name, &property.value) {
            walk::walk_object_property(self, property);
        }
    }

    /// `config.webpack = ..`
    fn visit_assignment_expression(&mut self, assignment: &AssignmentExpression<'a>) {
        let name = match &assignment.left {
            AssignmentTarget::StaticMemberExpression(member) => member.property.name.as_str(),
            _ => "",
        };
        if !self.named(name, &assignment.right) {
            walk::walk_assignment_expression(self, assignment);
        }
    }

    fn visit_object_expression(&mut self, object: &ObjectExpression<'a>) {
        if self.webpack > 0
            && let Some(found) = self.reading.webpack(object)
        {
            return found.into_iter().for_each(|found| self.add(found));
        }
        walk::walk_object_expression(self, object);
    }

    /// Rules that were written down before, one by one or as a list.
    fn visit_identifier_reference(&mut self, name: &IdentifierReference<'a>) {
        let known = self.reading.known.get(name.name.as_str()).copied().filter(|_| self.webpack > 0);
        let rules: Vec<&Expression<'a>> = match known.map(|known| self.reading.value(known)) {
            Some(Expression::ArrayExpression(list)) => {
                list.elements.iter().filter_map(ArrayExpressionElement::as_expression).collect()
            }
            Some(rule) => vec![rule],
            None => Vec::new(),
        };
        let mut found = Vec::new();
        for rule in rules {
            if let Expression::ObjectExpression(rule) = self.reading.value(rule) {
                found.extend(self.reading.webpack(rule).unwrap_or_default());
            }
        }
        found.into_iter().for_each(|found| self.add(found));
    }

    fn visit_if_statement(&mut self, statement: &IfStatement<'a>) {
        self.conditions += 1;
        walk::walk_if_statement(self, statement);
        self.conditions -= 1;
    }

    fn visit_switch_statement(&mut self, statement: &SwitchStatement<'a>) {
        self.conditions += 1;
        walk::walk_switch_statement(self, statement);
        self.conditions -= 1;
    }

    fn visit_conditional_expression(&mut self, expression: &ConditionalExpression<'a>) {
        self.conditions += 1;
        walk::walk_conditional_expression(self, expression);
        self.conditions -= 1;
    }

    fn visit_logical_expression(&mut self, expression: &LogicalExpression<'a>) {
        self.conditions += 1;
        walk::walk_logical_expression(self, expression);
        self.conditions -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> FileRules {
        FileRules::read("next.config.ts", source, SourceType::ts())
    }

    fn kinds(source: &str) -> Vec<FileKind> {
        let found = read(source);
        assert!(found.hints.is_empty(), "{:?}", found.hints);
        found.rules.iter().map(|rule| rule.kind).collect()
    }

    #[test]
    fn rules_of_turbopack() {
        for (rules, kind) in [
            ("{ '*.md': { loaders: ['raw-loader'], as: '*.js' } }", FileKind::Text),
            ("{ '*.md': ['raw-loader'] }", FileKind::Text),
            ("{ '*.md': [{ loader: 'raw-loader', options: {} }] }", FileKind::Text),
            ("{ '*.md': [{ type: 'bytes', condition: 'node' }] }", FileKind::Bytes),
            ("{ '*.md': { type: 'text' } }", FileKind::Text),
            ("{ ['*.md']: { loaders: [LOADER], as: '*.js' } } as const", FileKind::Text),
        ] {
            let source = format!(
                "import type {{ NextConfig }} from 'next'; const LOADER = 'raw-loader'; const rules = {rules};
                const config: NextConfig = {{ turbopack: {{ rules }} }}; export default withAll(config);"
            );
            assert_eq!(kinds(&source), [kind], "{rules}");
        }
        assert_eq!(
            kinds("module.exports = { experimental: { turbo: { rules: { '*.t': ['raw-loader'] } } } }").len(),
            1
        );
    }

    #[test]
    fn rules_of_webpack() {
        for (rule, kind) in [
            ("{ test: /\\.md$/, type: 'asset/source' }", FileKind::Source),
            ("{ test: /\\.md$/i, use: 'raw-loader', exclude: /node_modules/ }", FileKind::Text),
            ("{ test: /\\.md$/, use: [{ loader: require.resolve('raw-loader') }] }", FileKind::Text),
            ("{ test: /\\.md$/, type: 'asset/resource' }", FileKind::DataUrl),
            ("{ test: /\\.md$/, resourceQuery: /raw/, type: 'asset/source' }", FileKind::Source),
        ] {
            let source = format!(
                "module.exports = {{ webpack: (config, options) => {{ config.module.rules.push({rule}); return config; }} }};"
            );
            assert_eq!(kinds(&source), [kind], "{rule}");
        }
    }

    #[test]
    fn rules_of_webpack_are_found_where_people_write_them() {
        let rule = "{ test: /\\.md$/, type: 'asset/source' }";
        let push = format!("config.module.rules.push({rule}); return config;");
        for source in [
            format!(
                "const rule = {rule}; module.exports = {{ webpack: (config) => {{ config.module.rules.push(rule); return config; }} }};"
            ),
            format!(
                "const rules = [{rule}]; module.exports = {{ webpack: (config) => {{ config.module.rules.push(...rules); return config; }} }};"
            ),
            format!("function webpack(config) {{ {push} }} module.exports = {{ webpack }};"),
            format!("const change = (config) => {{ {push} }}; export default {{ webpack: change }};"),
            format!("const c = {{}}; c.webpack = (config) => {{ {push} }}; module.exports = c;"),
            format!(
                "module.exports = {{ webpack: (config) => {{ config.module.rules.unshift({{ oneOf: [{rule}] }}); return config; }} }};"
            ),
            format!(
                "module.exports = {{ webpack: (config) => {{ config.module.rules = [...config.module.rules, {rule}]; return config; }} }};"
            ),
            format!(
                "module.exports = {{ webpack: (config) => ({{ ...config, module: {{ ...config.module, rules: [...config.module.rules, {rule}] }} }}) }};"
            ),
        ] {
            assert_eq!(kinds(&source), [FileKind::Source], "{source}");
        }
        let one_of = "export default { webpack(config) { config.module.rules.push({ test: /\\.md$/, oneOf: [{ resourceQuery: /url/, type: 'asset/inline' }, { use: 'raw-loader' }] }); return config; } };";
        assert_eq!(kinds(one_of), [FileKind::DataUrl, FileKind::Text]);
        // Each is defined by the other.
        let circle =
            "const webpack = config; const config = { webpack, a: [config] }; export default config;";
        assert!(read(circle).rules.is_empty());
    }

    #[test]
    fn what_would_have_to_run_is_named() {
        for (source, part) in [
            (
                "export default { turbopack: { rules: { '*.svg': ['@svgr/webpack'] } } }",
                "'*.svg' is not applied: the loader '@svgr/webpack' does not run here",
            ),
            ("export default { turbopack: { rules: made() } }", "all files"),
            ("export default { turbopack: { rules: { '*.md': ['a', 'b'] } } }", "several loaders"),
            (
                "export default { turbopack: { rules: { '*.md': { type: 'text', condition: { content: /x/ } } } } }",
                "condition cannot be read",
            ),
            (
                "export default { webpack(config, { isServer }) { if (isServer) config.module.rules.push({ test: /x/, type: 'asset/source' }); return config; } }",
                "/x/ is not applied: it depends on a condition",
            ),
            (
                "export default { webpack(config) { config.module.rules.push({ test: isMarkdown, type: 'asset/source' }); return config; } }",
                "its `test` cannot be read",
            ),
            (
                "export default { webpack(config) { config.module.rules.push({ test: /x/, issuer: /y/, type: 'asset/source' }); return config; } }",
                "its `issuer` cannot be read",
            ),
        ] {
            let found = read(source);
            assert!(found.rules.is_empty() && found.hints.len() == 1, "{source}: {found:?}");
            assert!(found.hints[0].contains(part), "{:?}", found.hints);
        }
        assert!(read("export default { turbopack: {} }").hints.is_empty());
    }
}
