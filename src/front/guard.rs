//! The middleware of an app: whether it runs for a request, and what its answer means.

use std::ops::ControlFlow::{self, Break, Continue};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use edgehost_ext::message::{Answer, BoxError, RequestBody, Upload, host_of};
use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, LOCATION, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use parking_lot::Mutex;
use url::Url;

use super::exchange::Exchange;
use super::path::below;
use super::respond;
use super::rules::{self, subject};
use super::stages::Answered;
use crate::isolate::Invocation;
use crate::project::Method;
use crate::rules::merged;
use crate::version::Version;

/// What the headers are called by which a middleware says how a request goes on. Only those of
/// its own answer count.
const PREFIX: &str = "x-middleware-";
const OVERRIDE: HeaderName = HeaderName::from_static("x-middleware-override-headers");
const REWRITE: HeaderName = HeaderName::from_static("x-middleware-rewrite");
const NEXT: HeaderName = HeaderName::from_static("x-middleware-next");

/// Whether the middleware runs for a request.
pub(super) fn concerns(exchange: &mut Exchange, version: &Version) -> bool {
    let Some(middleware) = &version.middleware else { return false };
    rules::clean(exchange, version);
    below(exchange.path(), &version.paths.base).is_some()
        && middleware.matcher.takes(&subject(exchange, version))
}

/// The call of the middleware. It may read the body, and so may the handler after it.
pub(super) fn invocation(exchange: &mut Exchange, version: &Arc<Version>) -> Option<Invocation> {
    let route = version.middleware.as_ref()?.route;
    let method = Method::of(&exchange.parts.method)?;
    let body = match std::mem::replace(&mut exchange.body, Upload::Whole(Bytes::new())) {
        body if !exchange.has_body() => {
            exchange.body = body;
            RequestBody::Empty
        }
        Upload::Whole(bytes) => {
            exchange.body = Upload::Whole(bytes.clone());
            RequestBody::Whole(bytes)
        }
        Upload::Arriving(body) => {
            let (first, second) = shared(body);
            exchange.body = Upload::Arriving(second);
            RequestBody::stream(first, super::exchange::policy(&version.limits))
        }
    };
    let head = exchange.head(route);
    let (started, client) = (exchange.started, exchange.client.clone());
    Some(Invocation { version: version.clone(), head, body, method, started, client })
}

/// Does what the answer of the middleware says: it ends the way, or lets the request go on.
pub(super) fn follow(answer: Answer, exchange: &mut Exchange, version: &Version) -> ControlFlow<Answered> {
    let mut response = respond::answer(answer);
    let headers = response.headers_mut();
    override_headers(headers, exchange, version);
    let rewrite = headers.remove(REWRITE);
    let goes_on = headers.remove(NEXT).is_some();
    let names: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(PREFIX)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
    if let Some(target) = rewrite {
        if let Err(problem) = rewrite_to(&target, exchange, version) {
            tracing::error!(request = %exchange.id, "the middleware's rewrite cannot be followed: {problem}");
            exchange.added = None;
            return Break(Err(respond::Refusal::HandlerError));
        }
        exchange.add(std::mem::take(headers));
        return Continue(());
    }
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    if is_redirect && let Some(location) = response.headers().get(LOCATION) {
        if let Some(relative) = relative(location, exchange, version) {
            response.headers_mut().insert(LOCATION, relative);
        }
        return Break(Ok(response));
    }
    if goes_on {
        exchange.add(std::mem::take(response.headers_mut()));
        return Continue(());
    }
    Break(Ok(response))
}

/// Puts the headers in place that the routes are to see.
fn override_headers(answer: &mut HeaderMap, exchange: &mut Exchange, version: &Version) {
    let Some(names) = answer.remove(OVERRIDE).and_then(|names| Some(names.to_str().ok()?.to_owned())) else {
        return;
    };
    let names = names.split(',').filter_map(|name| HeaderName::try_from(name.trim()).ok());
    let parts = &mut exchange.parts;
    // Whom the request is for is settled.
    let host = host_of(&parts.headers, &parts.uri, &exchange.origin, &version.site);
    exchange.origin.authority = Some(host.into());
    let mut headers = HeaderMap::new();
    for name in names {
        let value = answer.get(format!("{PREFIX}request-{name}")).filter(|value| !value.is_empty());
        if let Some(value) = value {
            headers.insert(name, value.clone());
        }
    }
    if !headers.is_empty() {
        parts.headers = headers;
    }
}

/// The URL of the request, as the middleware saw it.
fn own_url(exchange: &Exchange, version: &Version) -> Option<Url> {
    let own = match &version.site.public {
        Some(public) => public.clone(),
        None => {
            let parts = &exchange.parts;
            let host = host_of(&parts.headers, &parts.uri, &exchange.origin, &version.site);
            format!("{}://{host}", exchange.origin.scheme)
        }
    };
    Url::parse(&own).ok()
}

/// Whether two URLs lead to the same server. Requests that code makes itself call this machine
/// localhost.
fn is_same(one: &Url, other: &Url) -> bool {
    let name = |url: &Url| match url.host() {
        Some(url::Host::Ipv4(address)) if address.is_loopback() => "localhost".to_owned(),
        Some(url::Host::Ipv6(address)) if address.is_loopback() => "localhost".to_owned(),
        _ => url.host_str().unwrap_or_default().to_owned(),
    };
    let parts = |url: &Url| (url.scheme().to_owned(), name(url), url.port_or_known_default());
    parts(one) == parts(other)
}

fn rewrite_to(target: &HeaderValue, exchange: &mut Exchange, version: &Version) -> Result<(), String> {
    let text = target.to_str().map_err(|error| error.to_string())?;
    let own = own_url(exchange, version).ok_or("the request has no URL")?;
    let url = own.join(text).map_err(|error| format!("{text}: {error}"))?;
    if !is_same(&own, &url) {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{url} is no URL of a server"));
        }
        exchange.outside = Some(url.into());
        return Ok(());
    }
    let pairs: Vec<(String, String)> = url
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let query = merged(exchange.parts.uri.query(), &pairs);
    rules::set_query(&mut exchange.parts.uri, query.as_deref());
    // A router has cut the path off under which the app is.
    let path = below(url.path(), exchange.mount()).unwrap_or("/").to_owned();
    exchange.routed = Some(path);
    Ok(())
}

/// A `location` on the same server without that server's name.
fn relative(location: &HeaderValue, exchange: &Exchange, version: &Version) -> Option<HeaderValue> {
    let own = own_url(exchange, version)?;
    let url = Url::parse(location.to_str().ok()?).ok().filter(|url| is_same(&own, url))?;
    HeaderValue::from_str(&url[url::Position::BeforePath..]).ok()
}

/// Headers of an answer that has no body of its own, which say nothing of the one that follows.
pub(super) fn is_of_body(name: &HeaderName) -> bool {
    [CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name)
}

/// A body that two read one after the other.
struct Shared {
    source: Option<UnsyncBoxBody<Bytes, BoxError>>,
    /// What the first has read.
    kept: std::collections::VecDeque<Bytes>,
    /// Whether the first one's turn is over.
    handed_on: bool,
    /// The first, while it waits.
    waiting: Option<Waker>,
    failure: Option<String>,
}

/// One who reads it.
struct Reader {
    shared: Arc<Mutex<Shared>>,
    is_first: bool,
}

/// Makes two bodies of one: what the first reads is kept for the second, whose first look ends
/// the turn of the first.
fn shared(
    body: UnsyncBoxBody<Bytes, BoxError>,
) -> (UnsyncBoxBody<Bytes, BoxError>, UnsyncBoxBody<Bytes, BoxError>) {
    let shared = Shared {
        source: Some(body),
        kept: std::collections::VecDeque::new(),
        handed_on: false,
        waiting: None,
        failure: None,
    };
    let shared = Arc::new(Mutex::new(shared));
    let second = Reader { shared: shared.clone(), is_first: false };
    (Reader { shared, is_first: true }.boxed_unsync(), second.boxed_unsync())
}

impl Body for Reader {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // Nobody else will ask for what is read now.
        let is_alone = Arc::strong_count(&self.shared) == 1;
        let mut shared = self.shared.lock();
        if self.is_first {
            if shared.handed_on {
                return Poll::Ready(None);
            }
            shared.waiting = Some(context.waker().clone());
        } else {
            shared.handed_on = true;
            if let Some(waiting) = shared.waiting.take() {
                waiting.wake();
            }
            if let Some(bytes) = shared.kept.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if let Some(failure) = shared.failure.take() {
                return Poll::Ready(Some(Err(failure.into())));
            }
        }
        let Some(source) = &mut shared.source else { return Poll::Ready(None) };
        let polled = std::task::ready!(Pin::new(source).poll_frame(context));
        match &polled {
            None => shared.source = None,
            Some(Err(error)) => {
                if self.is_first {
                    shared.failure = Some(error.to_string());
                }
                shared.source = None;
            }
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref().filter(|_| self.is_first && !is_alone) {
                    let data = data.clone();
                    shared.kept.push_back(data);
                }
            }
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        let shared = self.shared.lock();
        let is_read = self.is_first || (shared.kept.is_empty() && shared.failure.is_none());
        is_read && shared.source.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let shared = self.shared.lock();
        let mut hint = shared.source.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        if !self.is_first
            && let Some(exact) = hint.exact()
        {
            let kept: usize = shared.kept.iter().map(Bytes::len).sum();
            hint.set_exact(exact + kept as u64);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;

    use super::*;

    fn body(parts: &[&'static str]) -> UnsyncBoxBody<Bytes, BoxError> {
        let frames: Vec<Result<Frame<Bytes>, BoxError>> =
            parts.iter().map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes())))).collect();
        StreamBody::new(futures::stream::iter(frames)).boxed_unsync()
    }

    async fn all(body: UnsyncBoxBody<Bytes, BoxError>) -> Bytes {
        body.collect().await.expect("whole").to_bytes()
    }

    #[tokio::test]
    async fn the_second_reads_what_the_first_has_read_and_what_it_has_not() {
        let (first, second) = shared(body(&["ab", "cd"]));
        assert_eq!(all(first).await, "abcd");
        assert_eq!(all(second).await, "abcd");
        let (mut first, second) = shared(body(&["ab", "cd"]));
        assert_eq!(first.frame().await.expect("one").expect("read").into_data().expect("data"), "ab");
        assert_eq!(all(second).await, "abcd");
        assert_eq!(all(first).await, "", "its turn is over");
        let (first, second) = shared(body(&["ab"]));
        drop(first);
        assert_eq!(all(second).await, "ab");
    }

    #[tokio::test]
    async fn both_are_told_of_a_failure() {
        let frames = vec![Ok(Frame::data(Bytes::from_static(b"a"))), Err(BoxError::from("broken"))];
        let (first, second) = shared(StreamBody::new(futures::stream::iter(frames)).boxed_unsync());
        assert_eq!(first.collect().await.expect_err("broken").to_string(), "broken");
        assert_eq!(second.collect().await.expect_err("broken").to_string(), "broken");
    }
}
