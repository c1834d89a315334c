//! Whether a project uses what only `@types/node` has types of.

use std::path::Path;

use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::parser::Parser;
use oxc::semantic::SemanticBuilder;
use oxc::span::SourceType;
use walkdir::WalkDir;

/// Files that TypeScript checks as they are.
const EXTENSIONS: [&str; 4] = ["ts", "tsx", "mts", "cts"];

/// Most files that are looked at, and their size: it is a hint.
const MOST_FILES: usize = 5_000;
const LARGEST: u64 = 1 << 20;

/// Globals of Node.js that the web does not have. Of `process`, `env` is declared without it.
const GLOBALS: [&str; 8] =
    ["Buffer", "__dirname", "__filename", "clearImmediate", "global", "process", "require", "setImmediate"];

/// A place that needs the types.
pub(super) struct Use {
    /// The file, relative to the project.
    pub(super) file: String,
    /// The module or global, in backticks.
    pub(super) what: String,
}

/// The first file of the project, packages apart, that needs them.
pub(super) fn first_use(root: &Path) -> Option<Use> {
    let is_own = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(name == "node_modules" || name.starts_with('.'))
    };
    let files = WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(is_own).flatten();
    let files = files.filter(|entry| {
        let extension = entry.path().extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
            && entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGEST)
    });
    files.take(MOST_FILES).find_map(|entry| {
        let code = std::fs::read_to_string(entry.path()).ok()?;
        let what = used_in(&code, SourceType::from_path(entry.path()).ok()?)?;
        let file = entry.path().strip_prefix(root).unwrap_or(entry.path()).display().to_string();
        Some(Use { file, what: format!("`{what}`") })
    })
}

/// What a file uses of Node.js first.
fn used_in(code: &str, source_type: SourceType) -> Option<String> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, code, source_type).parse();
    let mut imports: Vec<_> = parsed
        .module_record
        .requested_modules
        .iter()
        .filter(|(name, _)| name.starts_with("node:") || edgehost_ext::is_builtin(name))
        .filter_map(|(name, requests)| Some((requests.first()?.statement_span.start, name.to_string())))
        .collect();
    imports.sort();
    if let Some((_, name)) = imports.into_iter().next() {
        return Some(name);
    }
    if !GLOBALS.iter().any(|name| code.contains(name)) {
        return None;
    }
    let semantic = SemanticBuilder::new().with_build_nodes(true).build(&parsed.program).semantic;
    let (scoping, nodes) = (semantic.scoping(), semantic.nodes());
    let is_used = |name: &str| {
        let unresolved = scoping.root_unresolved_references();
        let references = unresolved.iter().filter(|(found, _)| found.as_str() == name);
        references.flat_map(|(_, ids)| ids.iter()).any(|id| {
            let reference = scoping.get_reference(*id);
            reference.is_value() && !is_declared(nodes.parent_kind(reference.node_id()), name)
        })
    };
    GLOBALS.into_iter().find(|name| is_used(name)).map(str::to_owned)
}

/// Whether it needs no types of Node.js in the place where it is.
fn is_declared(parent: AstKind<'_>, name: &str) -> bool {
    match parent {
        AstKind::StaticMemberExpression(member) => name == "process" && member.property.name == "env",
        // `typeof Buffer` asks whether there is one.
        AstKind::UnaryExpression(unary) => unary.operator == oxc::ast::ast::UnaryOperator::Typeof,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_and_globals_of_node_are_found() {
        let used = |code: &str| used_in(code, SourceType::ts());
        for (code, what) in [
            ("import { readFile } from 'node:fs/promises';", "node:fs/promises"),
            ("import path from 'path';", "path"),
            ("import type { Server } from 'http';", "http"),
            ("export { join } from 'node:path';", "node:path"),
            ("export const GET = () => new Response(Buffer.from('a'));", "Buffer"),
            ("const here = process.cwd();", "process"),
        ] {
            assert_eq!(used(code).as_deref(), Some(what), "{code}");
        }
        for code in [
            "import { GET } from './fs';",
            "import x from 'paths';",
            "const key = process.env.KEY;",
            "const Buffer = 1; f(Buffer);",
            "const a = { process: 1, require: 2 }; a.process;",
            "// Buffer, node:fs\nconst text = 'node:fs';",
            "const has = typeof Buffer;",
        ] {
            assert_eq!(used(code), None, "{code}");
        }
    }
}
