//! An answer on its way to the client.
//!
//! A head and a small body are one piece of memory, and one call of the system. What is
//! large is not copied; what streams is taken from its source only as fast as it is sent.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes};
use edgehost_ext::message::{RequestId, ResponseBody};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, TRANSFER_ENCODING};
use http::response::Parts;
use http::{Response, StatusCode, Version};
use http_body::Body;
use tokio::io::AsyncWrite;

use super::date;
use crate::server::unsent::{Taker, Unsent};

/// Bytes of a body that are sent without being copied, and that are counted.
const LARGE: usize = 16 * 1024;
/// Bytes that are gathered of a stream before they are sent.
const GATHERED: usize = 32 * 1024;
/// Memory that a thread keeps for the answers to come.
const KEPT: usize = 64 * 1024;

thread_local! {
    /// Where the next answer is put together.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What has to be known of a request to answer it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) version: Version,
    /// Whether only the head is wanted.
    pub(super) is_head: bool,
    /// Whether the connection can go on.
    pub(super) keep_alive: bool,
}

/// Who counts large pieces.
pub(super) struct Account<'a> {
    pub(super) unsent: &'a Arc<Unsent>,
    pub(super) taker: &'a Arc<Taker>,
}

/// An answer that is being sent.
pub(super) struct Sending {
    /// What is to be sent first, from `sent` on.
    out: Vec<u8>,
    sent: usize,
    /// What follows it.
    piece: Bytes,
    /// What follows the piece.
    tail: &'static [u8],
    /// Where more comes from.
    body: Option<ResponseBody>,
    is_chunked: bool,
    /// Whether nobody knows how long the answer will be.
    pub(super) is_endless: bool,
    /// Whether another answer may follow.
    pub(super) keep_alive: bool,
    /// What is left of the request's headers, so that their memory is of use again.
    pub(super) headers: HeaderMap,
}

impl Sending {
    fn new() -> Self {
        let mut out = SCRATCH.take();
        out.clear();
        Self {
            out,
            sent: 0,
            piece: Bytes::new(),
            tail: b"",
            body: None,
            is_chunked: false,
            is_endless: false,
            keep_alive: false,
            headers: HeaderMap::new(),
        }
    }

    /// The answer to a request.
    pub(super) fn answer(response: Response<ResponseBody>, asked: Asked, now: Instant) -> Self {
        let mut sending = Self::new();
        let (mut parts, body) = response.into_parts();
        if parts.status.is_informational() {
            // No handler can ask for one; what it would announce never comes.
            parts.status = StatusCode::INTERNAL_SERVER_ERROR;
        }
        let length = body.len();
        // RFC 9110, section 6.4.1.
        let is_bodiless = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let has_body = !is_bodiless && !asked.is_head;
        let is_1_1 = asked.version == Version::HTTP_11;
        sending.is_chunked = has_body && length.is_none() && is_1_1;
        sending.is_endless = has_body && length.is_none();
        // Without chunks the end of the connection is the end of the body.
        sending.keep_alive = asked.keep_alive && (is_1_1 || !sending.is_endless);
        let announced = match length {
            _ if is_bodiless => None,
            Some(0) if asked.is_head => parts.headers.get(CONTENT_LENGTH).and_then(|length| {
                // What a handler says of the body that it would have.
                length.to_str().ok()?.parse().ok()
            }),
            length => length,
        };
        sending.head(&parts, is_1_1, announced, now);
        if has_body && length != Some(0) {
            sending.body = Some(body);
        }
        sending.headers = parts.headers;
        sending.headers.clear();
        sending
    }

    /// The answer to what is no request. It is the last one.
    pub(super) fn refusal(status: StatusCode, id: RequestId, now: Instant) -> Self {
        let mut sending = Self::new();
        status_line(&mut sending.out, true, status, None);
        sending.out.extend_from_slice(b"content-length: 0\r\nconnection: close\r\ndate: ");
        date::write(&mut sending.out, now);
        sending.out.extend_from_slice(b"\r\nx-request-id: ");
        sending.out.extend_from_slice(&id.digits());
        sending.out.extend_from_slice(b"\r\n\r\n");
        sending
    }

    fn head(&mut self, parts: &Parts, is_1_1: bool, length: Option<u64>, now: Instant) {
        let out = &mut self.out;
        let reason = parts.extensions.get::<hyper::ext::ReasonPhrase>();
        status_line(out, is_1_1, parts.status, reason.map(hyper::ext::ReasonPhrase::as_bytes));
        let (mut has_date, mut says_close, mut says_keep_alive) = (false, false, false);
        for (name, value) in &parts.headers {
            match *name {
                // Where a body ends is decided here.
                CONTENT_LENGTH | TRANSFER_ENCODING => continue,
                DATE => has_date = true,
                CONNECTION => {
                    for option in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                        says_close |= option.eq_ignore_ascii_case(b"close");
                        says_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                    }
                }
                _ => {}
            }
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        self.keep_alive &= !says_close;
        if is_1_1 && !self.keep_alive && !says_close {
            out.extend_from_slice(b"connection: close\r\n");
        } else if !is_1_1 && self.keep_alive && !says_keep_alive {
            out.extend_from_slice(b"connection: keep-alive\r\n");
        }
        if let Some(length) = length {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        } else if self.is_chunked {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        if has_date {
            out.extend_from_slice(b"\r\n");
        } else {
            out.extend_from_slice(b"date: ");
            date::write(out, now);
            out.extend_from_slice(b"\r\n\r\n");
        }
    }

    /// Sends as much as the client takes. Ready when everything has been handed to the system.
    ///
    /// # Errors
    ///
    /// When the answer breaks off, or the client does.
    pub(super) fn poll<W: AsyncWrite + Unpin>(
        &mut self,
        io: &mut W,
        account: &Account<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            self.gather(account, cx)?;
            if self.is_empty() {
                return if self.body.is_none() { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            while !self.is_empty() {
                let sent = match (&self.out[self.sent..], &self.piece[..]) {
                    (out, []) => ready!(Pin::new(&mut *io).poll_write(cx, out))?,
                    (out, piece) => {
                        let all = [IoSlice::new(out), IoSlice::new(piece), IoSlice::new(self.tail)];
                        ready!(Pin::new(&mut *io).poll_write_vectored(cx, &all))?
                    }
                };
                if sent == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.advance(sent);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.sent == self.out.len() && self.piece.is_empty() && self.tail.is_empty()
    }

    fn advance(&mut self, mut sent: usize) {
        let of_out = sent.min(self.out.len() - self.sent);
        self.sent += of_out;
        sent -= of_out;
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
        let of_piece = sent.min(self.piece.len());
        self.piece.advance(of_piece);
        if self.piece.is_empty() {
            // Counted pieces are let go of at once.
            self.piece = Bytes::new();
            // What is left of the tail goes with what follows it.
            let tail = std::mem::take(&mut self.tail);
            self.out.extend_from_slice(&tail[sent - of_piece..]);
        }
    }

    /// Takes what there is of the body, up to a bound.
    fn gather(&mut self, account: &Account<'_>, cx: &mut Context<'_>) -> io::Result<()> {
        while self.piece.is_empty()
            && self.out.len() < GATHERED
            && let Some(body) = &mut self.body
        {
            let frame = match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(frame)) => frame.map_err(io::Error::other)?,
                Poll::Ready(None) => {
                    self.body = None;
                    if self.is_chunked {
                        self.out.extend_from_slice(b"0\r\n\r\n");
                    }
                    break;
                }
            };
            let is_last = body.is_end_stream();
            let Ok(bytes) = frame.into_data() else { continue };
            if !bytes.is_empty() {
                if self.is_chunked {
                    chunk_length(&mut self.out, bytes.len());
                }
                let tail: &[u8] = if self.is_chunked { b"\r\n" } else { b"" };
                if bytes.len() < LARGE {
                    self.out.extend_from_slice(&bytes);
                    self.out.extend_from_slice(tail);
                } else {
                    self.piece = account.unsent.hold(bytes, account.taker);
                    self.tail = tail;
                }
            }
            if is_last && !self.is_chunked {
                self.body = None;
            }
        }
        Ok(())
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if self.out.capacity() <= KEPT {
            SCRATCH.set(std::mem::take(&mut self.out));
        }
    }
}

fn status_line(out: &mut Vec<u8>, is_1_1: bool, status: StatusCode, reason: Option<&[u8]>) {
    if is_1_1 && status == StatusCode::OK && reason.is_none() {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(if is_1_1 { b"HTTP/1.1 " } else { b"HTTP/1.0 " });
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    let reason = reason.or_else(|| status.canonical_reason().map(str::as_bytes));
    out.extend_from_slice(reason.unwrap_or_default());
    out.extend_from_slice(b"\r\n");
}

fn chunk_length(out: &mut Vec<u8>, length: usize) {
    use std::io::Write;
    // A list of bytes takes whatever is written.
    let _ = write!(out, "{length:x}\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgehost_ext::message::{StreamEnd, response_stream};
    use http::header::HeaderValue;
    use std::task::Waker;

    /// A client that takes so many bytes at once.
    struct Narrow(Vec<u8>, usize);

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let count = bytes.len().min(self.1);
            self.0.extend_from_slice(&bytes[..count]);
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let at_once = self.1;
            let taken = slices.iter().flat_map(|slice| slice.iter().copied()).take(at_once);
            let before = self.0.len();
            self.0.extend(taken);
            Poll::Ready(Ok(self.0.len() - before))
        }
    }

    const ASKED: Asked = Asked { version: Version::HTTP_11, is_head: false, keep_alive: true };

    /// What is sent, without its date, and whether another answer may follow.
    fn sent(response: Response<ResponseBody>, asked: Asked, at_once: usize) -> (String, bool) {
        let mut sending = Sending::answer(response, asked, Instant::now());
        let mut client = Narrow(Vec::new(), at_once);
        let (unsent, taker) = (Unsent::new(u64::MAX), Arc::default());
        let account = Account { unsent: &unsent, taker: &taker };
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(matches!(sending.poll(&mut client, &account, cx), Poll::Ready(Ok(()))));
        let text = String::from_utf8(client.0).expect("text");
        let (before, date) = text.split_once("date: ").expect("a date");
        assert_eq!(&date[26..29], "GMT");
        (format!("{before}{}", &date[31..]), sending.keep_alive)
    }

    fn whole(text: &str) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::whole(text.to_owned()));
        response.headers_mut().insert("x-a", HeaderValue::from_static("1"));
        response
    }

    fn stream(pieces: &[String]) -> Response<ResponseBody> {
        let (writer, body) = response_stream();
        for piece in pieces {
            writer.write(piece.clone().into());
        }
        writer.end(StreamEnd::Complete);
        Response::new(body)
    }

    #[test]
    fn answers_are_whole_however_the_client_takes_them() {
        for at_once in [1, 7, 100_000, usize::MAX] {
            let (text, keep_alive) = sent(whole("hello"), ASKED, at_once);
            assert_eq!(text, "HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 5\r\n\r\nhello");
            assert!(keep_alive);
            let large = "x".repeat(200_000);
            let (text, _) = sent(whole(&large), ASKED, at_once);
            assert_eq!(text, format!("HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 200000\r\n\r\n{large}"));
            let pieces = ["a".to_owned(), "b".repeat(20_000), "c".repeat(300)];
            let (text, _) = sent(stream(&pieces), ASKED, at_once);
            let chunks = format!("1\r\na\r\n4e20\r\n{}\r\n12c\r\n{}\r\n0\r\n\r\n", pieces[1], pieces[2]);
            assert_eq!(text, format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"));
        }
    }

    #[test]
    fn a_body_ends_as_the_request_and_the_status_want_it() {
        let head = Asked { is_head: true, ..ASKED };
        let (text, _) = sent(whole("hello"), head, 9);
        assert_eq!(text, "HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 5\r\n\r\n");
        let (text, _) = sent(stream(&["x".to_owned()]), head, 9);
        assert_eq!(text, "HTTP/1.1 200 OK\r\n\r\n");
        let mut promised = Response::new(ResponseBody::empty());
        promised.headers_mut().insert(CONTENT_LENGTH, 7.into());
        assert_eq!(sent(promised, head, 9).0, "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n");
        assert_eq!(
            sent(Response::new(ResponseBody::empty()), ASKED, 9).0,
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        );
        for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
            let mut response = whole("never sent");
            *response.status_mut() = status;
            let (text, _) = sent(response, ASKED, 9);
            assert!(text.ends_with("x-a: 1\r\n\r\n"), "{text}");
        }
        let mut response = whole("said");
        response.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        response.headers_mut().insert(CONTENT_LENGTH, 99.into());
        assert!(sent(response, ASKED, 9).0.ends_with("1\r\ncontent-length: 4\r\n\r\nsaid"));
    }

    #[test]
    fn connections_go_on_as_both_sides_say() {
        let close = Asked { keep_alive: false, ..ASKED };
        assert!(sent(whole("x"), close, 9).0.contains("\r\nconnection: close\r\n"));
        let mut response = whole("x");
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        let (text, keep_alive) = sent(response, ASKED, 9);
        assert_eq!((text.matches("connection: close").count(), keep_alive), (1, false));
        let old = Asked { version: Version::HTTP_10, ..ASKED };
        let (text, keep_alive) = sent(whole("x"), old, 9);
        assert!(text.starts_with("HTTP/1.0 200 OK\r\n") && text.contains("connection: keep-alive\r\n"));
        assert!(keep_alive);
        let (text, keep_alive) = sent(stream(&["ab".to_owned()]), old, 9);
        assert!(text.ends_with("\r\n\r\nab") && !text.contains("connection") && !keep_alive, "{text}");
    }

    #[test]
    fn a_broken_stream_sends_what_came_before() {
        let (writer, body) = response_stream();
        writer.write(Bytes::from_static(b"first"));
        writer.end(StreamEnd::Broken);
        let mut sending = Sending::answer(Response::new(body), ASKED, Instant::now());
        let mut client = Narrow(Vec::new(), usize::MAX);
        let (unsent, taker) = (Unsent::new(u64::MAX), Arc::default());
        let account = Account { unsent: &unsent, taker: &taker };
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(matches!(sending.poll(&mut client, &account, cx), Poll::Ready(Err(_))));
        assert!(client.0.ends_with(b"5\r\nfirst\r\n"));
    }
}
