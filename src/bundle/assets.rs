//! Files that are no code, as modules: which rule of `next.config` is for a file, and
//! the code that stands for it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::project::{Condition, FileKind, FileRule, Pattern, Runtime};

/// Rules that are ready to be asked.
#[derive(Debug, Default)]
pub(super) struct Rules {
    root: PathBuf,
    runtime: Runtime,
    rules: Vec<FileRule>,
    /// Regular expressions, by source and flags; none where one cannot be compiled.
    compiled: HashMap<(String, String), Option<regress::Regex>>,
}

impl Rules {
    pub(super) fn new(root: &Path, runtime: Runtime, rules: &[FileRule]) -> Self {
        let mut compiled = HashMap::new();
        for rule in rules {
            rule.when.for_each_regex(&mut |source, flags| {
                compiled
                    .entry((source.to_owned(), flags.to_owned()))
                    .or_insert_with(|| regress::Regex::with_flags(source, flags).ok());
            });
        }
        Self { root: root.to_owned(), runtime, rules: rules.to_vec(), compiled }
    }

    /// What the import of a file gives, if some rule is for it. `query` begins with `?`
    /// or is empty.
    pub(super) fn kind_of(&self, path: &Path, query: &str) -> Option<FileKind> {
        let found = self.rules.iter().find(|rule| self.holds(&rule.when, path, query));
        found.map(|rule| rule.kind)
    }

    fn holds(&self, condition: &Condition, path: &Path, query: &str) -> bool {
        match condition {
            Condition::All(all) => all.iter().all(|condition| self.holds(condition, path, query)),
            Condition::Any(any) => any.iter().any(|condition| self.holds(condition, path, query)),
            Condition::Not(condition) => !self.holds(condition, path, query),
            Condition::Path(pattern) => {
                self.fits(pattern, path.strip_prefix(&self.root).unwrap_or(path).to_str())
            }
            Condition::WholePath(pattern) => self.fits(pattern, path.to_str()),
            Condition::Query(pattern) => self.fits(pattern, Some(query)),
            Condition::Edge => self.runtime == Runtime::Edge,
            Condition::Foreign => path.components().any(|part| part.as_os_str() == "node_modules"),
        }
    }

    fn fits(&self, pattern: &Pattern, text: Option<&str>) -> bool {
        let Some(text) = text else { return false };
        match pattern {
            Pattern::Text(wanted) => text == wanted,
            Pattern::Glob(glob) => {
                let name = text.rsplit('/').next().unwrap_or(text);
                let (glob, text) = match glob.strip_prefix("./") {
                    Some(glob) => (glob, text),
                    None if glob.contains('/') => (glob.trim_start_matches('/'), text),
                    None => (glob.as_str(), name),
                };
                fast_glob::glob_match(glob, text)
            }
            Pattern::Regex(source, flags) => self
                .compiled
                .get(&(source.clone(), flags.clone()))
                .and_then(Option::as_ref)
                .is_some_and(|regex| regex.find(text).is_some()),
        }
    }
}

impl Condition {
    fn for_each_regex(&self, each: &mut impl FnMut(&str, &str)) {
        match self {
            Self::All(of) | Self::Any(of) => of.iter().for_each(|condition| condition.for_each_regex(each)),
            Self::Not(condition) => condition.for_each_regex(each),
            Self::Path(Pattern::Regex(source, flags))
            | Self::WholePath(Pattern::Regex(source, flags))
            | Self::Query(Pattern::Regex(source, flags)) => each(source, flags),
            _ => {}
        }
    }
}

/// The code that stands for a file; none if the file itself is the code.
pub(super) fn code(path: &Path, kind: FileKind) -> std::io::Result<Option<String>> {
    let text = || std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let quoted = |text: String| serde_json::Value::from(text).to_string();
    Ok(Some(match kind {
        FileKind::Text => format!("export default {};", quoted(text()?)),
        FileKind::Source => format!("module.exports = {};", quoted(text()?)),
        FileKind::Bytes => {
            format!("export default Uint8Array.fromHex(\"{}\");", hex(&std::fs::read(path)?))
        }
        FileKind::DataUrl => {
            let content = STANDARD.encode(std::fs::read(path)?);
            format!("export default \"data:{};base64,{content}\";", media_type(path))
        }
        FileKind::Empty => "export {};".to_owned(),
        FileKind::Json | FileKind::JavaScript | FileKind::TypeScript => return Ok(None),
    }))
}

/// An expression for what is in a file: a text where it is one, which takes less room, else bytes.
pub(super) fn literal(path: &Path) -> std::io::Result<String> {
    Ok(match String::from_utf8(std::fs::read(path)?) {
        Ok(text) => serde_json::Value::from(text).to_string(),
        Err(error) => format!("Uint8Array.fromHex(\"{}\")", hex(error.as_bytes())),
    })
}

/// A module whose default export is the compiled `WebAssembly.Module`.
pub(super) fn wasm(path: &Path) -> Option<String> {
    let hex = hex(&std::fs::read(path).ok()?);
    Some(format!("export default new WebAssembly.Module(Uint8Array.fromHex(\"{hex}\"));"))
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

fn media_type(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "avif" => "image/avif",
        "bmp" => "image/bmp",
        "css" => "text/css",
        "csv" => "text/csv",
        "gif" => "image/gif",
        "htm" | "html" => "text/html",
        "ico" => "image/x-icon",
        "jpeg" | "jpg" => "image/jpeg",
        "json" => "application/json",
        "md" => "text/markdown",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "otf" => "font/otf",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "ttf" => "font/ttf",
        "txt" => "text/plain",
        "wasm" => "application/wasm",
        "webm" => "video/webm",
        "webp" => "image/webp",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "xml" => "application/xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_find_their_files() {
        let regex = |source: &str| Pattern::Regex(source.to_owned(), "i".to_owned());
        let rule = |when, kind| FileRule { when, kind };
        let rules = [
            rule(Condition::Path(Pattern::Glob("*.md".to_owned())), FileKind::Text),
            rule(Condition::Path(Pattern::Glob("./docs/**/*.txt".to_owned())), FileKind::Bytes),
            rule(
                Condition::All(vec![
                    Condition::WholePath(regex(r"\.(txt|svg)$")),
                    Condition::Not(Box::new(Condition::WholePath(regex("node_modules")))),
                    Condition::Query(regex("raw")),
                ]),
                FileKind::Source,
            ),
            rule(Condition::Any(Vec::new()), FileKind::Json),
        ];
        let rules = Rules::new(Path::new("/p"), Runtime::NodeJs, &rules);
        let kind = |path: &str, query| rules.kind_of(Path::new(path), query);
        assert_eq!(kind("/p/a/b.md", ""), Some(FileKind::Text));
        assert_eq!(kind("/p/docs/a/b.txt", ""), Some(FileKind::Bytes));
        assert_eq!(kind("/p/a/b.SVG", "?raw"), Some(FileKind::Source));
        assert_eq!(kind("/p/a/b.svg", ""), None);
        assert_eq!(kind("/p/node_modules/b.svg", "?raw"), None);
        assert_eq!(kind("/p/a/md", ""), None);
    }
}
