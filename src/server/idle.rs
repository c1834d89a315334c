//! Closes connections whose peer sends nothing.
//!
//! hyper has one time for two things: a head that arrives slowly, which is short, and a
//! connection that idles between requests, which is long because load balancers keep
//! theirs open; and none for a peer that says nothing at all, nor for an idle HTTP/2
//! connection. So it is only asked when it reads a head: its timer (see [`HeadTimer`])
//! marks beginning and end, the socket marks when the first bytes come, and one timer for
//! each connection looks at the marks. It is set anew only when it has to fire earlier, so
//! that requests in quick succession cost it nothing.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt;
use parking_lot::Mutex;
use tokio::time::Sleep;

/// What an HTTP/2 client says first.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection is doing, as far as its peer's silence matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The version is not known; so many bytes of the HTTP/2 preface have come.
    Opening(usize),
    /// HTTP/1: a head is read, or waited for.
    Head,
    /// HTTP/1: a request is being served.
    Busy,
    /// HTTP/2, with so many requests in flight.
    Http2(usize),
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Since when there is nothing to do.
    since: Instant,
    /// Whether bytes of the head have come, and since when it was waited for the others: most
    /// heads come in one piece, and nobody looks at a clock for them.
    has_begun: bool,
    begun: Option<Instant>,
    /// HTTP/1: whether everything has been written that belongs to requests.
    is_settled: bool,
    /// Answers of HTTP/2 that hyper has done with, although the connection has not, with the
    /// times of that, in their order.
    left_behind: VecDeque<(u64, Instant)>,
    /// The number of the next answer.
    next: u64,
}

/// Why a connection is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// There was no request for [`Watch::keep_alive`].
    Idle,
    /// A head that has begun is not complete after [`Watch::header_read`].
    SlowHead,
    /// The end of an answer was not taken for [`Watch::write_stall`].
    Unread,
}

/// What is known of a connection's silence. Clones are of the same connection.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    // Used on one thread only; hyper wants its timers to be `Send` and `Sync`.
    state: Arc<Mutex<State>>,
    keep_alive: Duration,
    header_read: Duration,
    write_stall: Duration,
}

impl Watch {
    pub(super) fn new(keep_alive: Duration, header_read: Duration, write_stall: Duration) -> Self {
        let state = State {
            phase: Phase::Opening(0),
            since: Instant::now(),
            has_begun: false,
            begun: None,
            is_settled: true,
            left_behind: VecDeque::new(),
            next: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), keep_alive, header_read, write_stall }
    }

    /// Whether a connection that was told to end and did not can be cut: nothing is in
    /// flight, or too long on its way. HTTP/1 ends by itself.
    pub(super) fn may_be_cut(&self) -> bool {
        let state = self.state.lock();
        let oldest = state.left_behind.front();
        state.phase == Phase::Http2(0)
            || oldest.is_some_and(|(_, since)| since.elapsed() >= 2 * self.write_stall)
    }

    /// The timer that tells when hyper reads heads of HTTP/1.
    pub(super) fn head_timer(&self) -> HeadTimer {
        HeadTimer(self.clone())
    }

    /// A request of HTTP/2 is in flight until what this returns is dropped.
    pub(super) fn stream(&self) -> InFlight {
        let mut state = self.state.lock();
        let others = if let Phase::Http2(others) = state.phase { others } else { 0 };
        state.phase = Phase::Http2(others + 1);
        state.next += 1;
        InFlight { watch: self.clone(), number: state.next }
    }

    /// Resolves when the connection is to be closed. Has to be polled after the
    /// connection, in the same task: what happens there may bring the end nearer.
    pub(super) fn silence(&self) -> Silent {
        let until = tokio::time::sleep(self.keep_alive);
        Silent { watch: self.clone(), until: Box::pin(until) }
    }

    /// Bytes have come.
    pub(super) fn received(&self, bytes: &[u8]) {
        let mut state = self.state.lock();
        if let Phase::Opening(known) = state.phase {
            let expected = &PREFACE[known..];
            let compared = expected.len().min(bytes.len());
            if expected[..compared] == bytes[..compared] {
                let known = known + compared;
                state.phase = if known == PREFACE.len() { Phase::Http2(0) } else { Phase::Opening(known) };
                state.since = Instant::now();
            }
        }
        state.has_begun |= matches!(state.phase, Phase::Opening(_) | Phase::Head);
    }

    fn head_begins(&self) {
        let mut state = self.state.lock();
        // The first head may have come already, while the version was found out.
        if !matches!(state.phase, Phase::Opening(_)) {
            state.has_begun = false;
            state.begun = None;
        }
        state.phase = Phase::Head;
        state.since = Instant::now();
    }

    fn head_ends(&self) {
        let mut state = self.state.lock();
        state.phase = Phase::Busy;
        state.is_settled = false;
    }

    /// Everything has been written that there is to write.
    pub(super) fn flushed(&self) {
        let mut state = self.state.lock();
        state.is_settled |= state.phase == Phase::Head;
    }

    /// HTTP/1: whether no request has come since everything was written.
    pub(super) fn awaits_first_bytes(&self) -> bool {
        let state = self.state.lock();
        state.phase == Phase::Head && state.is_settled
    }

    /// When the connection has been silent for too long, if it goes on as it is.
    fn deadline(&self) -> Option<(Instant, Silence)> {
        let mut state = self.state.lock();
        if let Some((_, since)) = state.left_behind.front() {
            return Some((*since + self.write_stall, Silence::Unread));
        }
        match state.phase {
            Phase::Opening(_) | Phase::Head if state.has_begun => {
                let begun = *state.begun.get_or_insert_with(Instant::now);
                Some((begun + self.header_read, Silence::SlowHead))
            }
            Phase::Opening(_) | Phase::Head | Phase::Http2(0) => {
                Some((state.since + self.keep_alive, Silence::Idle))
            }
            Phase::Busy | Phase::Http2(_) => None,
        }
    }
}

/// A request of HTTP/2 that is being served, until the connection has written its answer.
#[derive(Debug)]
pub(super) struct InFlight {
    watch: Watch,
    number: u64,
}

impl InFlight {
    /// Only the connection has anything to do with it any more.
    pub(super) fn leave_behind(&self) {
        self.watch.state.lock().left_behind.push_back((self.number, Instant::now()));
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.watch.state.lock();
        state.left_behind.retain(|(number, _)| *number != self.number);
        if let Phase::Http2(streams) = &mut state.phase {
            *streams = streams.saturating_sub(1);
            state.since = Instant::now();
        }
    }
}

/// See [`Watch::silence`].
#[derive(Debug)]
pub(super) struct Silent {
    watch: Watch,
    until: Pin<Box<Sleep>>,
}

impl Future for Silent {
    type Output = Silence;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Silence> {
        loop {
            let end = self.watch.deadline();
            if self.until.is_elapsed() {
                let later = || Instant::now() + self.watch.keep_alive;
                let next = end.map_or_else(later, |(deadline, _)| deadline);
                self.until.as_mut().reset(next.into());
            } else if let Some((deadline, _)) = end
                && deadline < self.until.deadline().into_std()
            {
                self.until.as_mut().reset(deadline.into());
            }
            if self.until.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            match end {
                Some((deadline, silence)) if deadline <= Instant::now() => return Poll::Ready(silence),
                // It was set for something that is over: look for what comes next.
                _ => {}
            }
        }
    }
}

/// Is told by hyper when it begins to read a head of HTTP/1 and when it has one.
#[derive(Debug)]
pub(super) struct HeadTimer(Watch);

impl rt::Timer for HeadTimer {
    fn sleep(&self, _duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(Instant::now())
    }

    fn sleep_until(&self, _deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        self.0.head_begins();
        Box::pin(ReadingHead(self.0.clone()))
    }

    fn reset(&self, _sleep: &mut Pin<Box<dyn rt::Sleep>>, _deadline: Instant) {
        self.0.head_begins();
    }
}

/// What hyper takes for the time that a head may need. Never over: [`Silent`] decides.
struct ReadingHead(Watch);

impl Future for ReadingHead {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl rt::Sleep for ReadingHead {}

impl Drop for ReadingHead {
    fn drop(&mut self) {
        self.0.head_ends();
    }
}
