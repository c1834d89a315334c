//! Accepts connections on a shard's own thread.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use edgehost_ext::message::{Patience, Presence, ResponseBody, Upload};
use http::{Request, Response};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::connection;
use super::drain::DrainWatch;
use super::unsent::Unsent;
use crate::enforcer::Wedge;

/// What answers requests; made once for each shard.
pub(crate) trait HttpService: 'static {
    /// A response that is there, or on its way.
    type Serving: Future<Output = Response<ResponseBody>> + 'static;
    /// What requests of one connection have in common.
    type Common: 'static;

    /// Whether others had better accept what comes next.
    fn is_crowded(&self) -> bool;

    /// A connection begins.
    fn connected(&self) -> Self::Common;

    /// Answers one request from a connection.
    fn serve(
        &self,
        request: Request<Upload>,
        peer: SocketAddr,
        presence: Presence,
        common: &Self::Common,
    ) -> Self::Serving;
}

/// Who speaks HTTP/1.1 with clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Http1 {
    /// This crate: faster, and strict about what could be read in two ways.
    #[default]
    Own,
    /// hyper, which speaks HTTP/2 in any case.
    Hyper,
}

/// Caps and times of connections.
#[derive(Debug, Clone)]
pub(crate) struct ServerSettings {
    /// Who speaks HTTP/1.1.
    pub(crate) http1: Http1,
    /// Longest head of a request, in bytes.
    pub(crate) headers: usize,
    /// Most header lines.
    pub(crate) header_count: usize,
    /// Longest time that a head may take once it has begun.
    pub(crate) header_read: Duration,
    /// Longest time without a request.
    pub(crate) keep_alive: Duration,
    /// How slowly clients may take their answers.
    pub(crate) taking: Patience,
    /// What waits for clients, of all shards.
    pub(crate) unsent: Arc<Unsent>,
    /// Permits for connections, shared by all shards.
    pub(crate) connections: Arc<Semaphore>,
}

/// Pause after an error of `accept` that will not pass by itself, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Pause before a crowded shard looks again whether it is one.
const CROWDED_PAUSE: Duration = Duration::from_millis(5);

/// One shard's share of a listener.
pub(crate) struct Acceptor {
    listener: StdListener,
    settings: ServerSettings,
    wedge: Arc<Wedge>,
    drain: DrainWatch,
}

impl Acceptor {
    /// A share of `listener`, which must be non-blocking, for the thread that `wedge`
    /// tells of. The shares take turns.
    ///
    /// # Errors
    ///
    /// When the socket cannot be duplicated.
    pub(crate) fn new(
        listener: &StdListener,
        settings: ServerSettings,
        wedge: Arc<Wedge>,
        drain: DrainWatch,
    ) -> io::Result<Self> {
        Ok(Self { listener: listener.try_clone()?, settings, wedge, drain })
    }

    /// Accepts and serves until the drain is over. Call inside a `LocalSet`.
    pub(crate) async fn run<S: HttpService>(self, service: Rc<S>) -> io::Result<()> {
        let Self { listener, settings, wedge, mut drain } = self;
        let listener = TcpListener::from_std(listener)?;
        let mut connections = JoinSet::new();
        let settings = Rc::new(settings);
        loop {
            let accepting = async {
                while service.is_crowded() {
                    tokio::time::sleep(CROWDED_PAUSE).await;
                }
                accept(&listener, &settings).await
            };
            let accepted = tokio::select! {
                biased;
                // A thread that was written off and has come back takes nothing from the others.
                () = wedge.wedged() => break,
                () = drain.draining() => break,
                Some(_) = connections.join_next() => continue,
                accepted = accepting => accepted,
            };
            match accepted {
                Ok((stream, peer, permit)) => {
                    let (service, settings, drain) = (service.clone(), settings.clone(), drain.clone());
                    let (wedge, permit) = (wedge.clone(), wedge.lend(permit));
                    connections.spawn_local(async move {
                        connection::serve(stream, peer, service, &settings, &wedge, drain).await;
                        drop(permit);
                    });
                }
                Err(error) if is_of_peer(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
        Ok(())
    }
}

type Accepted = (tokio::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, settings: &ServerSettings) -> io::Result<Accepted> {
    // While all permits are taken, new connections wait in the system's backlog.
    let permit = settings.connections.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    let _ = stream.set_nodelay(true);
    Ok((stream, peer, permit))
}

/// Errors that concern one connection, not the listener.
fn is_of_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
