//! Bodies in chunks: what a handler reads is what RFC 9112 says, or an error, and what comes
//! behind a body is the next request.

use std::cell::RefCell;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use edgehost_message::{BodyPolicy, LentBody, Patience, RequestBody, ResponseBody};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;

use super::parts::{Client, Io, block_on};

const HEAD: &[u8] = b"POST /first HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nhost: h\r\n\r\n";

/// What becomes of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It is read in pieces of some length.
    Read(usize),
    /// Nobody wants it.
    Ignore,
}

/// A byte with the way, one with the limit in units of 16 bytes, one with a number of cuts,
/// the cuts, and the body.
pub fn check(bytes: &[u8]) {
    let [way, limit, count, rest @ ..] = bytes else { return };
    let (cuts, body) = rest.split_at(usize::from(*count % 8).min(rest.len()));
    let way = if *way == 0 { Way::Ignore } else { Way::Read(usize::from(*way)) };
    let limit = u64::from(*limit) * 16;
    let mut client = Client::new(&[HEAD, body, NEXT].concat(), cuts);
    let seen = RefCell::new(Vec::new());
    let service = service_fn(async |request: Request<Incoming>| {
        let path = request.uri().path().to_owned();
        let read = read(request.into_body(), way, limit).await;
        seen.borrow_mut().push((path, read));
        Ok::<_, Infallible>(Response::new(ResponseBody::empty()))
    });
    let served = hyper::server::conn::http1::Builder::new().serve_connection(Io(&mut client), service);
    let _ = block_on(served);
    let seen = seen.into_inner();

    let following = [body, NEXT].concat();
    let meant = reference(&following);
    let Some((path, read)) = seen.first() else { panic!("the first request never came") };
    assert_eq!(path, "/first");
    match (&meant, read) {
        (_, Err(())) if way == Way::Ignore => unreachable!("nothing was read"),
        (None, Ok(Some(read))) => panic!("a body that is none was read: {read:?}"),
        (Some((meant, _)), Ok(Some(read))) => {
            assert_eq!(read, meant);
            assert!(read.len() as u64 <= limit, "more than the limit allows");
        }
        (_, Err(()) | Ok(None)) => {}
    }
    match meant {
        // Whatever follows such a body cannot be told.
        None => assert_eq!(seen.len(), 1, "something was taken for a request: {seen:?}"),
        Some((_, NEXT)) => assert!(seen.len() <= 2 && seen.get(1).is_none_or(|(path, _)| path == "/next")),
        Some(_) => {}
    }
}

/// What was read, or that it cannot be; nothing where nobody read.
async fn read(body: Incoming, way: Way, limit: u64) -> Result<Option<Vec<u8>>, ()> {
    let patience = Patience { silence: Duration::from_secs(5), rate: 0 };
    let policy = BodyPolicy { max_bytes: limit, patience };
    let body = RequestBody::stream(body.map_err(Into::into).boxed_unsync(), policy);
    let Way::Read(piece) = way else {
        body.linger().await;
        return Ok(None);
    };
    match body.settle().await.map_err(drop)? {
        RequestBody::Whole(whole) => Ok(Some(whole.into())),
        RequestBody::Stream(stream) => {
            let lent = LentBody::new(stream);
            let mut all = Vec::new();
            while let Some(bytes) = lent.read(piece).await.map_err(drop)? {
                assert!((1..=piece).contains(&Bytes::len(&bytes)));
                all.extend_from_slice(&bytes);
            }
            Ok(Some(all))
        }
        RequestBody::Empty | RequestBody::Taken => unreachable!("it is a stream"),
    }
}

/// Decodes by the letter of RFC 9112, section 7.1, with any extension; what follows the body
/// comes with it.
pub fn reference(mut bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let digits = bytes.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = u64::from_str_radix(std::str::from_utf8(&bytes[..digits]).ok()?, 16).ok()?;
        let line = bytes.iter().position(|byte| *byte == b'\n')?;
        let extension = &bytes[digits..=line];
        if !matches!(extension, [b'\r', b'\n'] | [b';' | b' ' | b'\t', .., b'\r', b'\n']) {
            return None;
        }
        bytes = &bytes[line + 1..];
        if size == 0 {
            break;
        }
        let size = usize::try_from(size).ok()?;
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes[size..].strip_prefix(b"\r\n")?;
    }
    // Trailers end with an empty line.
    while !bytes.starts_with(b"\r\n") {
        let line = bytes.iter().position(|byte| *byte == b'\n')?;
        bytes = &bytes[line + 1..];
    }
    Some((body, &bytes[2..]))
}
