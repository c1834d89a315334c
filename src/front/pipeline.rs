//! The steps of a request, in order.

use std::borrow::Cow;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use edgehost_ext::message::{
    Answer, BodyFault, BodyPolicy, BoxError, Origin, ParamValue as MessageParam, Patience, Presence,
    RequestBody, RequestHead, RequestId, ResponseBody, Site, linger,
};
use http::header::{CONTENT_LENGTH, EXPECT};
use http::{HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use ipnet::IpNet;

use super::access::{self, Access};
use super::authority;
use super::path::{Path, normalise};
use super::respond::{self, Refusal};
use crate::isolate::{App, Invocation};
use crate::project::{Match, Method, ParamValue, Params, RouteTable};
use crate::shard::{Called, Shard, ShardError, Share};

/// A request body of any kind.
type Incoming = UnsyncBoxBody<Bytes, BoxError>;

/// Who is at the other end of a connection.
#[derive(Clone)]
pub(crate) struct Peer {
    /// The address, unless the request came through the library.
    pub(crate) address: Option<IpAddr>,
    /// Whether the connection is encrypted.
    pub(crate) secure: bool,
    /// Whether it is still there.
    pub(crate) presence: Presence,
    /// What its connection may take of the places for handlers, if it carries several requests.
    pub(crate) share: Option<Rc<Share>>,
}

/// What the pipeline needs to know of its host.
pub(crate) struct FrontSettings {
    /// Patterns.
    pub(crate) table: Arc<RouteTable>,
    /// Routes, limits.
    pub(crate) app: Arc<App>,
    /// What `request.url` shows.
    pub(crate) site: Arc<Site>,
    /// Proxies whose `x-forwarded-*` is believed.
    pub(crate) trusted: Vec<IpNet>,
}

/// Serves requests on one shard's thread.
pub(crate) struct Front {
    settings: FrontSettings,
    shard: Rc<Shard>,
    logs_access: bool,
}

/// A response that is there, or on its way.
pub(crate) enum Serving {
    /// Taken when it is polled.
    Done(Option<Response<ResponseBody>>),
    /// Takes longer.
    Later(Pin<Box<dyn Future<Output = Response<ResponseBody>>>>),
}

impl Future for Serving {
    type Output = Response<ResponseBody>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Done(response) => response.take().map_or(Poll::Pending, Poll::Ready),
            Self::Later(future) => future.as_mut().poll(cx),
        }
    }
}

type Outcome = Result<Response<ResponseBody>, Refusal>;

/// As [`Serving`], before failures have become responses.
enum Step {
    Done(Outcome),
    Later(Pin<Box<dyn Future<Output = Outcome>>>),
}

impl Front {
    pub(crate) fn new(settings: FrontSettings, shard: Shard) -> Self {
        let logs_access = settings.app.observer.wants_requests();
        Self { settings, shard: Rc::new(shard), logs_access }
    }

    /// The shard behind it.
    pub(crate) fn shard(&self) -> &Rc<Shard> {
        &self.shard
    }

    /// What a new connection may take of the places for handlers.
    pub(crate) fn share(&self) -> Rc<Share> {
        Share::new(&self.settings.app.limits)
    }

    /// Answers one request. Never fails: every failure is a response. What waits for
    /// nothing is answered before this returns.
    pub(crate) fn serve<B>(self: &Rc<Self>, request: Request<B>, peer: &Peer) -> Serving
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let started = Instant::now();
        let id = RequestId::next();
        let x_request_id = access::well_formed_id(request.headers());
        let mut access = self.logs_access.then(|| {
            let client = access::client(peer.address, request.headers(), &self.settings.trusted);
            Access::new(&self.settings.app, &request, client, id, x_request_id.clone(), started)
        });
        let step = self.steps(request, peer, id, started, x_request_id.as_ref(), &mut access);
        let finish = move |outcome: Outcome| {
            let mut response = outcome.unwrap_or_else(|refusal| refusal.response(id));
            respond::name_request(&mut response, id, x_request_id);
            match access {
                Some(access) => access.follow(response),
                None => response,
            }
        };
        match step {
            Step::Done(outcome) => Serving::Done(Some(finish(outcome))),
            Step::Later(outcome) => Serving::Later(Box::pin(async move { finish(outcome.await) })),
        }
    }

    fn steps<B>(
        self: &Rc<Self>,
        request: Request<B>,
        peer: &Peer,
        id: RequestId,
        started: Instant,
        x_request_id: Option<&HeaderValue>,
        access: &mut Option<Access>,
    ) -> Step
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        let mut origin = self.origin(peer);
        let decided = match self.decide(&parts, body.size_hint().exact(), id, &mut origin) {
            Ok(decided) => decided,
            Err(early) => {
                if !body.is_end_stream() {
                    tokio::task::spawn_local(linger(body));
                }
                return Step::Done(early);
            }
        };
        let Decided { route, params, method, path } = decided;
        if let Some(access) = access {
            access.found(route);
        }
        let (client, share) = (peer.presence.clone(), peer.share.clone());
        let awaits_continue = parts.headers.contains_key(EXPECT);
        let body = self.body(&parts.method, body);
        let head = RequestHead {
            method: parts.method,
            uri: parts.uri,
            path,
            origin,
            raw_headers: parts.headers,
            params: message_params(params),
            route,
            id,
            x_request_id: x_request_id.cloned(),
            clean: false,
        };
        // What has arrived of a body is read first, unless the client waits for the
        // handler to want it.
        if matches!(body, RequestBody::Stream(_)) && !awaits_continue {
            let front = self.clone();
            return Step::Later(Box::pin(async move {
                let refused = |error| BodyFault::of(&error).unwrap_or(BodyFault::Malformed);
                let body = body.settle().await.map_err(refused)?;
                match front.shard.call(Invocation { head, body, method, started, client }, share) {
                    Called::Done(result) => answered(result),
                    Called::Later(result) => answered(result.await),
                }
            }));
        }
        match self.shard.call(Invocation { head, body, method, started, client }, share) {
            Called::Done(result) => Step::Done(answered(result)),
            Called::Later(result) => Step::Later(Box::pin(async move { answered(result.await) })),
        }
    }

    /// Everything that is decided before JavaScript runs. What needs none is
    /// answered or refused here.
    #[allow(clippy::result_large_err, reason = "an early answer is as common as a decision")]
    fn decide(
        &self,
        parts: &http::request::Parts,
        length: Option<u64>,
        id: RequestId,
        origin: &mut Origin,
    ) -> Result<Decided, Result<Response<ResponseBody>, Refusal>> {
        self.refuse_large(parts, length).map_err(Err)?;
        authority::settle(parts, origin).map_err(Err)?;
        let path = match normalise(parts.uri.path()) {
            Path::Match(path) => path,
            Path::Redirect(path) => return Err(Ok(respond::moved(&with_query(&path, parts.uri.query())))),
            Path::Malformed => return Err(Err(Refusal::MalformedPath)),
        };
        let (route, params) = match self.settings.table.find(&path) {
            Match::Found { route, params } => (route, params),
            Match::NotFound => return Err(Err(Refusal::NotFound)),
            Match::Malformed => return Err(Err(Refusal::MalformedPath)),
        };
        let of_route = &self.settings.app.routes[route];
        if of_route.bundle_error.is_some() {
            of_route.log_bundle_error(id);
            return Err(Err(Refusal::BundleFailed));
        }
        match self.method(&parts.method, route) {
            Ok(Chosen::Handler(method)) => {
                let path = if let Cow::Owned(changed) = path { Some(changed) } else { None };
                Ok(Decided { route, params, method, path })
            }
            Ok(Chosen::Options) => Err(Ok(respond::options(of_route.methods()))),
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
        let size = |(name, value): (&http::HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
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

    fn body<B>(&self, method: &http::Method, body: B) -> RequestBody
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if matches!(*method, http::Method::GET | http::Method::HEAD) {
            return RequestBody::Empty;
        }
        if body.is_end_stream() {
            return RequestBody::Whole(Bytes::new());
        }
        let limits = &self.settings.app.limits;
        RequestBody::stream(
            box_body(body),
            BodyPolicy {
                max_bytes: limits.request_body,
                patience: Patience { silence: limits.body_idle, rate: limits.min_rate },
            },
        )
    }

    fn origin(&self, peer: &Peer) -> Origin {
        let trusted =
            peer.address.is_some_and(|ip| self.settings.trusted.iter().any(|net| net.contains(&ip)));
        Origin {
            site: self.settings.site.clone(),
            authority: None,
            scheme: if peer.secure { "https" } else { "http" },
            peer: peer.address,
            trusted,
        }
    }
}

fn answered(result: Result<Answer, ShardError>) -> Outcome {
    Ok(respond::answer(result?))
}

/// What the pipeline found out before JavaScript runs.
struct Decided {
    route: usize,
    params: Params,
    method: Method,
    /// Set where normalisation changed it.
    path: Option<String>,
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
