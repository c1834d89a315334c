//! A file that keeps the parts of a build, each with its hash.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The first half of a SHA-256, as text.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A part of the file, behind the manifest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Span {
    pub(crate) at: u64,
    pub(crate) length: u64,
    pub(crate) digest: String,
}

/// The file, open.
#[derive(Debug)]
pub(crate) struct Kept {
    file: Mutex<File>,
    length: u64,
    /// Where the manifest ends.
    contents: u64,
}

impl Kept {
    /// An open file of `length` bytes, whose parts begin at `contents`.
    pub(crate) fn new(file: File, length: u64, contents: u64) -> Arc<Self> {
        Arc::new(Self { file: Mutex::new(file), length, contents })
    }

    /// A part of it; none where it is not what it was.
    pub(crate) fn read(&self, span: &Span) -> Option<Vec<u8>> {
        if span.at.checked_add(span.length)?.checked_add(self.contents)? > self.length {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(span.length).ok()?];
        let mut file = self.file.lock();
        file.seek(SeekFrom::Start(self.contents + span.at)).ok()?;
        file.read_exact(&mut bytes).ok()?;
        (digest(&bytes) == span.digest).then_some(bytes)
    }
}

/// A source map that stays on disk until it is needed.
#[derive(Debug, Clone)]
pub(crate) struct KeptMap {
    pub(crate) kept: Arc<Kept>,
    pub(crate) span: Span,
}

impl KeptMap {
    pub(super) fn read(&self) -> Option<Vec<u8>> {
        self.kept.read(&self.span)
    }
}
