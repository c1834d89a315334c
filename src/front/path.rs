//! The path of a request before it is matched.

use std::borrow::Cow;

use url::Url;

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

/// Normalises a raw path, without its query.
///
/// Backslashes and repeated slashes are redirected, then a trailing slash; dot
/// segments are resolved as the URL standard does (section 4.4, path state).
pub(super) fn normalise(raw: &str) -> Path<'_> {
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
    let path = if is_plain {
        Cow::Borrowed(raw)
    } else {
        match Url::parse(&format!("http://h{raw}")) {
            Ok(url) => Cow::Owned(url.path().to_owned()),
            Err(_) => return Path::Malformed,
        }
    };
    if path.len() > 1 && path.ends_with('/') {
        return Path::Redirect(path.trim_end_matches('/').to_owned());
    }
    Path::Match(path)
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

    #[test]
    fn slashes_are_redirected_in_two_hops() {
        assert_eq!(normalise("//a\\b//c"), Path::Redirect("/a/b/c".into()));
        assert_eq!(normalise("/items//1"), Path::Redirect("/items/1".into()));
        assert_eq!(normalise("/items/1/"), Path::Redirect("/items/1".into()));
        assert_eq!(normalise("/"), Path::Match("/".into()));
    }

    #[test]
    fn dot_segments_are_resolved_and_letters_encoded() {
        assert_eq!(normalise("/node/./items/../items/a"), Path::Match("/node/items/a".into()));
        assert_eq!(normalise("/a/%2e%2e/b"), Path::Match("/b".into()));
        assert_eq!(normalise("/a/.%2E/b"), Path::Match("/b".into()));
        assert_eq!(normalise("/ü"), Path::Match("/%C3%BC".into()));
        assert_eq!(normalise("/.well-known/x"), Path::Match("/.well-known/x".into()));
        assert_eq!(normalise("/feed.xml"), Path::Match("/feed.xml".into()));
        assert_eq!(normalise("*"), Path::Malformed);
    }
}
