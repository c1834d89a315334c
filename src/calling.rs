//! What a program says of a request that it hands over itself.
//!
//! Values only. They travel in the extensions of a request, where [`EdgeHost::call`] and the
//! [`Service`](tower_service::Service) look for them; a request of a listener has none.
//!
//! [`EdgeHost::call`]: crate::EdgeHost::call

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use edgehost_ext::message::RequestId;

use crate::limits::Exceeded;

/// What `import { context } from 'edgehost'` gives to the handler: who is logged in, what a
/// middleware has found out, whatever JSON can hold.
///
/// It is serialised once, here. A handler that asks gets a copy of its own, the same one for as
/// long as its request lasts; one that does not ask costs nothing.
///
/// ```
/// use edgehost::Context;
///
/// #[derive(serde::Serialize)]
/// struct User { id: u32, roles: Vec<&'static str> }
///
/// let mut request = http::Request::get("/me").body(String::new())?;
/// request.extensions_mut().insert(Context::new(&User { id: 7, roles: vec!["admin"] })?);
/// // In the handler: `context<{ id: number, roles: string[] }>()?.id === 7`.
///
/// let context: Context = serde_json::json!({ "id": 7 }).try_into()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Context(Arc<str>);

/// A value that cannot be a [`Context`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// It is longer than [`Context::MOST`] bytes as JSON.
    #[error(
        "the context is longer than {} bytes as JSON: hand over an id, and have the handler fetch the rest",
        Context::MOST
    )]
    TooLarge,
    /// It cannot be written as JSON.
    #[error("the context cannot be written as JSON: {0}")]
    Json(#[source] serde_json::Error),
}

impl Context {
    /// Most bytes of JSON that a context may be.
    pub const MOST: usize = 1024 * 1024;

    /// The context with this value.
    ///
    /// # Errors
    ///
    /// [`ContextError`] where the value cannot be written as JSON, or is too long.
    pub fn new(value: &(impl serde::Serialize + ?Sized)) -> Result<Self, ContextError> {
        let mut written = Written { bytes: Vec::new(), is_full: false };
        let result = serde_json::to_writer(&mut written, value);
        match result {
            Ok(()) => {}
            Err(_) if written.is_full => return Err(ContextError::TooLarge),
            Err(error) => return Err(ContextError::Json(error)),
        }
        let text = String::from_utf8(written.bytes)
            .map_err(|error| ContextError::Json(serde::ser::Error::custom(error)))?;
        Ok(Self(text.into()))
    }

    /// The JSON.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    pub(crate) fn text(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl TryFrom<serde_json::Value> for Context {
    type Error = ContextError;

    fn try_from(value: serde_json::Value) -> Result<Self, ContextError> {
        Self::new(&value)
    }
}

impl fmt::Debug for Context {
    /// Without the value, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({} bytes)", self.0.len())
    }
}

/// Takes no more than a context may be.
struct Written {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > Context::MOST {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Who is at the other end of the connection that a request came on.
///
/// With it, `trust_proxies` holds for requests that a program hands over, and `request.ip`,
/// `x-real-ip` and `x-forwarded-*` say what they say on a listener of the host's own. Without
/// one nobody's address is known, and no proxy is trusted.
///
/// ```
/// use std::net::{Ipv4Addr, SocketAddr};
///
/// let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 40312));
/// let mut request = http::Request::get("/").body(String::new())?;
/// request.extensions_mut().insert(edgehost::Peer::from(address).with_secure(true));
/// # Ok::<(), http::Error>(())
/// ```
///
/// A framework that leaves the address in a type of its own has it read by
/// [`HostBuilder::peer_from`](crate::HostBuilder::peer_from).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The address.
    pub address: IpAddr,
    /// Whether the connection is encrypted: the scheme is `https` then.
    pub secure: bool,
}

impl Peer {
    /// A peer with this address, on a connection that is not encrypted.
    pub fn new(address: IpAddr) -> Self {
        Self { address, secure: false }
    }

    /// Says whether the connection is encrypted.
    #[must_use]
    pub fn with_secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }
}

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        Self::new(address)
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::new(address.ip())
    }
}

/// The path under which a router has put an app, which it has taken away from the path of the
/// request, as axum's `nest_service` does. [`EdgeHost::at`](crate::EdgeHost::at) sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount(Arc<str>);

impl Mount {
    /// The mount at a path such as `/shop`; `/` is none at all.
    ///
    /// # Errors
    ///
    /// A sentence where it is no path, or not written as a URL has it.
    pub fn new(path: &str) -> Result<Self, String> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let refuse = || {
            format!(
                "'{path}' is no path to be mounted at: it must begin with '/' and be written as in a URL, such as /shop"
            )
        };
        if path.is_empty() {
            return Ok(Self("".into()));
        }
        if !path.starts_with('/') || path.starts_with("//") || path.ends_with('/') {
            return Err(refuse());
        }
        // Dots, query, fragment, and what would be percent-encoded.
        let url = url::Url::parse(&format!("http://host{path}")).map_err(|_| refuse())?;
        let is_same = url.path() == path && url.query().is_none() && url.fragment().is_none();
        if is_same { Ok(Self(path.into())) } else { Err(refuse()) }
    }

    /// The path, without a slash at its end: empty for `/`.
    pub fn path(&self) -> &str {
        &self.0
    }

    pub(crate) fn text(&self) -> Option<Arc<str>> {
        (!self.0.is_empty()).then(|| self.0.clone())
    }
}

/// What became of a request that a program handed over, in the extensions of its response.
///
/// It tells what was known when the answer began; an
/// [`Observer`](crate::telemetry::Observer) is told of its end.
///
/// ```no_run
/// # async fn run(host: edgehost::EdgeHost, request: http::Request<String>) {
/// let response = host.call(request).await;
/// if let Some(outcome) = response.extensions().get::<edgehost::Outcome>() {
///     println!("{:?} took {:?} of CPU time", outcome.route, outcome.cpu);
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The host's name for the request.
    pub request: RequestId,
    /// The name of the app, where it has one.
    pub app: Option<Arc<str>>,
    /// The number of the version that answered, if the request was for an app: a later one has a
    /// higher number. See [`Deployed::version`](crate::Deployed::version).
    pub version: Option<u64>,
    /// The pattern of the route, such as `/items/[id]`.
    pub route: Option<Arc<str>>,
    /// Why the answer is the host's and not the handler's: what `x-edgehost-error` says.
    pub error: Option<&'static str>,
    /// The limit that the request passed.
    pub limit: Option<Exceeded>,
    /// CPU time of the handler up to the head of its answer, as far as it can be told from that
    /// of others: the elapsed time for what took less than some milliseconds.
    pub cpu: Duration,
    /// Time from the arrival of the request to the head of its answer.
    pub wall: Duration,
    /// What the isolate held, in bytes, when that was measured last; 0 where none was asked.
    pub memory: u64,
    /// Bytes of the answer's body, where that is known before it is sent.
    pub length: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_bounded_and_errors_are_errors() {
        let longest = "x".repeat(Context::MOST - 2);
        assert_eq!(Context::new(&longest).expect("fits").as_json().len(), Context::MOST);
        assert!(matches!(Context::new(&format!("{longest}x")), Err(ContextError::TooLarge)));
        // JSON has no keys but texts.
        let keys = std::collections::HashMap::from([((1, 2), 3)]);
        assert!(matches!(Context::new(&keys), Err(ContextError::Json(_))));
        assert_eq!(format!("{:?}", Context::new("secret").expect("a text")), "Context(8 bytes)");
    }

    #[test]
    fn mounts_are_paths_of_urls() {
        for (path, kept) in
            [("/shop", "/shop"), ("/a/b/", "/a/b"), ("/", ""), ("", ""), ("/%C3%BC", "/%C3%BC")]
        {
            assert_eq!(Mount::new(path).expect(path).path(), kept);
        }
        for path in
            ["shop", "//shop", "/a/../b", "/a?b", "/a#b", "/\u{fc}", "/a b", "/a//", "/.", "/a\\b", "/a\nb"]
        {
            assert!(Mount::new(path).is_err(), "{path}");
        }
    }
}
