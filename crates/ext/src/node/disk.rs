//! ECMAScript modules that are read while the app runs: what `require` finds under a name that
//! was not known when the app was bundled, and what such modules import.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use deno_core::serde_json::Value;
use deno_core::url::Url;
use deno_error::JsErrorBox;
use deno_fs::sync::new_rc;
use deno_node::NodeRequireLoader;
use node_resolver::{NodeResolutionKind, PackageJsonResolver, ResolutionMode};
use regex::{Captures, Regex};

use super::require::Require;
use super::{Resolver, resolver};
use crate::list::Settings;

/// Reads modules from the disk, as far as permissions go.
pub struct DiskModules {
    resolver: Resolver,
    files: Require,
    is_over: fn() -> bool,
}

/// What a file holds.
#[derive(Debug)]
pub enum DiskModule {
    /// Code of an ECMAScript module.
    JavaScript(String),
    /// A text that is to be JSON.
    Json(String),
}

/// A file that `import` cannot load.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
#[class(type)]
#[error("Unknown file extension \".{extension}\" for {path}")]
#[property("code" = "ERR_UNKNOWN_FILE_EXTENSION")]
struct UnknownExtension {
    extension: String,
    path: String,
}

/// A JSON file whose import does not say that it is one.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
#[class(type)]
#[error("Module \"{0}\" needs an import attribute of \"type: json\"")]
#[property("code" = "ERR_IMPORT_ATTRIBUTE_MISSING")]
struct AttributeMissing(String);

/// Most CommonJS modules, and bytes of their text, that are looked at for the names that one
/// of them exports or hands on.
const MOST_MODULES: usize = 256;
const MOST_TEXT: usize = 16 << 20;

impl DiskModules {
    /// Of files that the isolate with these settings may read.
    pub fn new(settings: &Settings) -> Self {
        let Settings { facts, permissions, sys, .. } = settings;
        let packages = new_rc(PackageJsonResolver::new(sys.clone(), None));
        let (permissions, largest) = (permissions.clone(), facts.ceilings.memory);
        Self {
            resolver: resolver(sys, &packages),
            files: Require { packages, permissions, largest },
            is_over: facts.is_over,
        }
    }

    /// Where a module finds what it imports.
    ///
    /// # Errors
    ///
    /// When there is nothing there.
    pub fn resolve(&self, specifier: &str, referrer: &Url) -> Result<Url, JsErrorBox> {
        let is_place = specifier.starts_with(['.', '/']) || specifier.starts_with("file:");
        if let Some(path) = referrer.join(specifier).ok().filter(|_| is_place).and_then(|url| path_of(&url)) {
            // Whether it is there is nobody's business either.
            self.checked(&path)?;
        }
        let found = self
            .resolver
            .resolve(specifier, referrer, ResolutionMode::Import, NodeResolutionKind::Execution)
            .map_err(JsErrorBox::from_err)?;
        found.into_url().map_err(JsErrorBox::from_err)
    }

    /// The module in a file. What `require` asks for is one for certain; else its name, its
    /// package and its code tell, and CommonJS modules are wrapped.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is no module.
    pub fn load(&self, url: &Url, is_required: bool, wants_json: bool) -> Result<DiskModule, JsErrorBox> {
        let Some(path) = path_of(url) else {
            return Err(JsErrorBox::type_error(format!("'{url}' is no file")));
        };
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        Ok(match extension {
            _ if is_required => DiskModule::JavaScript(self.read(&path)?),
            "json" if wants_json => DiskModule::Json(self.read(&path)?),
            "json" => return Err(JsErrorBox::from_err(AttributeMissing(url.to_string()))),
            "mjs" => DiskModule::JavaScript(self.read(&path)?),
            "cjs" => DiskModule::JavaScript(self.wrapped(&path)),
            "js" | "" => {
                let package =
                    self.files.packages.get_closest_package_json(&path).map_err(JsErrorBox::from_err)?;
                let code = self.read(&path)?;
                match package.as_ref().map_or("none", |package| package.typ.as_str()) {
                    "module" => DiskModule::JavaScript(code),
                    "none" if has_module_syntax(&code) => DiskModule::JavaScript(code),
                    _ => DiskModule::JavaScript(self.wrapped(&path)),
                }
            }
            other => {
                let (extension, path) = (other.to_owned(), path.display().to_string());
                return Err(JsErrorBox::from_err(UnknownExtension { extension, path }));
            }
        })
    }

    /// A module that exports what a CommonJS module does.
    fn wrapped(&self, path: &Path) -> String {
        let names = self.names(path);
        let file = Value::from(path.display().to_string());
        let mut code = format!(
            "import {{ createRequire }} from \"node:module\";\nconst exports = createRequire({file})({file});\nexport {{ exports as default, exports as \"module.exports\" }};\n"
        );
        for (index, name) in names.iter().enumerate() {
            let name = Value::from(name.as_str());
            let _ = writeln!(code, "const e{index} = exports?.[{name}];\nexport {{ e{index} as {name} }};");
        }
        code
    }

    /// The names that a CommonJS module exports, as far as its text shows them.
    fn names(&self, path: &Path) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut queue = vec![path.to_owned()];
        let mut seen = HashSet::new();
        let mut text = 0;
        while let Some(path) = queue.pop() {
            if seen.len() == MOST_MODULES || !seen.insert(path.clone()) {
                continue;
            }
            let (Ok(code), Ok(url)) = (self.read(&path), Url::from_file_path(&path)) else { continue };
            text += code.len();
            if text > MOST_TEXT {
                break;
            }
            names.extend(exported(&code).map(str::to_owned));
            let required = handed_on(&code).filter_map(|specifier| {
                self.resolver
                    .resolve(specifier, &url, ResolutionMode::Require, NodeResolutionKind::Execution)
                    .ok()?
                    .into_url()
                    .ok()
            });
            queue.extend(required.filter_map(|url| path_of(&url)));
        }
        names.remove("default");
        names.remove("module.exports");
        names
    }

    fn checked<'a>(&self, path: &'a Path) -> Result<Cow<'a, Path>, JsErrorBox> {
        self.files.ensure_read_permission(&mut self.files.permissions.clone(), Cow::Borrowed(path))
    }

    fn read(&self, path: &Path) -> Result<String, JsErrorBox> {
        // No JavaScript runs between the modules of a graph: nothing else would end it.
        if (self.is_over)() {
            return Err(JsErrorBox::generic("The request is over"));
        }
        let text = self.files.load_text_file_lossy(&self.checked(path)?)?;
        Ok(text.as_str().to_owned())
    }
}

fn path_of(url: &Url) -> Option<PathBuf> {
    url.to_file_path().ok()
}

/// Patterns over the text of modules. Parsers recurse, and what is read here is in the hands of
/// user code; a name too many is `undefined` for whoever imports it.
struct Patterns {
    import_or_export: Regex,
    assigned: Regex,
    defined: Regex,
    listed: Regex,
    name: Regex,
    handed_on: Regex,
    required: Regex,
    each_key: Regex,
}

#[expect(clippy::expect_used, reason = "the patterns are constants")]
static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    let compile = |pattern: &str| Regex::new(pattern).expect("in order");
    Patterns {
        import_or_export: compile(
            r#"(?m)(?:^|[;}])\s*(?:import\s*["'*{]|import\s+[\p{ID_Start}$_]|export\s*[*{]|export\s+(?:default|const|let|var|function|class|async)(?-u:\b))"#,
        ),
        assigned: compile(
            r#"(?-u:\b)exports\s*(?:\.\s*([\p{ID_Start}$_][\p{ID_Continue}$]*)|\[\s*(?:"([^"\\\n]+)"|'([^'\\\n]+)')\s*\])\s*="#,
        ),
        defined: compile(
            r#"(?-u:\b)defineProperty\(\s*(?:module\s*\.\s*)?exports\s*,\s*(?:"([^"\\\n]+)"|'([^'\\\n]+)')"#,
        ),
        listed: compile(r"(?-u:\b)module\s*\.\s*exports\s*=\s*\{([^{}]*)"),
        name: compile(
            r#"^\s*(?:([\p{ID_Start}$_][\p{ID_Continue}$]*)|"([^"\\\n]+)"|'([^'\\\n]+)')\s*(?:$|:|\()"#,
        ),
        handed_on: compile(
            r#"(?:(?-u:\b)module\s*\.\s*exports\s*=\s*(?:\{\s*\.\.\.)?|(?-u:\b)__exportStar\(|(?-u:\b)__export\(|(?-u:\b)__reExport\([A-Za-z0-9_$]+,|\.\.\.)\s*require\(\s*(?:"([^"\\\n]+)"|'([^'\\\n]+)')"#,
        ),
        required: compile(
            r#"(?-u:\b)([A-Za-z0-9_$]+)\s*=\s*(?:[A-Za-z0-9_$.]+\(\s*)*require\(\s*(?:"([^"\\\n]+)"|'([^'\\\n]+)')"#,
        ),
        each_key: compile(r"(?-u:\b)Object\.keys\(\s*([A-Za-z0-9_$]+)\s*\)\s*\.forEach\("),
    }
});

fn has_module_syntax(code: &str) -> bool {
    PATTERNS.import_or_export.is_match(code)
        && assigned(code).next().is_none()
        && !code.contains("module.exports")
}

/// The group of a pattern that took part.
fn group<'a>(found: &Captures<'a>) -> Option<&'a str> {
    found.iter().skip(1).flatten().next().map(|group| group.as_str())
}

fn groups<'a>(pattern: &'a Regex, text: &'a str) -> impl Iterator<Item = &'a str> {
    pattern.captures_iter(text).filter_map(|found| group(&found))
}

/// Names that are assigned to, not compared with something.
fn assigned(code: &str) -> impl Iterator<Item = &str> {
    PATTERNS.assigned.captures_iter(code).filter_map(|found| {
        let after = &code[found.get(0)?.end()..];
        group(&found).filter(|_| !after.starts_with(['=', '>']))
    })
}

/// Names that a CommonJS module gives to `exports`.
fn exported(code: &str) -> impl Iterator<Item = &str> {
    let patterns = &*PATTERNS;
    let listed = groups(&patterns.listed, code)
        .flat_map(|list| list.split(','))
        .filter_map(|entry| groups(&patterns.name, entry).next());
    assigned(code).chain(groups(&patterns.defined, code)).chain(listed)
}

/// What a CommonJS module hands on as a whole.
fn handed_on(code: &str) -> impl Iterator<Item = &str> {
    let patterns = &*PATTERNS;
    // Compilers write a loop over the keys of what they have required before.
    let looped: HashSet<&str> = groups(&patterns.each_key, code).collect();
    let required = patterns.required.captures_iter(code).filter_map(move |found| {
        let variable = found.get(1)?.as_str();
        let specifier = found.get(2).or_else(|| found.get(3))?.as_str();
        looped.contains(variable).then_some(specifier)
    });
    groups(&patterns.handed_on, code).chain(required)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(code: &str) -> String {
        let names: BTreeSet<&str> = exported(code).collect();
        names.into_iter().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn names_of_commonjs_modules_are_found() {
        for (code, expected) in [
            ("exports.a = 1; module.exports.b = 2; exports['c-d'] = 3;", "a b c-d"),
            ("exports.a=exports.b = void 0;", "a b"),
            ("if (exports.a == 1 || exports.b === 2) exports.c();", ""),
            ("Object.defineProperty(exports, \"__esModule\", { value: true });", "__esModule"),
            ("module.exports = { a, b: 1, 'c': f(x), d() {} };", "a b c d"),
            ("0 && (module.exports = {\n  first,\n  second\n});", "first second"),
            ("module.exports = function () {}; module.exports.$x = 1; exports.größe = 2;", "$x größe"),
            ("module.exports = {};", ""),
        ] {
            assert_eq!(names(code), expected, "{code}");
        }
        let code = "module.exports = require('./a'); __exportStar(require(\"./b\"), exports); module.exports = { ...require('./c') }; const d = require('./d');";
        assert_eq!(handed_on(code).collect::<Vec<_>>(), ["./a", "./b", "./c"]);
        let code = "var _e = _interop(require(\"./e\")), f = require('./f');\nObject.keys(_e).forEach(function (key) { if (key !== 'default') exports[key] = _e[key]; });";
        assert_eq!(handed_on(code).collect::<Vec<_>>(), ["./e"]);
    }

    #[test]
    fn modules_are_told_from_scripts() {
        for code in [
            "import x from 'y';",
            "import 'y'",
            "const a = 1;export{a};",
            "// one\nexport default 1;",
            "export * from 'y'",
        ] {
            assert!(has_module_syntax(code), "{code}");
        }
        for code in
            ["const x = require('y');", "import('y').then(f);", "exports.a = `\nexport default 1;`", "f(1)"]
        {
            assert!(!has_module_syntax(code), "{code}");
        }
    }
}
