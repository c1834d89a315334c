//! How clients of HTTP/2 take their answers.
//!
//! A connection may be in the best of health while one of its streams is not: each has a
//! window of its own, which its reader opens. hyper waits for that for as long as it takes,
//! with a whole piece of the body in its hands. So bodies are handed to it in small pieces,
//! and whoever makes it wait with one has its stream reset. What is left of an answer when
//! hyper has given its last piece to the connection can no longer be reset; pieces tell when
//! they are let go of, and a connection that keeps some for too long is closed.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use edgehost_ext::message::{BoxError, Pace, Patience, ResponseBody};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::idle::InFlight;
use super::unsent::{Taker, Unsent};

/// Bytes of a body that are handed over at once.
const PIECE: usize = 16 * 1024;
/// Bytes of a piece that is worth counting.
const COUNTED: usize = 16 * 1024;
/// The same where a connection may have many at once.
const COUNTED_OF_MANY: usize = 1024;

/// An answer on its way to a client of HTTP/2.
#[derive(Debug)]
pub(super) struct Taking {
    in_flight: Arc<InFlight>,
    pace: RefCell<Pace>,
    taker: Arc<Taker>,
    /// Since when hyper has a piece in its hands, and how long that is.
    held: Cell<Option<(Instant, u64)>>,
}

impl Taking {
    pub(super) fn new(in_flight: InFlight, patience: Patience) -> Rc<Self> {
        Rc::new(Self {
            in_flight: Arc::new(in_flight),
            pace: RefCell::new(Pace::new(patience)),
            taker: Arc::default(),
            held: Cell::new(None),
        })
    }

    /// When the client's time is up, if it is waited for.
    fn deadline(&self) -> Option<Instant> {
        let (since, _) = self.held.get()?;
        Some(since + self.pace.borrow().left())
    }

    /// The piece has been taken.
    fn went_on(&self) {
        if let Some((since, bytes)) = self.held.take() {
            self.pace.borrow_mut().waited(since.elapsed(), bytes);
            self.taker.took(bytes);
        }
    }
}

/// Gives hyper its tasks, one for each request of HTTP/2, and ends those whose clients
/// take too long. Clones are of the same connection.
#[derive(Clone, Default)]
pub(super) struct Streams(Rc<RefCell<Option<Rc<Taking>>>>);

impl Streams {
    /// The next task is for this answer: hyper asks for it right after the request.
    pub(super) fn next_is(&self, taking: &Rc<Taking>) {
        *self.0.borrow_mut() = Some(taking.clone());
    }
}

impl<F: Future + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, future: F) {
        let taking = self.0.take();
        tokio::task::spawn_local(async move {
            let Some(taking) = taking else {
                future.await;
                return;
            };
            let mut future = std::pin::pin!(future);
            let mut timer: Option<Pin<Box<Sleep>>> = None;
            let is_reset = std::future::poll_fn(|cx| {
                if future.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(false);
                }
                loop {
                    let Some(deadline) = taking.deadline() else { return Poll::Pending };
                    if deadline <= Instant::now() || taking.taker.is_cut(cx) {
                        return Poll::Ready(true);
                    }
                    let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                    // One that fires earlier is looked at then.
                    if timer.is_elapsed() || timer.deadline() > deadline {
                        timer.as_mut().reset(deadline);
                    }
                    if timer.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            });
            if is_reset.await {
                tracing::debug!("resetting a stream whose client does not take its answer");
            }
        });
    }
}

/// Where the answers of a connection go.
pub(super) struct Outlet {
    /// What waits for clients.
    pub(super) account: Arc<Unsent>,
    /// Who takes the answers, in HTTP/1.
    pub(super) taker: Arc<Taker>,
}

/// A body that notices how it is taken.
pub(super) struct Answering {
    body: ResponseBody,
    /// Of HTTP/2 only; in HTTP/1 the socket tells.
    taking: Option<Rc<Taking>>,
    outlet: Rc<Outlet>,
    /// What follows of a piece that was too long.
    rest: Bytes,
}

impl Answering {
    pub(super) fn new(body: ResponseBody, taking: Option<Rc<Taking>>, outlet: Rc<Outlet>) -> Self {
        Self { body, taking, outlet, rest: Bytes::new() }
    }

    /// The next piece as it comes, counted.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let Poll::Ready(Some(Ok(frame))) = polled else { return polled };
        let (taker, least) = match &self.taking {
            Some(taking) => (&taking.taker, COUNTED_OF_MANY),
            None => (&self.outlet.taker, COUNTED),
        };
        let count = |bytes: Bytes| {
            if bytes.len() < least { bytes } else { self.outlet.account.hold(bytes, taker) }
        };
        Poll::Ready(Some(Ok(frame.map_data(count))))
    }
}

impl Body for Answering {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let me = &mut *self;
        let Some(taking) = me.taking.clone() else { return me.poll_body(cx) };
        taking.went_on();
        if me.rest.is_empty() {
            let polled = me.poll_body(cx);
            let Poll::Ready(Some(Ok(frame))) = polled else { return polled };
            match frame.into_data() {
                Ok(bytes) => me.rest = bytes,
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            }
        }
        let piece = me.rest.split_to(me.rest.len().min(PIECE));
        taking.held.set(Some((Instant::now(), piece.len() as u64)));
        let piece = Bytes::from_owner(Piece { bytes: piece, _in_flight: taking.in_flight.clone() });
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let Some(taking) = &self.taking {
            taking.held.set(None);
            // This is the last one but for those of pieces that the connection has.
            taking.in_flight.leave_behind();
        }
    }
}

/// Bytes that tell when the connection has written them, or thrown them away.
struct Piece {
    bytes: Bytes,
    _in_flight: Arc<InFlight>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
