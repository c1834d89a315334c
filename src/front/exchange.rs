//! One request on its way through the stages.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use edgehost_ext::message::{
    BodyPolicy, Given, Origin, Patience, Presence, RequestBody, RequestHead, RequestId, Upload, below, linger,
};
use http::header::EXPECT;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request};
use http_body::Frame;
use http_body_util::BodyExt;

use super::access;
use super::respond::Refusal;
use super::rules::Added;
use crate::isolate::Invocation;
use crate::limits::Limits;
use crate::project::{Method, Params};
use crate::shard::Share;
use crate::version::{ServedRoute, Version};

/// Who is at the other end of a connection.
#[derive(Clone)]
pub(crate) struct Peer {
    /// The address, unless the request came through the library and it is not known.
    pub(crate) address: Option<std::net::IpAddr>,
    /// Whether the connection is encrypted.
    pub(crate) secure: bool,
    /// Whether the connection is one of the host's own.
    pub(crate) wire: bool,
    /// Whether it is still there.
    pub(crate) presence: Presence,
    /// What its connection may take of the permits for handlers, if it carries several requests.
    pub(crate) share: Option<Rc<Share>>,
    /// What the program gives along, if the request came through it.
    pub(crate) given: Option<Box<Given>>,
}

/// How much of a body has come.
#[derive(Debug, Clone, Default)]
pub(super) struct Received {
    whole: u64,
    arriving: Option<Arc<AtomicU64>>,
}

impl Received {
    /// Counts the bytes of a body from now on.
    fn count(body: Upload) -> (Upload, Self) {
        match body {
            Upload::Whole(bytes) => {
                let received = Self { whole: bytes.len() as u64, arriving: None };
                (Upload::Whole(bytes), received)
            }
            Upload::Arriving(body) => {
                let count = Arc::<AtomicU64>::default();
                let received = Self { whole: 0, arriving: Some(count.clone()) };
                let counting = move |frame: Frame<Bytes>| {
                    if let Some(piece) = frame.data_ref() {
                        count.fetch_add(piece.len() as u64, Ordering::Relaxed);
                    }
                    frame
                };
                (Upload::Arriving(body.map_frame(counting).boxed_unsync()), received)
            }
        }
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.whole + self.arriving.as_ref().map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

/// A request, made before it is known which route answers. It owns head and body, so that
/// a stage can look at either and hand it on.
pub(super) struct Exchange {
    pub(super) parts: Parts,
    pub(super) body: Upload,
    /// Counts its bytes, where somebody wants to know.
    pub(super) received: Received,
    /// The body's length, where it is known.
    pub(super) length: Option<u64>,
    pub(super) origin: Origin,
    /// Why scheme and authority could not be settled.
    pub(super) unsettled: Option<Refusal>,
    pub(super) id: RequestId,
    /// `x-request-id` as the client sent it, where it is well-formed.
    pub(super) x_request_id: Option<HeaderValue>,
    pub(super) started: Instant,
    pub(super) client: Presence,
    pub(super) share: Option<Rc<Share>>,
    /// What the program gave along.
    pub(super) given: Option<Box<Given>>,
    /// The path, where normalisation changed it.
    pub(super) path: Option<String>,
    /// The path that routes are looked for with, where the middleware leads elsewhere.
    pub(super) routed: Option<String>,
    /// The URL on another server that answers in the place of a route.
    pub(super) outside: Option<String>,
    /// Whether the headers have been seen to.
    pub(super) clean: bool,
    /// Headers that the answer gets, whoever gives it.
    pub(super) added: Option<Box<Added>>,
    pub(super) route: Option<usize>,
    pub(super) params: Params,
    pub(super) method: Option<Method>,
}

impl Exchange {
    /// `counts` where the bytes of the body are to be counted.
    pub(super) fn new(request: Request<Upload>, peer: Peer, is_trusted: bool, counts: bool) -> Self {
        let started = Instant::now();
        let (parts, body) = request.into_parts();
        let length = body.length();
        let (body, received) = if counts { Received::count(body) } else { (body, Received::default()) };
        Self {
            length,
            body,
            received,
            origin: Origin {
                authority: None,
                scheme: if peer.secure { "https" } else { "http" },
                peer: peer.address,
                client: peer.address,
                trusted: is_trusted,
                wire: peer.wire,
            },
            unsettled: None,
            id: RequestId::next(),
            x_request_id: access::well_formed_id(&parts.headers),
            started,
            client: peer.presence,
            share: peer.share,
            given: peer.given,
            path: None,
            routed: None,
            outside: None,
            clean: false,
            added: None,
            route: None,
            params: Params::new(),
            method: None,
            parts,
        }
    }

    /// The path as it is matched.
    pub(super) fn path(&self) -> &str {
        self.path.as_deref().unwrap_or_else(|| self.parts.uri.path())
    }

    /// The path under which a router has put the app.
    pub(super) fn mount(&self) -> &str {
        self.given.as_ref().and_then(|given| given.mount.as_deref()).unwrap_or_default()
    }

    /// Path and query as the client sent them.
    pub(super) fn target(&self) -> Option<PathAndQuery> {
        let target = self.parts.uri.path_and_query();
        match self.mount() {
            "" => target.cloned(),
            mount => {
                let rest = below(mount, target.map_or("", PathAndQuery::as_str));
                PathAndQuery::from_maybe_shared(Bytes::from(format!("{mount}{rest}"))).ok()
            }
        }
    }

    /// The route that a stage found.
    pub(super) fn route<'a>(&self, version: &'a Version) -> Option<&'a ServedRoute> {
        version.routes.get(self.route?)
    }

    /// Whether what has arrived of the body is read before the handler is called: not where
    /// the client waits for the handler to want it.
    pub(super) fn reads_ahead(&self) -> bool {
        matches!(self.body, Upload::Arriving(_))
            && self.has_body()
            && !self.parts.headers.contains_key(EXPECT)
    }

    /// Adds headers to the answer, whoever gives it.
    pub(super) fn add(&mut self, headers: HeaderMap) {
        if !headers.is_empty() {
            self.added.get_or_insert_default().extend(headers);
        }
    }

    /// Whether a handler may find a body.
    pub(super) fn has_body(&self) -> bool {
        !matches!(self.parts.method, http::Method::GET | http::Method::HEAD)
    }

    /// Reads what comes of a body that nobody wants, within limits, so that an answer
    /// reaches the client.
    pub(super) fn linger(&mut self) {
        if let Upload::Arriving(body) = std::mem::replace(&mut self.body, Upload::Whole(Bytes::new())) {
            tokio::task::spawn_local(linger(body));
        }
    }

    /// The head as a module before the routes sees it.
    pub(super) fn head(&self, route: usize) -> RequestHead {
        RequestHead {
            method: self.parts.method.clone(),
            uri: self.parts.uri.clone(),
            path: self.path.clone(),
            origin: self.origin.clone(),
            raw_headers: self.parts.headers.clone(),
            params: Params::new(),
            route,
            id: self.id,
            x_request_id: self.x_request_id.clone(),
            clean: self.clean,
            given: self.given.clone(),
        }
    }

    /// The call of a handler that the stages decided on.
    pub(super) fn into_invocation(self, version: Arc<Version>) -> Option<Invocation> {
        let (route, method) = (self.route?, self.method?);
        let body = match self.body {
            _ if matches!(self.parts.method, http::Method::GET | http::Method::HEAD) => RequestBody::Empty,
            Upload::Whole(bytes) => RequestBody::Whole(bytes),
            Upload::Arriving(body) => RequestBody::stream(body, policy(&version.limits)),
        };
        let head = RequestHead {
            method: self.parts.method,
            uri: self.parts.uri,
            path: self.path,
            origin: self.origin,
            raw_headers: self.parts.headers,
            params: self.params,
            route,
            id: self.id,
            x_request_id: self.x_request_id,
            clean: self.clean,
            given: self.given,
        };
        Some(Invocation { version, head, body, method, started: self.started, client: self.client })
    }
}

/// Limits on a body.
pub(super) fn policy(limits: &Limits) -> BodyPolicy {
    let patience = Patience { silence: limits.body_idle, rate: limits.min_rate };
    BodyPolicy { max_bytes: limits.request_body, patience }
}
