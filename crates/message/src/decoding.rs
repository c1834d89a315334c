//! Content codings of bodies that are fetched (RFC 9110, section 8.4.1), and those of
//! `DecompressionStream`.
//!
//! Each step has a bounded output: a small body may stand for an endless one.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder};
use bytes::{Buf, Bytes};
use flate2::{Decompress, FlushDecompress, Status};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, BufReader, ReadBuf};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, Operation};

/// A body, as far as it has been decoded.
pub type Reader = Pin<Box<dyn AsyncBufRead>>;

/// Most memory that a body may want for what it refers back to, as a power of two: what
/// RFC 9659 allows.
const ZSTD_WINDOW: u32 = 23;

/// One step of a decoder.
struct Step {
    consumed: usize,
    produced: usize,
    /// Whether the input may end here.
    is_complete: bool,
}

trait Decoder {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> io::Result<Step>;
}

impl Decoder for Decompress {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> io::Result<Step> {
        let (read, written) = (self.total_in(), self.total_out());
        let status =
            self.decompress(input, output, FlushDecompress::None).map_err(|error| invalid(&error))?;
        let length = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Ok(Step {
            consumed: length(self.total_in() - read),
            produced: length(self.total_out() - written),
            is_complete: status == Status::StreamEnd,
        })
    }
}

impl Decoder for ZstdDecoder<'_> {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> io::Result<Step> {
        let status = self.run_on_buffers(input, output).map_err(|error| invalid(&error))?;
        Ok(Step {
            consumed: status.bytes_read,
            produced: status.bytes_written,
            is_complete: status.remaining == 0,
        })
    }
}

fn invalid(error: &dyn std::error::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

struct Decoded<D> {
    reader: Reader,
    decoder: D,
    is_complete: bool,
    rest: Rest,
}

/// What becomes of bytes behind a complete body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// They may be another one.
    Continue,
    /// They are read and thrown away.
    Discard,
    /// They are left to whoever asks for them.
    Leave,
}

impl<D: Decoder + Unpin> AsyncRead for Decoded<D> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        output: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { reader, decoder, is_complete, rest } = &mut *self;
        loop {
            if *is_complete && *rest == Rest::Leave {
                return Poll::Ready(Ok(()));
            }
            let input = ready!(reader.as_mut().poll_fill_buf(cx))?;
            if *is_complete && (*rest == Rest::Discard || input.is_empty()) {
                let ignored = input.len();
                if ignored == 0 {
                    return Poll::Ready(Ok(()));
                }
                reader.as_mut().consume(ignored);
                continue;
            }
            let is_end = input.is_empty();
            let step = decoder.step(input, output.initialize_unfilled())?;
            *is_complete = step.is_complete;
            reader.as_mut().consume(step.consumed);
            if step.produced > 0 {
                output.advance(step.produced);
                return Poll::Ready(Ok(()));
            }
            if is_end && !*is_complete {
                let message = "the body ends before what it encodes";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, message)));
            }
            if step.consumed == 0 && !*is_complete {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the body is not encoded as it says",
                )));
            }
        }
    }
}

fn buffered<D: Decoder + Unpin + 'static>(reader: Reader, decoder: D, rest: Rest) -> Reader {
    Box::pin(BufReader::new(Decoded { reader, decoder, is_complete: false, rest }))
}

/// Bytes that are handed over piece by piece.
#[derive(Default)]
struct Feed {
    pieces: RefCell<VecDeque<Bytes>>,
    is_last: Cell<bool>,
    /// What a decoder has and has not taken.
    held: Cell<usize>,
}

struct Fed {
    feed: Rc<Feed>,
    piece: Bytes,
}

impl AsyncBufRead for Fed {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.piece.is_empty() {
            match this.feed.pieces.borrow_mut().pop_front() {
                Some(piece) => this.piece = piece,
                None if this.feed.is_last.get() => {}
                None => return Poll::Pending,
            }
            this.feed.held.set(this.piece.len());
        }
        Poll::Ready(Ok(&this.piece))
    }

    fn consume(mut self: Pin<&mut Self>, count: usize) {
        self.piece.advance(count);
        self.feed.held.set(self.piece.len());
    }
}

impl AsyncRead for Fed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        output: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let input = ready!(self.as_mut().poll_fill_buf(cx))?;
        let count = input.len().min(output.remaining());
        output.put_slice(&input[..count]);
        self.consume(count);
        Poll::Ready(Ok(()))
    }
}

/// Bytes of one step of a [`Decompressor`].
const STEP: usize = 64 * 1024;

/// Expands what it is fed, no more at a time than its caller can look after.
pub struct Decompressor {
    feed: Rc<Feed>,
    decoder: Pin<Box<dyn AsyncRead>>,
    is_over: bool,
}

impl Decompressor {
    /// One of the formats of the Compression Standard; `None` for others.
    pub fn new(format: &str) -> Option<Self> {
        let feed = Rc::<Feed>::default();
        let reader: Reader = Box::pin(Fed { feed: feed.clone(), piece: Bytes::new() });
        let inflate = |reader, has_head| Decoded {
            reader,
            decoder: Decompress::new(has_head),
            is_complete: false,
            rest: Rest::Leave,
        };
        let decoder: Pin<Box<dyn AsyncRead>> = match format {
            "gzip" => Box::pin(GzipDecoder::new(reader)),
            "brotli" => Box::pin(BrotliDecoder::new(reader)),
            "deflate" => Box::pin(inflate(reader, true)),
            "deflate-raw" => Box::pin(inflate(reader, false)),
            _ => return None,
        };
        Some(Self { feed, decoder, is_over: false })
    }

    /// Hands over bytes; these may be the last.
    pub fn feed(&self, bytes: &[u8], is_last: bool) {
        if !bytes.is_empty() {
            self.feed.pieces.borrow_mut().push_back(Bytes::copy_from_slice(bytes));
        }
        self.feed.is_last.set(is_last);
    }

    /// The next bytes, or `None` if more has to be fed first.
    ///
    /// # Errors
    ///
    /// When what was fed is not encoded so, ends early, or has bytes behind its end.
    pub fn step(&mut self) -> io::Result<Option<Vec<u8>>> {
        if !self.is_over {
            let mut bytes = vec![0; STEP];
            let mut output = ReadBuf::new(&mut bytes);
            let polled =
                self.decoder.as_mut().poll_read(&mut Context::from_waker(Waker::noop()), &mut output);
            let count = output.filled().len();
            match polled {
                Poll::Pending => return Ok(None),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(())) if count > 0 => {
                    bytes.truncate(count);
                    return Ok(Some(bytes));
                }
                Poll::Ready(Ok(())) => self.is_over = true,
            }
        }
        if self.feed.held.get() > 0 || !self.feed.pieces.borrow().is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "there are bytes behind the end"));
        }
        Ok(None)
    }
}

/// Decodes a body by what a list of the names `br`, `deflate`, `gzip`, `zstd` says, from left
/// to right.
///
/// # Errors
///
/// When the body cannot be read.
pub async fn decoded(mut reader: Reader, decoders: &str) -> io::Result<Reader> {
    // Some servers name an encoding and send nothing.
    if reader.fill_buf().await?.is_empty() {
        return Ok(reader);
    }
    for decoder in decoders.split(',') {
        reader = match decoder {
            "br" => Box::pin(BufReader::new(BrotliDecoder::new(reader))),
            "gzip" => {
                let mut gzip = GzipDecoder::new(reader);
                gzip.multiple_members(true);
                Box::pin(BufReader::new(gzip))
            }
            "zstd" => {
                let mut decoder = ZstdDecoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW))?;
                buffered(reader, decoder, Rest::Continue)
            }
            // It is meant to have a head, and often has none.
            _ => {
                let has_head = reader.fill_buf().await?.first().is_some_and(|byte| byte & 0x0f == 8);
                buffered(reader, Decompress::new(has_head), Rest::Discard)
            }
        };
    }
    Ok(reader)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn read(bytes: &[u8], decoders: &str) -> io::Result<Vec<u8>> {
        // In small pieces, as from a socket.
        let pieces: Vec<io::Result<bytes::Bytes>> =
            bytes.chunks(7).map(|piece| Ok(bytes::Bytes::copy_from_slice(piece))).collect();
        let reader: Reader = Box::pin(tokio_util::io::StreamReader::new(futures::stream::iter(pieces)));
        let mut all = Vec::new();
        decoded(reader, decoders).await?.read_to_end(&mut all).await?;
        Ok(all)
    }

    #[test]
    fn what_is_fed_is_expanded_step_by_step() {
        let text = vec![b'x'; 10 * STEP];
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(&text).expect("written");
        let zlib = zlib.finish().expect("finished");
        let expand = |bytes: &[u8]| {
            let mut decompressor = Decompressor::new("deflate").expect("a format");
            let mut all = Vec::new();
            for (piece, is_last) in bytes.chunks(11).map(|piece| (piece, false)).chain([(&b""[..], true)]) {
                decompressor.feed(piece, is_last);
                while let Some(output) = decompressor.step()? {
                    assert!(output.len() <= STEP);
                    all.extend(output);
                }
            }
            io::Result::Ok(all)
        };
        assert!(expand(&zlib).expect("whole") == text);
        for cut in 0..zlib.len() {
            assert!(expand(&zlib[..cut]).is_err(), "cut after {cut}");
        }
        assert!(expand(&[&zlib[..], b"more"].concat()).is_err());
    }

    #[tokio::test]
    async fn encodings_are_decoded_and_their_early_ends_noticed() {
        let text = "some text, ".repeat(5000).into_bytes();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&text).expect("written");
        let zlib = zlib.finish().expect("finished");
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(&text).expect("written");
        let raw = raw.finish().expect("finished");
        let zstd = zstd::stream::encode_all(&text[..], 1).expect("encoded");
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&zstd).expect("written");
        let gzip = gzip.finish().expect("finished");
        for (encoded, decoders) in
            [(&zlib, "deflate"), (&raw, "deflate"), (&zstd, "zstd"), (&gzip, "gzip,zstd")]
        {
            assert!(read(encoded, decoders).await.expect("decoded") == text, "{decoders}");
            let cut = &encoded[..encoded.len() - 5];
            let error = read(cut, decoders).await.expect_err(decoders);
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{decoders}");
            assert!(read(b"this is plain text, and no more", decoders).await.is_err(), "{decoders}");
            assert_eq!(read(b"", decoders).await.expect("empty"), b"", "{decoders}");
        }
    }
}
