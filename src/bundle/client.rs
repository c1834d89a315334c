//! Modules that begin with `"use client"`: in route code they stand for what runs in a
//! browser. Their exports become references, and what they import is left out.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use oxc::allocator::Allocator;
use oxc::ast::ast::{Declaration, ExportSpecifier, Program, Statement};
use oxc::parser::Parser;
use oxc::span::SourceType;

/// The module that makes references.
pub(super) const MAKER: &str = "\0edgehost:client";

/// Begins the specifier of a module whose exports a module of the client hands on.
const STAR: &str = "\0edgehost:client-exports/";

/// Ends the id of such a module, which may not say of itself where it belongs.
const QUERY: &str = "?edgehost-client";

/// The code of [`MAKER`]. References are what React takes them for; a function, since most
/// of what they stand for is one.
pub(super) const MAKER_CODE: &str = r#"
const tag = Symbol.for("react.client.reference");

function mark(target, id) {
  return Object.defineProperties(target, {
    $$typeof: { value: tag },
    $$id: { value: id },
    $$async: { value: false },
  });
}

function refuse(what, file) {
  const error = new Error(
    `${what} belongs to the client ("use client" in ${file}) and cannot be called in a route: there it is only a reference`,
  );
  if (Error.captureStackTrace) Error.captureStackTrace(error, refuse);
  throw error;
}

export function reference(file, name) {
  const what = name === "default" ? `The default export of ${file}` : `${name}()`;
  return mark(function () {
    refuse(what, file);
  }, `${file}#${name}`);
}

// A CommonJS module, whose exports are known to nobody before it runs: it has every export
// that it is asked for.
export function everything(file) {
  const made = new Map();
  const any = new Proxy(Function.prototype, {
    get(target, name) {
      // Whoever awaits or prints it asks for these.
      if (typeof name === "symbol" || ["then", "toJSON"].includes(name) || name in target) {
        return Reflect.get(target, name);
      }
      if (!made.has(name)) made.set(name, reference(file, name));
      return made.get(name);
    },
  });
  const exports = mark(function () {
    refuse(`What ${file} exports`, file);
  }, `${file}#*`);
  Object.defineProperties(exports, {
    __esModule: { value: true },
    default: { value: any.default, enumerable: true },
  });
  return Object.setPrototypeOf(exports, any);
}
"#;

/// The specifier that a module of the client hands on, if this is one.
pub(super) fn handed_on(specifier: &str) -> Option<&str> {
    specifier.strip_prefix(STAR)
}

/// The id of a module whose exports are references, whatever it says of itself.
pub(super) fn id_of(file: &str) -> String {
    format!("{file}{QUERY}")
}

/// The file of a module with such an id.
pub(super) fn file_of(id: &str) -> Option<&Path> {
    id.strip_suffix(QUERY).map(Path::new)
}

/// The code that stands for a module of the client; none if the module is no such.
pub(super) fn stand_in(shown: &str, code: &str, source_type: SourceType) -> Option<String> {
    // The directive is text: files without it need not be parsed.
    if !code.contains("use client") {
        return None;
    }
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, code, source_type).parse();
    if parsed.panicked || !is_of_client(&parsed.program) {
        return None;
    }
    Some(references(shown, &parsed.program, parsed.module_record.has_module_syntax))
}

/// As [`stand_in`], for a module that one of the client hands on.
pub(super) fn stand_in_for_handed_on(shown: &str, code: &str, source_type: SourceType) -> Option<String> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, code, source_type).parse();
    let is_module = parsed.module_record.has_module_syntax;
    (!parsed.panicked).then(|| references(shown, &parsed.program, is_module))
}

fn is_of_client(program: &Program<'_>) -> bool {
    program.directives.iter().any(|directive| directive.directive == "use client")
}

fn references(shown: &str, program: &Program<'_>, is_module: bool) -> String {
    let text = |value: &str| serde_json::Value::from(value).to_string();
    let (maker, file) = (text(MAKER), text(shown));
    if !is_module {
        return format!("module.exports = require({maker}).everything({file});");
    }
    let Exports { names, stars } = Exports::of(program);
    let mut code = format!("import {{ reference }} from {maker};\n");
    for (index, name) in names.iter().enumerate() {
        // Names of exports may be any text.
        let name = text(name);
        let _ = writeln!(
            code,
            "const export_{index} = /* @__PURE__ */ reference({file}, {name}); export {{ export_{index} as {name} }};"
        );
    }
    for from in stars {
        let _ = writeln!(code, "export * from {};", text(&format!("{STAR}{from}")));
    }
    code
}

/// What a module exports: the names of values, and modules that it hands on as they are.
#[derive(Default)]
struct Exports {
    names: BTreeSet<String>,
    stars: Vec<String>,
}

impl Exports {
    fn of(program: &Program<'_>) -> Self {
        let mut exports = Self::default();
        for statement in &program.body {
            match statement {
                Statement::ExportDefaultDeclaration(_) => exports.add("default"),
                Statement::ExportDeclaration(export) => exports.add_declared(&export.declaration),
                Statement::ExportNamedDeclaration(export) if export.export_kind.is_value() => {
                    exports.add_listed(&export.specifiers);
                }
                Statement::ExportFromDeclaration(export) if export.export_kind.is_value() => {
                    exports.add_listed(&export.specifiers);
                }
                Statement::ExportAllDeclaration(export) if export.export_kind.is_value() => {
                    match &export.exported {
                        Some(name) => exports.add(name.name().as_str()),
                        None => exports.stars.push(export.source.value.to_string()),
                    }
                }
                _ => {}
            }
        }
        exports
    }

    fn add(&mut self, name: &str) {
        self.names.insert(name.to_owned());
    }

    fn add_listed(&mut self, specifiers: &[ExportSpecifier<'_>]) {
        for specifier in specifiers.iter().filter(|specifier| specifier.export_kind.is_value()) {
            self.add(specifier.exported.name().as_str());
        }
    }

    fn add_declared(&mut self, declaration: &Declaration<'_>) {
        match declaration {
            Declaration::VariableDeclaration(variables) => {
                for declarator in &variables.declarations {
                    for name in declarator.id.get_binding_identifiers() {
                        self.add(name.name.as_str());
                    }
                }
            }
            Declaration::FunctionDeclaration(function) => {
                function.id.iter().for_each(|id| self.add(id.name.as_str()));
            }
            Declaration::ClassDeclaration(class) => {
                class.id.iter().for_each(|id| self.add(id.name.as_str()));
            }
            Declaration::TSEnumDeclaration(declared) => self.add(declared.id.name.as_str()),
            Declaration::TSNamespaceDeclaration(declared) => self.add(declared.id.name.as_str()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(code: &str) -> Option<String> {
        stand_in("lib/a.tsx", code, SourceType::tsx())
    }

    #[test]
    fn only_a_directive_makes_a_boundary() {
        for code in [
            "export const a = 'use client';",
            "import x from 'x';\n'use client';",
            "export function f() { 'use client'; }",
            "// 'use client'\nexport const a = 1;",
            "'use server'; export async function f() {} // not 'use client'",
        ] {
            assert_eq!(made(code), None, "{code}");
        }
        for code in [
            "'use client'\nexport const a = 1;",
            "/* x */ \"use strict\"; \"use client\"; export const a = 1;",
        ] {
            assert!(made(code).is_some(), "{code}");
        }
    }

    #[test]
    fn every_value_that_is_exported_is_a_reference() {
        let code = made(
            "'use client';
            export type { T } from './t'; export interface I {} export type A = 1;
            export const [one, { two }] = f(); export default class {} export enum Three { x }
            export { four as 'any text', five } from './b'; export * as six from './c'; export * from './d';",
        )
        .expect("a boundary");
        let found: Vec<&str> = code.split(", \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(found, ["Three", "any text", "default", "five", "one", "six", "two"]);
        assert!(code.contains("client-exports/./d") && !code.contains("./b"), "{code}");
    }
}
