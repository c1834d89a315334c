//! The header lines of an answer, as they come from JavaScript.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

/// Most header lines of an answer. [`HeaderMap`] has room for some more, which the host
/// and hyper may need.
const MOST_LINES: usize = 10_000;

/// Header lines, each of which can be sent.
#[derive(Debug)]
pub struct Lines(HeaderMap);

/// Why HTTP has no form for a header line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// Of the name.
    #[error("its name is not a token")]
    Name,
    /// Of the value.
    #[error("its value has control characters, or some beyond Latin-1")]
    Value,
    /// Of them all.
    #[error("there are too many headers, {MOST_LINES} at most")]
    TooMany,
}

impl Lines {
    /// Room for so many lines.
    ///
    /// # Errors
    ///
    /// [`Unsendable::TooMany`].
    pub fn with_room_for(count: usize) -> Result<Self, Unsendable> {
        if count > MOST_LINES {
            return Err(Unsendable::TooMany);
        }
        // The host adds some of its own.
        Ok(Self(HeaderMap::with_capacity(count.min(64) + 3)))
    }

    /// Adds a line. Without bytes there is a character that takes more than one.
    ///
    /// # Errors
    ///
    /// [`Unsendable`].
    pub fn add(&mut self, name: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), Unsendable> {
        let name = name.and_then(|name| HeaderName::from_bytes(name).ok()).ok_or(Unsendable::Name)?;
        let value = value.and_then(|value| HeaderValue::from_bytes(value).ok()).ok_or(Unsendable::Value)?;
        self.append(name, value)
    }

    /// Adds lines, each a name and a value with a line feed after both; the values share the
    /// bytes.
    ///
    /// # Errors
    ///
    /// The name of the first that cannot be sent, and why.
    pub fn add_all(&mut self, lines: &Bytes) -> Result<(), (String, Unsendable)> {
        let mut at = 0;
        let mut next = || {
            let length = lines[at..].iter().position(|byte| *byte == b'\n')?;
            let piece = at..at + length;
            at = piece.end + 1;
            Some(piece)
        };
        while let Some(name) = next() {
            let refused = |why| (lines[name.clone()].iter().copied().map(char::from).collect(), why);
            let value = next().ok_or(Unsendable::Value).map_err(refused)?;
            let known =
                HeaderName::from_bytes(&lines[name.clone()]).map_err(|_| refused(Unsendable::Name))?;
            let value =
                HeaderValue::from_maybe_shared(lines.slice(value)).map_err(|_| refused(Unsendable::Value))?;
            self.append(known, value).map_err(refused)?;
        }
        Ok(())
    }

    fn append(&mut self, name: HeaderName, value: HeaderValue) -> Result<(), Unsendable> {
        if self.0.len() >= MOST_LINES {
            return Err(Unsendable::TooMany);
        }
        self.0.try_append(name, value).map_err(|_| Unsendable::TooMany)?;
        Ok(())
    }

    /// All of them.
    pub fn into_map(self) -> HeaderMap {
        self.0
    }
}
