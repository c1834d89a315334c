//! Where a rule leads: a path or a URL with the parameters of the source in it.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::params::{Params, Value};
use super::pattern::{Kind, Token, parse};

/// What no part of a URL may hold as it is.
const URL: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
const PATH: &AsciiSet = &URL.add(b'?').add(b'#');
const QUERY: &AsciiSet = &URL.add(b'#');

/// Where a rule leads.
#[derive(Debug)]
pub(super) struct Destination {
    /// Scheme and host of another server.
    origin: Option<(&'static str, Vec<Token>, String)>,
    path: Vec<Token>,
    query: Vec<(String, Filled)>,
    hash: Vec<Token>,
}

/// Text with parameters in it, outside of a path: only names that are known are meant.
#[derive(Debug)]
pub(super) struct Filled(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Text(String),
    /// A name, and what joins its values.
    Param(String, &'static str),
}

impl Filled {
    /// Reads a text in which `names` are known.
    pub(super) fn read(text: &str, names: &[&str]) -> Self {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(':') {
            plain.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let word =
                after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
            let name = &after[..word];
            if names.contains(&name) {
                let before = plain.chars().last().or_else(|| pieces.is_empty().then_some('/'));
                let between = match before {
                    Some('/') => "/",
                    Some('.') => ".",
                    _ => "",
                };
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Param(name.to_owned(), between));
                rest = &after[word..];
                rest = rest.strip_prefix(['*', '+', '?']).unwrap_or(rest);
            } else {
                plain.push(':');
                rest = after;
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Self(pieces)
    }

    /// The text with the values of a request.
    pub(super) fn fill(&self, params: &Params) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Param(name, between) => {
                params.get(name).map(|value| value.joined(between)).unwrap_or_default()
            }
        };
        self.0.iter().map(piece).collect()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Param(name, _) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }
}

/// Where a request is led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Scheme and authority, where that is another server.
    pub(crate) origin: Option<String>,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) hash: Option<String>,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.origin.as_deref().unwrap_or_default(), self.path)?;
        if let Some(query) = &self.query {
            write!(f, "?{query}")?;
        }
        match &self.hash {
            Some(hash) => write!(f, "#{hash}"),
            None => Ok(()),
        }
    }
}

impl Destination {
    /// Compiles a destination of a rule whose source and conditions know `names`. `base` is the
    /// base path, to stand before a path of the project itself.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn compile(text: &str, base: &str, names: &[&str]) -> Result<Self, String> {
        let scheme = ["https://", "http://"].into_iter().find(|scheme| text.starts_with(scheme));
        let inside = scheme.map_or(text, |scheme| &text[scheme.len()..]);
        let (rest, hash) = split_at_plain(inside, '#');
        let (rest, query) = split_at_plain(rest, '?');
        let failed = |error| format!("`destination` parse failed ({error})");
        let tokens = |text: &str| parse(text, Kind::Matcher).map_err(failed);
        let (origin, path) = match scheme {
            None => {
                let path = if rest == "/" && !base.is_empty() { "" } else { rest };
                (None, format!("{}{path}", super::pattern::literal(base)))
            }
            Some(scheme) => {
                let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
                // A port has a colon that names nothing.
                let port = host.rfind(':').filter(|at| {
                    let port = &host[at + 1..];
                    !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
                });
                let (host, port) = port.map_or((host, ""), |at| host.split_at(at));
                (Some((scheme, tokens(host)?, port.to_owned())), path.to_owned())
            }
        };
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8().map_or(Cow::Borrowed(value), |decoded| {
                // What has to be encoded in a query stays so.
                if decoded.contains(['&', '#', '+', '%']) { Cow::Borrowed(value) } else { decoded }
            });
            (key.to_owned(), Filled::read(&value, names))
        });
        let destination = Self {
            origin,
            path: tokens(&path)?,
            query: pairs.collect(),
            hash: tokens(hash.unwrap_or_default())?,
        };
        let unknown: Vec<&str> =
            destination.tokens().filter(|name| !name.is_empty() && !names.contains(name)).collect();
        if !unknown.is_empty() {
            return Err(format!(
                "`destination` has segments not in `source` or `has` ({})",
                unknown.join(", ")
            ));
        }
        Ok(destination)
    }

    /// The parameters in its path, its host and its hash.
    fn tokens(&self) -> impl Iterator<Item = &str> {
        let host = self.origin.iter().flat_map(|(_, host, _)| host);
        host.chain(&self.path).chain(&self.hash).filter_map(|token| match token {
            Token::Param(param) => Some(param.name.as_str()),
            Token::Text(_) => None,
        })
    }

    /// Whether it leads to another server.
    pub(super) fn is_external(&self) -> bool {
        self.origin.is_some()
    }

    /// Where a request with these parameters and this query is led. What the source gave goes
    /// into the query where `hands_on` and nothing here uses it.
    pub(super) fn fill(&self, params: &Params, query: Option<&str>, hands_on: bool) -> Target {
        let origin = self.origin.as_ref().map(|(scheme, host, port)| {
            let host = fill(host, params).replace(|c: char| !is_of_host(c), "");
            format!("{scheme}{host}{port}")
        });
        let path = fill(&self.path, params);
        let mut path = utf8_percent_encode(&path, PATH).to_string();
        if origin.is_none() {
            path = without_repeated_slashes(&path);
        }
        let mut own: Vec<(String, String)> = self
            .query
            .iter()
            .map(|(key, value)| (key.clone(), utf8_percent_encode(&value.fill(params), QUERY).to_string()))
            .collect();
        let mut used = self.tokens().chain(self.query.iter().flat_map(|(_, value)| value.names()));
        if hands_on && !used.any(|name| params.get(name).is_some()) {
            for (name, value) in params.iter() {
                if own.iter().any(|(key, _)| key == name) {
                    continue;
                }
                let parts = match value {
                    Value::One(text) => std::slice::from_ref(text),
                    Value::Many(parts) => parts,
                };
                // What the path has encoded is so in a query as well.
                let encoded = |part: &String| utf8_percent_encode(part, ENCODED).to_string();
                own.extend(parts.iter().map(|part| (name.to_owned(), encoded(part))));
            }
        }
        let hash = fill(&self.hash, params);
        Target {
            origin,
            path,
            query: merged(query, &own),
            hash: (!hash.is_empty()).then(|| utf8_percent_encode(&hash, URL).to_string()),
        }
    }
}

/// What is encoded of a part of a path when it becomes a value of a query.
const ENCODED: &AsciiSet = &QUERY.add(b'&').add(b'+').add(b'=');

fn is_of_host(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '[' | ']' | ':')
}

/// The query of a request with that of a destination, which takes the place of what has the same
/// name.
pub(crate) fn merged(query: Option<&str>, own: &[(String, String)]) -> Option<String> {
    let decoded = |key: &str| {
        let mut pairs = url::form_urlencoded::parse(key.as_bytes());
        pairs.next().map(|(key, _)| key.into_owned()).unwrap_or_default()
    };
    let mut own: Vec<(String, String)> =
        own.iter().map(|(key, value)| (decoded(key), format!("{key}={value}"))).collect();
    let names: Vec<String> = own.iter().map(|(name, _)| name.clone()).collect();
    let mut pairs = Vec::new();
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let key = decoded(pair.split_once('=').map_or(pair, |(key, _)| key));
        if names.contains(&key) {
            // All of that name stand where the first one stood.
            own.retain(|(name, pair)| {
                let is_here = *name == key;
                if is_here {
                    pairs.push(pair.clone());
                }
                !is_here
            });
        } else {
            pairs.push(pair.to_owned());
        }
    }
    pairs.extend(own.into_iter().map(|(_, pair)| pair));
    (!pairs.is_empty()).then(|| pairs.join("&"))
}

/// Cuts a destination at the first such sign that stands for itself.
fn split_at_plain(text: &str, sign: char) -> (&str, Option<&str>) {
    let mut depth = 0_usize;
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        if std::mem::take(&mut is_escaped) {
            continue;
        }
        match c {
            '\\' => is_escaped = true,
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c if c == sign && depth == 0 => return (&text[..at], Some(&text[at + c.len_utf8()..])),
            _ => {}
        }
    }
    (text, None)
}

fn fill(tokens: &[Token], params: &Params) -> String {
    let mut out = String::new();
    for token in tokens {
        match token {
            Token::Text(text) => out.push_str(text),
            Token::Param(param) => {
                let mut part = |text: &str| {
                    out.push_str(&param.prefix);
                    out.push_str(text);
                    out.push_str(&param.suffix);
                };
                match params.get(&param.name) {
                    Some(Value::One(text)) => part(text),
                    Some(Value::Many(parts)) => parts.iter().for_each(|text| part(text)),
                    None => {}
                }
            }
        }
    }
    out
}

/// A path that no browser takes for the address of another host.
fn without_repeated_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if !(c == '/' && out.ends_with('/')) {
            out.push(c);
        }
    }
    if out.starts_with('/') { out } else { format!("/{out}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn params(pairs: &[(&str, &[&str])]) -> Params {
        let mut params = Params::default();
        for (name, parts) in pairs {
            params.set(
                name,
                match parts {
                    [one] => Value::One((*one).to_owned()),
                    many => Value::Many(many.iter().map(|part| (*part).to_owned()).collect()),
                },
            );
        }
        params
    }

    fn led(to: &str, given: &Params, query: Option<&str>, hands_on: bool) -> String {
        let names: Vec<&str> = given.iter().map(|(name, _)| name).collect();
        Destination::compile(to, "", &names).expect("a destination").fill(given, query, hands_on).to_string()
    }

    #[test]
    fn parameters_go_into_every_part() {
        let given = params(&[("a", &["x"]), ("p", &["1", "2"])]);
        for (to, expected) in [
            ("/new/:p*", "/new/1/2"),
            ("/:a/:p*", "/x/1/2"),
            ("/new?a=:a", "/new?a=x"),
            ("/new?all=:p*", "/new?all=1/2"),
            ("/new?all=/:p*", "/new?all=/1/2"),
            ("/new#:a", "/new#x"),
            ("/new?t=a:b", "/new?t=a:b"),
            ("https://:a.example.com/:p*", "https://x.example.com/1/2"),
            ("https://example.com:8443/:a?b=c", "https://example.com:8443/x?b=c"),
            ("https://example.com", "https://example.com/"),
            ("/a\\?b/:a", "/a%3Fb/x"),
            ("/n{-:a}?", "/n-x"),
        ] {
            assert_eq!(led(to, &given, None, false), expected, "{to}");
        }
    }

    #[test]
    fn the_query_of_the_request_comes_first_and_gives_way() {
        let none = Params::default();
        assert_eq!(led("/new?a=b", &none, Some("x=1"), false), "/new?x=1&a=b");
        assert_eq!(led("/new?a=b", &none, Some("x=%20&a=1&a=2&y"), false), "/new?x=%20&a=b&y");
        assert_eq!(led("/new", &none, Some("x=1"), false), "/new?x=1");
        assert_eq!(led("/new", &none, None, false), "/new");
    }

    #[test]
    fn what_nothing_uses_is_handed_on() {
        let given = params(&[("a", &["x%20y"]), ("b", &["1", "2"])]);
        assert_eq!(led("/to", &given, Some("q=1"), true), "/to?q=1&a=x%20y&b=1&b=2");
        assert_eq!(led("/to?a=own", &given, None, true), "/to?a=own&b=1&b=2");
        assert_eq!(led("/to/:a", &given, None, true), "/to/x%20y");
        assert_eq!(led("/to?z=:a", &given, None, true), "/to?z=x%20y");
    }

    #[test]
    fn values_break_out_of_nothing() {
        let given = params(&[("v", &["//evil.example\r\n?a#b c"])]);
        assert_eq!(led("/:v", &given, None, false), "/evil.example%0D%0A%3Fa%23b%20c");
        assert_eq!(led("/n?x=:v", &given, None, false), "/n?x=//evil.example%0D%0A?a%23b%20c");
        assert_eq!(
            led("https://:v.example.com/", &given, None, false),
            "https://evil.exampleabc.example.com/"
        );
    }

    #[test]
    fn names_that_nobody_gives_are_mistakes() {
        let error = Destination::compile("/:a/:b", "", &["a"]).expect_err("b is unknown");
        assert_eq!(error, "`destination` has segments not in `source` or `has` (b)");
        let error = Destination::compile("/:a/(", "", &["a"]).expect_err("no pattern");
        assert!(error.starts_with("`destination` parse failed"), "{error}");
    }

    proptest! {
        #[test]
        fn a_path_stays_a_path(value in "[/a-c.?#%:& \\\\\\r\\n]{0,12}", query in "[a-c=&%+]{0,8}") {
            let given = params(&[("v", &[value.as_str()])]);
            let to = led("/at/:v?q=:v", &given, Some(&query), true);
            prop_assert!(to.starts_with('/') && !to.starts_with("//"), "{}", to);
            prop_assert!(to.bytes().all(|byte| byte.is_ascii_graphic()), "{}", to);
            prop_assert!(http::HeaderValue::from_str(&to).is_ok());
        }
    }
}
