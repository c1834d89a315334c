//! Request and response bodies.
//!
//! A request body is read by JavaScript at its own pace, counted against the
//! limit. A response stream is a queue between the handler and hyper: the
//! handler waits once [`HIGH_WATER_MARK`] bytes are queued, so that one slow
//! reader holds no more than that.

use std::any::Any;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use parking_lot::Mutex;

use super::pace::{Pace, Patience};

/// An error of a body that came from outside.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Bytes queued towards the client before a handler's stream has to wait.
const HIGH_WATER_MARK: usize = 64 * 1024;

/// What a request body may cost.
#[derive(Debug, Clone, Copy)]
pub struct BodyPolicy {
    /// Most bytes that are accepted.
    pub max_bytes: u64,
    /// How slowly it may come while it is waited for.
    pub patience: Patience,
}

/// Why reading a request body failed.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
#[class(type)]
pub enum BodyError {
    /// More bytes than the limit allows.
    #[error("Request body exceeded {0} bytes")]
    TooLarge(u64),
    /// The client sent nothing for too long, or too little.
    #[error("Request body stalled: too little has arrived for {:?}", .0)]
    Stalled(Duration),
    /// The client went away.
    #[error("Request body ended early: the client closed the connection")]
    Aborted,
    /// What was sent is no body: a chunk without a length, for one.
    #[error("Request body is malformed: {0}")]
    Malformed(String),
    /// The request has been answered, and its body thrown away.
    #[error("Request body can no longer be read: the request is over")]
    Over,
}

impl BodyError {
    /// Why hyper could not read on: bytes that make no sense, or none any more.
    fn of_transport(error: &BoxError) -> Self {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error.as_ref());
        while let Some(error) = source {
            if let Some(error) = error.downcast_ref::<std::io::Error>()
                && matches!(error.kind(), std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData)
            {
                return Self::Malformed(error.to_string());
            }
            source = error.source();
        }
        Self::Aborted
    }
}

/// The body of a request as its connection hands it over.
pub enum Upload {
    /// All of it. Empty where nothing was sent.
    Whole(Bytes),
    /// It is still arriving.
    Arriving(UnsyncBoxBody<Bytes, BoxError>),
}

impl Upload {
    /// Whatever `body` holds.
    pub fn of<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if body.is_end_stream() {
            return Self::Whole(Bytes::new());
        }
        Self::Arriving(body.map_err(Into::into).boxed_unsync())
    }

    /// Its length, where it is known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) => Some(bytes.len() as u64),
            Self::Arriving(body) => body.size_hint().exact(),
        }
    }
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Whole(_) => "Whole",
            Self::Arriving(_) => "Arriving",
        })
    }
}

/// The body of a request, as far as it has not been read.
pub enum RequestBody {
    /// Nothing was sent, or the method has no body.
    Empty,
    /// Everything has arrived.
    Whole(Bytes),
    /// Still arriving; pieces that were read ahead come first.
    Stream(Box<IncomingStream>),
    /// JavaScript has taken it.
    Taken,
}

/// A body that is still arriving.
pub struct IncomingStream {
    ahead: VecDeque<Bytes>,
    source: UnsyncBoxBody<Bytes, BoxError>,
    policy: BodyPolicy,
    pace: Pace,
    seen: u64,
    /// Whether there is nothing to wait for any more.
    is_over: bool,
    /// What it keeps from others while it arrives.
    kept: Option<Box<dyn Any + Send>>,
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Whole(_) => "Whole",
            Self::Stream(_) => "Stream",
            Self::Taken => "Taken",
        })
    }
}

impl RequestBody {
    /// A body that will be read from `source`.
    pub fn stream(source: UnsyncBoxBody<Bytes, BoxError>, policy: BodyPolicy) -> Self {
        Self::Stream(Box::new(IncomingStream {
            ahead: VecDeque::new(),
            source,
            policy,
            pace: Pace::new(policy.patience),
            seen: 0,
            is_over: false,
            kept: None,
        }))
    }

    /// Whether something is to arrive, and nothing is kept meanwhile.
    pub fn is_free_upload(&self) -> bool {
        matches!(self, Self::Stream(stream) if !stream.is_over && stream.kept.is_none())
    }

    /// Keeps `kept` until nothing is to arrive any more.
    pub fn keep_while_arriving(&mut self, kept: impl Any + Send) {
        if let Self::Stream(stream) = self
            && !stream.is_over
        {
            stream.kept = Some(Box::new(kept));
        }
    }

    /// Reads up to about `most` bytes ahead, and waits for them. Resolves when everything has arrived: the
    /// body is [`RequestBody::Whole`] then. Nothing is lost when it is given up.
    ///
    /// # Errors
    ///
    /// As [`Self::settle`].
    pub async fn gather(&mut self, most: usize) -> Result<(), BodyError> {
        if let Self::Stream(stream) = self {
            let mut held: usize = stream.ahead.iter().map(Bytes::len).sum();
            std::future::poll_fn(|cx| {
                while held < most {
                    match stream.poll_piece(cx) {
                        Poll::Ready(Ok(Some(piece))) => {
                            held += piece.len();
                            stream.ahead.push_back(piece);
                        }
                        Poll::Ready(Ok(None)) => return Poll::Ready(Ok(())),
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Pending => return Poll::Pending,
                    }
                }
                // Whoever waits for more has to read what there is.
                Poll::Pending
            })
            .await?;
            let whole = stream.whole();
            *self = Self::Whole(whole);
        }
        Ok(())
    }

    /// Reads what is there without asking for more. The body becomes [`RequestBody::Whole`] if
    /// that was all.
    ///
    /// # Errors
    ///
    /// As [`Self::settle`].
    pub fn settle_now(self) -> Result<Self, BodyError> {
        let Self::Stream(mut stream) = self else { return Ok(self) };
        // Whoever waits for what comes polls again, with a waker.
        let cx = &mut Context::from_waker(Waker::noop());
        loop {
            match stream.poll_piece(cx) {
                Poll::Ready(Ok(Some(piece))) => stream.ahead.push_back(piece),
                Poll::Ready(Ok(None)) => return Ok(Self::Whole(stream.whole())),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(Self::Stream(stream)),
            }
        }
    }

    /// Reads what has already arrived. The body becomes [`RequestBody::Whole`] if that was all.
    ///
    /// Gives hyper one chance to hand over bytes that lie in its buffer, and never
    /// waits for the network.
    ///
    /// # Errors
    ///
    /// [`BodyError::TooLarge`] when the limit is passed; others when the body broke.
    pub async fn settle(self) -> Result<Self, BodyError> {
        let Self::Stream(mut stream) = self else { return Ok(self) };
        let mut yielded = false;
        let ended = std::future::poll_fn(|cx| {
            loop {
                match stream.poll_piece(cx) {
                    Poll::Ready(Ok(Some(piece))) => stream.ahead.push_back(piece),
                    Poll::Ready(Ok(None)) => return Poll::Ready(Ok(true)),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending if yielded => return Poll::Ready(Ok(false)),
                    Poll::Pending => {
                        yielded = true;
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
            }
        })
        .await?;
        if !ended {
            return Ok(Self::Stream(stream));
        }
        Ok(Self::Whole(stream.whole()))
    }
}

/// How much of a body that nobody wants is read, and for how long, before the
/// connection is closed on it. Closing at once would make the peer's system throw
/// away an answer that it has received but not read.
const LINGER_BYTES: u64 = 8 * 1024 * 1024;
const LINGER: Duration = Duration::from_secs(2);

impl RequestBody {
    /// Reads and discards what is left, within limits.
    pub async fn linger(self) {
        if let Self::Stream(stream) = self
            && !stream.is_over
        {
            linger(stream.source).await;
        }
    }
}

/// Reads and discards a body that nobody wants, within limits.
pub async fn linger<B>(body: B)
where
    B: Body<Data = Bytes>,
{
    let mut body = std::pin::pin!(body);
    let mut left = LINGER_BYTES;
    let reading = async {
        while let Some(Ok(frame)) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            let length = frame.data_ref().map_or(0, |piece| piece.len() as u64);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, reading).await;
}

impl IncomingStream {
    /// What was read ahead, as one.
    fn whole(&mut self) -> Bytes {
        match self.ahead.len() {
            0 | 1 => self.ahead.pop_front().unwrap_or_default(),
            _ => std::mem::take(&mut self.ahead)
                .iter()
                .fold(Vec::new(), |mut all, piece| {
                    all.extend_from_slice(piece);
                    all
                })
                .into(),
        }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        let polled = self.poll_source(cx);
        match &polled {
            Poll::Ready(Ok(None)) => self.end(),
            // What is left of one that is too large is thrown away later.
            Poll::Ready(Err(_)) => self.kept = None,
            _ => {}
        }
        polled
    }

    fn end(&mut self) {
        self.is_over = true;
        self.kept = None;
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        loop {
            return match Pin::new(&mut self.source).poll_frame(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => Poll::Ready(Ok(None)),
                Poll::Ready(Some(Err(error))) => Poll::Ready(Err(BodyError::of_transport(&error))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Err(_trailers) => continue,
                    Ok(piece) if piece.is_empty() => continue,
                    Ok(piece) => {
                        self.seen += piece.len() as u64;
                        if self.seen > self.policy.max_bytes {
                            Poll::Ready(Err(BodyError::TooLarge(self.policy.max_bytes)))
                        } else {
                            Poll::Ready(Ok(Some(piece)))
                        }
                    }
                },
            };
        }
    }

    /// The next piece of at most `limit` bytes, or `None` at the end.
    ///
    /// # Errors
    ///
    /// [`BodyError`] when a limit is passed or the client is gone.
    pub async fn next(&mut self, limit: usize) -> Result<Option<Bytes>, BodyError> {
        let mut piece = match self.ahead.pop_front() {
            Some(piece) => piece,
            None => {
                let (began, left) = (Instant::now(), self.pace.left());
                let arriving = std::future::poll_fn(|cx| self.poll_piece(cx));
                let Ok(arrived) = tokio::time::timeout(left, arriving).await else {
                    self.end();
                    return Err(BodyError::Stalled(self.policy.patience.silence));
                };
                let Some(piece) = arrived? else { return Ok(None) };
                self.pace.waited(began.elapsed(), piece.len() as u64);
                piece
            }
        };
        if piece.len() > limit {
            self.ahead.push_front(piece.split_off(limit));
        }
        Ok(Some(piece))
    }
}

/// What an answer took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// CPU time of the request, up to the head of its answer or, at the end of a body, to that.
    pub cpu: Duration,
    /// What the isolate held, in bytes, when that was measured last.
    pub memory: u64,
}

/// The body of an answer; what hyper polls.
pub struct ResponseBody {
    kind: Kind,
    cost: Cost,
    /// Told when the answer has been sent or given up.
    end: Option<Box<dyn BodyEnd>>,
    sent: u64,
    /// What the handler promised in `content-length`.
    promised: Option<u64>,
}

/// Whoever wants to know that an answer has been sent or given up.
pub trait BodyEnd: Send {
    /// `complete` is false when the client left before the end; `bytes` is what was sent.
    fn ended(self: Box<Self>, complete: bool, bytes: u64, cost: Cost);
}

struct Both(Box<dyn BodyEnd>, Box<dyn BodyEnd>);

impl BodyEnd for Both {
    fn ended(self: Box<Self>, complete: bool, bytes: u64, cost: Cost) {
        self.0.ended(complete, bytes, cost);
        self.1.ended(complete, bytes, cost);
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            let complete = match &self.kind {
                Kind::Empty | Kind::Whole(_) => true,
                Kind::Stream(reader) => reader.is_complete(),
            };
            end.ended(complete, self.sent, self.cost());
        }
    }
}

enum Kind {
    Empty,
    Whole(Option<Bytes>),
    Stream(StreamReader),
}

impl std::fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.kind {
            Kind::Empty => "ResponseBody::Empty",
            Kind::Whole(_) => "ResponseBody::Whole",
            Kind::Stream(_) => "ResponseBody::Stream",
        })
    }
}

impl ResponseBody {
    /// No body at all.
    pub fn empty() -> Self {
        Self { kind: Kind::Empty, cost: Cost::default(), end: None, sent: 0, promised: None }
    }

    /// A body whose bytes are all there.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let kind = Kind::Whole(Some(bytes.into()));
        Self { kind, cost: Cost::default(), end: None, sent: 0, promised: None }
    }

    /// Notes what it took to come this far. What is spent on a stream later is added.
    pub fn set_cost(&mut self, cost: Cost) {
        self.cost = cost;
    }

    /// What it has taken up to now.
    pub fn cost(&self) -> Cost {
        match &self.kind {
            Kind::Stream(reader) => Cost { cpu: reader.0.lock().used.max(self.cost.cpu), ..self.cost },
            Kind::Empty | Kind::Whole(_) => self.cost,
        }
    }

    /// Has `end` told when the body has been sent or dropped.
    pub fn with_end(mut self, end: impl BodyEnd + 'static) -> Self {
        let end: Box<dyn BodyEnd> = Box::new(end);
        self.end = Some(match self.end.take() {
            Some(first) => Box::new(Both(first, end)),
            None => end,
        });
        self
    }

    /// Holds a stream to the length that its head announces: it fails when it turns
    /// out longer or shorter.
    pub fn with_promised_length(mut self, length: u64) -> Self {
        self.promised = Some(length);
        self
    }

    /// Whether bytes will come later.
    pub fn is_stream(&self) -> bool {
        matches!(self.kind, Kind::Stream(_))
    }

    /// The length, where it is known before sending.
    pub fn len(&self) -> Option<u64> {
        match &self.kind {
            Kind::Empty => Some(0),
            Kind::Whole(bytes) => Some(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Stream(_) => self.promised,
        }
    }

    /// Whether it is known that no byte will come.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = match &mut self.kind {
            Kind::Empty => return Poll::Ready(None),
            Kind::Whole(bytes) => {
                let bytes = bytes.take().filter(|bytes| !bytes.is_empty());
                Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            Kind::Stream(reader) => reader.poll(cx),
        };
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.sent += frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
        }
        let broken = match (&polled, self.promised) {
            (Poll::Ready(None), Some(promised)) => self.sent < promised,
            (_, Some(promised)) => self.sent > promised,
            _ => false,
        };
        if broken {
            return Poll::Ready(Some(Err("the body is not as long as its content-length says".into())));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Kind::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Stream(_) => self.promised.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

/// How a response stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// The handler closed it.
    Complete,
    /// The handler's stream failed, or a limit ended it: the connection is cut.
    Broken,
}

#[derive(Default)]
struct Pipe {
    queue: VecDeque<Bytes>,
    queued: usize,
    end: Option<StreamEnd>,
    /// Whether what came before a broken end is on its way.
    is_flushed: bool,
    reader_gone: bool,
    /// CPU time of the request.
    used: Duration,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The handler's end of a response stream.
#[derive(Clone)]
pub struct StreamWriter(Arc<Mutex<Pipe>>);

struct StreamReader(Arc<Mutex<Pipe>>);

/// A response body that is written later, and the end to write to.
pub fn response_stream() -> (StreamWriter, ResponseBody) {
    let pipe = Arc::new(Mutex::new(Pipe::default()));
    let kind = Kind::Stream(StreamReader(pipe.clone()));
    let body = ResponseBody { kind, cost: Cost::default(), end: None, sent: 0, promised: None };
    (StreamWriter(pipe), body)
}

impl StreamWriter {
    /// Queues bytes; `false` asks the writer to wait until [`StreamWriter::ready`].
    pub fn write(&self, bytes: Bytes) -> bool {
        let mut pipe = self.0.lock();
        if pipe.reader_gone || pipe.end.is_some() {
            return false;
        }
        if !bytes.is_empty() {
            pipe.queued += bytes.len();
            pipe.queue.push_back(bytes);
            if let Some(reader) = pipe.reader.take() {
                reader.wake();
            }
        }
        pipe.queued < HIGH_WATER_MARK
    }

    /// Notes how much CPU time the request has used.
    pub(crate) fn set_used(&self, used: Duration) {
        self.0.lock().used = used;
    }

    /// Waits for room; `false` when nobody reads any more.
    pub async fn ready(&self) -> bool {
        std::future::poll_fn(|cx| {
            let mut pipe = self.0.lock();
            if pipe.reader_gone || pipe.end.is_some() {
                Poll::Ready(false)
            } else if pipe.queued < HIGH_WATER_MARK {
                Poll::Ready(true)
            } else {
                pipe.writer = Some(cx.waker().clone());
                Poll::Pending
            }
        })
        .await
    }

    /// Ends the stream. The first end counts.
    pub fn end(&self, end: StreamEnd) {
        let mut pipe = self.0.lock();
        pipe.end.get_or_insert(end);
        for waker in [pipe.reader.take(), pipe.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

impl StreamReader {
    fn is_complete(&self) -> bool {
        let pipe = self.0.lock();
        pipe.end == Some(StreamEnd::Complete) && pipe.queue.is_empty()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut pipe = self.0.lock();
        if let Some(bytes) = pipe.queue.pop_front() {
            pipe.queued -= bytes.len();
            if pipe.queued < HIGH_WATER_MARK
                && let Some(writer) = pipe.writer.take()
            {
                writer.wake();
            }
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match pipe.end {
            Some(StreamEnd::Complete) => return Poll::Ready(None),
            Some(StreamEnd::Broken) if pipe.is_flushed => {
                return Poll::Ready(Some(Err("the response stream failed".into())));
            }
            Some(StreamEnd::Broken) => {
                // hyper would throw away what it has not written yet; while it waits, it writes.
                pipe.is_flushed = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            None => {}
        }
        pipe.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        let mut pipe = self.0.lock();
        pipe.reader_gone = true;
        pipe.queue.clear();
        if let Some(writer) = pipe.writer.take() {
            writer.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(body: &mut ResponseBody) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_full_queue_makes_the_writer_wait_until_it_is_read() {
        let (writer, mut body) = response_stream();
        assert!(writer.write(Bytes::from(vec![0; HIGH_WATER_MARK - 1])));
        assert!(!writer.write(Bytes::from_static(b"more")));
        let mut ready = std::pin::pin!(writer.ready());
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(ready.as_mut().poll(cx).is_pending());
        assert!(frame(&mut body).is_ready());
        assert_eq!(ready.as_mut().poll(cx), Poll::Ready(true));
    }

    #[test]
    fn a_broken_stream_never_ends_cleanly() {
        let (writer, mut body) = response_stream();
        writer.write(Bytes::from_static(b"half"));
        writer.end(StreamEnd::Broken);
        writer.end(StreamEnd::Complete);
        assert!(matches!(frame(&mut body), Poll::Ready(Some(Ok(_)))));
        assert!(frame(&mut body).is_pending());
        assert!(matches!(frame(&mut body), Poll::Ready(Some(Err(_)))));
    }

    #[test]
    fn a_reader_that_left_frees_what_was_queued() {
        let (writer, body) = response_stream();
        writer.write(Bytes::from_static(b"x"));
        drop(body);
        assert!(!writer.write(Bytes::from_static(b"y")));
    }
}
