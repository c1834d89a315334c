//! One TCP peer: HTTP/1.1 or HTTP/2 without TLS, whichever it speaks.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use edgehost_ext::message::Upload;
use futures::FutureExt;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;

use super::drain::DrainWatch;
use super::http1::{Connection, Served};
use super::idle::{Silence, Watch};
use super::line::{Line, Watched};
use super::listener::{Http1, HttpService, ServerSettings};
use super::named::Named;
use super::prefixed::Prefixed;
use super::stall::Stall;
use super::taking::{Answering, Outlet, Streams, Taking};
use super::unsent::Taker;
use crate::enforcer::{HeldSocket, Wedge};

/// HTTP/2 streams of one connection at the same time.
const MAX_STREAMS: u32 = 128;
/// Bytes that one HTTP/2 stream may send ahead of its reader.
const STREAM_WINDOW: u32 = 256 * 1024;
/// How often an idle HTTP/2 peer is asked whether it is still there, and how long it may take to answer.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of an answer that wait in an HTTP/2 connection for its client's window.
const SEND_BUFFER: usize = 32 * 1024;
/// How long an idle HTTP/2 peer may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);

/// Serves a client until it is over.
pub(super) async fn serve<S: HttpService>(
    stream: TcpStream,
    peer: SocketAddr,
    service: Rc<S>,
    settings: &ServerSettings,
    wedge: &Arc<Wedge>,
    drain: DrainWatch,
) {
    let held = wedge.hold(&stream);
    if settings.http1 == Http1::Hyper {
        return serve_with_hyper(stream, Some(held), Bytes::new(), peer, service, settings, drain).await;
    }
    let connection = Connection::new(stream, held, peer, service.clone(), settings);
    if let Served::Http2(stream, held, received) = connection.serve(drain.clone()).await {
        // Few clients; the others need no room for it.
        Box::pin(serve_with_hyper(stream, held, received, peer, service, settings, drain)).await;
    }
}

/// The same by hyper, which has not seen yet what was `received`.
async fn serve_with_hyper<S: HttpService>(
    stream: TcpStream,
    held: Option<HeldSocket>,
    received: Bytes,
    peer: SocketAddr,
    service: Rc<S>,
    settings: &ServerSettings,
    mut drain: DrainWatch,
) {
    let watch = Watch::new(settings.keep_alive, settings.header_read, settings.taking.silence);
    let line = Line::new();
    let taker: Arc<Taker> = Arc::default();
    let socket = Named::new(Watched::new(stream, line.clone()), watch.clone(), peer);
    if !received.is_empty() {
        watch.received(&received);
    }
    let io = Prefixed::new(received, Stall::new(socket, settings.taking, taker.clone(), held));
    let (streams, begun) = (Streams::default(), watch.clone());
    let builder = builder(settings, &watch, streams.clone());
    let patience = settings.taking;
    let common = service.connected();
    let outlet = Rc::new(Outlet { account: settings.unsent.clone(), taker: taker.clone() });
    let here = line.clone();
    let answer = service_fn(move |request: Request<Incoming>| {
        let taking = (request.version() == http::Version::HTTP_2).then(|| {
            let taking = Taking::new(begun.stream(), patience);
            streams.next_is(&taking);
            taking
        });
        let (here, outlet) = (here.clone(), outlet.clone());
        let presence = here.begin(request.version());
        service.serve(request.map(Upload::of), peer, presence, &common).map(move |response| {
            here.answered(response.body());
            Ok::<_, Infallible>(response.map(|body| Answering::new(body, taking, outlet)))
        })
    });
    let connection = builder.serve_connection(TokioIo::new(io), answer);
    tokio::pin!(connection);
    let silence = watch.silence();
    let serving = async {
        tokio::select! {
            // In this order: what happens on the connection changes how long it may be silent.
            biased;
            result = connection.as_mut() => result,
            () = drain.draining() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    result = connection.as_mut() => result,
                    () = drain.cutting() => Ok(()),
                }
            }
            silence = silence => {
                tracing::debug!(%peer, ?silence, "closing a connection");
                match silence {
                    Silence::SlowHead => Ok(()),
                    Silence::Idle | Silence::Unread => {
                        connection.as_mut().graceful_shutdown();
                        let goodbye = async {
                            loop {
                                tokio::time::sleep(GOODBYE.min(settings.taking.silence)).await;
                                if watch.may_be_cut() {
                                    return;
                                }
                            }
                        };
                        tokio::select! {
                            result = connection.as_mut() => result,
                            () = goodbye => Ok(()),
                            () = drain.cutting() => Ok(()),
                        }
                    }
                }
            }
        }
    };
    let result = tokio::select! {
        biased;
        result = serving => result,
        () = line.gone() => Ok(()),
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

fn builder(settings: &ServerSettings, watch: &Watch, streams: Streams) -> Builder<Streams> {
    let mut builder = Builder::new(streams);
    builder
        .http1()
        .timer(watch.head_timer())
        // A client that has sent everything may still wait for its answer: see `line`.
        .half_close(true)
        .header_read_timeout(settings.header_read)
        .max_headers(settings.header_count)
        // Not `pipeline_flush`: with it hyper takes a body as fast as it is produced,
        // whether or not the peer reads.
        .max_buf_size(settings.headers.max(8 * 1024));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(settings.headers).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}
