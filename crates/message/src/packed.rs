//! The head of a request that is over, in few bytes of its own.
//!
//! What a head was parsed into lies in the buffer of its connection, which could not be used
//! for the next request as long as somebody holds a part of it; and its lists lie scattered.
//! Hardly anybody looks at a head that late.

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Uri};

use super::head::RequestHead;

/// What is not given back of the memory that it took.
const KEPT: usize = 4096;

/// Address and headers of a request, or nothing.
#[derive(Debug, Default)]
pub(super) struct Packed(Vec<u8>);

impl Packed {
    /// Takes them out of a head.
    pub(super) fn pack(&mut self, head: &mut RequestHead) {
        let uri = std::mem::take(&mut head.uri);
        self.put(uri.scheme_str().unwrap_or_default().as_bytes());
        self.put(uri.authority().map_or("", |authority| authority.as_str()).as_bytes());
        self.put(uri.path_and_query().map_or("", |target| target.as_str()).as_bytes());
        for (name, value) in &std::mem::take(&mut head.raw_headers) {
            self.put(name.as_str().as_bytes());
            self.put(value.as_bytes());
        }
        // A part of the buffer as well.
        let own = |id: HeaderValue| HeaderValue::from_bytes(id.as_bytes()).ok();
        head.x_request_id = head.x_request_id.take().and_then(own);
    }

    /// Puts them back, if that was done.
    pub(super) fn unpack(&mut self, head: &mut RequestHead) {
        if self.0.is_empty() {
            return;
        }
        let mut rest = self.0.as_slice();
        let [scheme, authority, target] = [(); 3].map(|()| next(&mut rest).unwrap_or_default());
        let mut uri = Uri::builder();
        if !scheme.is_empty() {
            uri = uri.scheme(scheme);
        }
        if !authority.is_empty() {
            uri = uri.authority(authority);
        }
        if !target.is_empty() {
            uri = uri.path_and_query(target);
        }
        head.uri = uri.build().unwrap_or_default();
        let mut headers = HeaderMap::new();
        while let (Some(name), Some(value)) = (next(&mut rest), next(&mut rest)) {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        head.raw_headers = headers;
        self.clear();
    }

    /// Forgets them.
    pub(super) fn clear(&mut self) {
        if self.0.capacity() > KEPT {
            self.0 = Vec::new();
        }
        self.0.clear();
    }

    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&bytes.len().to_ne_bytes());
        self.0.extend_from_slice(bytes);
    }
}

fn next<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let (piece, after) = after.split_at_checked(usize::from_ne_bytes(*length))?;
    *rest = after;
    Some(piece)
}
