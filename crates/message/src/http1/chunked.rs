//! Bodies that come in chunks (RFC 9112, section 7.1).

use bytes::{Buf, Bytes, BytesMut};

/// Bytes of extensions, of all chunks of a body together.
const MOST_OF_EXTENSIONS: usize = 16 * 1024;
/// Bytes of trailers.
const MOST_OF_TRAILERS: usize = 16 * 1024;
/// Digits of a chunk's length: those of the largest number there is room for.
const MOST_DIGITS: u8 = 16;

/// A chunk that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ChunkError(&'static str);

/// What comes next of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Some of it.
    Data(Bytes),
    /// More has to be received.
    More,
    /// It is over. What follows belongs to the next request.
    End,
}

/// Decodes a body.
#[derive(Debug)]
pub struct Chunks {
    state: State,
    /// What is left of a chunk, or its length so far.
    left: u64,
    digits: u8,
    extensions: usize,
    trailers: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The digits of a length.
    Length,
    /// Blanks behind it.
    Blank,
    Extension,
    /// The LF of its line.
    LengthEnd,
    Data,
    /// CR and LF behind the data.
    DataCr,
    DataLf,
    Trailers,
    End,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { state: State::Length, left: 0, digits: 0, extensions: 0, trailers: Vec::new() }
    }
}

impl Chunks {
    /// Takes the next piece out of `buffer`.
    ///
    /// # Errors
    ///
    /// [`ChunkError`]; nothing that follows can be read.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Piece, ChunkError> {
        loop {
            match self.state {
                State::Data => {
                    let length = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                    if length == 0 {
                        return Ok(Piece::More);
                    }
                    self.left -= length as u64;
                    if self.left == 0 {
                        self.state = State::DataCr;
                    }
                    return Ok(Piece::Data(buffer.split_to(length).freeze()));
                }
                State::Trailers => {
                    if !self.take_trailers(buffer)? {
                        return Ok(Piece::More);
                    }
                    self.state = State::End;
                }
                State::End => return Ok(Piece::End),
                _ => {
                    let Some(byte) = buffer.first().copied() else { return Ok(Piece::More) };
                    buffer.advance(1);
                    self.state = self.step(byte)?;
                }
            }
        }
    }

    fn step(&mut self, byte: u8) -> Result<State, ChunkError> {
        match (self.state, byte) {
            (State::Length, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if self.digits == MOST_DIGITS {
                    return Err(ChunkError("a chunk's length has too many digits"));
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                self.digits += 1;
                self.left = self.left << 4 | u64::from(digit);
                Ok(State::Length)
            }
            (State::Length, _) if self.digits == 0 => Err(ChunkError("a chunk has no length")),
            (State::Length | State::Blank | State::Extension, b'\r') => Ok(State::LengthEnd),
            (State::Length | State::Blank, b' ' | b'\t') => self.extended(State::Blank),
            (State::Length | State::Blank, b';') => self.extended(State::Extension),
            (State::Length | State::Blank, _) => Err(ChunkError("a chunk's length is no number")),
            (State::Extension, b'\t' | 0x20..=0x7e | 0x80..) => self.extended(State::Extension),
            (State::Extension, _) => Err(ChunkError("a chunk's extension has control characters")),
            (State::LengthEnd, b'\n') => {
                self.digits = 0;
                Ok(if self.left == 0 { State::Trailers } else { State::Data })
            }
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Length),
            _ => Err(ChunkError("a chunk does not end with CR and LF")),
        }
    }

    fn extended(&mut self, state: State) -> Result<State, ChunkError> {
        self.extensions += 1;
        if self.extensions > MOST_OF_EXTENSIONS {
            return Err(ChunkError("the extensions of chunks are too long"));
        }
        Ok(state)
    }

    /// Takes trailers, which nobody reads, and the empty line behind them. Whether it was there.
    fn take_trailers(&mut self, buffer: &mut BytesMut) -> Result<bool, ChunkError> {
        while let Some(byte) = buffer.first().copied() {
            if self.trailers.len() == MOST_OF_TRAILERS {
                return Err(ChunkError("the trailers are too long"));
            }
            buffer.advance(1);
            self.trailers.push(byte);
            match self.trailers.as_slice() {
                [.., b'\r', b'\n'] | [.., b'\r'] => {}
                [.., b'\n'] | [.., b'\r', _] => {
                    return Err(ChunkError("a trailer does not end with CR and LF"));
                }
                _ => {}
            }
            if self.trailers == b"\r\n" || self.trailers.ends_with(b"\r\n\r\n") {
                let mut lines = [httparse::EMPTY_HEADER; 64];
                return match httparse::parse_headers(&self.trailers, &mut lines) {
                    Ok(httparse::Status::Complete(_)) => {
                        self.trailers = Vec::new();
                        Ok(true)
                    }
                    _ => Err(ChunkError("the trailers are no header lines, or too many")),
                };
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body, and what follows it.
    type Decoded = Option<(Vec<u8>, Vec<u8>)>;

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Decoded, ChunkError> {
        let mut chunks = Chunks::default();
        let mut buffer = BytesMut::new();
        let mut body = Vec::new();
        let mut pieces = pieces.into_iter();
        while let Some(piece) = pieces.next() {
            buffer.extend_from_slice(piece);
            loop {
                match chunks.next(&mut buffer)? {
                    Piece::Data(data) => {
                        assert!(!data.is_empty());
                        body.extend_from_slice(&data);
                    }
                    Piece::More => break,
                    Piece::End => {
                        pieces.for_each(|piece| buffer.extend_from_slice(piece));
                        return Ok(Some((body, buffer.to_vec())));
                    }
                }
            }
        }
        Ok(None)
    }

    fn decode_text(text: &str) -> Result<Decoded, ChunkError> {
        let decoded = decode([text.as_bytes()]);
        assert_eq!(decode(text.as_bytes().chunks(1)), decoded, "{text:?}");
        for cut in 0..text.len().min(400) {
            let (first, second) = text.as_bytes().split_at(cut);
            assert_eq!(decode([first, second]), decoded, "{text:?} cut after {cut}");
        }
        decoded
    }

    #[test]
    fn chunks_are_joined_and_what_follows_is_left() {
        for (text, body) in [
            ("0\r\n\r\nrest", ""),
            ("5\r\nhello\r\n0\r\n\r\nrest", "hello"),
            ("00A\r\n0123456789\r\n000\r\n\r\nrest", "0123456789"),
            ("3;a=b;c=\"d\"\r\nabc\r\n2 \t;x\r\nde\r\n0;last\r\nX-T: 1\r\nY:\r\n\r\nrest", "abcde"),
        ] {
            let (decoded, rest) = decode_text(text).expect(text).expect(text);
            assert_eq!(
                (decoded.as_slice(), rest.as_slice()),
                (body.as_bytes(), b"rest".as_slice()),
                "{text:?}"
            );
        }
        assert_eq!(decode_text("5\r\nhel"), Ok(None));
        assert_eq!(decode_text("5\r\nhello\r\n0\r\n"), Ok(None));
    }

    #[test]
    fn what_is_no_chunk_is_an_error() {
        for text in [
            "\r\n",
            "x\r\n",
            ";a\r\n",
            " 5\r\nhello\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x5\r\nhello\r\n",
            "5\nhello",
            "5 5\r\nhello",
            "5\r\nhello0\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhello\r0\r\n\r\n",
            "5\rhello\r\n",
            "5;a\nb\r\n",
            "5;a\rb\r\n",
            "5;a\0b\r\n",
            "10000000000000000\r\n",
            "00000000000000005\r\nhello",
            "0\r\n\n",
            "0\r\nX: 1\n\r\n",
            "0\r\nX: 1\r2\r\n\r\n",
            "0\r\nno line\r\n\r\n",
            "0\r\n X: 1\r\n\r\n",
            "0\r\nX : 1\r\n\r\n",
        ] {
            assert!(decode_text(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_nobody_reads_has_limits() {
        let extension = "x".repeat(MOST_OF_EXTENSIONS);
        assert!(decode([format!("0;{extension}\r\n\r\n").as_bytes()]).is_err());
        let many = "1;xxxxxxxxxxxxxxx\r\na\r\n".repeat(2000);
        assert!(decode([many.as_bytes()]).is_err());
        let trailer = format!("0\r\nX: {}\r\n\r\n", "x".repeat(MOST_OF_TRAILERS));
        assert!(decode([trailer.as_bytes()]).is_err());
        assert!(decode([format!("0\r\n{}\r\n", "X: 1\r\n".repeat(65)).as_bytes()]).is_err());
        assert!(
            decode([format!("0\r\n{}\r\n", "X: 1\r\n".repeat(64)).as_bytes()]).is_ok_and(|end| end.is_some())
        );
    }
}
