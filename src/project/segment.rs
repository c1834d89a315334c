//! Segment configuration: constants that a route file exports.
//!
//! Read from the syntax tree, without running the file, as Next.js does. Only
//! `runtime` and `maxDuration` change what edgehost does; the other names are
//! accepted and have no effect, because nothing is cached or prerendered.

use std::path::Path;

use oxc::allocator::Allocator;
use oxc::ast::ast::{BindingPattern, Declaration, Expression, ModuleExportName, Statement};
use oxc::parser::Parser;
use oxc::span::SourceType;

/// The runtime that a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
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
}

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"];

/// Constants that Next.js reads and that change nothing here.
const ACCEPTED: [&str; 7] =
    ["dynamic", "revalidate", "dynamicParams", "fetchCache", "preferredRegion", "ensureStatic", "instant"];

enum Literal {
    Text(String),
    Number(f64),
    Other,
}

impl SegmentConfig {
    /// Reads the configuration of one route file. A file with syntax errors yields the
    /// defaults: the bundler reports the errors with their places.
    pub(super) fn read(
        source: &str,
        file: &Path,
        shown: &str,
        pattern: &str,
        problems: &mut Vec<String>,
    ) -> Self {
        let allocator = Allocator::default();
        let source_type = SourceType::from_path(file).unwrap_or_default();
        let parsed = Parser::new(&allocator, source, source_type).parse();
        let mut config = Self::default();
        if parsed.panicked {
            return config;
        }
        let mut names: Vec<String> = Vec::new();
        let mut opaque = false;
        for statement in &parsed.program.body {
            match statement {
                Statement::ExportDefaultDeclaration(_) => names.push("default".to_owned()),
                Statement::ExportAllDeclaration(_) => opaque = true,
                Statement::ExportNamedDeclaration(export) => {
                    names.extend(export.specifiers.iter().map(|specifier| export_name(&specifier.exported)));
                }
                Statement::ExportFromDeclaration(export) => {
                    for specifier in &export.specifiers {
                        let name = export_name(&specifier.exported);
                        if is_config_name(&name) {
                            config.hints.push(format!(
                                "Next.js can't recognize the exported `{name}` field in \"{shown}\", it may be re-exported from another file. The default config will be used instead."
                            ));
                        }
                        names.push(name);
                    }
                }
                Statement::ExportDeclaration(export) => match &export.declaration {
                    Declaration::VariableDeclaration(declaration) => {
                        for declarator in &declaration.declarations {
                            let BindingPattern::BindingIdentifier(name) = &declarator.id else {
                                let bound = declarator.id.get_binding_identifiers();
                                names.extend(bound.iter().map(|name| name.name.to_string()));
                                continue;
                            };
                            names.push(name.name.to_string());
                            if let Some(init) = &declarator.init {
                                config.accept(name.name.as_str(), &literal(init), pattern, shown, problems);
                            }
                        }
                    }
                    Declaration::FunctionDeclaration(function) => {
                        names.extend(function.id.as_ref().map(|id| id.name.to_string()));
                    }
                    Declaration::ClassDeclaration(class) => {
                        names.extend(class.id.as_ref().map(|id| id.name.to_string()));
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        config.hint_at_exports(&names, opaque, shown);
        config
    }

    fn accept(
        &mut self,
        name: &str,
        value: &Literal,
        pattern: &str,
        shown: &str,
        problems: &mut Vec<String>,
    ) {
        let mut refuse = |wanted: &str| {
            problems.push(format!(
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
            _ => {}
        }
    }

    fn hint_at_exports(&mut self, names: &[String], opaque: bool, shown: &str) {
        for method in METHODS {
            let lower = method.to_ascii_lowercase();
            if names.contains(&lower) {
                self.hints.push(format!(
                    "Detected lowercase method '{lower}' in '{shown}'. Export the uppercase '{method}' method name to fix this error."
                ));
            }
        }
        if names.iter().any(|name| name == "default") {
            self.hints.push(format!(
                "Detected default export in '{shown}'. Export a named export for each HTTP method instead."
            ));
        }
        if !opaque && !names.iter().any(|name| METHODS.contains(&name.as_str())) {
            self.only_default = names.iter().any(|name| name == "default");
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

    fn read(source: &str) -> (SegmentConfig, Vec<String>) {
        let mut problems = Vec::new();
        let config = SegmentConfig::read(source, Path::new("route.ts"), "app/route.ts", "/", &mut problems);
        (config, problems)
    }

    #[test]
    fn literals_are_read() {
        let (config, problems) = read(
            "export const runtime = 'edge' as const; export const maxDuration = 60; export function GET() {}",
        );
        assert_eq!((config.runtime, config.max_duration), (Runtime::Edge, Some(60)));
        assert!(problems.is_empty() && config.hints.is_empty(), "{problems:?} {:?}", config.hints);
        assert_eq!(read("export const runtime = `edge`; export const GET = f").0.runtime, Runtime::Edge);
    }

    #[test]
    fn unknown_values_are_refused() {
        assert!(read("export const runtime = 'bun'").1[0].contains("'nodejs' or 'edge'"));
        assert!(read("export const maxDuration = 60 * 5").1[0].contains("whole number"));
        assert!(read("export const maxDuration = -1").1[0].contains("whole number"));
    }

    #[test]
    fn exports_that_are_never_called_are_pointed_out() {
        assert!(read("export function get() {}").0.hints[0].contains("lowercase method 'get'"));
        assert!(read("export default () => 1").0.hints[0].contains("default export"));
        assert!(read("const a = 1").0.hints[0].contains("No HTTP methods exported"));
        assert!(read("export { runtime, GET } from './x'").0.hints[0].contains("re-exported"));
        assert!(read("export * from './x'").0.hints.is_empty());
        assert!(read("export const { GET, handlers: [POST] } = auth").0.hints.is_empty());
    }
}
