//! A request body that JavaScript reads.

use std::cell::{Cell, RefCell};

use bytes::Bytes;

use super::body::{BodyError, IncomingStream, RequestBody};

/// A body in the hands of JavaScript, for as long as its request lasts: what has not been
/// read by then is taken back, so that it cannot hold up the connection.
pub struct LentBody {
    stream: RefCell<Option<Box<IncomingStream>>>,
    is_read: Cell<bool>,
}

/// Returns the stream to its place, also when the read is given up.
struct Reading<'a> {
    body: &'a LentBody,
    stream: Option<Box<IncomingStream>>,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.body.is_read.set(false);
        *self.body.stream.borrow_mut() = self.stream.take();
    }
}

impl LentBody {
    /// Lends a body.
    pub fn new(stream: Box<IncomingStream>) -> Self {
        Self { stream: RefCell::new(Some(stream)), is_read: Cell::new(false) }
    }

    /// The next piece of at most `limit` bytes, or `None` at the end.
    ///
    /// # Errors
    ///
    /// [`BodyError`]; [`BodyError::Over`] once it has been taken back.
    pub async fn read(&self, limit: usize) -> Result<Option<Bytes>, BodyError> {
        let stream = self.stream.borrow_mut().take().ok_or(BodyError::Over)?;
        self.is_read.set(true);
        let mut reading = Reading { body: self, stream: Some(stream) };
        match &mut reading.stream {
            Some(stream) => stream.next(limit).await,
            None => Err(BodyError::Over),
        }
    }

    /// Takes back what nobody reads at the moment.
    pub fn reclaim(&self) -> RequestBody {
        if self.is_read.get() {
            return RequestBody::Taken;
        }
        self.stream.borrow_mut().take().map_or(RequestBody::Taken, RequestBody::Stream)
    }
}
