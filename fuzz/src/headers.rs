//! The headers of a request as its handler sees them.

use edgehost_message::{joined, settle_authority};
use http::header::HOST;

use super::parts;

/// What clients have no say in.
const INTERNAL: [&str; 6] =
    ["x-middleware-", "x-nextjs-", "x-now-", "x-matched-path", "x-vercel-", "next-resume"];
const PROXIES: [&str; 5] =
    ["x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-forwarded-for", "x-real-ip"];

pub fn check(bytes: &[u8]) {
    let Some((request, mut origin)) = parts::request(bytes) else { return };
    if settle_authority(&request, &mut origin).is_err() {
        return;
    }
    let sent = request.headers.clone();
    let trusted = origin.trusted;
    let (scheme, peer) = (origin.scheme, origin.peer.map(|peer| peer.to_string()).unwrap_or_default());
    let mut one_by_one = parts::head(request, origin.clone());
    let (request, _) = parts::request(bytes).expect("as before");
    let mut head = parts::head(request, origin);
    let seen = head.headers(&parts::site()).clone();

    assert!(seen.keys().all(|name| !INTERNAL.iter().any(|prefix| name.as_str().starts_with(prefix))));
    assert!(seen.get_all(HOST).iter().count() <= 1);
    let one = |name: &str| {
        let mut values = seen.get_all(name).iter();
        let value = values.next().unwrap_or_else(|| panic!("{name} is missing"));
        if !trusted {
            assert!(values.next().is_none(), "{name} comes twice");
        }
        value.as_bytes().to_vec()
    };
    for name in PROXIES {
        let value = one(name);
        if !trusted {
            match name {
                "x-forwarded-proto" => assert_eq!(value, scheme.as_bytes()),
                "x-forwarded-for" | "x-real-ip" => assert_eq!(value, peer.as_bytes()),
                "x-forwarded-port" => {
                    let text = std::str::from_utf8(&value).expect("digits");
                    assert!(text.parse::<u16>().is_ok(), "{text}");
                }
                _ => {}
            }
        }
    }
    for name in sent.keys().chain(seen.keys()) {
        let is_ours = name == HOST || PROXIES.contains(&name.as_str());
        let is_internal = INTERNAL.iter().any(|prefix| name.as_str().starts_with(prefix));
        if !is_ours && !is_internal {
            assert!(sent.get_all(name).iter().eq(seen.get_all(name).iter()), "{name} has changed");
        }
        let alone = joined(one_by_one.header_map_for(name.as_str(), &parts::site()), name.as_str());
        assert_eq!(alone, joined(&seen, name.as_str()), "{name} alone is another one");
    }
}
