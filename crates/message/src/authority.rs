//! Whom a request is for: one host, and at most one port.
//!
//! `request.url` is made of it, and handlers decide by that who may see what. A text that
//! could be read in two ways is refused (RFC 9112, section 3.2; RFC 9113, section 8.3.1);
//! one that cannot is written as the URL standard writes it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::net::Ipv4Addr;

use http::header::{HOST, HeaderName};
use http::request::Parts;
use http::{HeaderMap, Version};
use url::Host;

use crate::Origin;

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The text is not one host and at most one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one host and at most one port")]
pub struct MalformedHost;

/// Fills in scheme and authority of a request.
///
/// # Errors
///
/// [`MalformedHost`] where what the request says of them could be read in two ways.
pub fn settle_authority(parts: &Parts, origin: &mut Origin) -> Result<(), MalformedHost> {
    // What a proxy says of the client's side takes the place of what it says of its own.
    if origin.trusted
        && let Some(proto) = forwarded(&parts.headers, &FORWARDED_PROTO)?
    {
        origin.scheme = scheme(proto).ok_or(MalformedHost)?;
    }
    // Callers of the library need no `Host`.
    let named = named(parts, origin.wire)?;
    // Checked even where something else takes its place.
    let own = named.map(|text| normal(text, origin.scheme)).transpose()?;
    let outer = if origin.trusted { forwarded(&parts.headers, &FORWARDED_HOST)? } else { None };
    origin.authority = match outer {
        Some(outer) => Some(normal(outer, origin.scheme)?.into()),
        // Where nothing had to be changed, it is read from where it stands.
        None => match own {
            Some(Cow::Owned(changed)) => Some(changed.into()),
            Some(Cow::Borrowed(_)) | None => None,
        },
    };
    Ok(())
}

/// The host of a request whose authority was settled, without its port.
pub fn settled_host<'a>(parts: &'a Parts, origin: &'a Origin) -> Option<&'a str> {
    let authority = match &origin.authority {
        Some(settled) => settled,
        None => match parts.uri.authority() {
            Some(target) => target.as_str(),
            None => parts.headers.get(HOST)?.to_str().ok()?,
        },
    };
    split(authority).map(|(host, _)| host)
}

/// The authority as the client wrote it. None where it was left out, and may be.
fn named(parts: &Parts, wire: bool) -> Result<Option<&str>, MalformedHost> {
    let mut lines = parts.headers.get_all(HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return Err(MalformedHost);
    }
    let host = line.map(|value| std::str::from_utf8(value.as_bytes())).transpose();
    let host = host.map_err(|_| MalformedHost)?;
    if parts.uri.scheme_str().is_some_and(|name| scheme(name).is_none()) {
        return Err(MalformedHost);
    }
    let Some(target) = parts.uri.authority().map(http::uri::Authority::as_str) else {
        // HTTP/1.0 knows no `Host`.
        let needed = wire && parts.version >= Version::HTTP_11;
        return if host.is_none() && needed { Err(MalformedHost) } else { Ok(host) };
    };
    if let Some(host) = host
        && host != target
    {
        // RFC 9113, section 8.3.1: both of HTTP/2 name the same. In HTTP/1, the target of the
        // request line counts and the header does not (RFC 9112, section 3.2.2), but a
        // header that means nothing is still an error.
        let host = normal(host, "http")?;
        if parts.version == Version::HTTP_2 && host != normal(target, "http")? {
            return Err(MalformedHost);
        }
    }
    Ok(Some(target))
}

/// The first entry of a list that proxies append to.
fn forwarded<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, MalformedHost> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| MalformedHost)?;
    Ok(text.split(',').next().map(str::trim).filter(|first| !first.is_empty()))
}

/// The scheme of a request; WebSockets begin as one.
fn scheme(name: &str) -> Option<&'static str> {
    let is = |other| name.eq_ignore_ascii_case(other);
    match () {
        () if is("http") || is("ws") => Some("http"),
        () if is("https") || is("wss") => Some("https"),
        () => None,
    }
}

/// An authority as the URL parser would write it: in lower case, without the scheme's own
/// port, internationalised names in Punycode, addresses in their short form.
fn normal<'a>(text: &'a str, scheme: &str) -> Result<Cow<'a, str>, MalformedHost> {
    thread_local! {
        /// What was found normal last, mostly the same for one request after the other: the
        /// default port it was asked with, and the text.
        static LATEST: RefCell<(&'static str, String)> = const { RefCell::new(("", String::new())) };
    }
    let default_port = if scheme == "https" { "443" } else { "80" };
    if LATEST.with_borrow(|(port, latest)| *port == default_port && latest == text) {
        return Ok(Cow::Borrowed(text));
    }
    let (host, port) = split(text).ok_or(MalformedHost)?;
    if is_plain_host(host) && port.is_none_or(|port| is_plain_port(port) && port != default_port) {
        LATEST.with_borrow_mut(|(port, latest)| {
            *port = default_port;
            text.clone_into(latest);
        });
        return Ok(Cow::Borrowed(text));
    }
    let host = parse_host(host).ok_or(MalformedHost)?;
    let port = match port {
        // A colon without a port means none (RFC 9110, section 4.2.3).
        None | Some("") => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse::<u16>().map_err(|_| MalformedHost)?.to_string())
        }
        Some(_) => return Err(MalformedHost),
    };
    Ok(Cow::Owned(match port.filter(|port| port != default_port) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_string(),
    }))
}

/// Host and port. None where it cannot be told where one ends.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
    let end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, rest) = text.split_at(end);
    match rest.strip_prefix(':') {
        Some(port) => Some((host, Some(port))),
        None => rest.is_empty().then_some((host, None)),
    }
}

/// Whether the URL parser would leave a host as it is: nearly every one.
fn is_plain_host(host: &str) -> bool {
    let is_plain = |label: &str| {
        let bytes = label.as_bytes();
        !bytes.is_empty()
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
            // Punycode, which may be wrong.
            && !(bytes.len() >= 4 && bytes[2..4] == *b"--")
    };
    let mut labels = host.split('.').rev();
    // Where the last one is a number, all of it is an address.
    match labels.next() {
        Some(last) if last.starts_with(|c: char| c.is_ascii_digit()) => host.parse::<Ipv4Addr>().is_ok(),
        Some(last) => is_plain(last) && labels.all(is_plain),
        None => false,
    }
}

fn is_plain_port(port: &str) -> bool {
    !port.starts_with('0') && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

fn parse_host(text: &str) -> Option<Host> {
    // The URL parser takes more than a registered name may hold (RFC 3986, section 3.2.2).
    // A comma could stand there, but comes about where lines are joined.
    let may_stand = |c: char| {
        !c.is_ascii()
            || c.is_ascii_alphanumeric()
            || matches!(c, '-' | '.' | '_' | '~' | '%')
            || "!$&'()*+;=".contains(c)
    };
    if !text.starts_with('[') && !text.chars().all(may_stand) {
        return None;
    }
    let host = Host::parse(text).ok()?;
    if let Host::Domain(name) = &host {
        // A dot at the end stands for the root; other empty labels name nothing. What
        // was percent-encoded is looked at now.
        let labels = name.strip_suffix('.').unwrap_or(name);
        if labels.split('.').any(str::is_empty) || !name.chars().all(may_stand) {
            return None;
        }
    }
    Some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(text: &str) -> Option<String> {
        normal(text, "http").ok().map(Cow::into_owned)
    }

    #[test]
    fn ordinary_authorities_are_read_where_they_stand() {
        for text in
            ["localhost:3000", "example.com", "a_b.example-1.com:8443", "127.0.0.1:1", "1a.b", "h:443"]
        {
            assert!(matches!(normal(text, "http"), Ok(Cow::Borrowed(same)) if same == text), "{text}");
        }
    }

    #[test]
    fn authorities_are_written_as_the_url_standard_writes_them() {
        for (text, normal) in [
            ("APP.Example", "app.example"),
            ("app.example:80", "app.example"),
            ("app.example:", "app.example"),
            ("app.example:0080", "app.example"),
            ("app.example:0", "app.example:0"),
            ("app.example.", "app.example."),
            ("[2001:DB8:0:0::1]:81", "[2001:db8::1]:81"),
            ("[::ffff:192.0.2.1]:80", "[::ffff:c000:201]"),
            ("0x7f.1", "127.0.0.1"),
            ("2130706433:3", "127.0.0.1:3"),
            ("0x", "0.0.0.0"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("B\u{fc}cher.example", "xn--bcher-kva.example"),
            ("%61.example", "a.example"),
            ("a\u{3002}b", "a.b"),
        ] {
            assert_eq!(http(text).as_deref(), Some(normal), "{text}");
        }
        assert_eq!(normal("a:443", "https").ok().as_deref(), Some("a"));
        assert_eq!(normal("a:80", "https").ok().as_deref(), Some("a:80"));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for text in [
            "",
            ":80",
            ".",
            "..",
            ".a",
            "a..b",
            "a..",
            "a/admin?",
            "a?b",
            "a#b",
            "a\\b",
            "user@a",
            "user:pw@a",
            "@a",
            "a b",
            " a",
            "a\t",
            "a:99999",
            "a:65536",
            "a:port",
            "a:-1",
            "a:+80",
            "a:8 0",
            "a:80:80",
            "a:80/",
            "a:80?",
            "<x>",
            "[::1",
            "::1",
            "[::1]a",
            "[::1]80",
            "[fe80::1%25eth0]",
            "[::g]",
            "[a]",
            "[]",
            "a,b",
            "a,b:80",
            "a^b",
            "a|b",
            "\"a\"",
            "{a}",
            "`a`",
            "a%2fb",
            "a%40b",
            "a%00b",
            "a%",
            "a%2",
            "a%20b",
            "a%2cb",
            "a%22b",
            "1.2.3.256",
            "1.2.3.4.5",
            "xn--",
            "xn--a\u{fc}",
            "a\u{ff0f}b",
            "a\u{2025}b",
            "\u{ad}",
            "a]",
        ] {
            assert_eq!(http(text), None, "{text:?}");
        }
    }

    /// Whatever is let through is, between `//` and `/`, one authority and nothing else.
    #[test]
    fn nothing_that_is_let_through_reaches_beyond_the_authority() {
        const PIECES: [&str; 44] = [
            "a",
            "b.c",
            "A",
            ".",
            "..",
            ":",
            "80",
            "8080",
            "0",
            "@",
            "/",
            "\\",
            "?",
            "#",
            "[",
            "]",
            "::1",
            "[::1]",
            " ",
            "\t",
            "%",
            "%2f",
            "%2e",
            "%40",
            "%3a",
            "xn--",
            "-",
            "_",
            ",",
            ";",
            "\u{fc}",
            "\u{ff0e}",
            "\u{ff0f}",
            "\u{3002}",
            "\u{ad}",
            "\u{2100}",
            "\u{200d}",
            "0x7f",
            "1",
            "127.0.0.1",
            "\u{7f}",
            "\0",
            "'",
            "*",
        ];
        let mut state = 0x9e37_79b9_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap_or_default() % below
        };
        let mut taken = 0;
        for _ in 0..200_000 {
            let text: String = (0..=random(5)).map(|_| PIECES[random(PIECES.len())]).collect();
            for scheme in ["http", "https"] {
                let Ok(normal) = normal(&text, scheme) else { continue };
                taken += 1;
                let url = url::Url::parse(&format!("{scheme}://{normal}/p?q")).expect("a URL");
                assert_eq!(url.as_str(), format!("{scheme}://{normal}/p?q"), "{text:?}");
                assert_eq!((url.path(), url.query(), url.username()), ("/p", Some("q"), ""), "{text:?}");
                let again = super::normal(&normal, scheme).expect("taken once more");
                assert_eq!(again, normal, "{text:?}");
            }
        }
        assert!(taken > 1000, "{taken}");
    }
}
