//! The path of a request before it is matched.

use std::borrow::Cow;

use url::Url;

use crate::rules::Paths;

/// What to do with a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Path<'a> {
    /// Match this one.
    Match(Cow<'a, str>),
    /// Answer 308 with this one in its place.
    Redirect(String),
    /// It cannot be a path.
    Malformed,
}

/// Normalises a raw path, without its query, for a project whose paths are like `paths`.
///
/// Backslashes and repeated slashes are redirected, then a trailing slash; dot
/// segments are resolved as the URL standard does (section 4.4, path state).
pub(super) fn normalise<'a>(raw: &'a str, paths: &Paths) -> Path<'a> {
    if !raw.starts_with('/') {
        return Path::Malformed;
    }
    let is_plain = is_plain(raw);
    if !is_plain && (raw.contains('\\') || raw.contains("//")) {
        let mut clean = String::with_capacity(raw.len());
        for c in raw.chars().map(|c| if c == '\\' { '/' } else { c }) {
            if !(c == '/' && clean.ends_with('/')) {
                clean.push(c);
            }
        }
        return Path::Redirect(clean);
    }
    let path = if is_plain { Some(Cow::Borrowed(raw)) } else { parsed(raw) };
    let Some(path) = path else { return Path::Malformed };
    match with_right_end(&path, paths) {
        Some(right) => Path::Redirect(right),
        None => Path::Match(path),
    }
}

/// A path as the URL standard writes it.
pub(super) fn resolved(raw: &str) -> Option<Cow<'_, str>> {
    if is_plain(raw) { Some(Cow::Borrowed(raw)) } else { parsed(raw) }
}

fn parsed(raw: &str) -> Option<Cow<'_, str>> {
    let url = Url::parse(&format!("http://h{raw}")).ok()?;
    Some(Cow::Owned(url.path().to_owned()))
}

/// The part of a path below the base path of a project; none where it is outside of it.
pub(super) fn below<'a>(path: &'a str, base: &str) -> Option<&'a str> {
    match path.strip_prefix(base)? {
        "" => Some("/"),
        inside if inside.starts_with('/') => Some(inside),
        _ => None,
    }
}

/// The path that one is redirected to because of how it ends, if it is.
fn with_right_end(path: &str, paths: &Paths) -> Option<String> {
    let Paths { base, trailing_slash, skip_redirect } = paths;
    if *skip_redirect || path == "/" {
        return None;
    }
    let inside = below(path, base)?;
    let (stem, has_slash) = match path.strip_suffix('/') {
        Some(stem) => (stem, true),
        None => (path, false),
    };
    if !trailing_slash {
        return has_slash.then(|| path.trim_end_matches('/').to_owned());
    }
    let last = stem.rsplit('/').next().unwrap_or_default();
    if stem == base {
        return (!has_slash).then(|| format!("{path}/"));
    }
    if inside.starts_with("/.well-known") {
        return None;
    }
    // What looks like a file has no slash, and anything else has one.
    let is_word =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match last.rsplit_once('.') {
        None => (!has_slash).then(|| format!("{path}/")),
        Some((name, extension)) if has_slash && !name.is_empty() && is_word(extension) => {
            Some(stem.to_owned())
        }
        Some(_) => None,
    }
}

/// Whether the URL parser would leave the path as it is, and no slash in it is redirected.
fn is_plain(path: &str) -> bool {
    let mut previous = 0;
    for byte in path.bytes() {
        match byte {
            b'.' | b'/' if previous == b'/' => return false,
            b'\\' => return false,
            // An escape may be a dot.
            b'%' if previous == b'/' || previous == b'.' => return false,
            b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'^' => return false,
            0..=0x20 | 0x7f.. => return false,
            _ => previous = byte,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(raw: &str) -> Path<'_> {
        normalise(raw, &Paths::default())
    }

    #[test]
    fn slashes_are_redirected_in_two_hops() {
        assert_eq!(plain("//a\\b//c"), Path::Redirect("/a/b/c".into()));
        assert_eq!(plain("/items//1"), Path::Redirect("/items/1".into()));
        assert_eq!(plain("/items/1/"), Path::Redirect("/items/1".into()));
        assert_eq!(plain("/"), Path::Match("/".into()));
    }

    #[test]
    fn dot_segments_are_resolved_and_letters_encoded() {
        assert_eq!(plain("/node/./items/../items/a"), Path::Match("/node/items/a".into()));
        assert_eq!(plain("/a/%2e%2e/b"), Path::Match("/b".into()));
        assert_eq!(plain("/a/.%2E/b"), Path::Match("/b".into()));
        assert_eq!(plain("/ü"), Path::Match("/%C3%BC".into()));
        assert_eq!(plain("/.well-known/x"), Path::Match("/.well-known/x".into()));
        assert_eq!(plain("/feed.xml"), Path::Match("/feed.xml".into()));
        assert_eq!(plain("*"), Path::Malformed);
    }

    #[test]
    fn paths_end_as_the_project_wants_them() {
        let slashed = Paths { trailing_slash: true, ..Paths::default() };
        for (raw, to) in [
            ("/", None),
            ("/items/1", Some("/items/1/")),
            ("/items/1/", None),
            ("/feed.xml", None),
            ("/feed.xml/", Some("/feed.xml")),
            ("/items/a.b", None),
            ("/items/a.b-c/", None),
            ("/v1.2/items", Some("/v1.2/items/")),
            ("/.well-known/x", None),
            ("/.well-known/x/", None),
        ] {
            let expected = to.map_or_else(|| Path::Match(raw.into()), |to: &str| Path::Redirect(to.into()));
            assert_eq!(normalise(raw, &slashed), expected, "{raw}");
        }
        let either = Paths { trailing_slash: true, skip_redirect: true, ..Paths::default() };
        for raw in ["/a", "/a/", "/feed.xml/"] {
            assert_eq!(normalise(raw, &either), Path::Match(raw.into()));
        }
        for (trailing_slash, raw, to) in [
            (false, "/base", None),
            (false, "/base/", Some("/base")),
            (false, "/base/x/", Some("/base/x")),
            (false, "/basex/x/", None),
            (false, "/x/", None),
            (true, "/base", Some("/base/")),
            (true, "/base/", None),
            (true, "/base/x", Some("/base/x/")),
            (true, "/x", None),
        ] {
            let based = Paths { base: "/base".into(), trailing_slash, skip_redirect: false };
            let expected = to.map_or_else(|| Path::Match(raw.into()), |to: &str| Path::Redirect(to.into()));
            assert_eq!(normalise(raw, &based), expected, "{raw}");
        }
        assert_eq!(below("/base/x", "/base"), Some("/x"));
        assert_eq!(below("/base", "/base"), Some("/"));
        assert_eq!(below("/basex", "/base"), None);
        assert_eq!(below("/x", ""), Some("/x"));
    }
}
