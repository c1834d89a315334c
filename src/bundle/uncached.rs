//! Functions of the user's own files that Next.js would cache and edgehost runs each time.

use std::path::{Path, PathBuf};

use memchr::memmem;
use oxc::allocator::Allocator;
use oxc::ast::ast::{
    BindingProperty, Directive, ExportFromDeclaration, ImportDeclaration, ImportDeclarationSpecifier,
    StaticMemberExpression,
};
use oxc::ast_visit::{Visit, walk};
use oxc::parser::Parser;
use oxc::span::SourceType;

use super::Problem;

/// The module that `unstable_cache` comes from.
const CACHE_MODULE: &str = "next/cache";
const UNSTABLE_CACHE: &str = "unstable_cache";
const USE_CACHE: &str = "use cache";

/// What is told of each kind.
const KINDS: [&str; 2] = [
    "`unstable_cache` caches nothing: its function runs each time",
    "'use cache' caches nothing: the function runs each time",
];

/// A warning for each kind that occurs, at the first place; the other files are named in it.
pub(super) fn warnings(root: &Path, inputs: &[PathBuf]) -> Vec<Problem> {
    let mut places: [Vec<(&Path, String, u32)>; 2] = Default::default();
    let own = inputs.iter().filter(|path| !path.components().any(|part| part.as_os_str() == "node_modules"));
    for path in own {
        let Ok(code) = std::fs::read_to_string(path) else { continue };
        // Nearly every file has neither, and is not parsed.
        let has = |text: &str| memmem::find(code.as_bytes(), text.as_bytes()).is_some();
        if !(has(USE_CACHE) || has(UNSTABLE_CACHE) && has(CACHE_MODULE)) {
            continue;
        }
        let found = Uses::of(&code, path);
        for (kind, at) in [found.unstable_cache, found.use_cache].into_iter().enumerate() {
            places[kind].extend(at.map(|at| (path.as_path(), code.clone(), at)));
        }
    }
    let show = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
    let warning = |(kind, places): (&str, &Vec<(&Path, String, u32)>)| {
        let ((path, code, at), others) = places.split_first()?;
        let others: Vec<String> = others.iter().map(|(path, ..)| show(path)).collect();
        let message = if others.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind} (also in {})", others.join(", "))
        };
        let before = code.get(..*at as usize).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Some(Problem {
            file: show(path),
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
            message,
            code: code[start..].lines().next().unwrap_or_default().to_owned(),
            imported_by: Vec::new(),
            breaks: Vec::new(),
            meant: None,
        })
    };
    KINDS.into_iter().zip(&places).filter_map(warning).collect()
}

/// Where a file does it first, by offset.
#[derive(Default)]
struct Uses {
    unstable_cache: Option<u32>,
    use_cache: Option<u32>,
}

impl Uses {
    fn of(code: &str, path: &Path) -> Self {
        let allocator = Allocator::default();
        let source_type = SourceType::from_path(path).unwrap_or_else(|_| SourceType::unambiguous());
        let parsed = Parser::new(&allocator, code, source_type).parse();
        let mut uses = Self::default();
        uses.visit_program(&parsed.program);
        uses
    }
}

impl<'a> Visit<'a> for Uses {
    fn visit_directive(&mut self, directive: &Directive<'a>) {
        let text = directive.expression.value.as_str();
        // There are kinds of it: `use cache: remote`.
        if text == USE_CACHE || text.strip_prefix(USE_CACHE).is_some_and(|rest| rest.starts_with(':')) {
            self.use_cache.get_or_insert(directive.span.start);
        }
    }

    fn visit_import_declaration(&mut self, import: &ImportDeclaration<'a>) {
        if import.source.value != CACHE_MODULE || import.import_kind.is_type() {
            return;
        }
        for specifier in import.specifiers.iter().flatten() {
            if let ImportDeclarationSpecifier::ImportSpecifier(specifier) = specifier
                && specifier.imported.name() == UNSTABLE_CACHE
            {
                self.unstable_cache.get_or_insert(specifier.span.start);
            }
        }
    }

    fn visit_export_from_declaration(&mut self, export: &ExportFromDeclaration<'a>) {
        if export.source.value == CACHE_MODULE
            && let Some(specifier) =
                export.specifiers.iter().find(|specifier| specifier.local.name() == UNSTABLE_CACHE)
        {
            self.unstable_cache.get_or_insert(specifier.span.start);
        }
    }

    fn visit_static_member_expression(&mut self, member: &StaticMemberExpression<'a>) {
        if member.property.name == UNSTABLE_CACHE {
            self.unstable_cache.get_or_insert(member.property.span.start);
        }
        walk::walk_static_member_expression(self, member);
    }

    fn visit_binding_property(&mut self, property: &BindingProperty<'a>) {
        if property.key.is_specific_static_name(UNSTABLE_CACHE) {
            self.unstable_cache.get_or_insert(property.span.start);
        }
        walk::walk_binding_property(self, property);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str) -> (bool, bool) {
        let uses = Uses::of(code, Path::new("a.ts"));
        (uses.unstable_cache.is_some(), uses.use_cache.is_some())
    }

    #[test]
    fn both_kinds_are_found_in_syntax_only() {
        for code in [
            "import { unstable_cache } from 'next/cache';",
            "import { revalidateTag, unstable_cache as cache } from 'next/cache';",
            "import * as c from 'next/cache'; c.unstable_cache(f);",
            "const { unstable_cache } = require('next/cache');",
            "export { unstable_cache as memo } from 'next/cache';",
        ] {
            assert_eq!(found(code), (true, false), "{code}");
        }
        for code in [
            "'use cache'; export const f = () => 1;",
            "async function f() { 'use cache'; return 1; }",
            "const f = async () => { \"use cache: remote\"; };",
        ] {
            assert_eq!(found(code), (false, true), "{code}");
        }
        for code in [
            "// 'use cache' and unstable_cache of next/cache",
            "const text = 'use cache'; f('use cache', 'next/cache', 'unstable_cache');",
            "import type { unstable_cache } from 'next/cache';",
            "'use cached';",
        ] {
            assert_eq!(found(code), (false, false), "{code}");
        }
    }
}
