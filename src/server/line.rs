//! Notices that a client will send no more.
//!
//! hyper looks for it only while it reads, and then gives up the request at once. Whoever
//! shuts down its side after a request may still wait for the answer.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use edgehost_ext::message::{Presence, ResponseBody};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Sleep;

use super::stall::Outgoing;

/// How long an answer is waited for whose client has left.
pub(super) const HALF_CLOSED: Duration = Duration::from_secs(5);
/// How often a client is looked for behind bytes that nobody has read yet.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What a connection is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing, or several requests at once: hyper looks after the client.
    Idle,
    /// A request waits for its answer.
    Handling,
    /// An answer of a known size is sent.
    Sending,
    /// An answer is sent that may go on for ever.
    Streaming,
}

/// What is known of a connection and its client.
pub(super) struct Line {
    phase: Cell<Phase>,
    presence: Presence,
    changed: Notify,
}

impl Line {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self { phase: Cell::new(Phase::Idle), presence: Presence::default(), changed: Notify::new() })
    }

    /// The client, for a request that begins.
    pub(super) fn begin(&self, version: http::Version) -> Presence {
        if version == http::Version::HTTP_2 {
            // Streams end one by one, and hyper notices.
            return Presence::default();
        }
        self.enter(Phase::Handling);
        self.presence.clone()
    }

    /// The request has its answer.
    pub(super) fn answered(&self, body: &ResponseBody) {
        if self.phase.get() == Phase::Handling {
            self.enter(if body.len().is_none() { Phase::Streaming } else { Phase::Sending });
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        if self.presence.has_left() {
            self.changed.notify_one();
        }
    }

    /// Waits until the client has left and nothing is left to do for it.
    pub(super) async fn gone(&self) {
        self.presence.left().await;
        loop {
            match self.phase.get() {
                Phase::Streaming => return,
                Phase::Handling => {
                    if tokio::time::timeout(HALF_CLOSED, self.changed.notified()).await.is_err() {
                        return;
                    }
                }
                Phase::Idle | Phase::Sending => self.changed.notified().await,
            }
        }
    }
}

/// The socket of a connection. While a request is in the works, each flush looks for the
/// client's end as well.
pub(super) struct Watched {
    inner: TcpStream,
    line: Rc<Line>,
    look: RefCell<Look>,
}

impl Watched {
    pub(super) fn new(inner: TcpStream, line: Rc<Line>) -> Self {
        Self { inner, line, look: RefCell::default() }
    }

    fn look(&self, cx: &mut Context<'_>) {
        if !matches!(self.line.phase.get(), Phase::Handling | Phase::Streaming)
            || self.line.presence.has_left()
        {
            return;
        }
        if self.look.borrow_mut().has_left(&self.inner, cx) {
            self.line.presence.leave();
        }
    }
}

/// Looks for the end of what a client sends, without reading it.
#[derive(Default)]
pub(super) struct Look {
    again: Option<Pin<Box<Sleep>>>,
}

impl Look {
    /// Whether the client sends no more. If not, the task is woken when it may have changed.
    pub(super) fn has_left(&mut self, stream: &TcpStream, cx: &mut Context<'_>) -> bool {
        if stream.poll_read_ready(cx).is_pending() {
            return false;
        }
        // Either bytes have arrived, or the end: that shows also behind bytes.
        let ready = std::pin::pin!(stream.ready(Interest::READABLE));
        match ready.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(ready)) if !ready.is_read_closed() => self.look_later(cx),
            Poll::Pending => self.look_later(cx),
            Poll::Ready(_) => return true,
        }
        false
    }

    /// Nothing wakes us for what comes behind unread bytes.
    fn look_later(&mut self, cx: &mut Context<'_>) {
        let sleep = self.again.get_or_insert_with(|| Box::pin(tokio::time::sleep(LOOK_AGAIN)));
        if sleep.as_mut().poll(cx).is_ready() {
            self.again = None;
            cx.waker().wake_by_ref();
        }
    }
}

impl Outgoing for Watched {
    fn unconfirmed(&self) -> u64 {
        self.inner.unconfirmed()
    }

    fn discard(&self) {
        self.inner.discard();
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.look(cx);
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
