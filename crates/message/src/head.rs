//! The head of a request as the pipeline hands it to an isolate.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{HOST, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, Uri};

/// A captured route parameter, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParamValue {
    /// The value of `[name]`.
    One(String),
    /// The values of `[...name]` or `[[...name]]`.
    Many(Vec<String>),
}

/// Names a request in logs, in answers and in `x-request-id`.
///
/// 64 bits: the time at which the process started, mixed, plus a counter.
/// Unique within a process, and unlikely to repeat among several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u64);

impl RequestId {
    /// The next id. Ids are handed out in blocks, so that threads do not contend.
    pub fn next() -> Self {
        const BLOCK: u64 = 1024;
        static NEXT_BLOCK: AtomicU64 = AtomicU64::new(0);
        thread_local! {
            static RANGE: std::cell::Cell<(u64, u64)> = const { std::cell::Cell::new((0, 0)) };
        }
        RANGE.with(|range| {
            let (mut next, mut end) = range.get();
            if next == end {
                next = seed().wrapping_add(NEXT_BLOCK.fetch_add(BLOCK, Ordering::Relaxed));
                end = next.wrapping_add(BLOCK);
            }
            range.set((next.wrapping_add(1), end));
            Self(next)
        })
    }

    /// The id as a number.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// The id of such a number.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl RequestId {
    /// The 16 hexadecimal digits that it is shown as.
    pub fn digits(self) -> [u8; 16] {
        let mut digits = [0; 16];
        for (place, byte) in digits.chunks_exact_mut(2).zip(self.0.to_be_bytes()) {
            place[0] = HEX[usize::from(byte >> 4)];
            place[1] = HEX[usize::from(byte & 15)];
        }
        digits
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn seed() -> u64 {
    static SEED: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *SEED.get_or_init(|| {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        #[allow(clippy::cast_possible_truncation, reason = "the low bits are the ones that differ")]
        let low = nanos as u64;
        (low ^ (u64::from(std::process::id()) << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What an app knows of its own address.
#[derive(Debug, Clone)]
pub struct Site {
    /// Used when the request names no host.
    pub fallback: String,
    /// Scheme and host that take the place of what the request says, if configured.
    pub public: Option<String>,
}

impl Default for Site {
    fn default() -> Self {
        Self { fallback: "localhost".to_owned(), public: None }
    }
}

/// What is known of the way a request took.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Host and port in the form of the URL standard, where what the request says is not in
    /// it already, or a proxy says another.
    pub authority: Option<Box<str>>,
    /// `http` or `https`, of the client's side.
    pub scheme: &'static str,
    /// The peer's address, where it is known.
    pub peer: Option<IpAddr>,
    /// The client's: the peer, or whom trusted proxies name.
    pub client: Option<IpAddr>,
    /// Whether `x-forwarded-*` of the peer is believed.
    pub trusted: bool,
    /// Whether it came on a connection of the host's own, not by way of a program.
    pub wire: bool,
}

impl Origin {
    /// Of a request that nobody sent: the host's own.
    pub fn of_nobody() -> Self {
        Self { authority: None, scheme: "http", peer: None, client: None, trusted: false, wire: false }
    }
}

/// What a program gave along with a request that it handed over.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// JSON for the handler.
    pub context: Option<Arc<str>>,
    /// What a router has cut off the path: it begins with a slash and does not end with one.
    pub mount: Option<Arc<str>>,
}

/// Method, address, headers and what the router found.
#[derive(Debug)]
pub struct RequestHead {
    /// One of the seven methods that handlers export.
    pub method: Method,
    /// The request line's address; its authority is what HTTP/2 has for a `Host`.
    pub uri: Uri,
    /// The path, where normalisation changed it.
    pub path: Option<String>,
    /// The way the request took.
    pub origin: Origin,
    /// Headers as they were sent, until [`Exchange::headers`](super::Exchange::headers) has
    /// seen to them.
    pub raw_headers: HeaderMap,
    /// Captured parameters.
    pub params: Vec<(Arc<str>, ParamValue)>,
    /// Index of the route.
    pub route: usize,
    /// Names the request.
    pub id: RequestId,
    /// `x-request-id` as the client sent it, where it is well-formed.
    pub x_request_id: Option<HeaderValue>,
    /// Whether `raw_headers` have been seen to.
    pub clean: bool,
    /// What the program gave along.
    pub given: Option<Box<Given>>,
}

/// Headers by which parts of Next.js and of platforms talk among themselves; from
/// a client they are lies.
const INTERNAL: [&str; 6] =
    ["x-middleware-", "x-nextjs-", "x-now-", "x-matched-path", "x-vercel-", "next-resume"];

const FORWARDED: [&str; 4] = ["x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-forwarded-for"];

impl RequestHead {
    /// The headers that the handler sees: internal ones removed, `x-forwarded-*`
    /// and `x-real-ip` set by us unless the peer is trusted to.
    pub fn headers(&mut self, site: &Site) -> &HeaderMap {
        if !self.clean {
            self.clean = true;
            clean_headers(&mut self.raw_headers, &self.uri, &self.origin, site);
        }
        &self.raw_headers
    }

    /// One header as the handler sees it. Most need no seeing to.
    pub fn header_map_for(&mut self, name: &str, site: &Site) -> &HeaderMap {
        let concerns = |name: &str| match name.as_bytes() {
            b"host" => true,
            [b'n' | b'x', ..] => {
                name == "x-real-ip"
                    || name.starts_with("x-forwarded-")
                    || INTERNAL.iter().any(|prefix| name.starts_with(prefix))
            }
            _ => false,
        };
        if concerns(name) { self.headers(site) } else { &self.raw_headers }
    }

    fn host<'a>(&'a self, site: &'a Site) -> &'a str {
        host_of(&self.raw_headers, &self.uri, &self.origin, site)
    }

    /// The absolute URL: public origin if set, else scheme and authority of the client's side.
    pub fn url(&self, site: &Site) -> String {
        let target = self.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let [first, second, third] = match &site.public {
            Some(public) => [public.as_str(), "", ""],
            None => [self.origin.scheme, "://", self.host(site)],
        };
        let mount = self.given.as_ref().and_then(|given| given.mount.as_deref()).unwrap_or_default();
        let length = first.len() + second.len() + third.len() + mount.len() + target.len();
        let mut url = String::with_capacity(length);
        for part in [first, second, third, mount] {
            url.push_str(part);
        }
        match &self.path {
            Some(path) => {
                url.push_str(below(mount, path));
                if let Some(query) = self.uri.query() {
                    url.push('?');
                    url.push_str(query);
                }
            }
            None => url.push_str(below(mount, target)),
        }
        as_parsed(url)
    }
}

/// A path, perhaps with a query, as it goes on behind a mount: what is mounted at `/shop` has its root there,
/// not at `/shop/`.
pub fn below<'a>(mount: &str, target: &'a str) -> &'a str {
    match target.strip_prefix('/') {
        Some(rest) if !mount.is_empty() && (rest.is_empty() || rest.starts_with('?')) => rest,
        _ => target,
    }
}

/// Sees to headers as they were sent: internal ones are removed, and `x-forwarded-*` and
/// `x-real-ip` set by us unless the peer is trusted to.
pub fn clean_headers(headers: &mut HeaderMap, uri: &Uri, origin: &Origin, site: &Site) {
    let internal: Vec<HeaderName> = headers
        .keys()
        .filter(|name| INTERNAL.iter().any(|prefix| name.as_str().starts_with(prefix)))
        .cloned()
        .collect();
    for name in internal {
        headers.remove(name);
    }
    if let Some(authority) = uri.authority()
        && let Ok(value) = HeaderValue::from_str(authority.as_str())
    {
        // RFC 9112, section 3.2.2: a `Host` beside it does not count.
        headers.insert(HOST, value);
    }
    if !origin.trusted {
        for name in FORWARDED.into_iter().chain(["x-real-ip"]) {
            headers.remove(name);
        }
    }
    let host = host_of(headers, uri, origin, site).to_owned();
    let default_port = if origin.scheme == "https" { "443" } else { "80" };
    let after_host = host.rfind(']').map_or(host.as_str(), |end| &host[end..]);
    let port = after_host.rsplit_once(':').map_or(default_port, |(_, port)| port).to_owned();
    let text = |ip: IpAddr| ip.to_string();
    let peer = origin.peer.map(text).unwrap_or_default();
    let scheme = origin.scheme.to_owned();
    for (name, value) in FORWARDED.into_iter().zip([host, port, scheme, peer]) {
        if let Ok(value) = HeaderValue::from_str(&value)
            && !value.is_empty()
        {
            headers.entry(name).or_insert(value);
        }
    }
    // A proxy may hand on what the client says here, and keep a list of its own.
    if let Some(client) = origin.client.map(text).and_then(|ip| HeaderValue::from_str(&ip).ok()) {
        headers.insert("x-real-ip", client);
    }
}

/// The host of the client's side, perhaps with a port.
pub fn host_of<'a>(headers: &'a HeaderMap, uri: &'a Uri, origin: &'a Origin, site: &'a Site) -> &'a str {
    if let Some(authority) = &origin.authority {
        return authority;
    }
    let authority = uri.authority().map(Authority::as_str);
    authority
        .or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok()))
        .filter(|host| !host.is_empty())
        .unwrap_or(&site.fallback)
}

/// Joins the values of one header as the Fetch standard does (section 2.2.2, "get").
pub fn joined(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    let mut values = headers.get_all(name).iter();
    let mut joined = values.next()?.as_bytes().to_vec();
    for value in values {
        // RFC 9113, section 8.2.3: cookie pairs that HTTP/2 split are joined by "; ".
        joined.extend_from_slice(if name == "cookie" { b"; " } else { b", " });
        joined.extend_from_slice(value.as_bytes());
    }
    Some(joined)
}

/// Bytes that `new URL` writes in another way, at some place of a URL or another.
const REWRITTEN: [bool; 256] = {
    let mut rewritten = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        #[allow(clippy::cast_possible_truncation, reason = "it is below 256")]
        let is = byte as u8;
        rewritten[byte] = !is.is_ascii_graphic()
            || matches!(is, b'"' | b'\'' | b'<' | b'>' | b'`' | b'{' | b'}' | b'^' | b'|' | b'\\');
        byte += 1;
    }
    rewritten
};

/// A URL as `new URL` writes it, so that it is the same wherever it is read. Nearly all
/// are sent in that form.
fn as_parsed(url: String) -> String {
    if !url.bytes().any(|byte| REWRITTEN[usize::from(byte)]) {
        return url;
    }
    url::Url::parse(&url).map_or(url, String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        Site { fallback: "localhost:1".into(), public: None }
    }

    fn head(headers: &[(&'static str, &'static str)], trusted: bool) -> RequestHead {
        RequestHead {
            method: Method::GET,
            uri: Uri::from_static("/p?x=1"),
            path: None,
            origin: Origin {
                authority: None,
                scheme: "http",
                peer: Some([192, 0, 2, 1].into()),
                client: Some([192, 0, 2, 1].into()),
                trusted,
                wire: true,
            },
            raw_headers: headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect(),
            params: Vec::new(),
            route: 0,
            id: RequestId::next(),
            x_request_id: None,
            clean: false,
            given: None,
        }
    }

    #[test]
    fn headers_of_next_are_taken_from_clients() {
        let mut head = head(
            &[
                ("host", "h"),
                ("x-middleware-rewrite", "/admin"),
                ("x-vercel-ip-city", "x"),
                ("x-forwarded-for", "1.1.1.1"),
            ],
            false,
        );
        let headers = head.headers(&site());
        assert!(!headers.contains_key("x-middleware-rewrite") && !headers.contains_key("x-vercel-ip-city"));
        assert_eq!(headers["x-forwarded-for"], "192.0.2.1");
        assert_eq!(headers["x-forwarded-host"], "h");
        assert_eq!(headers["x-forwarded-proto"], "http");
    }

    #[test]
    fn the_authority_is_the_settled_one() {
        let mut plain = head(&[("host", "inner:8080")], false);
        assert_eq!(plain.url(&site()), "http://inner:8080/p?x=1");
        assert_eq!(plain.headers(&site())["x-forwarded-port"], "8080");
        assert_eq!(head(&[], true).url(&site()), "http://localhost:1/p?x=1");
        let mut settled = head(&[("host", "[2001:DB8::1]")], false);
        settled.origin.authority = Some("[2001:db8::1]".into());
        assert_eq!(settled.url(&site()), "http://[2001:db8::1]/p?x=1");
        let headers = settled.headers(&site());
        assert_eq!(
            (&headers["x-forwarded-host"], &headers["x-forwarded-port"]),
            (&HeaderValue::from_static("[2001:db8::1]"), &HeaderValue::from_static("80"),)
        );
    }

    #[test]
    fn a_mount_is_part_of_the_url() {
        let of = |uri: &str, path: Option<&str>| {
            let mut head = head(&[("host", "h")], false);
            head.uri = uri.parse().expect("a URI");
            head.path = path.map(str::to_owned);
            head.given = Some(Box::new(Given { context: None, mount: Some("/m".into()) }));
            head.url(&site())
        };
        assert_eq!(of("/p?x=1", None), "http://h/m/p?x=1");
        assert_eq!(of("/P", Some("/p")), "http://h/m/p");
        assert_eq!((of("/", None).as_str(), of("/?x", None).as_str()), ("http://h/m", "http://h/m?x"));
    }

    #[test]
    fn a_trusted_proxy_does_not_hand_on_what_clients_say_of_themselves() {
        let mut head = head(&[("x-real-ip", "6.6.6.6"), ("x-forwarded-for", "1.1.1.1")], true);
        head.origin.client = Some([1, 1, 1, 1].into());
        let headers = head.headers(&site());
        assert_eq!([&headers["x-real-ip"], &headers["x-forwarded-for"]], ["1.1.1.1", "1.1.1.1"]);
    }

    #[test]
    fn request_ids_do_not_repeat_across_threads() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..5000).map(|_| RequestId::next()).collect::<Vec<_>>()))
            .collect();
        let ids: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().expect("joined")).collect();
        let unique: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len());
    }
}
