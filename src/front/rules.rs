//! The rules of `next.config`, as stages of a request.

use std::borrow::Cow;
use std::ops::ControlFlow::{self, Break, Continue};

use edgehost_ext::message::{
    ParamValue, RequestId, ResponseBody, below as below_mount, clean_headers, host_of,
};
use http::header::{CACHE_CONTROL, PROXY_AUTHENTICATE, SET_COOKIE, VARY, WWW_AUTHENTICATE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Response, Uri};

use super::exchange::Exchange;
use super::files;
use super::guard::is_of_body;
use super::path::{below, resolved};
use super::respond::{self, Refusal};
use super::stages::Answered;
use crate::project::Match;
use crate::rules::{Rewrite, Subject};
use crate::version::Version;

/// Headers that an answer gets beside its own. Of those that may stand there once, these count.
#[derive(Debug, Default)]
pub(super) struct Added(Vec<(HeaderName, HeaderValue)>);

/// Headers that may stand in an answer several times.
const REPEATED: [HeaderName; 4] = [PROXY_AUTHENTICATE, SET_COOKIE, VARY, WWW_AUTHENTICATE];

impl Added {
    /// Adds those that a middleware gave, which count more than those before them.
    pub(super) fn extend(&mut self, headers: HeaderMap) {
        let mut last = None;
        for (name, value) in headers {
            let name = name.or(last);
            if let Some(name) = name.clone().filter(|name| !is_of_body(name)) {
                self.0.push((name, value));
            }
            last = name;
        }
    }

    /// Adds them to an answer, or to what stands in its place.
    pub(super) fn to(self, answered: Answered, id: RequestId) -> Response<ResponseBody> {
        let (mut response, is_refusal) = match answered {
            Ok(response) => (response, false),
            Err(refusal) => (refusal.response(id), true),
        };
        let headers = response.headers_mut();
        let own_cookies: Vec<HeaderValue> = match headers.entry(SET_COOKIE) {
            http::header::Entry::Occupied(entry) => entry.remove_entry_mult().1.collect(),
            http::header::Entry::Vacant(_) => Vec::new(),
        };
        for (name, value) in self.0 {
            if REPEATED.contains(&name) {
                headers.append(name, value);
            } else if !(is_refusal && name == CACHE_CONTROL) {
                headers.insert(name, value);
            }
        }
        for cookie in own_cookies {
            headers.append(SET_COOKIE, cookie);
        }
        response
    }
}

/// Sees to the headers before rules look at them.
pub(super) fn clean(exchange: &mut Exchange, version: &Version) {
    if !std::mem::replace(&mut exchange.clean, true) {
        let parts = &mut exchange.parts;
        clean_headers(&mut parts.headers, &parts.uri, &exchange.origin, &version.site);
    }
}

/// What rules see of a request.
pub(super) fn subject<'a>(exchange: &'a Exchange, version: &'a Version) -> Subject<'a> {
    let parts = &exchange.parts;
    Subject {
        path: exchange.path(),
        query: parts.uri.query(),
        host: host_of(&parts.headers, &parts.uri, &exchange.origin, &version.site),
        headers: &parts.headers,
    }
}

/// The first redirect that applies answers.
pub(super) fn redirects(exchange: &mut Exchange, version: &Version) -> ControlFlow<Answered> {
    clean(exchange, version);
    let found = version.rules.as_ref().and_then(|rules| rules.redirect(&subject(exchange, version)));
    match found {
        Some((status, location)) if location.starts_with('/') => {
            let mount = exchange.mount();
            Break(Ok(respond::redirect(status, &format!("{mount}{}", below_mount(mount, &location)))))
        }
        Some((status, location)) => Break(Ok(respond::redirect(status, &location))),
        None => Continue(()),
    }
}

/// Finds out which headers the answer gets.
pub(super) fn headers(exchange: &mut Exchange, version: &Version) -> ControlFlow<Answered> {
    let found = version.rules.as_ref().map(|rules| rules.headers(&subject(exchange, version)));
    exchange.added = found.filter(|headers| !headers.is_empty()).map(|headers| Box::new(Added(headers)));
    Continue(())
}

/// A request on its way through rewrites.
struct Way<'a> {
    version: &'a Version,
    headers: &'a HeaderMap,
    host: &'a str,
    path: Cow<'a, str>,
    /// The query, where a rule has changed it.
    query: Option<Option<String>>,
    own_query: Option<&'a str>,
    /// The URL, where a rule leads to another server.
    outside: Option<String>,
    /// Whether the method is one that files have.
    may_be_file: bool,
}

/// What a way has come to.
#[derive(PartialEq)]
enum End {
    Route(Match),
    /// A file of `public/`.
    File,
    Outside,
}

const NOWHERE: End = End::Route(Match::NotFound);

impl Way<'_> {
    /// Takes the way of a rule, if it applies.
    fn turn(&mut self, rewrite: &Rewrite) -> bool {
        let query = self.query.as_ref().map_or(self.own_query, |query| query.as_deref());
        let subject = Subject { path: &self.path, query, host: self.host, headers: self.headers };
        let Some(target) = rewrite.apply(&subject) else { return false };
        if target.origin.is_some() {
            self.outside = Some(target.to_string());
            return true;
        }
        self.path = resolved(&target.path).map_or_else(|| "/".into(), |path| Cow::Owned(path.into_owned()));
        self.query = Some(target.query);
        true
    }

    /// The path that routes are looked for with; none outside of the base path.
    fn inside(&self) -> Option<&str> {
        below(&self.path, &self.version.paths.base)
    }

    fn is_file(&self) -> bool {
        self.may_be_file && self.inside().is_some_and(|path| self.version.public.find(path).is_some())
    }

    /// A file or a route without parameters.
    fn exact(&self) -> End {
        if self.is_file() {
            return End::File;
        }
        End::Route(self.inside().map_or(Match::NotFound, |path| self.version.table.find_exact(path)))
    }

    fn any(&self) -> End {
        if self.is_file() {
            return End::File;
        }
        End::Route(self.inside().map_or(Match::NotFound, |path| self.version.table.find(path)))
    }

    /// Where the way ends after a rule has applied, if it does.
    fn end(&self) -> End {
        if self.outside.is_some() { End::Outside } else { self.any() }
    }

    /// Finds the route, with rules between routes of one kind and the other.
    fn run(&mut self) -> End {
        let Some(rules) = &self.version.rules else { return self.any() };
        for rewrite in &rules.before {
            if self.turn(rewrite) && self.outside.is_some() {
                return End::Outside;
            }
        }
        let found = self.exact();
        if found != NOWHERE {
            return found;
        }
        for rewrite in &rules.after {
            if self.turn(rewrite) && self.end() != NOWHERE {
                return self.end();
            }
        }
        if self.end() != NOWHERE {
            return self.end();
        }
        for rewrite in &rules.fallback {
            if self.turn(rewrite) && self.end() != NOWHERE {
                return self.end();
            }
        }
        NOWHERE
    }
}

/// Has another server answer.
fn to_outside(exchange: &mut Exchange, version: &Version, url: String) -> ControlFlow<Answered> {
    exchange.route = version.forward;
    exchange.params = vec![("target".into(), ParamValue::One(url))];
    Continue(())
}

/// Finds the route, perhaps by way of rewrites. The handler sees the path as it was sent,
/// and what a rewrite adds to the query.
pub(super) fn route(exchange: &mut Exchange, version: &Version) -> ControlFlow<Answered> {
    if let Some(url) = exchange.outside.take() {
        return to_outside(exchange, version, url);
    }
    let Subject { path, query, host, headers } = subject(exchange, version);
    let path = exchange.routed.as_deref().unwrap_or(path);
    let path = path.into();
    let may_be_file = matches!(exchange.parts.method, http::Method::GET | http::Method::HEAD);
    let mut way =
        Way { version, headers, host, path, query: None, own_query: query, outside: None, may_be_file };
    let found = way.run();
    let inside = way.inside().map(str::to_owned);
    let Way { query, outside, .. } = way;
    match found {
        End::Route(Match::Found { route, params }) => {
            exchange.route = Some(route);
            exchange.params = params;
        }
        End::Outside => return to_outside(exchange, version, outside.unwrap_or_default()),
        End::File => {
            let answer = files::answer(&version.public, &inside.unwrap_or_default(), &exchange.parts);
            return Break(answer.ok_or(Refusal::NotFound));
        }
        End::Route(Match::NotFound) => {
            let is_file = inside.is_some_and(|path| version.public.find(&path).is_some());
            return Break(Err(if is_file { Refusal::of_file() } else { Refusal::NotFound }));
        }
        End::Route(Match::Malformed) => return Break(Err(Refusal::MalformedPath)),
    }
    if let Some(query) = query {
        set_query(&mut exchange.parts.uri, query.as_deref());
    }
    Continue(())
}

/// Puts another query into an address.
pub(super) fn set_query(uri: &mut Uri, query: Option<&str>) {
    if uri.query() == query {
        return;
    }
    let path_and_query = match query {
        Some(query) => format!("{}?{query}", uri.path()),
        None => uri.path().to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    let Ok(path_and_query) = PathAndQuery::try_from(path_and_query) else { return };
    parts.path_and_query = Some(path_and_query);
    if let Ok(changed) = Uri::from_parts(parts) {
        *uri = changed;
    }
}
