//! The head of a request as the pipeline hands it to an isolate.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

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
}

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

/// Method, address, headers and what the router found.
#[derive(Debug)]
pub struct RequestHead {
    /// One of the seven methods that handlers export.
    pub method: Method,
    /// Path and query as they were sent.
    pub uri: Uri,
    /// `http://host`, without a trailing slash.
    pub origin: Arc<str>,
    /// Headers after hygiene.
    pub headers: HeaderMap,
    /// Captured parameters.
    pub params: Vec<(String, ParamValue)>,
    /// Index of the route.
    pub route: usize,
    /// Names the request.
    pub id: RequestId,
    /// The peer's address, where the connection has one.
    pub peer: Option<IpAddr>,
}

impl RequestHead {
    /// The absolute URL before normalisation by the URL parser.
    pub fn raw_url(&self) -> String {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut url = String::with_capacity(self.origin.len() + path.len());
        url.push_str(&self.origin);
        url.push_str(path);
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
