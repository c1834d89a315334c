//! Bodies that `fetch` receives: decoded, and with their sockets accounted for.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use deno_core::futures::{Stream, StreamExt, stream};
use deno_core::{
    AsyncResult, BufView, CancelHandle, CancelTryFuture, OpState, RcRef, Resource, ResourceId, op2,
};
use deno_error::JsErrorBox;
use deno_fetch::{FetchResponseReader, FetchResponseResource};
use http::Method;
use http_body_util::{BodyExt, Full};
use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio_util::io::{ReaderStream, StreamReader};

use super::{Panicked, SharedExchanges, contained};
use crate::message::{Handle, Reader, Upstream, decoded};

/// Bytes of a body that are kept so that its socket can be given back.
const KEPT: usize = 64 * 1024;
/// A body that nobody has read for so long is not being read.
const IDLE: Duration = Duration::from_secs(5);

type Source = Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>;

/// The body of a response, until it has been read to its end.
struct UpstreamBody {
    inner: RefCell<Inner>,
    is_read: Cell<bool>,
    read_at: Cell<Instant>,
    /// How long it is, where that is known.
    size: Option<u64>,
    /// The request that fetched it, if it was one.
    owner: Option<Handle>,
    exchanges: SharedExchanges,
    cancel: CancelHandle,
}

struct Inner {
    ahead: VecDeque<Bytes>,
    kept: usize,
    /// None once the body has ended: its socket belongs to others, or is closed.
    source: Option<Source>,
    failure: Option<String>,
}

impl Inner {
    /// Reads one piece from the socket.
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(source) = &mut self.source else { return Poll::Ready(()) };
        match source.as_mut().poll_next(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Ok(piece))) => {
                self.kept += piece.len();
                if !piece.is_empty() {
                    self.ahead.push_back(piece);
                }
            }
            Poll::Ready(Some(Err(error))) => {
                self.failure = Some(error.to_string());
                self.source = None;
            }
            Poll::Ready(None) => self.source = None,
        }
        Poll::Ready(())
    }

    fn next(&mut self, limit: usize) -> Option<Result<Bytes, JsErrorBox>> {
        if let Some(mut piece) = self.ahead.pop_front() {
            if piece.len() > limit {
                self.ahead.push_front(piece.split_off(limit));
            }
            self.kept -= piece.len();
            return Some(Ok(piece));
        }
        if self.source.is_some() {
            return None;
        }
        Some(self.failure.clone().map_or(Ok(Bytes::new()), |failure| Err(JsErrorBox::type_error(failure))))
    }
}

impl UpstreamBody {
    fn is_of_the_past(&self) -> bool {
        self.owner.is_some_and(|owner| self.exchanges.borrow_mut().in_flight(owner).is_none())
    }
}

impl Upstream for UpstreamBody {
    fn settle(&self) {
        if self.is_read.get() {
            return;
        }
        let mut inner = self.inner.borrow_mut();
        let cx = &mut Context::from_waker(Waker::noop());
        while inner.source.is_some() && inner.kept < KEPT {
            if inner.poll_source(cx).is_pending() {
                break;
            }
        }
    }

    fn is_idle(&self) -> bool {
        !self.is_read.get() && self.read_at.get().elapsed() >= IDLE
    }

    fn close_socket(&self) {
        self.settle();
        let mut inner = self.inner.borrow_mut();
        if !self.is_read.get() && inner.source.take().is_some() {
            inner.failure =
                Some("the request that fetched this body is over, and its socket was closed".to_owned());
        }
    }

    fn is_open(&self) -> bool {
        self.inner.borrow().source.is_some()
    }
}

struct Reading<'a>(&'a UpstreamBody);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.is_read.set(false);
        self.0.read_at.set(Instant::now());
    }
}

impl Resource for UpstreamBody {
    fn name(&self) -> Cow<'_, str> {
        UPSTREAM.into()
    }

    fn read(self: Rc<Self>, limit: usize) -> AsyncResult<BufView> {
        let cancel = RcRef::map(self.clone(), |body| &body.cancel);
        Box::pin(
            async move {
                self.is_read.set(true);
                let _reading = Reading(&self);
                std::future::poll_fn(|cx| {
                    let mut inner = self.inner.borrow_mut();
                    loop {
                        if let Some(piece) = inner.next(limit) {
                            return Poll::Ready(piece.map(BufView::from));
                        }
                        if inner.poll_source(cx).is_pending() {
                            return Poll::Pending;
                        }
                    }
                })
                .await
            }
            .try_or_cancel(cancel),
        )
    }

    fn size_hint(&self) -> (u64, Option<u64>) {
        (self.size.unwrap_or(0), self.size)
    }

    fn close(self: Rc<Self>) {
        self.cancel.cancel();
    }
}

/// The name of these bodies in the table of resources.
pub(super) const UPSTREAM: &str = "upstreamBody";

/// How many bodies have a socket.
pub(super) fn open_upstreams(state: &OpState) -> usize {
    bodies(state).filter(|body| body.is_open()).count()
}

fn bodies(state: &OpState) -> impl Iterator<Item = Rc<UpstreamBody>> {
    let table = &state.resource_table;
    table
        .names()
        .filter(|(_, name)| name == UPSTREAM)
        .filter_map(|(rid, _)| table.get::<UpstreamBody>(rid).ok())
}

/// Takes over the body of a response: decoded by what `decoders` lists, and closed at the
/// latest some time after the request with this handle is over. Called by
/// runtime-js/00_bodies.js.
#[op2(fast)]
#[smi]
pub(crate) fn op_edgehost_upstream(
    state: &mut OpState,
    #[smi] rid: ResourceId,
    #[string] decoders: String,
    handle: f64,
) -> Result<ResourceId, JsErrorBox> {
    let resource = state.resource_table.take::<FetchResponseResource>(rid).map_err(JsErrorBox::from_err)?;
    let resource = Rc::try_unwrap(resource).map_err(|_| JsErrorBox::type_error("The body is being read"))?;
    let FetchResponseResource { response_reader, size, .. } = resource;
    let FetchResponseReader::Start(response) = response_reader.into_inner() else {
        return Err(JsErrorBox::type_error("The body is being read"));
    };
    let size = size.filter(|_| decoders.is_empty());
    let raw = response.into_body().into_data_stream().map(|piece| piece.map_err(io::Error::other));
    let source: Source = if decoders.is_empty() {
        Box::pin(raw)
    } else {
        let reader: Reader = Box::pin(StreamReader::new(Box::pin(raw)));
        Box::pin(
            stream::once(async move { decoded(reader, &decoders).await })
                .map(|reader| -> Source {
                    match reader {
                        Ok(reader) => Box::pin(ReaderStream::new(reader)),
                        Err(error) => Box::pin(stream::once(async { Err(error) })),
                    }
                })
                .flatten(),
        )
    };
    let exchanges = state.borrow::<SharedExchanges>().clone();
    let owner = (handle >= 0.0).then(|| Handle::from_number(handle));
    let inner = Inner { ahead: VecDeque::new(), kept: 0, source: Some(source), failure: None };
    let body = Rc::new(UpstreamBody {
        inner: RefCell::new(inner),
        is_read: Cell::new(false),
        read_at: Cell::new(Instant::now()),
        size,
        owner,
        exchanges: exchanges.clone(),
        cancel: CancelHandle::new(),
    });
    let mut exchanges = exchanges.borrow_mut();
    if let Some(exchange) = owner.and_then(|owner| exchanges.in_flight(owner)) {
        if exchange.upstreams.len().is_power_of_two() {
            exchange.upstreams.retain(|other| other.strong_count() > 0);
        }
        let body: Rc<dyn Upstream> = body.clone();
        exchange.upstreams.push(Rc::downgrade(&body));
    }
    drop(exchanges);
    Ok(state.resource_table.add_rc(body))
}

/// Gives back the sockets of bodies that have arrived, and of those whose request is
/// over. Called by runtime-js/01_bootstrap.js when there is no room for one more.
#[op2]
pub(crate) async fn op_edgehost_make_room(state: Rc<RefCell<OpState>>) {
    // What a socket holds arrives in the task of its connection.
    for _ in 0..4 {
        let open: Vec<_> = bodies(&state.borrow()).filter(|body| body.is_open()).collect();
        if open.is_empty() {
            break;
        }
        for body in open {
            if body.is_of_the_past() {
                body.close_socket();
            } else {
                body.settle();
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Closes what a request that is over has fetched and nobody reads.
pub async fn close_upstreams(mut upstreams: Vec<Weak<dyn Upstream>>) {
    while !upstreams.is_empty() {
        tokio::time::sleep(IDLE / 4).await;
        upstreams.retain(|upstream| {
            let Some(upstream) = upstream.upgrade() else { return false };
            upstream.settle();
            if upstream.is_idle() {
                upstream.close_socket();
            }
            upstream.is_open()
        });
    }
}

/// Has requests that change something sent once only: deno_fetch sends again what it
/// can copy when a kept connection ends before the answer, whether or not the
/// request has been acted on.
pub(crate) fn send_once(request: &mut http::Request<deno_fetch::ReqBody>) -> Result<(), JsErrorBox> {
    if !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        let body = std::mem::replace(request.body_mut(), deno_fetch::ReqBody::empty());
        *request.body_mut() = match body {
            deno_fetch::ReqBody::Full(full) => streaming(full),
            deno_fetch::ReqBody::Empty(_) => streaming(Full::default()),
            body => body,
        };
    }
    Ok(())
}

fn streaming(body: Full<Bytes>) -> deno_fetch::ReqBody {
    deno_fetch::ReqBody::streaming(body.map_err(|never| match never {}))
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether bytes are those that integrity metadata names (Subresource Integrity,
/// section 3.3). Called by runtime-js/00_bodies.js.
#[op2(fast)]
pub(crate) fn op_edgehost_is_integral(
    #[string] metadata: &str,
    #[buffer] bytes: &[u8],
) -> Result<bool, Panicked> {
    contained(|| is_integral(metadata, bytes))
}

fn is_integral(metadata: &str, bytes: &[u8]) -> bool {
    let mut strongest = 0;
    let mut named: Vec<Vec<u8>> = Vec::new();
    for item in metadata.split_ascii_whitespace() {
        let Some((algorithm, value)) = item.split_once('-') else { continue };
        let bits = match algorithm.to_ascii_lowercase().as_str() {
            "sha256" => 256,
            "sha384" => 384,
            "sha512" => 512,
            _ => continue,
        };
        let value = value.split('?').next().unwrap_or_default().replace('-', "+").replace('_', "/");
        if bits < strongest {
            continue;
        }
        if bits > strongest {
            strongest = bits;
            named.clear();
        }
        // One that cannot be decoded matches nothing.
        named.push(BASE64.decode(value).unwrap_or_default());
    }
    let digest = match strongest {
        256 => Sha256::digest(bytes).to_vec(),
        384 => Sha384::digest(bytes).to_vec(),
        512 => Sha512::digest(bytes).to_vec(),
        _ => return true,
    };
    named.contains(&digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_hash_counts() {
        let of = |bytes: &[u8]| BASE64.encode(Sha512::digest(bytes));
        let weak = BASE64.encode(Sha256::digest(b"other"));
        let check = |metadata: &str| is_integral(metadata, b"body");
        assert!(check(""));
        assert!(check("md5-x nothing"));
        assert!(check(&format!("sha256-{weak} sha512-{}", of(b"body"))));
        assert!(!check(&format!("sha256-{weak}")));
        assert!(!check(&format!("sha512-{}", of(b"other"))));
        assert!(check(&format!("sha512-{}?opt sha512-{}", of(b"other"), of(b"body"))));
        assert!(!check("sha512-!"));
    }
}
