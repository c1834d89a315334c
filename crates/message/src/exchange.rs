//! One request in flight, and the table of all of them in an isolate.

use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};

use super::behind::{Behind, Spent};
use super::body::{BodyError, RequestBody, ResponseBody, StreamWriter};
use super::head::{RequestHead, RequestId, Site};
use super::lent::LentBody;
use super::packed::Packed;

/// Completed requests whose head stays readable, so that work that a handler
/// left behind (`void log(request)`) can still look at its headers.
const RETIRED: usize = 64;

/// Names an exchange: the slot in the low 20 bits, its generation above.
///
/// Always below 2^53, so that JavaScript holds it as a number. A handle of an
/// earlier request never reaches a later one: the generation differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle(u64);

const SLOT_BITS: u32 = 20;

impl Handle {
    #[inline]
    fn new(slot: usize, generation: u64) -> Self {
        Self((generation << SLOT_BITS) | slot as u64)
    }

    #[inline]
    fn slot(self) -> usize {
        #[allow(clippy::cast_possible_truncation, reason = "20 bits fit")]
        let slot = (self.0 & ((1 << SLOT_BITS) - 1)) as usize;
        slot
    }

    /// The handle as JavaScript holds it.
    #[inline]
    #[allow(clippy::cast_precision_loss, reason = "handles stay below 2^53")]
    pub fn to_number(self) -> f64 {
        self.0 as f64
    }

    /// The handle for a number that came from JavaScript.
    #[inline]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates; unknown handles are refused"
    )]
    pub fn from_number(number: f64) -> Self {
        Self(number as u64)
    }
}

/// Status, headers and body of an answer.
#[derive(Debug)]
pub struct Answer {
    /// 200 to 599.
    pub status: StatusCode,
    /// `statusText`, where the handler gave one.
    pub reason: Option<String>,
    /// Headers as the handler gave them.
    pub headers: HeaderMap,
    /// Whole or streamed.
    pub body: ResponseBody,
    /// Whether it answers `HEAD`: a `content-length` is then that of the answer to `GET`.
    pub to_head: bool,
}

/// Why a handler gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It threw, or returned something that is no Response. Already logged.
    Handler,
    /// It could not read the request body, and gave up.
    Body(BodyFault),
    /// The route does not export the method after all.
    MethodNotAllowed,
    /// It ran into a limit.
    Exceeded,
    /// Another request ended the isolate that it ran in.
    Reset,
}

/// What was wrong with a request body that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// It is longer than is allowed.
    TooLarge,
    /// It makes no sense, or ended early.
    Malformed,
    /// It came too slowly, or not at all.
    Stalled,
}

impl BodyFault {
    /// What an error of a body tells of it; `None` where nothing is wrong with it.
    pub fn of(error: &BodyError) -> Option<Self> {
        match error {
            BodyError::TooLarge(_) => Some(Self::TooLarge),
            BodyError::Aborted | BodyError::Malformed(_) => Some(Self::Malformed),
            BodyError::Stalled(_) => Some(Self::Stalled),
            BodyError::Over => None,
        }
    }
}

/// A body that a request has fetched.
pub trait Upstream {
    /// Takes what has arrived, so that the socket can be given back if that was all.
    fn settle(&self);
    /// Whether its socket may be closed: nobody has read it for a while.
    fn is_idle(&self) -> bool;
    /// Closes its socket; what has arrived can still be read.
    fn close_socket(&self);
    /// Whether it has a socket.
    fn is_open(&self) -> bool;
}

/// What a request that is over leaves behind.
pub struct Retired {
    /// What nobody has read of its body.
    pub unread: RequestBody,
    /// What it has fetched and not read to the end.
    pub upstreams: Vec<Weak<dyn Upstream>>,
}

/// One request in flight.
pub struct Exchange {
    /// The request.
    pub head: RequestHead,
    /// What has not been read of its body.
    pub body: RequestBody,
    /// What the handler made of it, until it is picked up.
    pub result: Option<Result<Answer, Failure>>,
    /// Whoever waits for that.
    pub waiter: Option<Waker>,
    /// The handler's end of a streamed answer.
    pub stream: Option<StreamWriter>,
    /// Whether JavaScript wants to know when the answer has been sent or given up.
    pub watches_end: bool,
    /// The body, while JavaScript has it.
    pub lent: Option<Rc<LentBody>>,
    /// Why the body could not be read.
    pub body_fault: Option<BodyFault>,
    /// Whether the client has left, though it may still read an answer.
    pub left: bool,
    /// What it has fetched.
    pub upstreams: Vec<Weak<dyn Upstream>>,
    /// CPU time charged so far.
    pub used: Duration,
    site: Rc<Site>,
    deadline: Option<Instant>,
    /// Until when it can be put off, for as long as the client is waited for.
    latest: Option<Instant>,
    /// Since when the handler waits for the client to send more of the body.
    awaiting: Option<Instant>,
    over: bool,
}

struct Slot {
    generation: u64,
    exchange: Option<Exchange>,
    /// What is kept of its head once it is over.
    packed: Packed,
}

/// All exchanges of one isolate.
#[derive(Default)]
pub struct Exchanges {
    site: Rc<Site>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    retired: VecDeque<Handle>,
    live: usize,
    /// No deadline of a request in flight is earlier.
    nearest: Option<Instant>,
    /// What requests that are over have left behind.
    pub behind: Behind,
}

impl Exchange {
    /// The absolute URL: public origin if set, else scheme and authority of the client's side.
    pub fn url(&self) -> String {
        self.head.url(&self.site)
    }

    /// The headers that the handler sees: internal ones removed, `x-forwarded-*`
    /// and `x-real-ip` set by us unless the peer is trusted to.
    pub fn headers(&mut self) -> &HeaderMap {
        self.head.headers(&self.site)
    }

    /// One header as the handler sees it. Most need no seeing to.
    pub fn header_map_for(&mut self, name: &str) -> &HeaderMap {
        self.head.header_map_for(name, &self.site)
    }

    /// Charges CPU time.
    pub fn spend(&mut self, cpu: Duration) {
        self.used += cpu;
        if let Some(stream) = &self.stream {
            stream.set_used(self.used);
        }
    }

    /// Whether the request is over, and only its head is still there.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The deadline, which moves as time does while the client is waited for.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        let deadline = self.deadline?;
        let waited = self.awaiting.map_or(Duration::ZERO, |since| now.duration_since(since));
        Some(self.latest.map_or(deadline, |latest| (deadline + waited).min(latest.max(deadline))))
    }

    /// Whether the handler waits for the client to send more of the body.
    pub fn awaits_client(&self) -> bool {
        self.awaiting.is_some()
    }

    /// Takes what the handler made of the request. The first result counts, and none
    /// does once the request is over: nobody would pick it up.
    pub fn settle(&mut self, result: Result<Answer, Failure>) {
        if self.over || self.result.is_some() || self.stream.is_some() {
            return;
        }
        self.result = Some(result);
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }
}

impl Exchanges {
    /// A table for requests to an app with this address.
    pub fn new(site: Site) -> Self {
        Self { site: Rc::new(site), ..Self::default() }
    }

    /// Adds a request.
    pub fn insert(&mut self, head: RequestHead, body: RequestBody) -> Handle {
        let exchange = Exchange {
            head,
            body,
            result: None,
            waiter: None,
            stream: None,
            watches_end: false,
            lent: None,
            body_fault: None,
            left: false,
            upstreams: Vec::new(),
            used: Duration::ZERO,
            site: self.site.clone(),
            deadline: None,
            latest: None,
            awaiting: None,
            over: false,
        };
        self.live += 1;
        if let Some(slot) = self.free.pop() {
            self.slots[slot].exchange = Some(exchange);
            return Handle::new(slot, self.slots[slot].generation);
        }
        self.slots.push(Slot { generation: 0, exchange: Some(exchange), packed: Packed::default() });
        Handle::new(self.slots.len() - 1, 0)
    }

    /// The exchange, unless it has been forgotten. Every op asks for it, from another crate.
    #[inline]
    pub fn get(&mut self, handle: Handle) -> Option<&mut Exchange> {
        let slot = self.slots.get_mut(handle.slot())?;
        let current = Handle::new(handle.slot(), slot.generation);
        let exchange = slot.exchange.as_mut().filter(|_| current == handle)?;
        if exchange.over {
            slot.packed.unpack(&mut exchange.head);
        }
        Some(exchange)
    }

    /// The request is over: its head goes once enough others have followed.
    pub fn retire(&mut self, handle: Handle) -> Retired {
        let Some(exchange) = self.get(handle).filter(|exchange| !exchange.over) else {
            return Retired { unread: RequestBody::Taken, upstreams: Vec::new() };
        };
        exchange.over = true;
        let body = std::mem::replace(&mut exchange.body, RequestBody::Taken);
        let unread = exchange.lent.take().map_or(body, |lent| lent.reclaim());
        let upstreams = std::mem::take(&mut exchange.upstreams);
        exchange.stream = None;
        exchange.result = None;
        exchange.waiter = None;
        let slot = &mut self.slots[handle.slot()];
        if let Some(exchange) = &mut slot.exchange {
            slot.packed.pack(&mut exchange.head);
        }
        self.live -= 1;
        self.behind.answered(handle);
        self.retired.push_back(handle);
        if self.retired.len() > RETIRED
            && let Some(oldest) = self.retired.pop_front()
        {
            self.remove(oldest);
        }
        Retired { unread, upstreams }
    }

    fn remove(&mut self, handle: Handle) {
        let slot = &mut self.slots[handle.slot()];
        slot.exchange = None;
        slot.packed.clear();
        slot.generation += 1;
        self.free.push(handle.slot());
    }

    fn in_order(&self) -> impl Iterator<Item = Handle> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let exchange = slot.exchange.as_ref()?;
            (!exchange.over).then(|| Handle::new(index, slot.generation))
        })
    }

    /// The handles of all requests in flight.
    pub fn handles(&self) -> Vec<Handle> {
        self.in_order().collect()
    }

    /// The request in flight, if there is exactly one.
    pub fn only(&self) -> Option<Handle> {
        if self.live == 1 { self.in_order().next() } else { None }
    }

    /// The exchange, unless its request is over.
    pub fn in_flight(&mut self, handle: Handle) -> Option<&mut Exchange> {
        self.get(handle).filter(|exchange| !exchange.over)
    }

    /// Route and id of a request, and whether it is over.
    fn request_of(&mut self, handle: Handle) -> (Option<(usize, RequestId)>, bool) {
        self.get(handle)
            .map_or((None, true), |exchange| (Some((exchange.head.route, exchange.head.id)), exchange.over))
    }

    /// A task was promised on behalf of a request: `after()`, `waitUntil()`.
    pub fn task_began(&mut self, handle: Handle) {
        let (request, is_over) = self.request_of(handle);
        self.behind.task_began(handle, request, is_over);
    }

    /// Charges CPU time to the request that was found running; tells which budget of work
    /// after its answer is used up by now. A request that is alone is charged by its turns.
    pub fn charge(&mut self, handle: Handle, cpu: Duration, now: Instant) -> Option<Spent> {
        let shares = self.live > 1 || self.behind.runs(now);
        if let Some(exchange) = self.in_flight(handle) {
            if shares {
                exchange.spend(cpu);
            }
            return None;
        }
        let (request, _) = self.request_of(handle);
        self.behind.charge(handle, request, cpu, now)
    }

    /// The request that everything is charged to that runs, if there is one.
    pub fn alone(&self, now: Instant) -> Option<Handle> {
        self.only().filter(|_| !self.behind.runs(now))
    }

    /// When the request has to be over, or has to have the next part of its answer.
    pub fn set_deadline(&mut self, handle: Handle, deadline: Instant) {
        let Some(exchange) = self.in_flight(handle) else { return };
        (exchange.deadline, exchange.latest) = (Some(deadline), None);
        self.nearest = Some(self.nearest.map_or(deadline, |nearest| nearest.min(deadline)));
    }

    /// Has the time that the client takes to send its body put the deadline off, up to `latest`.
    pub fn put_off_until(&mut self, handle: Handle, latest: Instant) {
        if let Some(exchange) = self.in_flight(handle) {
            exchange.latest = Some(latest);
        }
    }

    /// The handler waits for the client from now on, or does so no more.
    pub fn await_client(&mut self, handle: Handle, awaits: bool) {
        let now = Instant::now();
        if let Some(exchange) = self.in_flight(handle) {
            exchange.deadline = exchange.deadline(now);
            exchange.awaiting = awaits.then_some(now);
        }
    }

    /// The deadline of a request in flight.
    pub fn deadline(&mut self, handle: Handle) -> Option<Instant> {
        self.in_flight(handle)?.deadline(Instant::now())
    }

    /// A time before which no request in flight has its deadline. Mostly known without
    /// looking at each of them.
    pub fn nearest_deadline(&mut self, now: Instant) -> Option<Instant> {
        if self.nearest.is_some_and(|nearest| nearest <= now) {
            let in_flight =
                |slot: &Slot| slot.exchange.as_ref().filter(|exchange| !exchange.over)?.deadline(now);
            self.nearest = self.slots.iter().filter_map(in_flight).min();
        }
        self.nearest
    }

    /// How many requests have an answer that is a stream and has not ended.
    pub fn streams(&self) -> usize {
        self.slots.iter().filter_map(|slot| slot.exchange.as_ref()?.stream.as_ref()).count()
    }

    /// The handlers' ends of all of these.
    pub fn take_streams(&mut self) -> Vec<StreamWriter> {
        self.slots.iter_mut().filter_map(|slot| slot.exchange.as_mut()?.stream.take()).collect()
    }

    /// How many requests are in flight.
    pub fn live(&self) -> usize {
        self.live
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Origin;

    fn head(path: &str) -> RequestHead {
        RequestHead {
            method: http::Method::GET,
            uri: path.parse().expect("a path"),
            path: None,
            origin: Origin::of_nobody(),
            raw_headers: HeaderMap::new(),
            params: Vec::new(),
            route: 0,
            id: RequestId::next(),
            x_request_id: None,
            clean: false,
            given: None,
        }
    }

    #[test]
    fn an_answer_to_a_request_that_is_over_is_not_kept() {
        let mut exchanges = Exchanges::default();
        let handle = exchanges.insert(head("/late"), RequestBody::Empty);
        exchanges.retire(handle);
        let exchange = exchanges.get(handle).expect("the head stays readable");
        exchange.settle(Ok(Answer {
            status: StatusCode::OK,
            reason: None,
            headers: HeaderMap::new(),
            body: ResponseBody::whole(vec![0; 1 << 20]),
            to_head: false,
        }));
        assert!(exchange.result.is_none());
    }

    #[test]
    fn the_nearest_deadline_is_that_of_a_request_in_flight() {
        let mut exchanges = Exchanges::default();
        let now = Instant::now();
        let seconds = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(exchanges.nearest_deadline(now), None);
        let [first, second] = ["/1", "/2"].map(|path| exchanges.insert(head(path), RequestBody::Empty));
        exchanges.set_deadline(second, seconds(20));
        exchanges.set_deadline(first, seconds(10));
        assert_eq!(exchanges.nearest_deadline(now), Some(seconds(10)));
        exchanges.retire(first);
        assert_eq!((exchanges.deadline(first), exchanges.deadline(second)), (None, Some(seconds(20))));
        assert_eq!(exchanges.nearest_deadline(seconds(11)), Some(seconds(20)));
        exchanges.retire(second);
        assert_eq!(exchanges.nearest_deadline(seconds(20)), None);
    }

    #[test]
    fn the_time_that_a_client_takes_puts_the_deadline_off() {
        let mut exchanges = Exchanges::default();
        let began = Instant::now();
        let handle = exchanges.insert(head("/"), RequestBody::Empty);
        let (deadline, latest) = (began + Duration::from_secs(10), began + Duration::from_secs(11));
        exchanges.set_deadline(handle, deadline);
        exchanges.await_client(handle, true);
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(exchanges.deadline(handle), Some(deadline), "where that is not allowed");
        exchanges.put_off_until(handle, latest);
        exchanges.await_client(handle, true);
        std::thread::sleep(Duration::from_millis(20));
        assert!(exchanges.deadline(handle).is_some_and(|now| now >= deadline + Duration::from_millis(20)));
        exchanges.await_client(handle, false);
        let put_off = exchanges.deadline(handle);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(exchanges.deadline(handle), put_off);
        exchanges.await_client(handle, true);
        let exchange = exchanges.get(handle).expect("in flight");
        assert_eq!(exchange.deadline(began + Duration::from_secs(60)), Some(latest));
    }

    #[test]
    fn a_head_is_what_it_was_when_its_request_is_over() {
        for uri in ["/a?b=%20c", "http://h:1/x", "*", "/"] {
            let mut exchanges = Exchanges::default();
            let mut given = head("/");
            given.uri = uri.parse().expect("an address");
            given.x_request_id = Some(http::HeaderValue::from_static("one"));
            for (name, value) in [("accept", "a"), ("x-own", ""), ("accept", "b"), ("host", "h")] {
                given.raw_headers.append(name, http::HeaderValue::from_static(value));
            }
            given.raw_headers.append("x-latin", http::HeaderValue::from_bytes(b"\xe9").expect("a value"));
            let (headers, before) = (given.raw_headers.clone(), given.uri.clone());
            let handle = exchanges.insert(given, RequestBody::Empty);
            let url = exchanges.get(handle).expect("in flight").url();
            exchanges.retire(handle);
            for _ in 0..2 {
                let exchange = exchanges.get(handle).expect("the head stays readable");
                assert_eq!((&exchange.head.raw_headers, &exchange.head.uri), (&headers, &before));
                assert_eq!(exchange.head.x_request_id.as_ref().expect("kept"), "one");
                assert_eq!(exchange.url(), url);
                let shown: Vec<_> = exchange.headers().keys().map(|name| name.as_str().to_owned()).collect();
                assert_eq!(shown[..2], ["accept", "x-own"]);
                assert_eq!(exchange.headers()["x-latin"].as_bytes(), b"\xe9");
                exchange.head.raw_headers = headers.clone();
            }
        }
    }

    #[test]
    fn a_stale_handle_never_reaches_a_later_request() {
        let mut exchanges = Exchanges::default();
        let first = exchanges.insert(head("/first"), RequestBody::Empty);
        exchanges.retire(first);
        assert!(exchanges.get(first).is_some(), "the head stays readable for a while");
        for _ in 0..3 * RETIRED {
            let handle = exchanges.insert(head("/later"), RequestBody::Empty);
            exchanges.retire(handle);
        }
        assert!(exchanges.get(first).is_none());
        let numbers: std::collections::HashSet<u64> = (0..RETIRED * 2)
            .map(|_| {
                let handle = exchanges.insert(head("/"), RequestBody::Empty);
                assert_eq!(Handle::from_number(handle.to_number()), handle);
                handle.0
            })
            .collect();
        assert_eq!(numbers.len(), RETIRED * 2);
        assert_eq!(exchanges.live(), RETIRED * 2);
    }
}
