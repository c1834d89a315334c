//! The headers of an answer: what is taken is on the wire as it is, and nothing else is.

use std::convert::Infallible;

use bytes::Bytes;
use edgehost_message::{Lines, ResponseBody};
use http::header::HeaderName;
use http::{HeaderMap, Response, StatusCode};
use hyper::service::service_fn;

use super::parts::{Client, Io, block_on};

/// What belongs to the connection: the pipeline, or hyper, has the say.
const OF_CONNECTION: [&str; 9] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const BODY: &[u8] = b"the body";

/// Lines that end with a line feed, which a name or a value may not have; each a name and a
/// value with a zero byte between them, which they may not have either.
pub fn check(bytes: &[u8]) {
    let given: Vec<(&[u8], &[u8])> = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let at = line.iter().position(|byte| *byte == 0)?;
            Some((&line[..at], &line[at + 1..]))
        })
        .take(50)
        .collect();
    let mut lines = Lines::with_room_for(given.len()).expect("few");
    let mut taken = Vec::new();
    for (name, value) in given {
        if OF_CONNECTION.iter().any(|of| name.eq_ignore_ascii_case(of.as_bytes())) {
            continue;
        }
        if lines.add(Some(name), Some(value)).is_ok() {
            taken.push((HeaderName::from_bytes(name).expect("taken"), value.to_vec()));
        }
    }
    let map = lines.into_map();
    let wire = answer(&map);

    let mut room = [httparse::EMPTY_HEADER; 80];
    let mut head = httparse::Response::new(&mut room);
    let httparse::Status::Complete(length) = head.parse(&wire).expect("an answer") else { panic!("no head") };
    assert_eq!(head.code, Some(200));
    assert_eq!(&wire[length..], BODY, "something is between head and body");
    let mut received = HeaderMap::new();
    for line in head.headers {
        let name = HeaderName::from_bytes(line.name.as_bytes()).expect("a name");
        received.append(name, http::HeaderValue::from_bytes(line.value).expect("a value"));
    }
    for of in OF_CONNECTION {
        received.remove(of);
    }
    let mut expected: HeaderMap = HeaderMap::new();
    for (name, value) in taken {
        // Blanks around a value are no part of it (RFC 9110, section 5.5).
        expected.append(name, http::HeaderValue::from_bytes(trimmed(&value)).expect("a value"));
    }
    assert_eq!(received, expected);
}

fn trimmed(value: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !is_blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_blank(byte)).map_or(start, |end| end + 1);
    &value[start..end]
}

fn answer(headers: &HeaderMap) -> Vec<u8> {
    let mut client = Client::new(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n", &[]);
    let service = service_fn(async |_| {
        let mut response = Response::new(ResponseBody::whole(Bytes::from_static(BODY)));
        *response.status_mut() = StatusCode::OK;
        *response.headers_mut() = headers.clone();
        Ok::<_, Infallible>(response)
    });
    block_on(hyper::server::conn::http1::Builder::new().serve_connection(Io(&mut client), service))
        .expect("served");
    client.received
}
