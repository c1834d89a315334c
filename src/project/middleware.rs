//! The file that runs before the routes: `middleware.ts`, or `proxy.ts` as Next.js 16 has it.
//!
//! Its `config` is read from the syntax tree, as Next.js does: it has to be known before
//! the file runs.

use std::path::{Path, PathBuf};

use oxc::allocator::Allocator;
use oxc::ast::ast::{
    ArrayExpressionElement, BindingPattern, Declaration, Expression, ObjectPropertyKind, Program, Statement,
};
use oxc::parser::Parser;
use oxc::span::SourceType;
use serde_json::Value as Json;

use super::discovery::show;
use super::segment::{Exports, Runtime};

/// A middleware as it was found on disk.
#[derive(Debug)]
pub(crate) struct Middleware {
    /// The file, absolute.
    pub(crate) file: PathBuf,
    /// The file as it is shown to people, relative to the project.
    pub(crate) shown: String,
    /// What it may be exported as, beside the default export: `middleware` or `proxy`.
    pub(crate) export: &'static str,
    /// The runtime that it asks for.
    pub(crate) runtime: Runtime,
    /// `config.matcher`, if it has one.
    pub(crate) matcher: Option<Json>,
}

/// Names of the file and of what it exports.
pub(super) const NAMES: [&str; 2] = ["middleware", "proxy"];

/// Finds the middleware in the folder that holds the app directory.
///
/// # Errors
///
/// A sentence for each thing that is wrong with it.
pub(super) fn find(
    root: &Path,
    folder: &Path,
    extensions: &[String],
) -> Result<Option<Middleware>, Vec<String>> {
    let found = NAMES.map(|name| {
        let names = extensions.iter().map(|extension| folder.join(format!("{name}.{extension}")));
        names.into_iter().find(|path| path.is_file()).map(|path| (name, path))
    });
    let (export, file) = match found {
        [None, None] => return Ok(None),
        [Some((_, middleware)), Some((_, proxy))] => {
            return Err(vec![format!(
                "Both middleware file \"./{}\" and proxy file \"./{proxy}\" are detected. Please use \"./{proxy}\" only. Learn more: https://nextjs.org/docs/messages/middleware-to-proxy",
                show(root, &middleware),
                proxy = show(root, &proxy)
            )]);
        }
        [Some(one), None] | [None, Some(one)] => one,
    };
    let shown = show(root, &file);
    let source = std::fs::read_to_string(&file)
        .map_err(|error| vec![format!("The {export} file {shown} cannot be read: {error}")])?;
    let runtime = if export == "proxy" { Runtime::NodeJs } else { Runtime::Edge };
    let mut middleware = Middleware { file, shown, export, runtime, matcher: None };
    let mut problems = Vec::new();
    middleware.read(&source, &mut problems);
    if problems.is_empty() { Ok(Some(middleware)) } else { Err(problems) }
}

impl Middleware {
    /// Reads the exports of the file. One with syntax errors is left to the bundler, which tells
    /// them with their places.
    fn read(&mut self, source: &str, problems: &mut Vec<String>) {
        let allocator = Allocator::default();
        let source_type = SourceType::from_path(&self.file).unwrap_or_default();
        let parsed = Parser::new(&allocator, source, source_type).parse();
        if parsed.panicked {
            return;
        }
        let exports = Exports::of(&parsed.program);
        let is_module = parsed.program.body.iter().any(Statement::is_module_declaration);
        let is_commonjs = !is_module && source.contains("exports");
        if !is_commonjs && !exports.is_opaque() && !exports.has("default") && !exports.has(self.export) {
            problems.push(format!(
                "The file \"./{}\" must export a function, either as a default export or as a named \"{}\" export.",
                self.shown, self.export
            ));
        }
        let unknown = |what: &str| {
            format!("Next.js can't recognize the exported `config` field in \"./{}\": {what}", self.shown)
        };
        let config = match config(&parsed.program) {
            Config::None => return,
            Config::Elsewhere => {
                problems.push(unknown("it is of another file, and has to be an object in this one"));
                return;
            }
            Config::Here(value) => value,
        };
        let Expression::ObjectExpression(object) = config.get_inner_expression() else {
            problems.push(unknown("it has to be an object"));
            return;
        };
        for property in &object.properties {
            let ObjectPropertyKind::ObjectProperty(property) = property else {
                problems.push(unknown("it has to be written out, without `...`"));
                continue;
            };
            let name = property.key.static_name().unwrap_or_default();
            match (&*name, literal(&property.value)) {
                ("matcher", Some(matcher)) => self.matcher = Some(matcher),
                ("matcher", None) => problems.push(unknown(
                    "`matcher` has to be written out: texts, lists and objects, without variables or calls",
                )),
                ("runtime", _) if self.export == "proxy" => problems.push(format!(
                    "Route segment config is not allowed in Proxy file at \"./{}\". Proxy always runs on Node.js runtime. Learn more: https://nextjs.org/docs/messages/middleware-to-proxy",
                    self.shown
                )),
                ("runtime", Some(Json::String(runtime))) if runtime == "nodejs" => {
                    self.runtime = Runtime::NodeJs;
                }
                ("runtime", Some(Json::String(runtime)))
                    if matches!(runtime.as_str(), "edge" | "experimental-edge") => {}
                ("runtime", _) => problems.push(unknown("`runtime` has to be 'nodejs' or 'edge'")),
                _ => {}
            }
        }
        if let Err(wrong) = crate::rules::Matcher::compile(self.matcher.as_ref(), "") {
            problems.extend(
                wrong
                    .into_iter()
                    .map(|problem| format!("Invalid `config.matcher` in \"./{}\": {problem}", self.shown)),
            );
        }
    }
}

/// Where the configuration of a middleware is.
enum Config<'p, 'a> {
    None,
    /// In another file.
    Elsewhere,
    Here(&'p Expression<'a>),
}

fn config<'p, 'a>(program: &'p Program<'a>) -> Config<'p, 'a> {
    let initial = |wanted: &str, statement: &'p Statement<'a>| {
        let declaration = match statement {
            Statement::VariableDeclaration(declaration) => declaration,
            Statement::ExportDeclaration(export) => match &export.declaration {
                Declaration::VariableDeclaration(declaration) => declaration,
                _ => return None,
            },
            _ => return None,
        };
        declaration.declarations.iter().find_map(|declarator| match &declarator.id {
            BindingPattern::BindingIdentifier(name) if name.name == wanted => declarator.init.as_ref(),
            _ => None,
        })
    };
    for statement in &program.body {
        match statement {
            Statement::ExportDeclaration(_) => {
                if let Some(value) = initial("config", statement) {
                    return Config::Here(value);
                }
            }
            Statement::ExportFromDeclaration(export)
                if export.specifiers.iter().any(|specifier| specifier.exported.name() == "config") =>
            {
                return Config::Elsewhere;
            }
            Statement::ExportNamedDeclaration(export) => {
                let own = export.specifiers.iter().find(|specifier| specifier.exported.name() == "config");
                let Some(own) = own else { continue };
                let local = own.local.name();
                let value = program.body.iter().find_map(|statement| initial(local.as_str(), statement));
                return value.map_or(Config::Elsewhere, Config::Here);
            }
            _ => {}
        }
    }
    Config::None
}

/// The value of an expression that is written out.
fn literal(expression: &Expression<'_>) -> Option<Json> {
    Some(match expression.get_inner_expression() {
        Expression::StringLiteral(text) => Json::from(text.value.as_str()),
        Expression::BooleanLiteral(literal) => Json::from(literal.value),
        Expression::NumericLiteral(number) => Json::from(number.value),
        Expression::NullLiteral(_) => Json::Null,
        Expression::Identifier(name) if name.name == "undefined" => Json::Null,
        Expression::TemplateLiteral(template) if template.expressions.is_empty() => {
            Json::from(template.quasis.first()?.value.cooked.as_ref()?.as_str())
        }
        Expression::ArrayExpression(array) => {
            let element = |element: &ArrayExpressionElement<'_>| literal(element.as_expression()?);
            Json::Array(array.elements.iter().map(element).collect::<Option<_>>()?)
        }
        Expression::ObjectExpression(object) => {
            let mut fields = serde_json::Map::new();
            for property in &object.properties {
                let ObjectPropertyKind::ObjectProperty(property) = property else { return None };
                let name = property.key.static_name().filter(|_| !property.computed)?;
                let value = literal(&property.value)?;
                if !value.is_null() {
                    fields.insert(name.into_owned(), value);
                }
            }
            Json::Object(fields)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(name: &str, source: &str) -> Result<Middleware, String> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(name), source).expect("written");
        let found = find(folder.path(), folder.path(), &["ts".to_owned(), "js".to_owned()]);
        found.map(|found| found.expect("found")).map_err(|problems| problems.join("\n"))
    }

    #[test]
    fn the_configuration_is_read_without_running_it() {
        for (source, runtime, matcher) in [
            ("export default () => {}", Runtime::Edge, None),
            (
                "export function middleware() {} export const config = { matcher: '/a' }",
                Runtime::Edge,
                Some(json!("/a")),
            ),
            (
                "export const middleware = auth; export const config = { matcher: ['/a', `/b`] as const, runtime: 'nodejs' } satisfies C;",
                Runtime::NodeJs,
                Some(json!(["/a", "/b"])),
            ),
            (
                "export { auth as middleware } from './auth'; const it = { matcher: [{ source: '/a', locale: false, has: [{ type: 'query', key: 'q', value: undefined }] }] }; export { it as config };",
                Runtime::Edge,
                Some(json!([{ "source": "/a", "locale": false, "has": [{ "type": "query", "key": "q" }] }])),
            ),
            ("export * from './auth';", Runtime::Edge, None),
            ("module.exports = { middleware() {} };", Runtime::Edge, None),
        ] {
            let found = read("middleware.ts", source).expect("in order");
            assert_eq!((found.runtime, found.matcher), (runtime, matcher), "{source}");
        }
        assert_eq!(
            read("proxy.js", "export function proxy() {}").expect("in order").runtime,
            Runtime::NodeJs
        );
    }

    #[test]
    fn what_is_wrong_is_told() {
        let function = "export default () => {};";
        for (name, source, part) in [
            (
                "proxy.js",
                "export function middleware() {}",
                "The file \"./proxy.js\" must export a function, either as a default export or as a named \"proxy\" export.",
            ),
            ("middleware.ts", "export const proxy = 1;", "as a named \"middleware\" export."),
            (
                "middleware.ts",
                &*format!("{function} export const config = {{ matcher: paths }};"),
                "`matcher` has to be written out",
            ),
            (
                "middleware.ts",
                &*format!("{function} export {{ config }} from './c';"),
                "it is of another file",
            ),
            (
                "middleware.ts",
                &*format!("{function} export const config = make();"),
                "it has to be an object",
            ),
            ("middleware.ts", &*format!("{function} export const config = {{ ...more }};"), "without `...`"),
            (
                "middleware.ts",
                &*format!("{function} export const config = {{ matcher: '/:' }};"),
                "Invalid source '/:': Missing parameter name at 1",
            ),
            (
                "middleware.ts",
                &*format!("{function} export const config = {{ runtime: 'bun' }};"),
                "has to be 'nodejs' or 'edge'",
            ),
            (
                "proxy.ts",
                &*format!("{function} export const config = {{ runtime: 'nodejs' }};"),
                "Proxy always runs on Node.js runtime",
            ),
        ] {
            let told = read(name, source).expect_err("a mistake");
            assert!(told.contains(part), "{told}");
        }
    }
}
