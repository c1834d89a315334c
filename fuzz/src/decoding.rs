//! Encoded bodies: whatever is sent in place of one, decoding it ends, in steps of bounded size.

use edgehost_message::{Decompressor, Reader, decoded};
use tokio::io::{AsyncReadExt, BufReader};

use super::parts::{Client, block_on};

const ENCODINGS: [&str; 6] = ["gzip", "deflate", "br", "zstd", "gzip,br", "zstd,deflate"];
const FORMATS: [&str; 4] = ["gzip", "deflate", "deflate-raw", "brotli"];

/// Most that is read of one body.
const MOST: usize = 4 << 20;

/// Longest step of a [`Decompressor`].
const STEP: usize = 64 * 1024;

/// A byte that chooses the encoding, one with the length of a first piece, and the body.
pub fn check(bytes: &[u8]) {
    let [choice, cut, body @ ..] = bytes else { return };
    let choice = usize::from(*choice);
    block_on(async {
        let reader: Reader = Box::pin(BufReader::new(Client::new(body, &[*cut])));
        let Ok(reader) = decoded(reader, ENCODINGS[choice % ENCODINGS.len()]).await else { return };
        let mut all = Vec::new();
        let _ = reader.take(MOST as u64).read_to_end(&mut all).await;
    });
    let mut decompressor = Decompressor::new(FORMATS[choice % FORMATS.len()]).expect("a format");
    let mut length = 0;
    let (first, second) = body.split_at(usize::from(*cut).min(body.len()));
    for (piece, is_last) in [(first, false), (second, true)] {
        decompressor.feed(piece, is_last);
        loop {
            match decompressor.step() {
                Err(_) => return,
                Ok(None) => break,
                Ok(Some(output)) => {
                    assert!((1..=STEP).contains(&output.len()));
                    length += output.len();
                    if length > MOST {
                        return;
                    }
                }
            }
        }
    }
}
