//! Source maps of packages, made when an error asks for one.
//!
//! While it bundles, the bundler makes none of packages. What it wrote of a module has
//! the words of the module's file in their order, but for names that it changed, comments
//! and code that it left out. So the words are laid side by side: those that are found
//! again lead to their places.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use oxc_sourcemap::{SourceMap, Token};

use super::absolute;

/// How many words are passed over in search of the next two that agree.
const NEAR: usize = 100;

/// So many words have to agree where more are passed over.
const RUN: usize = 5;

/// Ends the code of a module in a chunk.
const END: &str = "//#endregion";

/// The source map of a chunk, with places in packages, from one that has only where their
/// files begin. Its sources are seen from the folder `root`; `named` says what they are called.
pub(super) fn complete(
    map: &[u8],
    code: &str,
    root: &Path,
    named: impl Fn(&str) -> String,
) -> Option<Vec<u8>> {
    let map = SourceMap::from_json_string(std::str::from_utf8(map).ok()?).ok()?;
    let lines: Vec<&str> = code.lines().collect();
    let mut tokens: Vec<Token> = Vec::new();
    for token in map.get_tokens() {
        tokens.push(token);
        let source = token.get_source_id().and_then(|id| map.get_source(id));
        let Some(path) = source.filter(|source| is_of_package(source)) else { continue };
        let Ok(original) = std::fs::read_to_string(absolute(root, path.as_ref())) else { continue };
        let first = token.get_dst_line() as usize + 1;
        let length = lines.iter().skip(first).take_while(|line| **line != END).count();
        let written = lines.iter().skip(first).take(length).copied();
        for (place, origin) in align(&words(written), &words(original.lines())) {
            tokens.push(Token::new(
                place.line + u32::try_from(first).ok()?,
                place.column,
                origin.line,
                origin.column,
                token.get_source_id(),
                None,
            ));
        }
    }
    let names = map.get_names().map(|name| Cow::Owned(name.to_owned())).collect();
    let sources = map.get_sources().map(|source| Cow::Owned(named(source))).collect();
    let tokens = tokens.into_boxed_slice();
    let whole = SourceMap::new(None, names, None, sources, Vec::new(), tokens, None);
    Some(whole.to_json_string().into_bytes())
}

/// Whether a source is the file of a package.
fn is_of_package(source: &str) -> bool {
    Path::new(source).components().any(|part| part.as_os_str() == "node_modules")
}

/// A word and where it begins; columns in units of UTF-16, as V8 counts them.
#[derive(Debug, Clone, Copy)]
struct Word<'a> {
    line: u32,
    column: u32,
    text: &'a str,
}

/// The words of code, without those of comments.
fn words<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Word<'a>> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii();
    let mut words = Vec::new();
    let mut in_comment = false;
    for (line, text) in (0..).zip(lines) {
        let bytes = text.as_bytes();
        let mut quote = None;
        let mut at = 0;
        // As far as columns were counted, and what they are there.
        let (mut counted, mut column) = (0, 0);
        while at < bytes.len() {
            let rest = &bytes[at..];
            if in_comment {
                in_comment = !rest.starts_with(b"*/");
                at += if in_comment { 1 } else { 2 };
            } else if quote.is_none() && rest.starts_with(b"/*") {
                in_comment = true;
                at += 2;
            } else if quote.is_none() && rest.starts_with(b"//") && (at == 0 || bytes[at - 1] != b':') {
                break;
            } else if is_word(bytes[at]) {
                let length = rest.iter().take_while(|byte| is_word(**byte)).count();
                let before = &text[counted..at];
                column += if before.is_ascii() { before.len() } else { before.encode_utf16().count() };
                counted = at;
                let column = u32::try_from(column).unwrap_or(u32::MAX);
                words.push(Word { line, column, text: &text[at..at + length] });
                at += length;
            } else {
                match (bytes[at], quote) {
                    (b'\\', Some(_)) => at += 1,
                    (mark @ (b'"' | b'\''), None) => quote = Some(mark),
                    (mark, Some(open)) if mark == open => quote = None,
                    _ => {}
                }
                at += 1;
                // What is escaped may be a character of several bytes.
                while at < bytes.len() && !text.is_char_boundary(at) {
                    at += 1;
                }
            }
        }
    }
    words
}

/// Pairs of words that are the same: one that was written, and its origin.
fn align<'a>(written: &[Word<'a>], origin: &[Word<'a>]) -> Vec<(Word<'a>, Word<'a>)> {
    let agree = |i: usize, j: usize, count: usize| {
        (0..count).all(|step| match (written.get(i + step), origin.get(j + step)) {
            (Some(one), Some(other)) => one.text == other.text,
            // The last words need not be followed by others.
            (one, other) => step > 0 && one.is_none() && other.is_none(),
        })
    };
    let mut runs: HashMap<[&str; RUN], Vec<usize>> = HashMap::new();
    for (at, run) in origin.windows(RUN).enumerate() {
        let run: [&str; RUN] = std::array::from_fn(|step| run[step].text);
        runs.entry(run).or_default().push(at);
    }
    let mut pairs = Vec::with_capacity(written.len());
    let (mut i, mut j) = (0, 0);
    while i < written.len() {
        if agree(i, j, 1) {
            pairs.push((written[i], origin[j]));
            (i, j) = (i + 1, j + 1);
            continue;
        }
        if let Some(near) = (1..NEAR).find(|near| agree(i, j + near, 2)) {
            j += near;
            continue;
        }
        let far = written.get(i..i + RUN).and_then(|run| {
            let run: [&str; RUN] = std::array::from_fn(|step| run[step].text);
            runs.get(&run)?.iter().find(|at| **at >= j).copied()
        });
        match far {
            Some(far) => j = far,
            // A name of the bundler's.
            None => i += 1,
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a word is at a place, and led to its origin; lines and columns.
    fn leads(written: &str, origin: &str, text: &str, place: (u32, u32), from: (u32, u32)) -> bool {
        align(&words(written.lines()), &words(origin.lines())).iter().any(|(one, other)| {
            one.text == text && (one.line, one.column) == place && (other.line, other.column) == from
        })
    }

    #[test]
    fn words_are_found_again() {
        let origin =
            "/* load it */\nconst b = require('b') // why\nfunction f(x) { throw new Error('no: ' + x) }\n";
        let written =
            "\tvar import_b = require_b();\n\tfunction f$1(x) {\n\t\tthrow new Error(\"no: \" + x);\n\t}\n";
        assert!(leads(written, origin, "throw", (2, 2), (2, 16)));
        assert!(leads(written, origin, "Error", (2, 12), (2, 26)));
        let found = align(&words(written.lines()), &words(origin.lines()));
        assert!(found.iter().all(|(word, _)| word.text != "f$1" && word.text != "require_b"), "{found:?}");
    }

    #[test]
    fn code_that_was_left_out_is_passed_over() {
        let dead: String = (0..1000).map(|n| format!("dead{n}({n});\n")).collect();
        let origin = format!("live(1);\n{dead}\nfunction last(a, b) {{ return a.call(b); }}");
        let written = "live(1);\nfunction last(a, b) {\n\treturn a.call(b);\n}";
        assert!(leads(written, &origin, "call", (2, 10), (1002, 31)));
    }

    #[test]
    fn columns_are_those_of_v8() {
        let found = words("\"\u{1f600} https://x\" + word // \u{e9}".lines());
        let word = found.iter().find(|found| found.text == "word").expect("found");
        assert_eq!(word.column, 17);
    }
}
