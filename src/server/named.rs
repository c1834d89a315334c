//! What passes over the socket of a connection, as far as others have to know of it.
//!
//! [`Watch`] hears of it, and the answers that hyper makes by itself are given a name.
//! What is no HTTP/1 hyper answers with 400 or 431 before anybody else hears of it. Such an
//! answer is the first thing that is written after everything else was, and no request has
//! come in between: so it cannot be part of anything else, and a header can be added.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use edgehost_ext::message::RequestId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::idle::Watch;
use super::stall::Outgoing;

/// How such an answer begins, and how it ends.
const BEGIN: &[u8] = b"HTTP/1.1 4";
const END: &[u8] = b"\r\n\r\n";

/// A socket that tells when bytes come and are written, and on which every answer has an
/// `x-request-id`.
pub(super) struct Named<T> {
    inner: T,
    watch: Watch,
    peer: SocketAddr,
    /// What is left to write of an answer that was given a name.
    rest: Bytes,
}

impl<T: AsyncWrite + Unpin> Named<T> {
    pub(super) fn new(inner: T, watch: Watch, peer: SocketAddr) -> Self {
        Self { inner, watch, peer, rest: Bytes::new() }
    }

    /// The same answer with a name, if it is one of hyper's own.
    fn name(&self, bytes: &[u8]) -> Option<Bytes> {
        let head = bytes.strip_suffix(END).filter(|head| head.starts_with(BEGIN))?;
        if !self.watch.awaits_first_bytes() {
            return None;
        }
        let id = RequestId::next();
        let status = head.get(BEGIN.len() - 1..).and_then(|rest| rest.get(..3));
        let status = String::from_utf8_lossy(status.unwrap_or_default());
        tracing::info!(request = %id, client = %self.peer.ip(), %status, "refused what is no request of HTTP/1.1");
        Some([head, format!("\r\nx-request-id: {id}").as_bytes(), END].concat().into())
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            match Pin::new(&mut self.inner).poll_write(cx, &self.rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => self.rest.advance(count),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Outgoing> Outgoing for Named<T> {
    fn unconfirmed(&self) -> u64 {
        self.inner.unconfirmed()
    }

    fn discard(&self) {
        self.inner.discard();
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Named<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if let Some(bytes) = buf.filled().get(before..).filter(|bytes| !bytes.is_empty()) {
            self.watch.received(bytes);
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Named<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.rest.is_empty() {
            std::task::ready!(self.poll_rest(cx))?;
        }
        if let Some(named) = self.name(bytes) {
            self.rest = named;
            // What cannot be written now is when it is flushed.
            if let Poll::Ready(Err(error)) = self.poll_rest(cx) {
                return Poll::Ready(Err(error));
            }
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices {
            [only] if only.starts_with(BEGIN) => self.poll_write(cx, only),
            _ if !self.rest.is_empty() => {
                std::task::ready!(self.poll_rest(cx))?;
                Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
            }
            _ => Pin::new(&mut self.inner).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_rest(cx))?;
        // hyper flushes when it has nothing more to write.
        self.watch.flushed();
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_rest(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
