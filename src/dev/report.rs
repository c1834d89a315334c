//! Reports of errors, taken apart: what was thrown, where, and because of what.

use std::path::{Component, Path, PathBuf};

/// Largest file that lines are shown of.
const MOST_SOURCE: u64 = 4 * 1024 * 1024;
/// Lines that are shown before and after the one that is meant.
const AROUND: usize = 4;
/// Longest line that is shown whole, in characters.
const WIDEST: usize = 400;
/// Most errors, and frames of one, that are shown.
const MOST_ERRORS: usize = 16;
const MOST_FRAMES: usize = 64;

/// Kinds of files that are source code.
const SOURCES: [&str; 9] = ["ts", "tsx", "js", "jsx", "mjs", "cjs", "mts", "cts", "json"];

/// One of the errors of a chain of causes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Thrown {
    /// How it follows from the one before: `caused by`, or `1 of 2`.
    pub(super) label: String,
    /// Name and message, and what else it has.
    pub(super) message: String,
    pub(super) frames: Vec<Frame>,
    /// The lines around the first frame of the project's own files.
    pub(super) snippet: Option<Snippet>,
}

/// A function that was on its way when an error was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) function: String,
    /// As it is seen from the project.
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Frame {
    /// Whether it is in a package.
    pub(super) fn is_of_package(&self) -> bool {
        self.file.contains("node_modules/")
    }
}

/// Lines of a file, one of which is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snippet {
    pub(super) file: String,
    /// The number of the first line.
    pub(super) first: usize,
    pub(super) lines: Vec<String>,
    /// The one that is meant, and the column, both counted from 1.
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Takes a report apart; `root` is the folder of the project.
pub(super) fn parse(root: &Path, text: &str) -> Vec<Thrown> {
    let text = text.strip_prefix("Uncaught ").unwrap_or(text);
    let text = text.strip_prefix("(in promise) ").unwrap_or(text);
    // How the log marks what a handler threw.
    let text = text.strip_prefix("\u{2a2f} ").unwrap_or(text);
    let mut errors = vec![Thrown::default()];
    for line in text.lines() {
        let trimmed = line.trim_start();
        if let Some((label, rest)) = next_error(trimmed).filter(|_| line.starts_with(' ')) {
            if errors.len() >= MOST_ERRORS {
                break;
            }
            errors.push(Thrown { label, message: rest.to_owned(), ..Thrown::default() });
            continue;
        }
        let Some(current) = errors.last_mut() else { break };
        if let Some(frame) = trimmed.strip_prefix("at ").filter(|_| line.starts_with(' ')) {
            current.frames.extend(frame_of(frame).filter(|_| current.frames.len() < MOST_FRAMES));
        } else if !is_code(line) {
            if !current.message.is_empty() {
                current.message.push('\n');
            }
            current.message.push_str(if current.frames.is_empty() { line } else { trimmed });
        }
    }
    for (index, error) in errors.iter_mut().enumerate() {
        let own = error.frames.iter().find(|frame| !frame.is_of_package());
        error.snippet = own.and_then(|frame| {
            let snippet = snippet(root, &frame.file, frame.line, frame.column)?;
            // Of the first error the report has the line as it was when the code was loaded.
            let code = snippet.lines.get(frame.line - snippet.first)?.trim();
            let is_as_loaded = || text.contains(&code[..code.floor_char_boundary(80)]);
            (index > 0 || !text.contains(" | ") || is_as_loaded()).then_some(snippet)
        });
    }
    errors
}

/// The label and the text of an error that follows from another one.
fn next_error(line: &str) -> Option<(String, &str)> {
    if let Some(rest) = line.strip_prefix("caused by: ") {
        return Some(("Caused by".to_owned(), rest));
    }
    let (label, rest) = line.split_once(": ")?;
    let (one, all) = label.split_once(" of ")?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(one) && is_number(all)).then(|| (label.to_owned(), rest))
}

/// Whether a line of a report shows code: `    12 | code`, or the mark under it.
fn is_code(line: &str) -> bool {
    let Some((gutter, _)) = line.split_once(" |") else { return false };
    line.starts_with("    ") && gutter.trim().bytes().all(|byte| byte.is_ascii_digit())
}

/// The parts of a frame such as `async GET (app/route.ts:2:9)`.
fn frame_of(text: &str) -> Option<Frame> {
    let (function, place) = match text.strip_suffix(')') {
        Some(inner) => inner.split_once(" (").unwrap_or(("", inner)),
        None => ("", text.trim_start_matches("async ")),
    };
    let (rest, column) = place.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    let file = file.strip_prefix("file://").unwrap_or(file);
    let file = percent_encoding::percent_decode_str(file).decode_utf8_lossy().into_owned();
    let (line, column) = (line.parse().ok()?, column.parse().ok()?);
    Some(Frame { function: function.to_owned(), file, line, column })
}

/// The lines around a place in a source file of the project. Reports are texts that code can
/// make up: they name no other files.
pub(super) fn snippet(root: &Path, file: &str, line: usize, column: usize) -> Option<Snippet> {
    let path = source_file(root, file)?;
    if line == 0 || std::fs::metadata(&path).ok()?.len() > MOST_SOURCE {
        return None;
    }
    let text = String::from_utf8_lossy(&std::fs::read(path).ok()?).into_owned();
    let first = line.saturating_sub(AROUND).max(1);
    let lines: Vec<String> =
        text.lines().skip(first - 1).take(line - first + 1 + AROUND).map(shortened).collect();
    (line - first < lines.len()).then(|| Snippet { file: file.to_owned(), first, lines, line, column })
}

fn shortened(line: &str) -> String {
    line.chars().take(WIDEST).collect()
}

fn source_file(root: &Path, file: &str) -> Option<PathBuf> {
    let path = Path::new(file);
    let is_plain = path.components().all(|part| match part {
        Component::Normal(name) => {
            let name = name.to_string_lossy();
            !name.starts_with('.') && name != "node_modules"
        }
        _ => false,
    });
    let is_source = path.extension().is_some_and(|found| SOURCES.iter().any(|known| found == *known));
    if !is_plain || !is_source {
        return None;
    }
    let root = root.canonicalize().ok()?;
    root.join(path).canonicalize().ok().filter(|path| path.starts_with(&root) && path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_taken_apart() {
        let text = "Uncaught (in promise) Error: no: {\n  \"a\": 1 }\n    12 |   throw new Error('no')\n       |         ^\n    at load (lib/db.ts:12:9)\n    at async GET (app/(shop)/[id]/route.ts:2:9)\n    at new Pool (node_modules/pg/lib/pool.js:9:1) { code: 'E1' }\n  caused by: TypeError: inner\n    at file:///srv/shared/a%20b.ts:1:2\n  1 of 2: Error: one";
        let errors = parse(Path::new("/nowhere"), text);
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert_eq!(errors[0].message, "Error: no: {\n  \"a\": 1 }");
        let places: Vec<_> = errors[0].frames.iter().map(|frame| (frame.file.as_str(), frame.line)).collect();
        assert_eq!(places[..2], [("lib/db.ts", 12), ("app/(shop)/[id]/route.ts", 2)]);
        assert_eq!(errors[0].frames[1].function, "async GET");
        assert_eq!((errors[1].label.as_str(), errors[1].message.as_str()), ("Caused by", "TypeError: inner"));
        assert_eq!(errors[1].frames[0].file, "/srv/shared/a b.ts");
        assert_eq!((errors[2].label.as_str(), errors[2].message.as_str()), ("1 of 2", "Error: one"));
    }

    #[test]
    fn only_source_files_of_the_project_are_shown() {
        let dir = std::env::temp_dir().join(format!("edgehost-snippets-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("app")).expect("made");
        std::fs::write(dir.join("app/route.ts"), "one\ntwo\nthree\n").expect("written");
        std::fs::write(dir.join(".env"), "SECRET=1\n").expect("written");
        std::fs::write(dir.with_extension("ts"), "outside\n").expect("written");
        let found = snippet(&dir, "app/route.ts", 2, 1).expect("it is there");
        assert_eq!((found.first, found.lines.len(), found.line), (1, 3, 2));
        let outside = format!("../{}.ts", dir.file_name().expect("a name").display());
        for file in [".env", "app/../.env", &outside, "/etc/passwd", "node_modules/a.js", ""] {
            assert_eq!(snippet(&dir, file, 1, 1), None, "{file}");
        }
        assert_eq!(snippet(&dir, "app/route.ts", 9, 1), None);
        std::fs::remove_dir_all(&dir).expect("removed");
        std::fs::remove_file(dir.with_extension("ts")).expect("removed");
    }
}
