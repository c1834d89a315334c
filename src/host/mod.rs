//! The composition root: project, build, version, shards, and the ways in.
//!
//! Purpose: put the other rooms together, and be what programs hold.
//! Key types: [`EdgeHost`], [`App`], [`Deployed`], [`HostBuilder`], [`EdgeHostBuilder`].
//! Where to look: `app` describes an app and makes versions of it, `builder` makes a host,
//! `deploy` brings apps to it and exchanges their versions, `serve` listens; this file calls.
//! Never: printing, signals, anything of the process.

mod app;
mod builder;
mod deploy;
mod serve;

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use edgehost_ext::message::{BoxError, Presence, RequestId, ResponseBody};
use http::header::HOST;
use http::{Request, Response};
use http_body::Body;
use ipnet::IpNet;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use self::app::summaries;
pub use self::app::{App, Progress, RouteSummary};
pub use self::builder::{EdgeHostBuilder, HostBuilder};
pub use self::deploy::Deployed;
use crate::enforcer::{Guard, Wedge};
use crate::error::Error;
use crate::front::{Front, FrontSettings, Peer};
use crate::instances::Instances;
use crate::isolate;
use crate::limits::Limits;
use crate::project::{Project, ProjectError};
use crate::registry::Registry;
use crate::server::Unsent;
use crate::shard::{BackendError, Lane, Lanes, Loads, Shard, ShardThread};
use crate::telemetry::Observer;
use crate::version::AppId;

struct Shared {
    registry: Arc<Registry>,
    lanes: Arc<Lanes<Front>>,
    /// Chooses among them.
    turn: AtomicUsize,
    limits: Limits,
    observer: Arc<dyn Observer>,
    guard: Arc<Guard>,
    /// Permits for connections, of all listeners.
    connections: Arc<Semaphore>,
    /// What waits for clients of all listeners.
    unsent: Arc<Unsent>,
    /// Held while shards are chosen for an app.
    placing: Mutex<()>,
}

/// Apps, ready to answer requests.
///
/// Cheap to clone; all clones are the same host. When the last one is gone, its
/// threads end. Needs no particular runtime around it, and touches nothing of the
/// process: no signal handlers, no global subscriber.
#[derive(Clone)]
pub struct EdgeHost(Arc<Shared>);

impl fmt::Debug for EdgeHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, directory) = self.0.registry.directory();
        let roots: Vec<&Path> = directory.apps().iter().map(|app| &*app.version.root).collect();
        f.debug_struct("EdgeHost").field("apps", &roots).finish_non_exhaustive()
    }
}

/// What every shard's thread is started with, also one in the place of another.
struct Start {
    registry: Arc<Registry>,
    lanes: Weak<Lanes<Front>>,
    trusted: Arc<[IpNet]>,
    loads: Loads,
    concurrency: usize,
    queue: usize,
    grace: Duration,
    observer: Arc<dyn Observer>,
}

impl Start {
    fn thread(&self, index: usize) -> io::Result<(ShardThread, Lane<Front>)> {
        let settings = FrontSettings {
            registry: self.registry.clone(),
            lanes: self.lanes.clone(),
            index,
            trusted: self.trusted.clone(),
            concurrency: self.concurrency,
            observer: self.observer.clone(),
        };
        let wedge = Wedge::new();
        let (own, load, grace) = (wedge.clone(), self.loads.begin(index), self.grace);
        let make = move || Front::new(settings, &Shard::new(own, load));
        let finish = move |front: Rc<Front>| async move {
            if front.shard().has_given_up() {
                return;
            }
            let done = front.shard().done();
            if tokio::time::timeout(grace, done).await.is_err() {
                tracing::warn!(?grace, "grace period is over: cutting answers and tasks after them");
            }
        };
        let (thread, remote) = ShardThread::spawn(index, self.queue, wedge.clone(), make, finish)?;
        Ok((thread, Lane::new(index, remote, wedge)))
    }
}

impl EdgeHost {
    /// Sets up a host with one app, for the project in `dir`.
    pub fn builder(dir: impl Into<PathBuf>) -> EdgeHostBuilder {
        EdgeHostBuilder::new(dir.into())
    }

    /// Sets up a host without apps; [`EdgeHost::deploy`] brings them to it.
    pub fn for_apps() -> HostBuilder {
        HostBuilder::new()
    }

    fn start(settings: HostBuilder) -> Result<Self, Error> {
        let HostBuilder { limits, memory_budget, shards, max_wedged, trusted, observer } = settings;
        isolate::init_platform(limits.memory, memory_budget.is_of_process());
        let registry = Registry::new();
        let lanes = Arc::new_cyclic(|lanes: &Weak<Lanes<Front>>| {
            let start = Start {
                registry: registry.clone(),
                lanes: lanes.clone(),
                trusted: trusted.into(),
                loads: Loads::default(),
                concurrency: limits.concurrency,
                queue: limits.queue.max(1),
                grace: limits.grace,
                observer: observer.clone(),
            };
            let most = max_wedged.unwrap_or_else(|| Instances::Auto.threads(None));
            Lanes::new(most, observer.clone(), move |index| start.thread(index))
        });
        for _ in 0..shards.unwrap_or_else(|| Instances::Auto.threads(None)) {
            let failed = |source| Error::System { what: "cannot start a shard thread", source };
            lanes.add().map_err(failed)?;
        }
        Ok(Self(Arc::new(Shared {
            registry,
            lanes,
            turn: AtomicUsize::new(0),
            connections: Arc::new(Semaphore::new(limits.connections)),
            unsent: Unsent::new(limits.unsent),
            limits,
            observer,
            guard: Guard::new(memory_budget),
            placing: Mutex::default(),
        })))
    }

    /// The project folder for a folder that a person named: the one that holds `app/` or
    /// `src/app/`, for that or for the app directory itself.
    ///
    /// # Errors
    ///
    /// [`ProjectError`] when there is none.
    pub fn project_root(dir: impl AsRef<Path>) -> Result<PathBuf, ProjectError> {
        Project::root_of(dir.as_ref())
    }

    /// Every route of every app, an app's in order of precedence.
    pub fn routes(&self) -> Vec<RouteSummary> {
        let (_, directory) = self.0.registry.directory();
        directory.apps().iter().flat_map(|app| summaries(&app.version)).collect()
    }

    /// How many threads serve requests: with one app, how many copies of it run; see
    /// [`EdgeHostBuilder::instances`].
    pub fn instances(&self) -> usize {
        self.0.lanes.len()
    }

    /// Answers one request to the app that its host means, on the next instance in turn.
    ///
    /// Every failure is a response; there is no error to handle.
    pub async fn call<B>(&self, request: Request<B>) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (_, directory) = self.0.registry.directory();
        let app = directory.find(|| host_of(&request)).map(|index| &directory.apps()[index]);
        self.0.call(request, app.map(|app| &*app.shards), None).await
    }

    /// Ends the host and waits until its threads are gone. Requests that were given to
    /// [`Self::call`] get their answers first, and what comes after that has
    /// [`Limits::grace`]: the rest of answers that are streams, and tasks of `after()` and
    /// `waitUntil()`. What is not done by then is cut off, which is logged: such a stream
    /// ends with an error, and tasks stop where they wait.
    ///
    /// Only the last clone ends it; on any other this does nothing. When the last one is
    /// dropped instead, the same happens, and nobody waits for it.
    pub async fn shutdown(self) {
        if let Some(shared) = Arc::into_inner(self.0) {
            let threads = shared.lanes.take_threads();
            drop(shared.lanes);
            let joined = tokio::task::spawn_blocking(move || threads.into_iter().for_each(ShardThread::join));
            let _ = joined.await;
        }
    }
}

impl Shared {
    /// Has a request answered on one of the shards, or on any; for `app`, or for the one
    /// that its host means.
    async fn call<B>(
        &self,
        request: Request<B>,
        shards: Option<&[usize]>,
        app: Option<AppId>,
    ) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let any = || (0..self.lanes.len()).collect::<Vec<_>>().into();
        let shards: Cow<'_, [usize]> = shards.map_or_else(any, Cow::Borrowed);
        let answered = self.lanes.run(&shards, turn, move |front: Rc<Front>| async move {
            let peer = Peer { address: None, secure: false, presence: Presence::default(), share: None };
            front.serve(request, peer, app).into_future().await
        });
        match answered.await {
            Ok(response) => response,
            Err(BackendError::Wedged) => crate::front::wedged(RequestId::next()),
            Err(_) => crate::front::shutting_down(RequestId::next()),
        }
    }
}

/// The host that a request names, nearly as the front finds it out again: it decides on
/// which thread that happens.
fn host_of<B>(request: &Request<B>) -> Option<&str> {
    match request.uri().host() {
        Some(host) => Some(host),
        None => {
            let host = request.headers().get(HOST)?.to_str().ok()?;
            Some(host.rsplit_once(':').map_or(host, |(host, _port)| host))
        }
    }
}

impl<B> tower_service::Service<Request<B>> for EdgeHost
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let host = self.clone();
        Box::pin(async move { Ok(Self::call(&host, request).await) })
    }
}
