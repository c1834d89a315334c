//! A request's body on its way from the connection to whoever reads it.
//!
//! One piece waits at a time: a client whose body nobody reads is not read from either.
//! Bodies that have arrived with their head do not come here.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use edgehost_ext::message::BoxError;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;

/// What both ends share. The reader may be on another thread.
#[derive(Default)]
struct State {
    piece: Option<Bytes>,
    end: Option<io::Result<()>>,
    /// How much of it has not been read, where the length is known.
    left: Option<u64>,
    /// Whether somebody has asked for it.
    is_wanted: bool,
    is_gone: bool,
    reader: Option<Waker>,
    connection: Option<Waker>,
}

/// The connection's end.
pub(super) struct Feed(Arc<Mutex<State>>);

/// The reader's end.
pub(super) struct Arriving(Arc<Mutex<State>>);

/// Whether the reader takes more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// A piece has room.
    Free,
    /// There is none now.
    Full,
    /// Nobody reads any more.
    Gone,
}

/// A body that will arrive, of a known length or not.
pub(super) fn arriving(length: Option<u64>) -> (Feed, Arriving) {
    let state = Arc::new(Mutex::new(State { left: length, ..State::default() }));
    (Feed(state.clone()), Arriving(state))
}

impl Feed {
    /// Whether there is room; if `unasked` is false, only once the reader has asked. The task
    /// is woken when that changes, or the reader goes.
    pub(super) fn room(&self, unasked: bool, cx: &Context<'_>) -> Room {
        let mut state = self.0.lock();
        if state.is_gone {
            return Room::Gone;
        }
        match &mut state.connection {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        if state.piece.is_none() && (unasked || state.is_wanted) { Room::Free } else { Room::Full }
    }

    /// Hands over a piece, for which there was room.
    pub(super) fn send(&self, piece: Bytes) {
        let mut state = self.0.lock();
        state.piece = Some(piece);
        wake(&mut state.reader);
    }

    /// Nothing more comes.
    pub(super) fn end(&self, how: io::Result<()>) {
        let mut state = self.0.lock();
        state.end.get_or_insert(how);
        wake(&mut state.reader);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.end(Err(io::ErrorKind::UnexpectedEof.into()));
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut state = self.0.lock();
        let was_wanted = std::mem::replace(&mut state.is_wanted, true);
        if let Some(piece) = state.piece.take() {
            state.left = state.left.map(|left| left.saturating_sub(piece.len() as u64));
            wake(&mut state.connection);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match &mut state.end {
            None => {
                state.reader = Some(cx.waker().clone());
                if !was_wanted {
                    wake(&mut state.connection);
                }
                Poll::Pending
            }
            Some(end) => match std::mem::replace(end, Ok(())) {
                Ok(()) => Poll::Ready(None),
                Err(error) => Poll::Ready(Some(Err(error.into()))),
            },
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_gone = true;
        state.piece = None;
        wake(&mut state.connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(body: &mut Arriving) -> Poll<Option<Result<Bytes, BoxError>>> {
        let polled = Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()));
        polled.map_ok(|frame| frame.into_data().unwrap_or_default())
    }

    #[test]
    fn one_piece_waits_at_a_time_and_nothing_is_taken_unasked_where_that_matters() {
        let (feed, mut body) = arriving(Some(3));
        let cx = Context::from_waker(Waker::noop());
        assert_eq!(feed.room(false, &cx), Room::Full);
        assert_eq!(feed.room(true, &cx), Room::Free);
        feed.send(Bytes::from_static(b"ab"));
        assert_eq!(feed.room(true, &cx), Room::Full);
        assert!(matches!(next(&mut body), Poll::Ready(Some(Ok(piece))) if piece == "ab"));
        assert_eq!(body.size_hint().exact(), Some(1));
        assert_eq!(feed.room(false, &cx), Room::Free);
        assert!(next(&mut body).is_pending());
        feed.send(Bytes::from_static(b"c"));
        feed.end(Ok(()));
        assert!(matches!(next(&mut body), Poll::Ready(Some(Ok(piece))) if piece == "c"));
        assert!(matches!(next(&mut body), Poll::Ready(None)));
        drop(body);
        assert_eq!(feed.room(true, &cx), Room::Gone);
    }

    #[test]
    fn a_body_whose_connection_has_gone_breaks_off() {
        let (feed, mut body) = arriving(None);
        drop(feed);
        let Poll::Ready(Some(Err(error))) = next(&mut body) else { panic!("no error") };
        let error = error.downcast::<io::Error>().expect("of the connection");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
