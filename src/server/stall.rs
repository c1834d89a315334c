//! Cuts connections whose peer leaves an answer unread.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use edgehost_ext::message::{Pace, Patience};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::unsent::Taker;
use crate::enforcer::HeldSocket;

/// What is known of bytes that were written.
pub(super) trait Outgoing {
    /// How many of them the peer has not confirmed. Between two times at which the system
    /// takes more, a slow peer may confirm megabytes.
    fn unconfirmed(&self) -> u64;

    /// Has them thrown away when the socket is closed.
    fn discard(&self);
}

impl Outgoing for TcpStream {
    #[allow(unsafe_code, reason = "libc has no safe wrapper for this call")]
    fn unconfirmed(&self) -> u64 {
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsRawFd;
            let mut bytes: libc::c_int = 0;
            // SAFETY: the descriptor is that of an open socket, and the call writes one `int`.
            let result = unsafe { libc::ioctl(self.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
            if result == 0 { u64::try_from(bytes).unwrap_or(0) } else { 0 }
        }
        #[cfg(not(target_os = "linux"))]
        0
    }

    fn discard(&self) {
        let _ = socket2::SockRef::from(self).set_linger(Some(std::time::Duration::ZERO));
    }
}

/// An IO object whose writes fail after the peer has taken nothing, or too little, for a
/// while. Costs nothing as long as the socket takes what is written.
pub(super) struct Stall<T> {
    /// Before the socket, because it has to be dropped before the socket is closed.
    held: Option<HeldSocket>,
    inner: T,
    pace: Pace,
    taker: Arc<Taker>,
    written: u64,
    /// Since when the peer is waited for, and what it had confirmed by then.
    waiting: Option<(Instant, u64)>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<T: Outgoing> Stall<T> {
    /// `taker` may have the peer cut before; `held` goes when the socket does.
    pub(super) fn new(inner: T, patience: Patience, taker: Arc<Taker>, held: Option<HeldSocket>) -> Self {
        Self { held, inner, pace: Pace::new(patience), taker, written: 0, waiting: None, timer: None }
    }

    /// The IO object.
    pub(super) fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The IO object, and what holds its socket.
    pub(super) fn into_parts(self) -> (T, Option<HeldSocket>) {
        (self.inner, self.held)
    }

    fn confirmed(&self) -> u64 {
        self.written.saturating_sub(self.inner.unconfirmed())
    }

    /// Reckons up the wait that there was, if any.
    fn reckon(&mut self) {
        if let Some((since, before)) = self.waiting.take() {
            self.pace.waited(since.elapsed(), self.confirmed().saturating_sub(before));
        }
    }

    fn judge(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Ready(Ok(count)) => {
                self.written += count as u64;
                self.taker.took(count as u64);
                self.reckon();
                return polled;
            }
            Poll::Ready(Err(_)) => return polled,
            Poll::Pending if self.taker.is_cut(cx) => return self.give_up(),
            Poll::Pending => {}
        }
        loop {
            let (since, before) = self.waiting.unwrap_or_else(|| (Instant::now(), self.confirmed()));
            self.waiting = Some((since, before));
            let due = since + self.pace.left();
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            // One that fires earlier is looked at then: mostly it is not needed at all.
            if timer.is_elapsed() || timer.deadline() > due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.reckon();
            if self.pace.left().is_zero() {
                return self.give_up();
            }
        }
    }

    fn give_up(&self) -> Poll<io::Result<usize>> {
        self.inner.discard();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Stall<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Outgoing + Unpin> AsyncWrite for Stall<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.judge(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.judge(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    impl Outgoing for tokio::io::DuplexStream {
        fn unconfirmed(&self) -> u64 {
            0
        }

        fn discard(&self) {}
    }

    #[tokio::test]
    async fn a_peer_that_reads_slowly_is_waited_for_and_one_that_does_not_is_cut() {
        const STEP: Duration = Duration::from_millis(200);
        let patience = |rate| Patience { silence: 3 * STEP, rate };
        let (near, mut far) = tokio::io::duplex(8);
        let mut near = Stall::new(near, patience(20), Arc::default(), None);
        let reader = tokio::spawn(async move {
            let mut bytes = [0; 8];
            for _ in 0..6 {
                tokio::time::sleep(STEP).await;
                far.read_exact(&mut bytes).await.expect("read");
            }
            far
        });
        near.write_all(&[1; 48]).await.expect("slow, but fast enough");
        let _far = reader.await.expect("joined");
        near.write_all(&[1; 8]).await.expect("fits");
        let error = near.write_all(&[1; 8]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        // Some progress is not enough.
        let (near, mut far) = tokio::io::duplex(8);
        let mut near = Stall::new(near, patience(1000), Arc::default(), None);
        let reader = tokio::spawn(async move {
            loop {
                tokio::time::sleep(STEP).await;
                far.read_u8().await.expect("read");
            }
        });
        let error = near.write_all(&[1; 80]).await.expect_err("too slow");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        reader.abort();
    }
}
