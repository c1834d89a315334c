//! Requests as they stand on the wire: what is taken for one is what RFC 9112 says, wherever
//! the network cuts it, and what follows it is the next.

use bytes::{Bytes, BytesMut};
use edgehost_message::http1::{Chunks, Framing, HeadCaps, HeadReader, Piece};
use http::HeaderMap;

const CAPS: HeadCaps = HeadCaps { bytes: 2048, lines: 60 };

/// What was read of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    /// Heads, framings and bodies.
    requests: Vec<(String, Framing, Vec<u8>)>,
    /// What was wrong in the end, if anything was.
    error: Option<String>,
    /// How much has not been read, if nothing was wrong.
    left: usize,
}

/// A byte with a number of cuts, the cuts, and what a client sends.
pub fn check(bytes: &[u8]) {
    let [count, rest @ ..] = bytes else { return };
    let (cuts, sent) = rest.split_at(usize::from(*count % 8).min(rest.len()));
    // Of what has no end it is a matter of when it was looked at whether it can be one.
    let sent = &[sent, b"\r\n\r\n"].concat()[..];
    let whole = read([sent]);
    assert_eq!(read(pieces(sent, cuts)), whole, "cut otherwise");
    assert_eq!(read(sent.chunks(1)), whole, "byte by byte");
    let mut follows = sent;
    for (told, framing, body) in &whole.requests {
        follows = reference(follows, *framing, body).unwrap_or_else(|why| panic!("{told}: {why}"));
    }
}

fn pieces<'a>(mut sent: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for cut in cuts {
        let (piece, rest) = sent.split_at(usize::from(*cut).min(sent.len()));
        pieces.push(piece);
        sent = rest;
    }
    pieces.push(sent);
    pieces
}

/// What is read of the next request.
enum Reading {
    Head,
    Length(u64),
    Chunks(Box<Chunks>),
}

/// Reads requests with their bodies, one after the other.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Told {
    let mut told = Told { requests: Vec::new(), error: None, left: 0 };
    let mut reader = HeadReader::new(CAPS);
    let mut reading = Reading::Head;
    let mut buffer = BytesMut::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match step(&mut reader, &mut reading, &mut buffer, &mut told) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    told.error = Some(error);
                    return told;
                }
            }
        }
    }
    told.left = buffer.len();
    // Whatever has not come to its end is no request.
    if !matches!(reading, Reading::Head) {
        told.requests.pop();
    }
    told
}

/// Whether there may be more.
fn step(
    reader: &mut HeadReader,
    reading: &mut Reading,
    buffer: &mut BytesMut,
    told: &mut Told,
) -> Result<bool, String> {
    let mut data = |bytes: &Bytes| {
        if let Some((_, _, body)) = told.requests.last_mut() {
            body.extend_from_slice(bytes);
        }
    };
    match reading {
        Reading::Head => {
            let mut headers = HeaderMap::new();
            let read = reader.read(buffer, &mut headers).map_err(|error| error.to_string())?;
            let Some(head) = read else { return Ok(false) };
            told.requests.push((format!("{head:?}"), head.framing, Vec::new()));
            *reading = match head.framing {
                Framing::Length(length) => Reading::Length(length),
                Framing::Chunked => Reading::Chunks(Box::default()),
            };
        }
        Reading::Length(0) => *reading = Reading::Head,
        Reading::Length(left) => {
            let length = buffer.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
            if length == 0 {
                return Ok(false);
            }
            *left -= length as u64;
            data(&buffer.split_to(length).freeze());
        }
        Reading::Chunks(chunks) => match chunks.next(buffer) {
            Ok(Piece::Data(bytes)) => data(&bytes),
            Ok(Piece::More) => return Ok(false),
            Ok(Piece::End) => *reading = Reading::Head,
            Err(error) => {
                told.requests.pop();
                return Err(error.to_string());
            }
        },
    }
    Ok(true)
}

/// Reads a request that was taken by the letter of RFC 9112, and tells what follows it.
fn reference<'a>(sent: &'a [u8], framing: Framing, body: &[u8]) -> Result<&'a [u8], &'static str> {
    let mut rest = sent;
    while let Some(after) = rest.strip_prefix(b"\r\n") {
        rest = after;
    }
    let mut lengths = Vec::new();
    let mut codings = Vec::new();
    for number in 0.. {
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or("a head without an end")?;
        let line = rest[..end].strip_suffix(b"\r").ok_or("a line that ends with LF alone")?;
        rest = &rest[end + 1..];
        if line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err("a line in a line");
        }
        if number == 0 {
            let parts = line.split(|byte| *byte == b' ').count();
            if parts != 3 || !matches!(&line[line.len() - 3..], b"1.0" | b"1.1") {
                return Err("a request line of other parts");
            }
            continue;
        }
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or("a line without a colon")?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || name.iter().any(|byte| byte.is_ascii_whitespace()) {
            return Err("blanks about a name");
        }
        match name.to_ascii_lowercase().as_slice() {
            b"content-length" => lengths.push(value),
            b"transfer-encoding" => codings.push(value),
            _ => {}
        }
    }
    match (lengths.as_slice(), codings.as_slice(), framing) {
        ([], [], Framing::Length(0)) => {}
        ([length], [], Framing::Length(meant)) => {
            if !length.iter().all(u8::is_ascii_digit) || body.len() as u64 != meant {
                return Err("another length");
            }
            let number: u64 = String::from_utf8_lossy(length).parse().map_err(|_| "no number")?;
            if number != meant || rest.get(..body.len()) != Some(body) {
                return Err("another body");
            }
            rest = &rest[body.len()..];
        }
        ([], [.., last], Framing::Chunked) => {
            if !last.to_ascii_lowercase().ends_with(b"chunked") {
                return Err("other codings");
            }
            let (decoded, after) = super::chunked::reference(rest).ok_or("chunks that are none")?;
            if decoded != body {
                return Err("another body");
            }
            rest = after;
        }
        _ => return Err("another end"),
    }
    Ok(rest)
}
