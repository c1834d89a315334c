//! One request in flight, and the table of all of them in an isolate.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::body::{RequestBody, ResponseBody, StreamWriter};
use super::head::RequestHead;

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
    fn new(slot: usize, generation: u64) -> Self {
        Self((generation << SLOT_BITS) | slot as u64)
    }

    fn slot(self) -> usize {
        #[allow(clippy::cast_possible_truncation, reason = "20 bits fit")]
        let slot = (self.0 & ((1 << SLOT_BITS) - 1)) as usize;
        slot
    }

    /// The handle as JavaScript holds it.
    #[allow(clippy::cast_precision_loss, reason = "handles stay below 2^53")]
    pub fn to_number(self) -> f64 {
        self.0 as f64
    }

    /// The handle for a number that came from JavaScript.
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
}

/// Why a handler gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It threw, or returned something that is no Response. Already logged.
    Handler,
    /// It read more of the request body than is allowed, and gave up.
    BodyTooLarge,
    /// The route does not export the method after all.
    MethodNotAllowed,
    /// It ran into a limit.
    Exceeded,
    /// Another request ended the isolate that it ran in.
    Reset,
}

/// What JavaScript reported for an exchange.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly every outcome is an answer")]
pub enum Outcome {
    /// An answer.
    Answer(Answer),
    /// No answer.
    Failure(Failure),
}

/// One request in flight.
pub struct Exchange {
    /// The request.
    pub head: RequestHead,
    /// What has not been read of its body.
    pub body: RequestBody,
    /// What the handler made of it, until it is picked up.
    pub outcome: Option<Outcome>,
    /// Whoever waits for the outcome.
    pub waiter: Option<Waker>,
    /// The handler's end of a streamed answer.
    pub stream: Option<StreamWriter>,
    /// Whether JavaScript wants to know when the answer has been sent or given up.
    pub watches_end: bool,
    /// Whether the request body passed its limit.
    pub body_too_large: bool,
    /// CPU time charged so far.
    pub used: Duration,
    over: bool,
}

struct Slot {
    generation: u64,
    exchange: Option<Exchange>,
}

/// All exchanges of one isolate.
#[derive(Default)]
pub struct Exchanges {
    slots: Vec<Slot>,
    free: Vec<usize>,
    retired: VecDeque<Handle>,
    live: usize,
}

impl Exchange {
    /// Whether the request is over, and only its head is still there.
    pub fn is_over(&self) -> bool {
        self.over
    }
}

impl Exchanges {
    /// Adds a request.
    pub fn insert(&mut self, head: RequestHead, body: RequestBody) -> Handle {
        let exchange = Exchange {
            head,
            body,
            outcome: None,
            waiter: None,
            stream: None,
            watches_end: false,
            body_too_large: false,
            used: Duration::ZERO,
            over: false,
        };
        self.live += 1;
        if let Some(slot) = self.free.pop() {
            self.slots[slot].exchange = Some(exchange);
            return Handle::new(slot, self.slots[slot].generation);
        }
        self.slots.push(Slot { generation: 0, exchange: Some(exchange) });
        Handle::new(self.slots.len() - 1, 0)
    }

    /// The exchange, unless it is over.
    pub fn get(&mut self, handle: Handle) -> Option<&mut Exchange> {
        let slot = self.slots.get_mut(handle.slot())?;
        let current = Handle::new(handle.slot(), slot.generation);
        slot.exchange.as_mut().filter(|_| current == handle)
    }

    /// The request is over: its head goes once enough others have followed. What has
    /// not been read of its body is returned.
    pub fn retire(&mut self, handle: Handle) -> RequestBody {
        let Some(exchange) = self.get(handle).filter(|exchange| !exchange.over) else {
            return RequestBody::Taken;
        };
        exchange.over = true;
        let unread = std::mem::replace(&mut exchange.body, RequestBody::Taken);
        exchange.stream = None;
        exchange.outcome = None;
        exchange.waiter = None;
        self.live -= 1;
        self.retired.push_back(handle);
        if self.retired.len() > RETIRED
            && let Some(oldest) = self.retired.pop_front()
        {
            self.remove(oldest);
        }
        unread
    }

    fn remove(&mut self, handle: Handle) {
        let slot = &mut self.slots[handle.slot()];
        slot.exchange = None;
        slot.generation += 1;
        self.free.push(handle.slot());
    }

    /// The handles of all requests in flight.
    pub fn handles(&self) -> Vec<Handle> {
        let live = |(index, slot): (usize, &Slot)| {
            let exchange = slot.exchange.as_ref()?;
            (!exchange.over).then(|| Handle::new(index, slot.generation))
        };
        self.slots.iter().enumerate().filter_map(live).collect()
    }

    /// The request in flight, if there is exactly one.
    pub fn only(&self) -> Option<Handle> {
        if self.live == 1 { self.handles().pop() } else { None }
    }

    /// How many requests are in flight.
    pub fn live(&self) -> usize {
        self.live
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Origin, RequestId, Site};

    fn head(path: &str) -> RequestHead {
        RequestHead {
            method: http::Method::GET,
            uri: path.parse().expect("a path"),
            path: None,
            origin: Origin {
                site: std::sync::Arc::new(Site { fallback: "h".into(), public: None }),
                scheme: "http",
                peer: None,
                trusted: false,
            },
            raw_headers: HeaderMap::new(),
            params: Vec::new(),
            route: 0,
            id: RequestId::next(),
            clean: false,
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
