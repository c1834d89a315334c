//! The default export of a CommonJS module that was an ECMAScript module once.
//!
//! Such a module sets `exports.__esModule` and `exports.default`. For importers that
//! Node.js takes for ECMAScript modules (`.mjs`, or `"type": "module"`) its default
//! export is all of `module.exports`, for others, as compilers have it, `exports.default`.
//! In a chunk the bundler makes one namespace of the module for importers of both kinds,
//! and the first decides. So importers of the first kind get a module of their own, which
//! stands for the other.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use oxc::allocator::Allocator;
use oxc::parser::Parser;
use oxc::span::SourceType;
use parking_lot::Mutex;

/// What the bundler has resolved so far, as far as this takes.
#[derive(Debug, Default)]
pub(super) struct Interop {
    /// Modules that Node.js takes for ECMAScript modules.
    node_modules: Mutex<HashSet<String>>,
    /// Whether a file is such a CommonJS module.
    compiled: Mutex<HashMap<String, bool>>,
}

impl Interop {
    /// A module was found that Node.js takes for an ECMAScript module.
    pub(super) fn is_node_module(&self, id: &str) {
        self.node_modules.lock().insert(id.to_owned());
    }

    /// Whether what an importer imports must not be shared with importers of another kind.
    pub(super) fn stands_apart(&self, importer: &str, id: &str) -> bool {
        if !self.node_modules.lock().contains(importer) {
            return false;
        }
        if let Some(known) = self.compiled.lock().get(id) {
            return *known;
        }
        let is_compiled = std::fs::read_to_string(Path::new(id)).is_ok_and(|code| is_compiled(&code));
        self.compiled.lock().insert(id.to_owned(), is_compiled);
        is_compiled
    }
}

/// Whether code is a CommonJS module that says it was an ECMAScript module.
fn is_compiled(code: &str) -> bool {
    if memchr::memmem::find(code.as_bytes(), b"__esModule").is_none() {
        return false;
    }
    // Bundles of ECMAScript modules may hold such code, too.
    let may_be_module = ["import", "export"].iter().any(|word| {
        code.match_indices(word).any(|(at, _)| {
            let after = code[at + word.len()..].chars().next();
            after.is_some_and(|after| after.is_whitespace() || matches!(after, '{' | '*' | '"' | '\'' | '/'))
        })
    });
    if !may_be_module {
        return true;
    }
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, code, SourceType::unambiguous().with_jsx(true)).parse();
    !parsed.panicked && !parsed.module_record.has_module_syntax
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_modules_are_told_from_others() {
        let flag = "Object.defineProperty(exports, '__esModule', { value: true });";
        assert!(is_compiled(flag));
        assert!(is_compiled(&format!("{flag} // we import it\nexports.default = 1;")));
        assert!(is_compiled(&format!("{flag} exports.load = () => import('./x.js');")));
        assert!(!is_compiled("module.exports = 1;"));
        assert!(!is_compiled(&format!("const f = (exports) => {{ {flag} }}; export default f;")));
        assert!(!is_compiled(&format!("const f = (exports) => {{ {flag} }}; export{{f as g}};")));
    }
}
