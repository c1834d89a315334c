//! The head of a request.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, StatusCode, Version};

use super::target;

/// What a head may cost.
#[derive(Debug, Clone, Copy)]
pub struct HeadCaps {
    /// Most bytes.
    pub bytes: usize,
    /// Most header lines.
    pub lines: usize,
}

/// How it is known where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes follow.
    Length(u64),
    /// Chunks follow.
    Chunked,
}

/// Why a request is refused before it is known what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// It is no request of HTTP/1, or can be read in two ways.
    #[error("not a request of HTTP/1.1")]
    Malformed,
    /// It has more bytes or lines than it may have.
    #[error("the head is too large")]
    TooLarge,
    /// Its target is longer than any can be.
    #[error("the target is too long")]
    TargetTooLong,
}

impl HeadError {
    /// What a client is told.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
        }
    }
}

/// A request without its body.
#[derive(Debug)]
pub struct Head {
    /// Method, address, version and headers.
    pub request: Request<()>,
    /// The end of its body.
    pub framing: Framing,
    /// Whether the client means to send another.
    pub keep_alive: bool,
    /// Whether it waits to be asked for the body.
    pub expects_continue: bool,
}

/// Header lines that have room on the stack.
const ON_STACK: usize = 48;

/// Finds heads among what has been received.
#[derive(Debug)]
pub struct HeadReader {
    caps: HeadCaps,
    /// Bytes in which every line has been looked for its end.
    looked: usize,
    /// How many bytes there were when the beginning was last read without an end.
    tried: usize,
}

impl HeadReader {
    /// For the requests of one connection.
    pub fn new(caps: HeadCaps) -> Self {
        Self { caps, looked: 0, tried: 0 }
    }

    /// Takes the next head out of `buffer`, if all of it is there. Call it again when more
    /// has come. `headers` is an empty map to be filled.
    ///
    /// # Errors
    ///
    /// [`HeadError`]; nothing that follows can be read.
    pub fn read(
        &mut self,
        buffer: &mut BytesMut,
        headers: &mut HeaderMap,
    ) -> Result<Option<Head>, HeadError> {
        // RFC 9112, section 2.2: some clients send an empty line behind a body.
        while buffer.starts_with(b"\r\n") {
            buffer.advance(2);
            self.looked = self.looked.saturating_sub(2);
        }
        if buffer.is_empty() {
            return Ok(None);
        }
        // What lies behind that belongs to no head that may be read.
        let most = buffer.len().min(self.caps.bytes);
        if let Some(end) = self.end(&buffer[..most])? {
            (self.looked, self.tried) = (0, 0);
            return parse(&buffer.split_to(end).freeze(), self.caps.lines, headers).map(Some);
        }
        // What can become no request is refused at once. Not for every byte anew.
        if most >= 2 * self.tried || most == self.caps.bytes {
            self.tried = most;
            let mut lines = [httparse::EMPTY_HEADER; ON_STACK];
            let lines = &mut lines[..self.caps.lines.min(ON_STACK)];
            match httparse::Request::new(lines).parse(&buffer[..most]) {
                Ok(_) | Err(httparse::Error::TooManyHeaders) => {}
                // Of other text than UTF-8 it knows nothing.
                Err(_) if target::text(&buffer[..most]).is_some() => {}
                Err(_) => return Err(HeadError::Malformed),
            }
        }
        if most == self.caps.bytes { Err(HeadError::TooLarge) } else { Ok(None) }
    }

    /// Where the head ends, if it does. Lines end with CR and LF.
    fn end(&mut self, buffer: &[u8]) -> Result<Option<usize>, HeadError> {
        for newline in memchr::memchr_iter(b'\n', &buffer[self.looked..]) {
            let newline = self.looked + newline;
            match &buffer[..newline] {
                [.., b'\r', b'\n', b'\r'] => return Ok(Some(newline + 1)),
                [.., b'\r'] => {}
                _ => return Err(HeadError::Malformed),
            }
        }
        self.looked = buffer.len();
        Ok(None)
    }
}

fn parse(head: &Bytes, most_lines: usize, headers: &mut HeaderMap) -> Result<Head, HeadError> {
    // No line has less than four bytes.
    let most_lines = most_lines.min(head.len() / 4 + 1);
    let mut on_stack = [const { MaybeUninit::uninit() }; ON_STACK];
    let room = most_lines.min(ON_STACK);
    match parse_with(head, &mut on_stack[..room], headers) {
        Err(HeadError::TooLarge) if most_lines > ON_STACK => {
            parse_with(head, &mut vec![MaybeUninit::uninit(); most_lines], headers)
        }
        Err(HeadError::Malformed) => match target::text(head) {
            Some(text) => parse(&text, most_lines, headers),
            None => Err(HeadError::Malformed),
        },
        parsed => parsed,
    }
}

fn parse_with<'a>(
    head: &'a Bytes,
    lines: &mut [MaybeUninit<httparse::Header<'a>>],
    headers: &mut HeaderMap,
) -> Result<Head, HeadError> {
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(head, lines) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooLarge),
        _ => return Err(HeadError::Malformed),
    }
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(HeadError::Malformed);
    };
    let is_1_1 = minor == 1;
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(|_| HeadError::Malformed)?;
    *request.uri_mut() = target::uri(&head.slice_ref(target.as_bytes()))?;
    *request.version_mut() = if is_1_1 { Version::HTTP_11 } else { Version::HTTP_10 };

    let mut map = std::mem::take(headers);
    map.reserve(parsed.headers.len());
    let mut body = Body::default();
    let mut connection = Connection::default();
    let mut expects_continue = false;
    for line in parsed.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| HeadError::Malformed)?;
        let value = value(head, line.value)?;
        match name {
            CONTENT_LENGTH => body.length(value.as_bytes())?,
            TRANSFER_ENCODING => body.codings(value.as_bytes())?,
            CONNECTION => connection.says(value.as_bytes()),
            EXPECT => expects_continue = value.as_bytes().eq_ignore_ascii_case(b"100-continue"),
            _ => {}
        }
        map.try_append(name, value).map_err(|_| HeadError::TooLarge)?;
    }
    *request.headers_mut() = map;
    Ok(Head {
        request,
        framing: body.framing(is_1_1)?,
        keep_alive: !connection.close && (is_1_1 || connection.keep_alive),
        // HTTP/1.0 knows no interim answers.
        expects_continue: expects_continue && is_1_1,
    })
}

#[allow(unsafe_code, reason = "every byte of a head has been looked at once already")]
fn value(head: &Bytes, value: &[u8]) -> Result<HeaderValue, HeadError> {
    let value = head.slice_ref(value);
    if cfg!(debug_assertions) {
        return HeaderValue::from_maybe_shared(value).map_err(|_| HeadError::Malformed);
    }
    // SAFETY: httparse lets the bytes through that a value may have, and no others: HTAB, 0x20 to
    // 0x7e, and 0x80 on. The test `values_hold_what_header_values_may_hold` tries all of them.
    Ok(unsafe { HeaderValue::from_maybe_shared_unchecked(value) })
}

/// What header lines say of the body.
#[derive(Default)]
struct Body {
    length: Option<u64>,
    is_coded: bool,
    is_chunked: bool,
}

impl Body {
    fn length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let length =
            std::str::from_utf8(value).ok().filter(|_| is_number).and_then(|value| value.parse().ok());
        // Not even the same twice: whoever stands before us may have taken the other one.
        if self.length.replace(length.ok_or(HeadError::Malformed)?).is_some() {
            return Err(HeadError::Malformed);
        }
        Ok(())
    }

    /// RFC 9112, section 6.1: `chunked` is the last coding, and there once.
    fn codings(&mut self, value: &[u8]) -> Result<(), HeadError> {
        for coding in value.split(|byte| *byte == b',') {
            if self.is_chunked {
                return Err(HeadError::Malformed);
            }
            self.is_coded = true;
            self.is_chunked = coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
        }
        Ok(())
    }

    fn framing(&self, is_1_1: bool) -> Result<Framing, HeadError> {
        match (self.length, self.is_coded) {
            (length, false) => Ok(Framing::Length(length.unwrap_or(0))),
            (None, true) if self.is_chunked && is_1_1 => Ok(Framing::Chunked),
            // Two ends, one that cannot be known, or a coding of which HTTP/1.0 knows nothing.
            _ => Err(HeadError::Malformed),
        }
    }
}

/// What header lines say of the connection.
#[derive(Default)]
struct Connection {
    close: bool,
    keep_alive: bool,
}

impl Connection {
    fn says(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',') {
            let option = option.trim_ascii();
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPS: HeadCaps = HeadCaps { bytes: 8 * 1024, lines: 100 };

    /// Reads pieces as they would come.
    fn read_pieces<'a>(
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<(Head, Bytes)>, HeadError> {
        let mut reader = HeadReader::new(CAPS);
        let mut buffer = BytesMut::new();
        let mut pieces = pieces.into_iter();
        loop {
            let Some(piece) = pieces.next() else { return Ok(None) };
            buffer.extend_from_slice(piece);
            if let Some(head) = reader.read(&mut buffer, &mut HeaderMap::new())? {
                pieces.for_each(|piece| buffer.extend_from_slice(piece));
                return Ok(Some((head, buffer.freeze())));
            }
        }
    }

    fn read(text: &str) -> Result<Option<Head>, HeadError> {
        let read = read_pieces([text.as_bytes()]);
        let told = |read: &Result<Option<(Head, Bytes)>, HeadError>| match read {
            Ok(Some((head, rest))) => Ok(Some((format!("{head:?}"), rest.clone()))),
            Ok(None) => Ok(None),
            Err(error) => Err(*error),
        };
        // It makes no difference in which pieces it comes.
        if text.len() < 400 {
            let single = read_pieces(text.as_bytes().chunks(1));
            assert_eq!(told(&single), told(&read), "{text:?}");
            for cut in 0..text.len() {
                let (first, second) = text.as_bytes().split_at(cut);
                assert_eq!(told(&read_pieces([first, second])), told(&read), "{text:?} cut after {cut}");
            }
        }
        read.map(|read| read.map(|(head, _)| head))
    }

    fn with(lines: &str) -> Result<Option<Head>, HeadError> {
        read(&format!("POST /p HTTP/1.1\r\nHost: h\r\n{lines}\r\n"))
    }

    #[test]
    fn heads_are_read_as_they_were_meant() {
        let head =
            read("\r\n\r\nGET /a?b HTTP/1.1\r\nHost: h\r\nX-A:  1\t\r\nx-a:\r\nX-B: \u{e9}\r\n\r\nrest")
                .expect("read")
                .expect("whole");
        assert_eq!(head.request.method(), Method::GET);
        assert_eq!(head.request.uri(), "/a?b");
        assert_eq!(head.request.version(), Version::HTTP_11);
        let values: Vec<_> = head.request.headers().get_all("x-a").iter().collect();
        assert_eq!(values, ["1", ""]);
        assert_eq!(head.request.headers()["x-b"].as_bytes(), "\u{e9}".as_bytes());
        assert_eq!((head.framing, head.keep_alive, head.expects_continue), (Framing::Length(0), true, false));
        let (_, rest) = read_pieces([&b"GET / HTTP/1.1\r\n\r\nrest"[..]]).expect("read").expect("whole");
        assert_eq!(&rest[..], b"rest");
    }

    #[test]
    fn targets_of_other_text_than_utf_8_are_taken_byte_by_byte() {
        let text = b"GET /\xe9?\xff< HTTP/1.1\r\nHost: h\r\nX: \xe9\r\n\r\n";
        for size in [1, 2, 7, text.len()] {
            let (head, _) = read_pieces(text.chunks(size)).expect("read").expect("whole");
            assert_eq!(head.request.uri(), "/%E9?%FF%3C");
            assert_eq!(head.request.headers()["x"].as_bytes(), b"\xe9");
        }
        for text in [b"GET /\xe9 HTTP/1.\xff\r\n\r\n".as_slice(), b"G\xe9 /\xe9 HTTP/1.1\r\n\r\n"] {
            assert_eq!(read_pieces(text.chunks(1)).expect_err("neither"), HeadError::Malformed);
            assert_eq!(read_pieces([text]).expect_err("neither"), HeadError::Malformed);
        }
    }

    #[test]
    fn bodies_have_one_end() {
        let framing = |lines: &str| with(lines).map(|head| head.expect("whole").framing);
        assert_eq!(framing("Content-Length: 0012\r\n"), Ok(Framing::Length(12)));
        assert_eq!(framing("Transfer-Encoding:  Chunked \r\n"), Ok(Framing::Chunked));
        assert_eq!(framing("Transfer-Encoding: gzip, chunked\r\n"), Ok(Framing::Chunked));
        assert_eq!(
            framing("Transfer-Encoding: gzip\r\ntransfer-encoding: chunked\r\n"),
            Ok(Framing::Chunked)
        );
        for lines in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: -5\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: 5 5\r\n",
            "Content-Length: 5;\r\n",
            "Content-Length:\r\n",
            "Content-Length: 18446744073709551616\r\n",
            "Content-Length : 5\r\n",
            "Content-Length\t: 5\r\n",
            "Transfer-Encoding : chunked\r\n",
            "Transfer-Encoding: chunked, gzip\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            "Transfer-Encoding: chunked,\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: \"chunked\"\r\n",
            "Transfer-Encoding: chunked;q=1\r\n",
            "Transfer-Encoding: chu nked\r\n",
            "Transfer-Encoding: \x0bchunked\r\n",
            "Transfer-Encoding:\r\n",
        ] {
            assert_eq!(framing(lines), Err(HeadError::Malformed), "{lines:?}");
        }
        let old = read("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(old.expect_err("HTTP/1.0 knows no chunks"), HeadError::Malformed);
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_no_request() {
        for text in [
            "NONSENSE\r\n\r\n",
            "GET /\r\n\r\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "GET /  HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1 \r\n\r\n",
            "GET / a HTTP/1.1\r\n\r\n",
            "GET /\tHTTP/1.1\r\n\r\n",
            "GET /a\tb HTTP/1.1\r\n\r\n",
            "GET /a\0b HTTP/1.1\r\n\r\n",
            "GET /a\x7fb HTTP/1.1\r\n\r\n",
            " GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET / HTTP/1.2\r\n\r\n",
            "GET / http/1.1\r\n\r\n",
            "GET / HTTP/1.1\nHost: h\n\n",
            "GET / HTTP/1.1\r\nHost: h\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\n\n",
            "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\rHost: h\r\n\r\n",
            "GET / HTTP/1.1\r\nX: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
            "GET / HTTP/1.1\r\nX: a\x7f\r\n\r\n",
            "GET / HTTP/1.1\r\nX: 1\r\n 2\r\n\r\n",
            "GET / HTTP/1.1\r\n X: 1\r\n\r\n",
            "GET / HTTP/1.1\r\nbad header\r\n\r\n",
            "GET / HTTP/1.1\r\n: x\r\n\r\n",
            "GET / HTTP/1.1\r\nX\u{e9}: x\r\n\r\n",
            "GET / HTTP/1.1\r\nX(): x\r\n\r\n",
            "\u{16}\u{3}\u{1}\0\u{5}\u{1}\r\n\r\n",
        ] {
            assert_eq!(read(text).expect_err(text), HeadError::Malformed, "{text:?}");
        }
        // Nobody waits for the end of what is none from the beginning.
        assert_eq!(
            read_pieces([&[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3][..]]).expect_err("TLS"),
            HeadError::Malformed
        );
    }

    #[test]
    fn connections_go_on_as_both_sides_say() {
        let keep = |version: &str, lines: &str| {
            read(&format!("GET / HTTP/{version}\r\n{lines}\r\n")).expect("read").expect("whole").keep_alive
        };
        assert!(keep("1.1", "") && !keep("1.0", ""));
        assert!(keep("1.0", "Connection: Keep-Alive\r\n"));
        for close in ["Connection: close\r\n", "Connection: x, Close\r\nConnection: keep-alive\r\n"] {
            assert!(!keep("1.1", close) && !keep("1.0", close), "{close}");
        }
        assert!(keep("1.1", "Connection: closed\r\n"));
    }

    #[test]
    fn who_waits_to_be_asked_says_so() {
        let expects = |text: &str| read(text).expect("read").expect("whole").expects_continue;
        assert!(expects("POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n"));
        assert!(!expects("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"));
        assert!(!expects("POST / HTTP/1.1\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n"));
    }

    #[test]
    fn heads_have_limits() {
        let lines = |count: usize| "X-A: 1\r\n".repeat(count);
        let mut anything = HeadReader::new(HeadCaps { bytes: usize::MAX, lines: usize::MAX });
        let mut buffer = BytesMut::from(&*format!("GET / HTTP/1.1\r\n{}\r\n", "a:\r\n".repeat(5000)));
        let head = anything.read(&mut buffer, &mut HeaderMap::new()).expect("read").expect("whole");
        assert_eq!(head.request.headers().len(), 5000);
        assert!(with(&lines(CAPS.lines - 1)).is_ok_and(|head| head.is_some()));
        assert_eq!(with(&lines(CAPS.lines)).expect_err("too many"), HeadError::TooLarge);
        let head = |length: usize| {
            let empty = "GET / HTTP/1.1\r\nX: \r\n\r\n";
            format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(length - empty.len()))
        };
        let longest = head(CAPS.bytes);
        assert!(read(&longest).is_ok_and(|head| head.is_some()));
        assert!(read_pieces(longest.as_bytes().chunks(7)).is_ok_and(|head| head.is_some()));
        let longer = head(CAPS.bytes + 1);
        assert_eq!(read(&longer).expect_err("too long"), HeadError::TooLarge);
        assert_eq!(read_pieces(longer.as_bytes().chunks(7)).expect_err("too long"), HeadError::TooLarge);
    }

    #[test]
    fn values_hold_what_header_values_may_hold() {
        for byte in 0..=u8::MAX {
            let text = [b"GET / HTTP/1.1\r\nX: a".as_slice(), &[byte], b"b\r\n\r\n"].concat();
            let read = read_pieces([&text[..]]);
            match HeaderValue::from_bytes(&[b'a', byte, b'b']) {
                Ok(value) => {
                    assert_eq!(read.expect("read").expect("whole").0.request.headers()["x"], value);
                }
                Err(_) => assert!(read.is_err(), "{byte}"),
            }
        }
    }
}
