//! Whom a request is for: whatever is let through is one host and at most one port, and moves
//! nothing else of the address.

use edgehost_message::settle_authority;
use url::{Position, Url};

use super::parts;

pub fn check(bytes: &[u8]) {
    let Some((request, mut origin)) = parts::request(bytes) else { return };
    // What is no path has been refused before.
    let Some(target) = request.uri.path_and_query().map(|target| target.as_str().to_owned()) else { return };
    if !target.starts_with('/') {
        return;
    }
    if settle_authority(&request, &mut origin).is_err() {
        return;
    }
    let scheme = origin.scheme;
    let settled = origin.authority.clone();
    let (again, mut twice) = parts::request(bytes).expect("as before");
    settle_authority(&again, &mut twice).expect("as before");
    assert_eq!(twice.authority, settled);

    let plain = Url::parse(&format!("http://h{target}")).expect("a path");
    let mut head = parts::head(request, origin);
    // As the pipeline does, which resolves dots.
    head.path = (plain.path() != head.uri.path()).then(|| plain.path().to_owned());
    let text = head.url(&parts::site());
    let url = Url::parse(&text).expect("a URL");
    assert_eq!(url.as_str(), text, "it is in the form of the URL standard");
    assert_eq!(url.scheme(), scheme);
    assert_eq!((url.username(), url.password()), ("", None));
    assert!(url.host_str().is_some_and(|host| !host.is_empty()));
    assert_eq!(url[Position::BeforePath..], plain[Position::BeforePath..], "the path has moved");

    // What handlers read in the headers says the same; what a proxy sent stays as it is.
    if settled.is_some() && !head.origin.trusted {
        let told = head.headers(&parts::site())["x-forwarded-host"].as_bytes();
        assert_eq!(told, url[Position::BeforeHost..Position::AfterPort].as_bytes());
    }
}
