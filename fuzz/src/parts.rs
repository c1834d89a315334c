//! Requests made of bytes, and what runs them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use edgehost_message::{Origin, RequestHead, RequestId, Site};
use http::Version;
use http::request::Parts;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bits of the first byte.
const TRUSTED: u8 = 1;
const SECURE: u8 = 2;
const HTTP_2: u8 = 4;

/// A request: a byte with what is known of its way, then its head as HTTP/1 has it.
pub fn request(bytes: &[u8]) -> Option<(Parts, Origin)> {
    let (flags, head) = bytes.split_first()?;
    let mut lines = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut lines);
    if !parsed.parse(head).ok()?.is_complete() {
        return None;
    }
    let version = match parsed.version? {
        _ if flags & HTTP_2 != 0 => Version::HTTP_2,
        0 => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let mut request = http::Request::builder().method(parsed.method?).uri(parsed.path?).version(version);
    for line in parsed.headers {
        request = request.header(line.name, line.value);
    }
    let (parts, ()) = request.body(()).ok()?.into_parts();
    let origin = Origin {
        authority: None,
        scheme: if flags & SECURE != 0 { "https" } else { "http" },
        peer: Some([192, 0, 2, 7].into()),
        client: Some([192, 0, 2, 7].into()),
        trusted: flags & TRUSTED != 0,
        wire: true,
    };
    Some((parts, origin))
}

/// How the app is reached that is asked.
pub fn site() -> Site {
    Site { fallback: "localhost:3000".to_owned(), public: None }
}

/// The same as the pipeline hands it on.
pub fn head(parts: Parts, origin: Origin) -> RequestHead {
    RequestHead {
        method: parts.method,
        uri: parts.uri,
        path: None,
        origin,
        raw_headers: parts.headers,
        params: Vec::new(),
        route: 0,
        id: RequestId::next(),
        x_request_id: None,
        clean: false,
        given: None,
    }
}

/// A client that has sent some pieces of its bytes, sends others later, and ends then.
pub struct Client {
    pieces: std::vec::IntoIter<Vec<u8>>,
    was_pending: bool,
    pub received: Vec<u8>,
}

impl Client {
    /// Sends `bytes` in pieces that end where `cuts` say.
    pub fn new(bytes: &[u8], cuts: &[u8]) -> Self {
        let mut rest = bytes;
        let mut pieces = Vec::new();
        for cut in cuts {
            let (piece, others) = rest.split_at(usize::from(*cut).min(rest.len()));
            pieces.push(piece.to_vec());
            rest = others;
        }
        pieces.push(rest.to_vec());
        Self { pieces: pieces.into_iter(), was_pending: false, received: Vec::new() }
    }
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Nothing arrives while somebody waits for it.
        self.was_pending = !self.was_pending;
        if self.was_pending {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = self.pieces.find(|piece| !piece.is_empty()).unwrap_or_default();
        let (now, later) = piece.split_at(piece.len().min(buffer.remaining()));
        buffer.put_slice(now);
        if !later.is_empty() {
            let rest: Vec<_> = std::iter::once(later.to_vec()).chain(self.pieces.by_ref()).collect();
            self.pieces = rest.into_iter();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.received.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// As [`tokio::runtime::Runtime::block_on`], in one runtime for all inputs.
pub fn block_on<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// A socket as hyper wants it; `hyper-util` has the same for more than is needed here.
pub struct Io<'a>(pub &'a mut Client);

impl hyper::rt::Read for Io<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = vec![0; cursor.remaining().min(64 * 1024)];
        let mut buffer = ReadBuf::new(&mut bytes);
        let polled = Pin::new(&mut *self.0).poll_read(cx, &mut buffer);
        cursor.put_slice(buffer.filled());
        polled
    }
}

impl hyper::rt::Write for Io<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}
