//! Whether the project's configuration of TypeScript includes the declarations.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use oxc::allocator::Allocator;
use oxc::ast::ast::{Expression, ObjectExpression, ObjectPropertyKind, Statement};
use oxc::parser::Parser;
use oxc::span::SourceType;
use oxc_resolver::{ResolveOptions, Resolver};

use super::{FOLDER, INDEX, told};

/// Names of the file, in the order in which they count.
const NAMES: [&str; 2] = ["tsconfig.json", "jsconfig.json"];

/// For a project that has none.
const TSCONFIG: &str = r#"{
  "compilerOptions": {
    "target": "esnext",
    "lib": ["dom", "dom.iterable", "dom.asynciterable", "esnext"],
    "module": "esnext",
    "moduleResolution": "bundler",
    "strict": true,
    "noEmit": true,
    "skipLibCheck": true,
    "isolatedModules": true,
    "resolveJsonModule": true,
    "jsx": "react-jsx"
  },
  "include": [".edgehost/types/**/*.ts", "**/*.ts", "**/*.tsx"],
  "exclude": ["node_modules"]
}
"#;

/// What the pattern in `include` is.
fn pattern() -> String {
    format!("{FOLDER}/**/*.ts")
}

/// Writes one for a project that has none.
pub(super) fn write(root: &Path) -> io::Result<bool> {
    if find(root).is_some() {
        return Ok(false);
    }
    let path = root.join(NAMES[0]);
    fs::write(&path, TSCONFIG).map(|()| true).map_err(|error| told(&path, &error))
}

/// Whether files with JSX can be read, so that a module of declarations may name them.
pub(super) fn reads_jsx(root: &Path) -> bool {
    let Some((path, _)) = find(root) else { return true };
    let config = Resolver::new(ResolveOptions::default()).resolve_tsconfig(path);
    config.is_ok_and(|config| config.compiler_options.jsx.is_some())
}

fn find(root: &Path) -> Option<(PathBuf, &'static str)> {
    NAMES.iter().map(|name| (root.join(name), *name)).find(|(path, _)| path.is_file())
}

/// What a person has to do so that the declarations count; nothing if they do.
pub(super) fn notes(root: &Path) -> Vec<String> {
    let Some((path, name)) = find(root) else {
        return vec![
            "There is no tsconfig.json: `edgehost types --tsconfig` writes one that includes the types."
                .to_owned(),
        ];
    };
    let resolver = Resolver::new(ResolveOptions::default());
    let config = match resolver.resolve_tsconfig(&path) {
        Ok(config) => config,
        Err(error) => return vec![format!("{name} cannot be read: {error}")],
    };
    let own = fs::read_to_string(&path).map_or_else(|_| Own::default(), |text| Own::read(&text));
    let mut notes = Vec::new();
    let leads_here = |path: &PathBuf| path.to_string_lossy().contains(".edgehost");
    if !config.include.iter().chain(&config.files).flatten().any(leads_here) && !is_referenced(root) {
        let own = own.include.unwrap_or_else(|| vec!["**/*".to_owned()]);
        let all: Vec<String> = std::iter::once(pattern()).chain(own).collect();
        let line = all.iter().map(|entry| serde_json::Value::from(entry.as_str()).to_string());
        notes.push(format!(
            "{name} does not include the types. This line in it does:\n  \"include\": [{}]\nor this one, in a file that it includes:\n  /// <reference path=\"./{FOLDER}/{INDEX}\" />",
            line.collect::<Vec<_>>().join(", ")
        ));
    }
    let has_web = |lib: &String| ["dom", "webworker"].iter().any(|web| lib.eq_ignore_ascii_case(web));
    if own.lib.is_some_and(|lib| !lib.iter().any(has_web)) {
        notes.push(format!(
            "`lib` in {name} is without \"dom\", which declares `Request`, `Response` and `fetch`."
        ));
    }
    notes
}

/// Whether a declaration file beside the configuration, or in `src/`, leads to them.
fn is_referenced(root: &Path) -> bool {
    let files = [root.to_owned(), root.join("src")].into_iter().filter_map(|dir| fs::read_dir(dir).ok());
    files.flatten().flatten().map(|entry| entry.path()).any(|path| {
        path.to_string_lossy().ends_with(".d.ts")
            && fs::read_to_string(path).is_ok_and(|text| {
                text.lines().any(|line| {
                    line.trim_start().starts_with("///") && line.contains(&format!("{FOLDER}/{INDEX}"))
                })
            })
    })
}

/// What the file itself says.
#[derive(Debug, Default)]
struct Own {
    include: Option<Vec<String>>,
    lib: Option<Vec<String>>,
}

impl Own {
    /// Reads it as it is written. It is JSON with comments, which is JavaScript.
    fn read(text: &str) -> Self {
        let code = format!("({text}\n)");
        let allocator = Allocator::default();
        let parsed = Parser::new(&allocator, &code, SourceType::mjs()).parse();
        let Some(Statement::ExpressionStatement(statement)) = parsed.program.body.first() else {
            return Self::default();
        };
        let Expression::ObjectExpression(file) = statement.expression.get_inner_expression() else {
            return Self::default();
        };
        let lib = match value(file, "compilerOptions") {
            Some(Expression::ObjectExpression(options)) => value(options, "lib").and_then(strings),
            _ => None,
        };
        Self { include: value(file, "include").and_then(strings), lib }
    }
}

fn value<'o>(object: &'o ObjectExpression<'_>, key: &str) -> Option<&'o Expression<'o>> {
    object.properties.iter().find_map(|property| match property {
        ObjectPropertyKind::ObjectProperty(property) if property.key.is_specific_static_name(key) => {
            Some(&property.value)
        }
        _ => None,
    })
}

fn strings(value: &Expression<'_>) -> Option<Vec<String>> {
    let Expression::ArrayExpression(array) = value else { return None };
    let texts = array.elements.iter().filter_map(|element| match element.as_expression()? {
        Expression::StringLiteral(text) => Some(text.value.to_string()),
        _ => None,
    });
    Some(texts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_has_the_line_that_is_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let note = |root: &Path| notes(root).into_iter().next();
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, text).expect("written");
        };
        assert!(note(root).expect("a note").contains("`edgehost types --tsconfig`"));
        write(
            "tsconfig.json",
            "{ // as people write it\n  \"include\": [\"src\", \"env.d.ts\",], /* and */ }",
        );
        let line = "\"include\": [\".edgehost/types/**/*.ts\", \"src\", \"env.d.ts\"]";
        assert!(note(root).expect("a note").contains(line), "{:?}", note(root));
        write("tsconfig.json", "{}");
        let line = "\"include\": [\".edgehost/types/**/*.ts\", \"**/*\"]";
        assert!(note(root).expect("a note").contains(line), "{:?}", note(root));
        write("env.d.ts", "// ./.edgehost/types/index.d.ts\n");
        assert!(note(root).is_some(), "a remark leads nowhere");
        write("env.d.ts", "/// <reference path=\"./.edgehost/types/index.d.ts\" />\n");
        assert_eq!(note(root), None);
        write("env.d.ts", "");
        write("base/tsconfig.json", "{ \"include\": [\"../.edgehost/types\", \"..\"] }");
        write("tsconfig.json", "{ \"extends\": \"./base/tsconfig.json\" }");
        assert_eq!(note(root), None, "what it extends counts");
        write("tsconfig.json", "{ \"extends\": \"./base/tsconfig.json\", \"include\": [\"**/*.ts\"] }");
        assert!(note(root).is_some());
        let options = |lib: &str| {
            format!("{{ \"include\": [\".edgehost/types\"], \"compilerOptions\": {{ \"lib\": [{lib}] }} }}")
        };
        write("tsconfig.json", &options("\"ESNext\""));
        assert!(note(root).expect("a note").contains("is without \"dom\""), "{:?}", note(root));
        for lib in ["\"DOM\", \"esnext\"", "\"webworker\""] {
            write("tsconfig.json", &options(lib));
            assert_eq!(note(root), None, "{lib}");
        }
        write("tsconfig.json", "{ \"include\": ");
        assert!(note(root).expect("a note").contains("tsconfig.json cannot be read"), "{:?}", note(root));
    }

    #[test]
    fn a_configuration_is_written_where_there_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(write(folder.path()).expect("written"));
        assert_eq!(notes(folder.path()), [""; 0]);
        let path = folder.path().join("tsconfig.json");
        fs::write(&path, "{}").expect("written");
        assert!(!write(folder.path()).expect("nothing to do"));
        assert_eq!(fs::read_to_string(&path).expect("readable"), "{}");
    }
}
