//! Segment configuration: constants that a route file exports.
//!
//! Read from the syntax tree, without running the file, as Next.js does. Only
//! `runtime` and `maxDuration` change what edgehost does; the other names are
//! accepted and have no effect, because nothing is cached or prerendered. Where that
//! makes a difference, and where a name is nearly one that would have an effect, the
//! author is told.

use std::path::Path;

use oxc::allocator::Allocator;
use oxc::ast::ast::{
    BindingPattern, Declaration, ExportSpecifier, Expression, ModuleExportName, Program, Statement,
};
use oxc::parser::Parser;
use oxc::span::SourceType;

/// The runtime that a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub(crate) enum Runtime {
    /// `'nodejs'`, the default.
    #[default]
    NodeJs,
    /// `'edge'` or `'experimental-edge'`.
    Edge,
}

impl Runtime {
    /// The value as it is written in a route file and seen in `NEXT_RUNTIME`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NodeJs => "nodejs",
            Self::Edge => "edge",
        }
    }
}

/// What a route file says of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct SegmentConfig {
    /// `export const runtime`.
    pub runtime: Runtime,
    /// `export const maxDuration`, in seconds: the wall limit of an invocation.
    pub max_duration: Option<u32>,
    /// Whether it exports a default and no method at all, as an ECMAScript module.
    pub only_default: bool,
    /// Things worth telling the author once, each a full sentence.
    pub hints: Vec<String>,
    /// Exports that make Next.js answer from a cache and have no effect here, as they are written.
    pub uncached: Vec<String>,
    /// What keeps the route from being served, each a full sentence.
    pub problems: Vec<String>,
}

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"];

/// Constants that Next.js reads and that change nothing here.
const ACCEPTED: [&str; 7] =
    ["dynamic", "revalidate", "dynamicParams", "fetchCache", "preferredRegion", "ensureStatic", "instant"];

/// Names that near misses are compared with: those that people write.
const CONFIG_NAMES: [&str; 8] = [
    "runtime",
    "maxDuration",
    "dynamic",
    "revalidate",
    "dynamicParams",
    "fetchCache",
    "preferredRegion",
    "generateStaticParams",
];

enum Literal {
    Text(String),
    Number(f64),
    Other,
}

/// The names that a file exports.
#[derive(Debug, Default)]
pub(super) struct Exports {
    /// Each with whether it may be a function.
    names: Vec<(String, bool)>,
    /// Whether there are more, of another file.
    opaque: bool,
}

impl Exports {
    pub(super) fn of(program: &Program<'_>) -> Self {
        let mut exports = Self::default();
        for statement in &program.body {
            exports.statement(statement);
        }
        exports
    }

    /// Whether there are more, of another file.
    pub(super) fn is_opaque(&self) -> bool {
        self.opaque
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|(known, _)| known == name)
    }

    fn statement(&mut self, statement: &Statement<'_>) {
        match statement {
            Statement::ExportDefaultDeclaration(_) => self.names.push(("default".to_owned(), true)),
            Statement::ExportAllDeclaration(_) => self.opaque = true,
            Statement::ExportNamedDeclaration(export) if !export.export_kind.is_type() => {
                self.specifiers(&export.specifiers);
            }
            Statement::ExportFromDeclaration(export) if !export.export_kind.is_type() => {
                self.specifiers(&export.specifiers);
            }
            Statement::ExportDeclaration(export) => match &export.declaration {
                Declaration::VariableDeclaration(declaration) => {
                    for declarator in &declaration.declarations {
                        let may_be_called = declarator.init.as_ref().is_none_or(may_be_called);
                        let bound = declarator.id.get_binding_identifiers();
                        self.names.extend(bound.iter().map(|name| (name.name.to_string(), may_be_called)));
                    }
                }
                Declaration::FunctionDeclaration(function) => {
                    self.names.extend(function.id.as_ref().map(|id| (id.name.to_string(), true)));
                }
                Declaration::ClassDeclaration(class) => {
                    self.names.extend(class.id.as_ref().map(|id| (id.name.to_string(), false)));
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn specifiers(&mut self, specifiers: &[ExportSpecifier<'_>]) {
        let values = specifiers.iter().filter(|specifier| !specifier.export_kind.is_type());
        self.names.extend(values.map(|specifier| (export_name(&specifier.exported), true)));
    }
}

fn may_be_called(value: &Expression<'_>) -> bool {
    !value.get_inner_expression().is_literal()
        && !matches!(
            value.get_inner_expression(),
            Expression::ObjectExpression(_)
                | Expression::ArrayExpression(_)
                | Expression::NewExpression(_)
                | Expression::TemplateLiteral(_)
                | Expression::ClassExpression(_)
        )
}

/// The method that a name was probably meant to be.
fn meant_method(name: &str) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase();
    METHODS.into_iter().find(|method| *method == upper).or_else(|| {
        let is_shouted = name.bytes().all(|byte| byte.is_ascii_uppercase());
        METHODS.into_iter().find(|method| is_shouted && strsim::osa_distance(name, method) == 1)
    })
}

/// The name of a constant that a name was probably meant to be.
fn meant_config(name: &str) -> Option<&'static str> {
    let plain = |name: &str| name.replace(['_', '-'], "").to_ascii_lowercase();
    let is_near = |known: &str| {
        plain(name) == plain(known)
            || (name.len() > 5 && strsim::osa_distance(&plain(name), &plain(known)) == 1)
    };
    if is_config_name(name) {
        return None;
    }
    CONFIG_NAMES.into_iter().find(|known| *known != name && is_near(known))
}

/// The methods, or what nearly is one, that a file exports which is no route file.
pub(super) fn methods_in(source: &str, file: &Path) -> Vec<String> {
    let allocator = Allocator::default();
    let source_type = SourceType::from_path(file).unwrap_or_default();
    let parsed = Parser::new(&allocator, source, source_type).parse();
    let names = Exports::of(&parsed.program).names.into_iter();
    names
        .filter(|(name, called)| *called && METHODS.contains(&name.to_ascii_uppercase().as_str()))
        .map(|(name, _)| name)
        .collect()
}

impl SegmentConfig {
    /// Reads the configuration of one route file. A file with syntax errors yields the
    /// defaults: the bundler reports the errors with their places.
    pub(super) fn read(source: &str, file: &Path, shown: &str, pattern: &str) -> Self {
        let (mut config, exports) = Self::of(source, file, shown, pattern);
        if let Some(exports) = exports {
            config.hint_at_exports(&exports, shown);
        }
        config
    }

    /// Reads the configuration of a metadata file that is code, and the names that it exports.
    pub(super) fn read_metadata(file: &Path, shown: &str, pattern: &str) -> (Self, Vec<String>) {
        let source = match std::fs::read_to_string(file) {
            Ok(source) => source,
            Err(error) => {
                let problems = vec![format!("The metadata file {shown} cannot be read: {error}")];
                return (Self { problems, ..Self::default() }, Vec::new());
            }
        };
        let (mut config, exports) = Self::of(&source, file, shown, pattern);
        let exports = exports.unwrap_or_default();
        // What a CommonJS module exports is known once it has run.
        if !exports.names.is_empty() && !exports.has("default") {
            config.problems.push(format!(
                "Default export is missing in {shown}: it has to be a function that returns what is served."
            ));
        }
        (config, exports.names.into_iter().map(|(name, _)| name).collect())
    }

    /// The configuration of a file, and what it exports if it can be parsed.
    fn of(source: &str, file: &Path, shown: &str, pattern: &str) -> (Self, Option<Exports>) {
        let allocator = Allocator::default();
        let source_type = SourceType::from_path(file).unwrap_or_default();
        let parsed = Parser::new(&allocator, source, source_type).parse();
        let mut config = Self::default();
        if parsed.panicked {
            return (config, None);
        }
        let exports = Exports::of(&parsed.program);
        for statement in &parsed.program.body {
            match statement {
                Statement::ExportFromDeclaration(export) => {
                    let names = export.specifiers.iter().map(|specifier| export_name(&specifier.exported));
                    for name in names.filter(|name| is_config_name(name)) {
                        config.hints.push(format!(
                            "Next.js can't recognize the exported `{name}` field in \"{shown}\", it may be re-exported from another file. The default config will be used instead."
                        ));
                    }
                }
                Statement::ExportDeclaration(export) => {
                    let Declaration::VariableDeclaration(declaration) = &export.declaration else { continue };
                    for declarator in &declaration.declarations {
                        if let (BindingPattern::BindingIdentifier(name), Some(init)) =
                            (&declarator.id, &declarator.init)
                        {
                            config.accept(name.name.as_str(), &literal(init), pattern, shown);
                        }
                    }
                }
                _ => {}
            }
        }
        (config, Some(exports))
    }

    fn accept(&mut self, name: &str, value: &Literal, pattern: &str, shown: &str) {
        let mut refuse = |wanted: &str| {
            self.problems.push(format!(
                "Invalid segment configuration options detected for \"{pattern}\": `{name}` in {shown} must be {wanted}."
            ));
        };
        match (name, value) {
            ("runtime", Literal::Text(text)) => match text.as_str() {
                "nodejs" => self.runtime = Runtime::NodeJs,
                "edge" | "experimental-edge" => self.runtime = Runtime::Edge,
                _ => refuse("'nodejs' or 'edge'"),
            },
            ("runtime", _) => refuse("a literal 'nodejs' or 'edge'"),
            ("maxDuration", Literal::Number(seconds))
                if *seconds >= 1.0 && seconds.fract() == 0.0 && *seconds <= f64::from(u32::MAX) =>
            {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
                let whole = *seconds as u32;
                self.max_duration = Some(whole);
            }
            ("maxDuration", Literal::Number(0.0)) => {}
            ("maxDuration", _) => refuse("a literal whole number of seconds"),
            ("dynamic", Literal::Text(text)) if matches!(text.as_str(), "force-static" | "error") => {
                self.uncached.push(format!("dynamic = '{text}'"));
            }
            // Zero means that nothing is cached.
            ("revalidate", Literal::Number(0.0)) => {}
            ("revalidate", _) => self.uncached.push("revalidate".to_owned()),
            _ => {}
        }
    }

    fn hint_at_exports(&mut self, exports: &Exports, shown: &str) {
        for (name, may_be_called) in &exports.names {
            let method = meant_method(name).filter(|method| name != method && !exports.has(method));
            match method {
                Some(method) if *name == method.to_ascii_lowercase() => self.hints.push(format!(
                    "Detected lowercase method '{name}' in '{shown}'. Export the uppercase '{method}' method name to fix this error."
                )),
                Some(method) if *may_be_called => {
                    self.hints.push(format!("'{name}' in '{shown}' is no method: did you mean '{method}'?"));
                }
                _ => {}
            }
            if let Some(known) = meant_config(name).filter(|known| !exports.has(known)) {
                self.hints.push(format!("'{name}' in '{shown}' has no effect: did you mean '{known}'?"));
            }
        }
        if exports.has("default") {
            self.hints.push(format!(
                "Detected default export in '{shown}'. Export a named export for each HTTP method instead."
            ));
        }
        if !exports.opaque && !METHODS.into_iter().any(|method| exports.has(method)) {
            self.only_default = exports.has("default");
            self.hints.push(format!(
                "No HTTP methods exported in '{shown}'. Export a named export for each HTTP method."
            ));
        }
    }
}

fn is_config_name(name: &str) -> bool {
    matches!(name, "runtime" | "maxDuration") || ACCEPTED.contains(&name)
}

fn export_name(name: &ModuleExportName<'_>) -> String {
    name.name().to_string()
}

fn literal(expression: &Expression<'_>) -> Literal {
    match expression {
        Expression::StringLiteral(text) => Literal::Text(text.value.to_string()),
        Expression::NumericLiteral(number) => Literal::Number(number.value),
        Expression::TemplateLiteral(template) if template.expressions.is_empty() => template
            .quasis
            .first()
            .and_then(|quasi| quasi.value.cooked.as_ref())
            .map_or(Literal::Other, |text| Literal::Text(text.to_string())),
        Expression::TSAsExpression(inner) => literal(&inner.expression),
        Expression::TSSatisfiesExpression(inner) => literal(&inner.expression),
        Expression::ParenthesizedExpression(inner) => literal(&inner.expression),
        _ => Literal::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> SegmentConfig {
        SegmentConfig::read(source, Path::new("route.ts"), "app/route.ts", "/")
    }

    #[test]
    fn literals_are_read() {
        let config = read(
            "export const runtime = 'edge' as const; export const maxDuration = 60; export function GET() {}",
        );
        assert_eq!((config.runtime, config.max_duration), (Runtime::Edge, Some(60)));
        assert!(config.problems.is_empty() && config.hints.is_empty(), "{config:?}");
        assert_eq!(read("export const runtime = `edge`; export const GET = f").runtime, Runtime::Edge);
    }

    #[test]
    fn unknown_values_are_refused() {
        assert!(read("export const runtime = 'bun'").problems[0].contains("'nodejs' or 'edge'"));
        assert!(read("export const maxDuration = 60 * 5").problems[0].contains("whole number"));
        assert!(read("export const maxDuration = -1").problems[0].contains("whole number"));
    }

    #[test]
    fn exports_that_are_never_called_are_pointed_out() {
        assert!(read("export function get() {}").hints[0].contains("lowercase method 'get'"));
        assert!(read("export default () => 1").hints[0].contains("default export"));
        assert!(read("const a = 1").hints[0].contains("No HTTP methods exported"));
        assert!(read("export { runtime, GET } from './x'").hints[0].contains("re-exported"));
        assert!(read("export * from './x'").hints.is_empty());
        assert!(read("export const { GET, handlers: [POST] } = auth").hints.is_empty());
    }

    #[test]
    fn names_that_are_nearly_right_are_pointed_out() {
        let hint = |source: &str| read(source).hints.first().cloned().unwrap_or_default();
        for (source, meant) in [
            ("export function Get() {}", "did you mean 'GET'?"),
            ("export const GTE = () => {}", "did you mean 'GET'?"),
            ("export { handler as PSOT }", "did you mean 'POST'?"),
            ("export const DELET = wrap(f); export function GET() {}", "did you mean 'DELETE'?"),
            ("export const maxduration = 5; export function GET() {}", "did you mean 'maxDuration'?"),
            ("export const max_duration = 5; export function GET() {}", "did you mean 'maxDuration'?"),
            ("export const maxDuraton = 5; export function GET() {}", "did you mean 'maxDuration'?"),
            ("export const Runtime = 'edge'; export function GET() {}", "did you mean 'runtime'?"),
            ("export const revalidat = 5; export function GET() {}", "did you mean 'revalidate'?"),
        ] {
            assert!(hint(source).ends_with(meant), "{source}: {}", hint(source));
        }
        for source in [
            "export const POSTS = ['a']; export const GET = f",
            "export type Get = string; export const GET = f",
            "export { type Get } from './types'; export const GET = f",
            "export const get = f; export const GET = f",
            "export const dynamicParams = false; export const instant = 1; export const GET = f",
            "export async function generateStaticParams() {} export const GET = f",
            "export const schema = 1; export const GET = f",
        ] {
            assert_eq!(hint(source), "", "{source}");
        }
    }

    #[test]
    fn exports_that_ask_for_a_cache_are_kept() {
        let uncached = |source: &str| read(source).uncached.join(" ");
        assert_eq!(
            uncached("export const dynamic = 'force-static'; export const revalidate = 60;"),
            "dynamic = 'force-static' revalidate"
        );
        assert_eq!(uncached("export const revalidate = false"), "revalidate");
        assert_eq!(uncached("export const dynamic = 'force-dynamic'; export const revalidate = 0;"), "");
    }
}
