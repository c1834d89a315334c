//! The steps of a request, in order.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use edgehost_ext::message::{
    BodyEnd, BodyPolicy, BoxError, Origin, ParamValue as MessageParam, RequestBody, RequestHead, RequestId,
    ResponseBody, linger,
};
use http::header::{CONTENT_LENGTH, EXPECT};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use ipnet::IpNet;

use super::path::{Path, normalise};
use super::respond::{self, Refusal};
use crate::isolate::{App, Invocation};
use crate::project::{Match, Method, ParamValue, Params, RouteTable};
use crate::shard::Shard;

/// A request body of any kind.
type Incoming = UnsyncBoxBody<Bytes, BoxError>;

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// The address, unless the request came through the library.
    pub(crate) address: Option<IpAddr>,
    /// Whether the connection is encrypted.
    pub(crate) secure: bool,
    /// Stands in for a missing `Host`: the address that the server listens on.
    pub(crate) fallback: Arc<str>,
}

/// What the pipeline needs to know of its host.
pub(crate) struct FrontSettings {
    /// Patterns.
    pub(crate) table: Arc<RouteTable>,
    /// Routes, limits.
    pub(crate) app: Arc<App>,
    /// Scheme and host that `request.url` shows, if set.
    pub(crate) public_origin: Option<Arc<str>>,
    /// Proxies whose `x-forwarded-*` is believed.
    pub(crate) trusted: Vec<IpNet>,
}

/// Serves requests on one shard's thread.
pub(crate) struct Front {
    settings: FrontSettings,
    shard: Rc<Shard>,
    logs_access: bool,
}

impl Front {
    pub(crate) fn new(settings: FrontSettings, shard: Shard) -> Self {
        let logs_access = tracing::enabled!(target: "edgehost::access", tracing::Level::INFO);
        Self { settings, shard: Rc::new(shard), logs_access }
    }

    /// The shard behind it.
    pub(crate) fn shard(&self) -> &Rc<Shard> {
        &self.shard
    }

    /// Answers one request. Never fails: every failure is a response.
    pub(crate) async fn serve<B>(&self, request: Request<B>, peer: &Peer) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let started = Instant::now();
        let id = RequestId::next();
        let line = self.logs_access.then(|| AccessLine::of(&request, id, started));
        let response = match self.steps(request, peer, id, started).await {
            Ok(response) => response,
            Err(refusal) => refusal.response(id),
        };
        match line {
            Some(line) => line.follow(response),
            None => response,
        }
    }

    async fn steps<B>(
        &self,
        request: Request<B>,
        peer: &Peer,
        id: RequestId,
        started: Instant,
    ) -> Result<Response<ResponseBody>, Refusal>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        let Decided { route, params, method, target } = match self.decide(&parts, body.size_hint().exact()) {
            Ok(decided) => decided,
            Err(early) => {
                if !body.is_end_stream() {
                    tokio::task::spawn_local(linger(body));
                }
                return early;
            }
        };
        let body = self.body(&parts.method, &parts.headers, body).await?;
        let head = RequestHead {
            method: parts.method,
            target,
            authority: parts.uri.into_parts().authority,
            origin: self.origin(peer),
            raw_headers: parts.headers,
            params: message_params(params),
            route,
            id,
            clean: false,
        };
        let answer = self.shard.call(Invocation { head, body, method, started }).await?;
        Ok(respond::answer(answer))
    }

    /// Everything that is decided before JavaScript runs. What needs none is
    /// answered or refused here.
    #[allow(clippy::result_large_err, reason = "an early answer is as common as a decision")]
    fn decide(
        &self,
        parts: &http::request::Parts,
        length: Option<u64>,
    ) -> Result<Decided, Result<Response<ResponseBody>, Refusal>> {
        self.refuse_large(parts, length).map_err(Err)?;
        let query = parts.uri.query();
        let path = match normalise(parts.uri.path()) {
            Path::Match(path) => path,
            Path::Redirect(path) => return Err(Ok(respond::moved(&with_query(&path, query)))),
            Path::Malformed => return Err(Err(Refusal::MalformedPath)),
        };
        let (route, params) = match self.settings.table.find(&path) {
            Match::Found { route, params } => (route, params),
            Match::NotFound => return Err(Err(Refusal::NotFound)),
            Match::Malformed => return Err(Err(Refusal::MalformedPath)),
        };
        match self.method(&parts.method, route) {
            Ok(Chosen::Handler(method)) => {
                Ok(Decided { route, params, method, target: with_query(&path, query) })
            }
            Ok(Chosen::Options) => Err(Ok(respond::options(self.settings.app.routes[route].methods()))),
            Err(refusal) => Err(Err(refusal)),
        }
    }

    fn refuse_large(&self, parts: &http::request::Parts, length: Option<u64>) -> Result<(), Refusal> {
        let limits = &self.settings.app.limits;
        let declared = || parts.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse::<u64>().ok();
        if length.or_else(declared).is_some_and(|length| length > limits.request_body) {
            return Err(Refusal::BodyTooLarge);
        }
        if parts.uri.path_and_query().is_some_and(|target| target.as_str().len() > limits.url) {
            return Err(Refusal::UrlTooLong);
        }
        // HTTP/1 heads are counted by hyper as well; those of HTTP/2 only here.
        let size =
            |(name, value): (&http::HeaderName, &http::HeaderValue)| name.as_str().len() + value.len() + 4;
        if parts.headers.len() > limits.header_count
            || parts.headers.iter().map(size).sum::<usize>() > limits.headers
        {
            return Err(Refusal::HeadersTooLarge);
        }
        Ok(())
    }

    fn method(&self, method: &http::Method, route: usize) -> Result<Chosen, Refusal> {
        let exported = self.settings.app.routes[route].methods();
        let Some(method) = Method::of(method) else {
            return Err(match method.as_str() {
                "TRACE" | "TRACK" => Refusal::TraceMethod,
                _ => Refusal::UnknownMethod,
            });
        };
        if exported.contains(method) {
            return Ok(Chosen::Handler(method));
        }
        match method {
            // The handler of GET sees the method HEAD; its body is not sent.
            Method::Head if exported.contains(Method::Get) => Ok(Chosen::Handler(Method::Head)),
            Method::Options => Ok(Chosen::Options),
            _ => Err(Refusal::MethodNotAllowed(exported)),
        }
    }

    async fn body<B>(
        &self,
        method: &http::Method,
        headers: &HeaderMap,
        body: B,
    ) -> Result<RequestBody, Refusal>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let limits = &self.settings.app.limits;
        if matches!(*method, http::Method::GET | http::Method::HEAD) {
            return Ok(RequestBody::Empty);
        }
        if body.is_end_stream() {
            return Ok(RequestBody::Whole(Bytes::new()));
        }
        let policy = BodyPolicy { max_bytes: limits.request_body, idle: limits.body_idle };
        let body = RequestBody::stream(box_body(body), policy);
        // A client that waits for 100 Continue gets it when the handler reads.
        if headers.contains_key(EXPECT) {
            return Ok(body);
        }
        body.settle().await.map_err(|_| Refusal::BodyTooLarge)
    }

    fn origin(&self, peer: &Peer) -> Origin {
        let trusted =
            peer.address.is_some_and(|ip| self.settings.trusted.iter().any(|net| net.contains(&ip)));
        Origin {
            scheme: if peer.secure { "https" } else { "http" },
            fallback: peer.fallback.clone(),
            public: self.settings.public_origin.clone(),
            peer: peer.address,
            trusted,
        }
    }
}

/// What the pipeline found out before JavaScript runs.
struct Decided {
    route: usize,
    params: Params,
    method: Method,
    target: String,
}

enum Chosen {
    Handler(Method),
    Options,
}

fn box_body<B>(body: B) -> Incoming
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    use http_body_util::BodyExt;
    body.map_err(Into::into).boxed_unsync()
}

fn with_query(path: &str, query: Option<&str>) -> String {
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

fn message_params(params: Params) -> Vec<(String, MessageParam)> {
    params
        .into_iter()
        .map(|(name, value)| {
            (
                name,
                match value {
                    ParamValue::One(one) => MessageParam::One(one),
                    ParamValue::Many(many) => MessageParam::Many(many),
                },
            )
        })
        .collect()
}

/// One line in the access log, written when the answer has been sent.
struct AccessLine {
    method: http::Method,
    path: String,
    id: RequestId,
    started: Instant,
    status: StatusCode,
}

impl AccessLine {
    fn of<B>(request: &Request<B>, id: RequestId, started: Instant) -> Self {
        Self {
            method: request.method().clone(),
            path: request.uri().path_and_query().map_or("", |target| target.as_str()).to_owned(),
            id,
            started,
            status: StatusCode::OK,
        }
    }

    fn follow(mut self, response: Response<ResponseBody>) -> Response<ResponseBody> {
        self.status = response.status();
        response.map(|body| body.with_end(self))
    }
}

impl BodyEnd for AccessLine {
    fn ended(self: Box<Self>, complete: bool, bytes: u64) {
        let ms = self.started.elapsed().as_secs_f64() * 1000.0;
        tracing::info!(
            target: "edgehost::access",
            method = self.method.as_str(),
            path = self.path,
            status = self.status.as_u16(),
            ms = (ms * 1000.0).round() / 1000.0,
            bytes,
            request = %self.id,
            aborted = !complete,
            "{} {} {}",
            self.method,
            self.path,
            self.status.as_u16(),
        );
    }
}
