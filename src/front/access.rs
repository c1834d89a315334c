//! What is told of a request that is over.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use edgehost_ext::message::{BodyEnd, Cost, RequestId, ResponseBody};
use http::header::USER_AGENT;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Response};

use ipnet::IpNet;

use super::exchange::{Exchange, Received};
use super::respond::{ERROR_CODE, REQUEST_ID};
use crate::limits::Exceeded;
use crate::telemetry::{CLIENT_LEFT, Event, Observer, RequestEnded};
use crate::version::Version;

/// Longest `x-request-id` that is taken over from a client.
const LONGEST_ID: usize = 128;

/// `x-request-id` as a client or a proxy sent it, if it is a plain word: letters, digits
/// and `-_.:/+=@~`. Anything else could pretend to be something else in a log.
pub(super) fn well_formed_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(REQUEST_ID)?;
    let is_fine = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@~".contains(byte);
    let bytes = id.as_bytes();
    (!bytes.is_empty() && bytes.len() <= LONGEST_ID && bytes.iter().all(is_fine)).then(|| id.clone())
}

/// Where a request came from: the peer, or whom trusted proxies name in `x-forwarded-for`,
/// the last one that is none of them, or in `x-real-ip` where there is no such list.
pub(super) fn client(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let mut client = peer?;
    let mut hops = headers.get_all("x-forwarded-for").iter().rev().flat_map(|line| {
        let line = line.to_str().unwrap_or_default();
        line.rsplit(',').map(|hop| hop.trim().parse::<IpAddr>().ok())
    });
    while is_trusted(&client)
        && let Some(Some(hop)) = hops.next()
    {
        client = hop.to_canonical();
    }
    drop(hops);
    // What a proxy says that keeps no list.
    let alone = || headers.get("x-real-ip")?.to_str().ok()?.trim().parse::<IpAddr>().ok();
    if is_trusted(&client)
        && !headers.contains_key("x-forwarded-for")
        && let Some(real) = alone()
    {
        client = real.to_canonical();
    }
    Some(client)
}

/// Whoever is told of a request.
enum Told {
    /// The observer of what answers.
    Version(Arc<Version>),
    /// The host's; no app is meant by the request.
    Host(Arc<dyn Observer>),
}

impl Told {
    fn observer(&self) -> &dyn Observer {
        match self {
            Self::Version(version) => &*version.observer,
            Self::Host(observer) => &**observer,
        }
    }
}

/// Tells the observer of a request when its answer has been sent, or when it is
/// dropped before there was one because the client left.
pub(super) struct Access(Option<Record>);

/// Holds what was sent without copying it; the values share the memory of the head.
struct Record {
    told: Told,
    method: Method,
    target: Option<PathAndQuery>,
    client: Option<IpAddr>,
    user_agent: Option<HeaderValue>,
    id: RequestId,
    x_request_id: Option<HeaderValue>,
    started: Instant,
    route: Option<usize>,
    status: u16,
    /// Why there is no answer of a handler, and the limit, if that is why.
    error: Option<HeaderValue>,
    limit: Option<Exceeded>,
    cost: Cost,
    /// Counts the bytes of the request's body.
    received: Received,
}

impl Access {
    /// The record of a request to `version`, or to none.
    pub(super) fn new(exchange: &Exchange, version: Option<&Arc<Version>>, host: &Arc<dyn Observer>) -> Self {
        let Exchange { parts, id, x_request_id, started, origin, .. } = exchange;
        Self(Some(Record {
            told: match version {
                Some(version) => Told::Version(version.clone()),
                None => Told::Host(host.clone()),
            },
            method: parts.method.clone(),
            target: exchange.target(),
            client: origin.client,
            user_agent: parts.headers.get(USER_AGENT).cloned(),
            id: *id,
            x_request_id: x_request_id.clone(),
            started: *started,
            route: None,
            status: CLIENT_LEFT,
            error: None,
            limit: None,
            cost: Cost::default(),
            received: exchange.received.clone(),
        }))
    }

    /// The route that answers, if one does.
    pub(super) fn found(&mut self, route: Option<usize>) {
        if let Some(record) = &mut self.0 {
            record.route = route;
        }
    }

    /// Follows the answer to its end. `limit` is the one that was passed before it began.
    pub(super) fn follow(
        mut self,
        response: Response<ResponseBody>,
        limit: Option<Exceeded>,
    ) -> Response<ResponseBody> {
        let Some(mut record) = self.0.take() else { return response };
        record.status = response.status().as_u16();
        record.error = response.headers().get(ERROR_CODE).cloned();
        record.limit = limit;
        response.map(|body| body.with_end(record))
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        if let Some(record) = &self.0 {
            record.tell(true, 0);
        }
    }
}

impl BodyEnd for Record {
    fn ended(mut self: Box<Self>, complete: bool, bytes: u64, cost: Cost) {
        self.cost = cost;
        self.tell(!complete, bytes);
    }
}

impl Record {
    fn tell(&self, aborted: bool, bytes: u64) {
        let version = match &self.told {
            Told::Version(version) => Some(version),
            Told::Host(_) => None,
        };
        let route = version.zip(self.route).map(|(version, route)| version.routes[route].pattern.as_str());
        let user_agent = self.user_agent.as_ref().map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        self.told.observer().observe(Event::Request(RequestEnded {
            app: version.and_then(|version| version.name.as_deref()),
            version: version.map(|version| version.id.number()),
            request: self.id,
            x_request_id: self.x_request_id.as_ref().and_then(|id| id.to_str().ok()),
            method: self.method.as_str(),
            path: self.target.as_ref().map_or("", PathAndQuery::as_str),
            route,
            status: self.status,
            error: self.error.as_ref().and_then(|code| code.to_str().ok()),
            limit: self.limit,
            took: self.started.elapsed(),
            cpu: self.cost.cpu,
            memory: self.cost.memory,
            bytes,
            received: self.received.bytes(),
            aborted,
            client: self.client,
            user_agent: user_agent.as_deref(),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusted_proxies_name_the_client() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        let of = |peer: &str, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", HeaderValue::from_str(line).expect("a value"));
            }
            client(Some(address(peer)), &headers, &trusted).expect("a client")
        };
        assert_eq!(of("192.0.2.1", &["1.1.1.1"]), address("192.0.2.1"));
        assert_eq!(of("10.0.0.1", &["6.6.6.6, 1.1.1.1", "10.0.0.2"]), address("1.1.1.1"));
        assert_eq!(of("10.0.0.1", &["1.1.1.1, nonsense"]), address("10.0.0.1"));
        assert_eq!(of("10.0.0.1", &[]), address("10.0.0.1"));
        let mut headers = HeaderMap::new();
        headers.insert("x-real-ip", HeaderValue::from_static("6.6.6.6"));
        let of =
            |peer: &str, headers: &HeaderMap| client(Some(address(peer)), headers, &trusted).expect("one");
        assert_eq!(of("10.0.0.1", &headers), address("6.6.6.6"));
        assert_eq!(of("192.0.2.1", &headers), address("192.0.2.1"));
        headers.insert("x-forwarded-for", HeaderValue::from_static("1.1.1.1"));
        assert_eq!(of("10.0.0.1", &headers), address("1.1.1.1"));
    }

    #[test]
    fn ids_of_clients_are_words() {
        let of = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(id.as_bytes()).expect("a value"));
            well_formed_id(&headers)
        };
        let longest = "x".repeat(LONGEST_ID);
        for fine in ["f47ac10b-58cc-4372-a567-0e02b2c3d479", "Root=1-67891233-abc", "a", &longest] {
            assert_eq!(of(fine).expect(fine), fine);
        }
        for wrong in ["", "a b", "a\"b", "a,b", "a\tb", "ä", &format!("{longest}x"), "{a}"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
