//! Lines of the user's code, for reports of errors.

use std::collections::HashMap;
use std::path::{Component, Path};
use std::time::SystemTime;

use parking_lot::Mutex;

/// Largest source file that lines are shown of.
const MOST_SOURCE: u64 = 4 * 1024 * 1024;
/// Lines that are remembered.
const MOST_LINES: usize = 256;

/// Kinds of files that are source code.
const SOURCES: [&str; 8] = ["ts", "tsx", "js", "jsx", "mjs", "cjs", "mts", "cts"];

/// Lines of source files that reports have shown.
#[derive(Debug)]
pub(crate) struct SourceLines {
    /// Files that were changed later are not what runs.
    loaded: SystemTime,
    lines: Mutex<HashMap<(String, usize), Option<String>>>,
}

impl Default for SourceLines {
    fn default() -> Self {
        Self { loaded: SystemTime::now(), lines: Mutex::default() }
    }
}

impl SourceLines {
    pub(crate) fn get(&self, root: &Path, file: &str, line: usize) -> Option<String> {
        let key = (file.to_owned(), line);
        if let Some(known) = self.lines.lock().get(&key) {
            return known.clone();
        }
        let found = self.read(root, file, line);
        let mut lines = self.lines.lock();
        if lines.len() >= MOST_LINES {
            lines.clear();
        }
        lines.insert(key, found.clone());
        found
    }

    /// A line of a source file of the project. A stack is a text that user code can make
    /// up: it names no other files.
    fn read(&self, root: &Path, file: &str, line: usize) -> Option<String> {
        let decoded = percent_encoding::percent_decode_str(file).decode_utf8().ok()?;
        let path = Path::new(decoded.as_ref());
        let is_plain = path.components().all(|part| match part {
            Component::Normal(name) => {
                let name = name.to_string_lossy();
                !name.starts_with('.') && name != "node_modules"
            }
            _ => false,
        });
        let is_source = path.extension().is_some_and(|found| SOURCES.iter().any(|known| found == *known));
        if !is_plain || !is_source || line == 0 {
            return None;
        }
        let path = root.join(path).canonicalize().ok().filter(|path| path.starts_with(root))?;
        let facts = std::fs::metadata(&path).ok()?;
        if !facts.is_file() || facts.len() > MOST_SOURCE || facts.modified().ok()? > self.loaded {
            return None;
        }
        let text = std::fs::read(path).ok()?;
        let text = String::from_utf8_lossy(&text);
        text.lines().nth(line - 1).map(|line| line.chars().take(64 * 1024).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_source_files_of_the_project_are_shown() {
        let dir = std::env::temp_dir().join(format!("edgehost-lines-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("app/.hidden")).expect("made");
        let dir = dir.canonicalize().expect("it exists");
        for file in ["app/a b.ts", "app/.hidden/x.ts", ".env", "secrets.json"] {
            std::fs::write(dir.join(file), "one\ntwo\n").expect("written");
        }
        std::fs::write(dir.with_extension("ts"), "outside").expect("written");
        std::os::unix::fs::symlink(dir.with_extension("ts"), dir.join("app/link.ts")).expect("linked");
        let lines = SourceLines {
            loaded: SystemTime::now() + std::time::Duration::from_secs(60),
            ..Default::default()
        };
        assert_eq!(lines.get(&dir, "app/a%20b.ts", 2).as_deref(), Some("two"));
        assert_eq!(lines.get(&dir, "app/a%20b.ts", 3), None);
        let outside = format!("../{}.ts", dir.file_name().expect("a name").display());
        for file in ["app/.hidden/x.ts", ".env", "secrets.json", &outside, "app/link.ts", "app", ""] {
            assert_eq!(lines.get(&dir, file, 1), None, "{file}");
        }
        let stale = SourceLines { loaded: SystemTime::UNIX_EPOCH, ..Default::default() };
        assert_eq!(stale.get(&dir, "app/a b.ts", 1), None, "the file was changed later");
        std::fs::remove_dir_all(&dir).expect("removed");
        std::fs::remove_file(dir.with_extension("ts")).expect("removed");
    }
}
