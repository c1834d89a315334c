//! `.env` files and what an app sees as `process.env`.
//!
//! The grammar is that of Next.js (dotenv with dotenv-expand), which differs
//! from the crates of this name: references are expanded inside single quotes,
//! may point forward, and `\"` stays as it is. Hence a reader of our own.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::ProjectError;

/// Variables by name. What [`Environment::of_process`] returns is the host's own environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// No variables at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The variables of this process whose names and values are UTF-8.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the process environment")]
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The variables of a file that is written as `.env` files are.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn from_file(path: impl AsRef<Path>) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        Ok(expanded(&parse(&text).into_iter().collect(), &Self::empty()))
    }

    /// `real` variables, and what the `.env` files of a folder say besides, where there is one.
    pub(crate) fn of_folder(folder: Option<&Path>, real: &Self) -> Result<Self, ProjectError> {
        load(folder, real)
    }

    /// The value of one variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets one variable.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// All variables, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// Which `.env.<mode>` files are read; taken from `NODE_ENV`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The default.
    Production,
    /// `NODE_ENV=development`.
    Development,
    /// `NODE_ENV=test`; `.env.local` is skipped.
    Test,
}

impl Mode {
    /// The mode that `NODE_ENV` asks for.
    pub(super) fn of(environment: &Environment) -> Self {
        match environment.get("NODE_ENV") {
            Some("test") => Self::Test,
            Some("development") => Self::Development,
            _ => Self::Production,
        }
    }

    /// The name as it stands in file names and in `NODE_ENV`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Development => "development",
            Self::Test => "test",
        }
    }
}

/// Reads the `.env` files of a project over the real environment, which wins.
pub(super) fn load(root: Option<&Path>, real: &Environment) -> Result<Environment, ProjectError> {
    let mode = Mode::of(real);
    let mut names = vec![format!(".env.{}.local", mode.name())];
    if mode != Mode::Test {
        names.push(".env.local".to_owned());
    }
    names.push(format!(".env.{}", mode.name()));
    names.push(".env".to_owned());

    let mut merged: BTreeMap<String, String> = BTreeMap::new();
    for path in root.into_iter().flat_map(|root| names.iter().map(|name| root.join(name))) {
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let mut of_this_file = BTreeMap::new();
                of_this_file.extend(parse(&text));
                for (key, value) in of_this_file {
                    merged.entry(key).or_insert(value);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(ProjectError::Unreadable { path, source }),
        }
    }
    let mut variables = expanded(&merged, real);
    if variables.get("NODE_ENV").is_none() {
        variables.set("NODE_ENV", mode.name());
    }
    Ok(variables)
}

/// The real variables, and those of files that it does not have, with their references.
fn expanded(merged: &BTreeMap<String, String>, real: &Environment) -> Environment {
    let mut variables = real.clone();
    for (key, value) in merged {
        if real.get(key).is_none() {
            let mut open = HashSet::from([key.as_str()]);
            variables.set(key, expand(value, real, merged, &mut open));
        }
    }
    variables
}

/// Reads assignments in file order; a later one of the same name wins.
fn parse(text: &str) -> Vec<(String, String)> {
    let text = text.replace("\r\n", "\n");
    let mut assignments = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after_line) = rest.split_once('\n').unwrap_or((rest, ""));
        let Some((key, value_start)) = key_of(line) else {
            rest = after_line;
            continue;
        };
        let value = rest[value_start..].trim_start_matches([' ', '\t']);
        let (value, after) = match quoted(value) {
            Some(found) => found,
            None => {
                let line = value.split('\n').next().unwrap_or("");
                let bare = line.split('#').next().unwrap_or("").trim().to_owned();
                (bare, value.split_once('\n').map_or("", |(_, after)| after))
            }
        };
        assignments.push((key, value));
        rest = after;
    }
    assignments
}

/// The name that a line assigns to, and where its value starts in the line.
fn key_of(line: &str) -> Option<(String, usize)> {
    let trimmed = line.trim_start();
    let body = match trimmed.strip_prefix("export") {
        Some(after) if after.starts_with([' ', '\t']) => after.trim_start(),
        _ => trimmed,
    };
    let end = body.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')))?;
    let (key, after) = body.split_at(end);
    if key.is_empty() {
        return None;
    }
    let separator = match after.trim_start().strip_prefix('=') {
        Some(value) => value,
        None => after.strip_prefix(':').filter(|value| value.starts_with([' ', '\t']))?,
    };
    Some((key.to_owned(), line.len() - separator.len()))
}

/// A quoted value and what follows its line; quotes may span lines.
fn quoted(value: &str) -> Option<(String, &str)> {
    let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"' | '`'))?;
    let mut escaped = false;
    let end = value[1..].char_indices().find_map(|(at, c)| {
        let closes = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(at + 1)
    })?;
    let inner = &value[1..end];
    let text = if quote == '"' { inner.replace("\\n", "\n").replace("\\r", "\r") } else { inner.to_owned() };
    let after = value[end + 1..].split_once('\n').map_or("", |(_, after)| after);
    Some((text, after))
}

/// Replaces `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME-default}`; `\$` is a dollar sign.
fn expand<'a>(
    value: &'a str,
    real: &Environment,
    merged: &'a BTreeMap<String, String>,
    open: &mut HashSet<&'a str>,
) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        if rest[..at].ends_with('\\') {
            out.push_str(&rest[..at - 1]);
            out.push('$');
            rest = &rest[at + 1..];
            continue;
        }
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, default, tail) = match braced(after) {
            Some(found) => found,
            None => {
                let end =
                    after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
                (&after[..end], None, &after[end..])
            }
        };
        rest = tail;
        if name.is_empty() {
            out.push('$');
            continue;
        }
        let found = match real.get(name) {
            Some(value) => Some(value.to_owned()),
            // A reference that leads back to itself stands for nothing.
            None => {
                merged.get_key_value(name).filter(|(key, _)| open.insert(key.as_str())).map(|(key, value)| {
                    let text = expand(value, real, merged, open);
                    open.remove(key.as_str());
                    text
                })
            }
        };
        match (found.filter(|text| !text.is_empty()), default) {
            (Some(text), _) => out.push_str(&text),
            (None, Some(default)) => out.push_str(&expand(default, real, merged, open)),
            (None, None) => {}
        }
    }
    out.push_str(rest);
    out
}

/// Splits `{NAME:-default}tail` into its parts.
fn braced(after: &str) -> Option<(&str, Option<&str>, &str)> {
    let inner = after.strip_prefix('{')?;
    let mut depth = 1;
    let end = inner.char_indices().find_map(|(at, c)| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        (depth == 0).then_some(at)
    })?;
    let (body, tail) = (&inner[..end], &inner[end + 1..]);
    let name_end = body.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(body.len());
    let (name, rest) = body.split_at(name_end);
    let default = rest.strip_prefix(":-").or_else(|| rest.strip_prefix('-'));
    Some((name, default, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, real: &[(&str, &str)]) -> Environment {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join(".env"), text).expect("written");
        let real = real.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        load(Some(dir.path()), &real).expect("loaded")
    }

    #[test]
    fn values_are_read_as_next_reads_them() {
        let cases = [
            ("A=has#hash", "has"),
            ("A=x # comment", "x"),
            ("A=\"line\\nbreak\"", "line\nbreak"),
            ("A='a\\nb'", "a\\nb"),
            ("B=bee\nA='single $B'", "single bee"),
            ("B=bee\nA=\\$B", "$B"),
            ("A=${B}\nB=later", "later"),
            ("A=$B\nB=later", "later"),
            ("A=${NOPE:-dflt}", "dflt"),
            ("A=${NOPE-dflt}", "dflt"),
            ("A=$NOPE", ""),
            ("A=\"a\\\"b\"", "a\\\"b"),
            ("A: colon", "colon"),
            ("export A=1", "1"),
            ("A=", ""),
            ("not an assignment\nA=ok", "ok"),
            ("A=1\nA=2", "2"),
            ("A=`two\nlines`\nB=1", "two\nlines"),
            ("A='x' trailing", "x"),
            ("A=$A", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text, &[]).get("A"), Some(expected), "{text}");
        }
    }

    #[test]
    fn the_real_environment_wins_and_is_referred_to_first() {
        let env = read("A=file\nC=$B\nB=file", &[("A", "real"), ("B", "real")]);
        assert_eq!(env.get("A"), Some("real"));
        assert_eq!(env.get("C"), Some("real"));
        assert_eq!(env.get("NODE_ENV"), Some("production"));
    }

    #[test]
    fn files_of_the_mode_come_first_and_local_is_skipped_in_tests() {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, text) in [
            (".env", "A=plain\nB=plain\nC=plain\nD=plain"),
            (".env.production", "A=production\nB=production\nC=production"),
            (".env.local", "A=local\nB=local"),
            (".env.production.local", "A=both"),
            (".env.test", "B=test"),
        ] {
            std::fs::write(dir.path().join(name), text).expect("written");
        }
        let values = |env: &Environment| {
            ["A", "B", "C", "D"].map(|name| env.get(name).unwrap_or("").to_owned()).join(" ")
        };
        let real = Environment::empty();
        assert_eq!(values(&load(Some(dir.path()), &real).expect("loaded")), "both local production plain");
        let mut test = Environment::empty();
        test.set("NODE_ENV", "test");
        assert_eq!(values(&load(Some(dir.path()), &test).expect("loaded")), "plain test plain plain");
    }
}
