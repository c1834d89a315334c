//! What is decided about a request before a backend gets it, one thing after the other.
//!
//! A stage lets the exchange go on, changed or not, or answers it. What needs no JavaScript
//! is answered or refused here.

use std::ops::ControlFlow::{self, Break, Continue};

use edgehost_ext::message::{ResponseBody, below};
use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::exchange::Exchange;
use super::files;
use super::path::{Path, normalise};
use super::respond::{self, Refusal};
use super::rules;
use crate::project::{Match, Method};
use crate::version::Version;

/// A response, or why there is none.
pub(super) type Answered = Result<Response<ResponseBody>, Refusal>;

/// One of the things that are decided. It ends the way where it has the answer.
type Stage = fn(&mut Exchange, &Version) -> ControlFlow<Answered>;

/// All of them, in order.
const PLAIN: [Stage; 7] = [sizes, authority, path, file, route, bundled, method];

/// The same for apps with rules or a middleware: what comes before it, and what after it.
const BEFORE: [Stage; 5] = [sizes, authority, path, rules::redirects, rules::headers];
const AFTER: [Stage; 3] = [rules::route, bundled, method];

/// Takes an exchange through the stages of an app without rules and middleware.
pub(super) fn run(exchange: &mut Exchange, version: &Version) -> ControlFlow<Answered> {
    PLAIN.iter().try_for_each(|stage| stage(exchange, version))
}

/// Takes an exchange through the stages before the middleware.
pub(super) fn before(exchange: &mut Exchange, version: &Version) -> ControlFlow<Answered> {
    BEFORE.iter().try_for_each(|stage| stage(exchange, version))
}

/// Takes an exchange through those after it.
pub(super) fn after(exchange: &mut Exchange, version: &Version) -> ControlFlow<Answered> {
    AFTER.iter().try_for_each(|stage| stage(exchange, version))
}

fn sizes(exchange: &mut Exchange, version: &Version) -> ControlFlow<Answered> {
    let (limits, parts) = (&version.limits, &exchange.parts);
    let declared = || parts.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse::<u64>().ok();
    if exchange.length.or_else(declared).is_some_and(|length| length > limits.request_body) {
        return Break(Err(Refusal::BodyTooLarge));
    }
    if parts.uri.path_and_query().is_some_and(|target| target.as_str().len() > limits.url) {
        return Break(Err(Refusal::UrlTooLong));
    }
    // HTTP/1 heads are counted by hyper as well; those of HTTP/2 only here.
    let size = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    if parts.headers.len() > limits.header_count
        || parts.headers.iter().map(size).sum::<usize>() > limits.headers
    {
        return Break(Err(Refusal::HeadersTooLarge));
    }
    Continue(())
}

fn authority(exchange: &mut Exchange, _version: &Version) -> ControlFlow<Answered> {
    exchange.unsettled.map_or(Continue(()), |refusal| Break(Err(refusal)))
}

fn path(exchange: &mut Exchange, version: &Version) -> ControlFlow<Answered> {
    let uri = &exchange.parts.uri;
    match normalise(uri.path(), &version.paths) {
        Path::Match(path) => {
            if let std::borrow::Cow::Owned(changed) = path {
                exchange.path = Some(changed);
            }
            Continue(())
        }
        Path::Redirect(path) => {
            let mount = exchange.mount();
            let to = with_query(&format!("{mount}{}", below(mount, &path)), uri.query());
            Break(Ok(respond::redirect(StatusCode::PERMANENT_REDIRECT, &to)))
        }
        Path::Malformed => Break(Err(Refusal::MalformedPath)),
    }
}

/// Files of `public/` come before routes, for the methods that a file has.
fn file(exchange: &mut Exchange, version: &Version) -> ControlFlow<Answered> {
    if version.public.is_empty() || !matches!(exchange.parts.method, http::Method::GET | http::Method::HEAD) {
        return Continue(());
    }
    let answer = files::answer(&version.public, exchange.path(), &exchange.parts);
    answer.map_or(Continue(()), |answer| Break(Ok(answer)))
}

fn route(exchange: &mut Exchange, version: &Version) -> ControlFlow<Answered> {
    match version.table.find(exchange.path()) {
        Match::Found { route, params } => {
            exchange.route = Some(route);
            exchange.params = params;
        }
        Match::NotFound if version.public.find(exchange.path()).is_some() => {
            return Break(Err(Refusal::of_file()));
        }
        Match::NotFound => return Break(Err(Refusal::NotFound)),
        Match::Malformed => return Break(Err(Refusal::MalformedPath)),
    }
    Continue(())
}

fn bundled(exchange: &mut Exchange, version: &Version) -> ControlFlow<Answered> {
    if let Some(of_route) = exchange.route(version).filter(|route| route.bundle_error.is_some()) {
        of_route.log_bundle_error(exchange.id);
        return Break(Err(Refusal::BundleFailed));
    }
    Continue(())
}

fn method(exchange: &mut Exchange, version: &Version) -> ControlFlow<Answered> {
    let Some(of_route) = exchange.route(version) else { return Break(Err(Refusal::NotFound)) };
    let exported = of_route.methods();
    let Some(method) = Method::of(&exchange.parts.method) else {
        return Break(Err(match exchange.parts.method.as_str() {
            "TRACE" | "TRACK" => Refusal::TraceMethod,
            _ => Refusal::UnknownMethod,
        }));
    };
    match method {
        method if exported.contains(method) => {}
        // The handler of GET sees the method HEAD; its body is not sent.
        Method::Head if exported.contains(Method::Get) => {}
        Method::Options => return Break(Ok(respond::options(exported))),
        _ => return Break(Err(Refusal::MethodNotAllowed(exported))),
    }
    exchange.method = Some(method);
    Continue(())
}

fn with_query(path: &str, query: Option<&str>) -> String {
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}
