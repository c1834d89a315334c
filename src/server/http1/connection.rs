//! One client, from its first byte to its last.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use edgehost_ext::message::http1::{
    ChunkError, Chunks, Framing, Head, HeadCaps, HeadError, HeadReader, Piece,
};
use edgehost_ext::message::{Presence, RequestId, Upload};
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::coop;
use tokio::time::Sleep;

use super::arriving::{Feed, Room, arriving};
use super::sending::{Account, Asked, Sending};
use crate::enforcer::HeldSocket;
use crate::server::drain::DrainWatch;
use crate::server::idle::PREFACE;
use crate::server::line::{HALF_CLOSED, Look};
use crate::server::listener::{HttpService, ServerSettings};
use crate::server::stall::Stall;
use crate::server::unsent::Taker;

/// Bytes that are read at once, at least and at most.
const LITTLE: usize = 8 * 1024;
const MUCH: usize = 64 * 1024;
/// Room in a buffer that is worth a call of the system.
const LEAST: usize = 1024;

/// How much of what a client still sends is read, and for how long, before its connection is
/// closed. Closing at once would make its system throw away an answer that it has not read.
const LINGER_BYTES: usize = 8 * 1024 * 1024;
const LINGER: Duration = Duration::from_secs(2);
/// How much of a body is read that nobody wants any more, if it is there.
const LEFT_OVER: usize = 256 * 1024;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

thread_local! {
    /// What is received goes here first. Only a client that is waited for in the middle of a
    /// request has a buffer of its own.
    static BUFFER: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// How a connection went on.
pub(in crate::server) enum Served {
    /// It is over.
    Ended,
    /// The client speaks HTTP/2; these bytes have come.
    Http2(TcpStream, Option<HeldSocket>, Bytes),
}

/// What comes after a request.
#[allow(clippy::large_enum_variant, reason = "nearly always the large one")]
enum Next {
    Head(Head),
    Refused(HeadError),
    Http2,
    End,
}

/// What is known of a request's body.
enum Receiving {
    /// All of it has come.
    Over,
    Arriving(Incoming),
    /// The rest cannot be told from what follows, or nobody wants it.
    Lost,
}

struct Incoming {
    feed: Feed,
    decoder: Decoder,
    /// Whether the client waits to be asked.
    is_awaited: bool,
}

enum Decoder {
    /// So many bytes are left.
    Length(u64),
    Chunked(Box<Chunks>),
}

/// What was there of a body.
struct Gathered {
    bytes: Bytes,
    end: Option<Result<(), ChunkError>>,
}

/// A client's connection.
pub(in crate::server) struct Connection<'a, S: HttpService> {
    io: Stall<TcpStream>,
    peer: SocketAddr,
    service: Rc<S>,
    common: S::Common,
    settings: &'a ServerSettings,
    taker: Arc<Taker>,
    presence: Presence,
    /// Received, and not yet read.
    buffer: BytesMut,
    reader: HeadReader,
    /// An empty map with room.
    headers: HeaderMap,
    receiving: Receiving,
    /// What is left to send of an interim answer.
    interim: &'static [u8],
    is_first: bool,
    /// Whether the answer has begun.
    is_answering: bool,
    /// Since when nothing is to be done, if it has been looked at.
    idle_since: Option<Instant>,
    /// Since when a head comes.
    begun: Option<Instant>,
    alarm: Alarm,
    look: Look,
}

impl<'a, S: HttpService> Connection<'a, S> {
    pub(in crate::server) fn new(
        stream: TcpStream,
        held: HeldSocket,
        peer: SocketAddr,
        service: Rc<S>,
        settings: &'a ServerSettings,
    ) -> Self {
        let taker = Arc::default();
        let caps = HeadCaps { bytes: settings.headers.max(8 * 1024), lines: settings.header_count };
        Self {
            io: Stall::new(stream, settings.taking, Arc::clone(&taker), Some(held)),
            peer,
            common: service.connected(),
            service,
            settings,
            taker,
            presence: Presence::default(),
            buffer: BytesMut::new(),
            reader: HeadReader::new(caps),
            headers: HeaderMap::new(),
            receiving: Receiving::Over,
            interim: b"",
            is_first: true,
            is_answering: false,
            idle_since: None,
            begun: None,
            alarm: Alarm::default(),
            look: Look::default(),
        }
    }

    /// Serves until it is over.
    pub(in crate::server) async fn serve(self, drain: DrainWatch) -> Served {
        let is_draining = Cell::new(false);
        let mut watch = drain.clone();
        let mut ending = pin!(async {
            watch.draining().await;
            is_draining.set(true);
            watch.cutting().await;
        });
        let mut running = pin!(self.run(&is_draining));
        let mut is_registered = false;
        std::future::poll_fn(|cx| {
            loop {
                if let Poll::Ready(served) = running.as_mut().poll(cx) {
                    return Poll::Ready(served);
                }
                // The task is the same for as long as the connection lives: it is asked to be woken
                // once, and not for each request.
                if is_registered && !drain.has_moved() {
                    return Poll::Pending;
                }
                // Without budget nothing is registered, and the task woken at once.
                is_registered = coop::has_budget_remaining();
                let was_draining = is_draining.get();
                if ending.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Served::Ended);
                }
                if was_draining == is_draining.get() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    async fn run(mut self, is_draining: &Cell<bool>) -> Served {
        loop {
            let head = match std::future::poll_fn(|cx| self.poll_next(is_draining, cx)).await {
                Next::Head(head) => head,
                Next::Refused(error) => {
                    self.refuse(error).await;
                    return Served::Ended;
                }
                Next::Http2 => {
                    let (stream, held) = self.io.into_parts();
                    return Served::Http2(stream, held, self.buffer.freeze());
                }
                Next::End => return Served::Ended,
            };
            match self.exchange(head, is_draining).await {
                Ok(true) => {}
                Ok(false) => {
                    self.close().await;
                    return Served::Ended;
                }
                Err(error) => {
                    tracing::debug!(peer = %self.peer, %error, "connection ended");
                    return Served::Ended;
                }
            }
        }
    }

    /// Waits for the next request.
    fn poll_next(&mut self, is_draining: &Cell<bool>, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            let known = self.buffer.len().min(PREFACE.len());
            if self.is_first && known > 0 && self.buffer[..known] == PREFACE[..known] {
                if known == PREFACE.len() {
                    return Poll::Ready(Next::Http2);
                }
            } else {
                match self.reader.read(&mut self.buffer, &mut self.headers) {
                    Ok(None) => {}
                    Ok(Some(head)) => {
                        self.is_first = false;
                        (self.idle_since, self.begun) = (None, None);
                        return Poll::Ready(Next::Head(head));
                    }
                    Err(error) => return Poll::Ready(Next::Refused(error)),
                }
            }
            match self.poll_more(LITTLE, cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Next::End),
                Poll::Pending => return self.poll_silence(is_draining.get(), cx).map(|()| Next::End),
            }
        }
    }

    /// Ready when a client is not waited for any longer.
    fn poll_silence(&mut self, is_draining: bool, cx: &mut Context<'_>) -> Poll<()> {
        let is_idle = self.buffer.is_empty();
        let (since, longest) = if is_idle {
            if is_draining {
                return Poll::Ready(());
            }
            BUFFER.set(std::mem::take(&mut self.buffer));
            self.begun = None;
            (self.idle_since.get_or_insert_with(Instant::now), self.settings.keep_alive)
        } else {
            (self.begun.get_or_insert_with(Instant::now), self.settings.header_read)
        };
        ready!(self.alarm.poll(since.checked_add(longest), cx));
        tracing::debug!(peer = %self.peer, is_idle, "closing a silent connection");
        Poll::Ready(())
    }

    /// Answers what is no request. Nothing that follows could be read.
    async fn refuse(&mut self, error: HeadError) {
        let (id, status) = (RequestId::next(), error.status());
        tracing::info!(
            request = %id,
            client = %self.peer.ip(),
            status = %status.as_str(),
            "refused what is no request of HTTP/1.1"
        );
        self.receiving = Receiving::Lost;
        if self.send(&mut Sending::refusal(status, id, Instant::now())).await.is_ok() {
            self.close().await;
        }
    }

    /// Has a request answered. Whether another may follow.
    async fn exchange(&mut self, head: Head, is_draining: &Cell<bool>) -> io::Result<bool> {
        let Head { request, framing, keep_alive, expects_continue } = head;
        let (version, is_head) = (request.version(), *request.method() == Method::HEAD);
        self.is_answering = false;
        let upload = self.receive(framing, expects_continue);
        let request = request.map(|()| upload);
        let (response, was_asked) = {
            let serving = self.service.serve(request, self.peer, self.presence.clone(), &self.common);
            let mut serving = pin!(serving);
            let mut left_at = None;
            std::future::poll_fn(|cx| {
                self.pump(cx);
                if let Poll::Ready(Err(error)) = self.poll_interim(cx) {
                    return Poll::Ready(Err(error));
                }
                if let Poll::Ready(response) = serving.as_mut().poll(cx) {
                    // A client that was not asked may send the body or not.
                    let was_asked = !matches!(&self.receiving, Receiving::Arriving(body) if body.is_awaited);
                    self.is_answering = true;
                    self.pump(cx);
                    return Poll::Ready(Ok((response, was_asked)));
                }
                self.poll_left(&mut left_at, cx).map(Err)
            })
            .await?
        };
        if !self.interim.is_empty() {
            std::future::poll_fn(|cx| self.poll_interim(cx)).await?;
        }
        let can_go_on = was_asked && !matches!(self.receiving, Receiving::Lost);
        let keep_alive = keep_alive && can_go_on && !is_draining.get();
        let now = Instant::now();
        let mut sending = Sending::answer(response, Asked { version, is_head, keep_alive }, now);
        if self.send(&mut sending).await? {
            self.idle_since = Some(now);
        }
        let keep_alive = sending.keep_alive;
        self.headers = std::mem::take(&mut sending.headers);
        drop(sending);
        if let Receiving::Arriving(_) = self.receiving {
            // Whoever has the body reads it within limits.
            std::future::poll_fn(|cx| {
                self.pump(cx);
                if let Receiving::Arriving(_) = self.receiving { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
        }
        Ok(keep_alive && matches!(self.receiving, Receiving::Over))
    }

    /// Sends an answer. Whether the client took all of it at once.
    async fn send(&mut self, sending: &mut Sending) -> io::Result<bool> {
        let mut was_at_once = true;
        std::future::poll_fn(|cx| {
            self.pump(cx);
            let account = Account { unsent: &self.settings.unsent, taker: &self.taker };
            if let Poll::Ready(sent) = sending.poll(&mut self.io, &account, cx) {
                return Poll::Ready(sent);
            }
            was_at_once = false;
            if sending.is_endless && self.has_left(cx) {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            Poll::Pending
        })
        .await?;
        Ok(was_at_once)
    }

    /// Ready when the client has left, and nothing came for a while that it could still read.
    fn poll_left(&mut self, left_at: &mut Option<Instant>, cx: &mut Context<'_>) -> Poll<io::Error> {
        if !self.has_left(cx) {
            return Poll::Pending;
        }
        let since = *left_at.get_or_insert_with(Instant::now);
        ready!(self.alarm.poll(since.checked_add(HALF_CLOSED), cx));
        Poll::Ready(io::ErrorKind::ConnectionAborted.into())
    }

    /// Whether the client sends no more. The task is woken when that changes.
    fn has_left(&mut self, cx: &mut Context<'_>) -> bool {
        if self.presence.has_left() {
            return true;
        }
        let has_left = self.look.has_left(self.io.get_ref(), cx);
        if has_left {
            self.presence.leave();
        }
        has_left
    }

    /// Makes what has come of a body, and what will, a request's.
    fn receive(&mut self, framing: Framing, expects_continue: bool) -> Upload {
        let mut decoder = match framing {
            Framing::Length(0) => return Upload::Whole(Bytes::new()),
            Framing::Length(length) => Decoder::Length(length),
            Framing::Chunked => Decoder::Chunked(Box::default()),
        };
        // Whoever has begun to send does not wait.
        let is_awaited = expects_continue && self.buffer.is_empty();
        let Gathered { bytes, end } = decoder.gather(&mut self.buffer);
        if let Some(Ok(())) = end {
            return Upload::Whole(bytes);
        }
        let left = match decoder {
            Decoder::Length(left) => Some(left + bytes.len() as u64),
            Decoder::Chunked(_) => None,
        };
        let (feed, body) = arriving(left);
        if !bytes.is_empty() {
            feed.send(bytes);
        }
        self.receiving = match end {
            Some(Err(error)) => {
                feed.end(Err(malformed(error)));
                Receiving::Lost
            }
            _ => Receiving::Arriving(Incoming { feed, decoder, is_awaited }),
        };
        Upload::Arriving(body.boxed_unsync())
    }

    /// Brings the body to its reader, as far as both sides are ready.
    fn pump(&mut self, cx: &mut Context<'_>) {
        loop {
            let Receiving::Arriving(incoming) = &mut self.receiving else { return };
            match incoming.feed.room(!incoming.is_awaited, cx) {
                Room::Full => return,
                Room::Free => {}
                Room::Gone => return self.give_up_body(cx),
            }
            if std::mem::take(&mut incoming.is_awaited) && !self.is_answering {
                self.interim = CONTINUE;
            }
            let Gathered { bytes, end } = incoming.decoder.gather(&mut self.buffer);
            if let Some(end) = end {
                if !bytes.is_empty() {
                    incoming.feed.send(bytes);
                }
                let is_whole = end.is_ok();
                incoming.feed.end(end.map_err(malformed));
                self.receiving = if is_whole { Receiving::Over } else { Receiving::Lost };
                return;
            }
            if !bytes.is_empty() {
                incoming.feed.send(bytes);
                continue;
            }
            let wanted = incoming.decoder.wanted();
            match self.poll_more(wanted, cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Pending => return,
                Poll::Ready(end) => {
                    if let (Receiving::Arriving(incoming), Err(error)) = (&self.receiving, end) {
                        incoming.feed.end(Err(error));
                    }
                    self.receiving = Receiving::Lost;
                    self.presence.leave();
                    return;
                }
            }
        }
    }

    /// Nobody wants what is left of the body: it is thrown away if it is there.
    fn give_up_body(&mut self, cx: &mut Context<'_>) {
        let Receiving::Arriving(mut incoming) = std::mem::replace(&mut self.receiving, Receiving::Lost)
        else {
            return;
        };
        let mut left = LEFT_OVER;
        while !incoming.is_awaited {
            let Gathered { bytes, end } = incoming.decoder.gather(&mut self.buffer);
            match end {
                Some(Ok(())) => {
                    self.receiving = Receiving::Over;
                    return;
                }
                Some(Err(_)) => return,
                None => {}
            }
            left = left.saturating_sub(bytes.len());
            if left == 0 || !matches!(self.poll_more(LITTLE, cx), Poll::Ready(Ok(1..))) {
                return;
            }
        }
    }

    /// Sends what is left of an interim answer.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.interim.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, self.interim))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.interim = &self.interim[sent..],
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Receives more. Nothing means that the client will send no more.
    fn poll_more(&mut self, wanted: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.capacity() == 0 {
            self.buffer = BUFFER.take();
        }
        if self.buffer.capacity() - self.buffer.len() < LEAST {
            self.buffer.reserve(wanted.clamp(LITTLE, MUCH));
        }
        pin!(self.io.read_buf(&mut self.buffer)).poll(cx)
    }

    /// Closes the connection, and sees to it that the client gets its answer.
    async fn close(&mut self) {
        let closed = std::future::poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx)).await;
        let is_sending = matches!(self.receiving, Receiving::Lost) || !self.buffer.is_empty();
        if closed.is_err() || !is_sending || self.presence.has_left() {
            return;
        }
        let mut left = LINGER_BYTES;
        let reading = async {
            while left > 0 {
                self.buffer.clear();
                match std::future::poll_fn(|cx| self.poll_more(MUCH, cx)).await {
                    Ok(received @ 1..) => left = left.saturating_sub(received),
                    _ => return,
                }
            }
        };
        let _ = tokio::time::timeout(LINGER, reading).await;
    }
}

fn malformed(error: ChunkError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl Decoder {
    /// Takes what is there of the body.
    fn gather(&mut self, buffer: &mut BytesMut) -> Gathered {
        let chunks = match self {
            Self::Length(left) => {
                let length = buffer.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= length as u64;
                let end = (*left == 0).then_some(Ok(()));
                return Gathered { bytes: buffer.split_to(length).freeze(), end };
            }
            Self::Chunked(chunks) => chunks,
        };
        let (mut first, mut joined) = (Bytes::new(), Vec::new());
        let end = loop {
            match chunks.next(buffer) {
                Ok(Piece::Data(data)) if first.is_empty() => first = data,
                Ok(Piece::Data(data)) => {
                    if joined.is_empty() {
                        joined.extend_from_slice(&first);
                    }
                    joined.extend_from_slice(&data);
                }
                Ok(Piece::More) => break None,
                Ok(Piece::End) => break Some(Ok(())),
                Err(error) => break Some(Err(error)),
            }
        };
        Gathered { bytes: if joined.is_empty() { first } else { joined.into() }, end }
    }

    /// How much is worth being received at once.
    fn wanted(&self) -> usize {
        match self {
            Self::Length(left) => usize::try_from(*left).unwrap_or(usize::MAX),
            Self::Chunked(_) => MUCH,
        }
    }
}

/// One timer for whatever is waited for. It is set anew only when it has to go off earlier, so
/// that requests in quick succession cost it nothing.
#[derive(Default)]
struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whether it will wake the task.
    is_set: bool,
}

impl Alarm {
    /// Ready when the time has come, which it may never do.
    fn poll(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
        loop {
            if sleep.is_elapsed() || sleep.deadline().into_std() > deadline {
                if deadline <= Instant::now() {
                    return Poll::Ready(());
                }
                sleep.as_mut().reset(deadline.into());
                self.is_set = false;
            }
            if self.is_set {
                return Poll::Pending;
            }
            // Without budget it is not set, and the task woken at once.
            let is_set = coop::has_budget_remaining();
            if sleep.as_mut().poll(cx).is_pending() {
                self.is_set = is_set;
                return Poll::Pending;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_alarm_goes_off_at_the_time_that_was_asked_for_last() {
        let mut alarm = Alarm::default();
        let began = Instant::now();
        let within = |millis| began.checked_add(Duration::from_millis(millis));
        // Later ones wait for it, earlier ones do not.
        for deadline in [None, within(60_000), within(90_000), within(20)] {
            let polled = std::future::poll_fn(|cx| Poll::Ready(alarm.poll(deadline, cx))).await;
            assert!(polled.is_pending());
        }
        let mut goes_off = async |millis| {
            let waiting = std::future::poll_fn(|cx| alarm.poll(within(millis), cx));
            tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("it goes off");
            began.elapsed()
        };
        assert!(goes_off(20).await >= Duration::from_millis(20));
        // One that went off for an earlier time goes off again.
        assert!(goes_off(60).await >= Duration::from_millis(60));
        assert!(goes_off(30).await < Duration::from_secs(10));
    }

    #[test]
    fn what_is_there_of_a_body_is_gathered() {
        let mut decoder = Decoder::Chunked(Box::default());
        let mut buffer = BytesMut::from(&b"2\r\nab\r\n1\r\nc\r\n3\r\nd"[..]);
        let Gathered { bytes, end } = decoder.gather(&mut buffer);
        assert_eq!((&bytes[..], end), (&b"abcd"[..], None));
        buffer.extend_from_slice(b"ef\r\n0\r\n\r\nnext");
        let Gathered { bytes, end } = decoder.gather(&mut buffer);
        assert_eq!((&bytes[..], end, &buffer[..]), (&b"ef"[..], Some(Ok(())), &b"next"[..]));
        let mut decoder = Decoder::Length(6);
        let Gathered { bytes, end } = decoder.gather(&mut buffer);
        assert_eq!((&bytes[..], end, decoder.wanted()), (&b"next"[..], None, 2));
    }
}
