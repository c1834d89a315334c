//! The composition root: project, build, version, shards, and the ways in.
//!
//! Purpose: put the other rooms together, and be what programs hold.
//! Key types: [`EdgeHost`], [`App`], [`Deployed`], [`HostBuilder`], [`EdgeHostBuilder`].
//! Where to look: `app` describes an app and makes versions of it, `builder` makes a host,
//! `sources` reads what it is made of, `ship` builds it for other machines,
//! `deploy` brings apps to it and exchanges their versions, `serve` listens, `mounted` puts it under a
//! path of a router; this file calls and ends.
//! Never: printing, signals, anything of the process.

mod app;
mod builder;
mod deploy;
#[cfg(test)]
mod fast_ops;
mod mounted;
mod serve;
mod ship;
mod sources;
mod types;

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use edgehost_ext::message::{BoxError, Given, Presence, RequestId, ResponseBody, Upload};
use http::header::HOST;
use http::{Request, Response};
use http_body::Body;
use ipnet::IpNet;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use self::app::summaries;
pub use self::app::{App, Progress, RouteSummary};
pub use self::builder::{EdgeHostBuilder, HostBuilder};
pub use self::deploy::{Deployed, Update};
pub use self::mounted::Mounted;
pub use self::ship::{BuildSummary, ReadFile};
use crate::calling::{self, Mount};
use crate::ending::{Ending, EndingWatch, ShutdownReport};
use crate::enforcer::{Guard, Wedge};
use crate::error::Error;
use crate::front::{Front, FrontSettings, Pages, Peer};
use crate::instances::Instances;
use crate::isolate;
use crate::limits::Limits;
use crate::project::{Project, ProjectError};
use crate::registry::Registry;
use crate::server::{Http1, Unsent};
use crate::shard::{BackendError, Lane, Lanes, Loads, Shard, ShardThread};
use crate::telemetry::Observer;
use crate::version::AppId;

struct Shared {
    registry: Arc<Registry>,
    lanes: Arc<Lanes<Front>>,
    /// Chooses among them.
    turn: AtomicUsize,
    limits: Limits,
    http1: Http1,
    observer: Arc<dyn Observer>,
    guard: Arc<Guard>,
    /// Permits for connections, of all listeners.
    connections: Arc<Semaphore>,
    /// What waits for clients of all listeners.
    unsent: Arc<Unsent>,
    /// Finds the peer of a request that was handed over, where the program has a type of its own for that.
    peer_from: Option<PeerFrom>,
    ending: Ending,
    /// How the host has ended, once it has.
    ended: watch::Sender<Option<ShutdownReport>>,
    /// Held while shards are chosen for an app.
    placing: Mutex<()>,
}

/// Reads a peer out of the extensions of a request.
pub(crate) type PeerFrom = Arc<dyn Fn(&http::Extensions) -> Option<calling::Peer> + Send + Sync>;

/// How much longer than its grace period a shutdown waits for threads that run JavaScript.
const JOIN_PATIENCE: Duration = Duration::from_secs(1);

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
    ending: EndingWatch,
    observer: Arc<dyn Observer>,
    pages: Option<Arc<dyn Pages>>,
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
            pages: self.pages.clone(),
        };
        let wedge = Wedge::new();
        let (own, load, grace) = (wedge.clone(), self.loads.begin(index), self.grace);
        let make = move || Front::new(settings, &Shard::new(own, load));
        let end = self.ending.clone();
        let finish = move |front: Rc<Front>| async move {
            let until = end.until().unwrap_or_else(|| Instant::now() + grace);
            let is_done = !front.shard().has_given_up()
                && tokio::time::timeout_at(until.into(), front.shard().done()).await.is_ok();
            if is_done && front.is_idle() {
                return Vec::new();
            }
            let cut_off = front.cut();
            for cut_off in &cut_off {
                tracing::warn!(app = cut_off.app.as_deref(), "grace period is over: cut off {cut_off}");
            }
            cut_off
        };
        let ending = self.ending.clone();
        let (thread, remote) = ShardThread::spawn(index, self.queue, wedge.clone(), ending, make, finish)?;
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
        let HostBuilder {
            limits,
            memory_budget,
            shards,
            max_wedged,
            trusted,
            peer_from,
            http1,
            observer,
            pages,
        } = settings;
        isolate::init_platform(limits.memory, memory_budget.is_of_process());
        let (registry, ending) = (Registry::new(), Ending::new());
        let lanes = Arc::new_cyclic(|lanes: &Weak<Lanes<Front>>| {
            let start = Start {
                registry: registry.clone(),
                lanes: lanes.clone(),
                trusted: trusted.into(),
                loads: Loads::default(),
                concurrency: limits.concurrency,
                queue: limits.queue.max(1),
                grace: limits.grace,
                ending: ending.watch(),
                observer: observer.clone(),
                pages: pages.clone(),
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
            http1,
            observer,
            guard: Guard::new(memory_budget),
            peer_from,
            ending,
            ended: watch::Sender::new(None),
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

    /// Ends the host, whatever clones of it there are, and waits until its threads are gone.
    ///
    /// Requests that have begun get their answers, and what comes after that is done: the rest
    /// of answers that are streams, and tasks of `after()` and `waitUntil()`. What is not done
    /// after `grace` is cut off, and the report tells what that was: requests without an answer
    /// get 503 `SHUTTING_DOWN`, streams end with an error, and tasks stop where they wait.
    /// [`Self::serve`] stops to listen at once, and returns.
    ///
    /// Requests that come later are answered with 503 `SHUTTING_DOWN`; [`Self::deploy`],
    /// [`Deployed::replace`] and [`Self::serve`] fail with [`Error::Ended`]. Whoever else calls
    /// this waits for the same end, which the shorter time brings about, and gets the same report.
    ///
    /// When the last clone is dropped instead, requests get their answers, what comes after that
    /// has [`Limits::grace`], and nobody waits for it.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let host = edgehost::EdgeHost::builder("./my-project").build().await?;
    /// let report = host.shutdown(std::time::Duration::from_secs(10)).await;
    /// for cut_off in &report.cut_off {
    ///     eprintln!("cut off: {cut_off}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        self.0.end(grace);
        let mut ended = self.0.ended.subscribe();
        let report = ended.wait_for(Option::is_some).await;
        report.ok().and_then(|report| report.clone()).unwrap_or_default()
    }
}

impl Shared {
    /// Begins the end of the host, or brings it nearer.
    fn end(self: &Arc<Self>, grace: Duration) {
        let began = Instant::now();
        self.lanes.close();
        if !self.ending.begin(grace) {
            // Somebody else waits for the threads.
            return;
        }
        let threads = self.lanes.take_threads();
        let shared = self.clone();
        let wait = move || {
            let watch = shared.ending.watch();
            let has_time = || watch.until().is_none_or(|until| Instant::now() < until + JOIN_PATIENCE);
            // Those that were written off are not waited for either.
            let mut report = ShutdownReport { threads: shared.lanes.stuck(), ..ShutdownReport::default() };
            for thread in threads {
                match thread.join(has_time) {
                    Some(cut_off) => report.add(cut_off),
                    None => report.threads += 1,
                }
            }
            // The watchdog may hold a version for a moment longer than the process lives.
            let (_, directory) = shared.registry.directory();
            directory.apps().iter().for_each(|app| app.version.leave());
            report.took = began.elapsed();
            shared.ended.send_replace(Some(report));
        };
        // A thread of its own: the program need not run on tokio.
        let spawned = std::thread::Builder::new().name("edgehost-ending".to_owned()).spawn(wait);
        if let Err(error) = spawned {
            tracing::error!(%error, "nobody waits for the threads of the host: no thread can be started");
            self.ended.send_replace(Some(ShutdownReport::default()));
        }
    }

    /// Whether the host takes no more requests.
    fn has_ended(&self) -> bool {
        self.ending.has_begun()
    }

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
        let Caller { address, secure, given } = self.caller(&request);
        let answered = self.lanes.run(&shards, turn, move |front: Rc<Front>| async move {
            let presence = Presence::default();
            let peer = Peer { address, secure, wire: false, presence, share: None, given };
            front.serve(request.map(Upload::of), peer, app).into_future().await
        });
        match answered.await {
            Ok(response) => response,
            Err(BackendError::Wedged) => crate::front::wedged(RequestId::next()),
            Err(_) => crate::front::shutting_down(RequestId::next()),
        }
    }
}

/// What a program says of a request that it hands over.
struct Caller {
    address: Option<IpAddr>,
    secure: bool,
    given: Option<Box<Given>>,
}

impl Shared {
    fn caller<B>(&self, request: &Request<B>) -> Caller {
        let extensions = request.extensions();
        let peer = extensions.get::<calling::Peer>().copied();
        let peer = peer.or_else(|| self.peer_from.as_ref()?(extensions));
        let context = extensions.get::<calling::Context>().map(calling::Context::text);
        let mount = extensions.get::<Mount>().and_then(Mount::text);
        Caller {
            address: peer.map(|peer| peer.address.to_canonical()),
            // Without a peer, whoever has made the request knows.
            secure: peer.map_or_else(|| request.uri().scheme_str() == Some("https"), |peer| peer.secure),
            given: (context.is_some() || mount.is_some()).then(|| Box::new(Given { context, mount })),
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

/// The same for all that answers requests by a `call` of its own.
macro_rules! service {
    ($($answering:ty),*) => {$(
        impl<B> tower_service::Service<Request<B>> for $answering
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
                let answering = self.clone();
                Box::pin(async move { Ok(Self::call(&answering, request).await) })
            }
        }
    )*};
}

service!(EdgeHost, Deployed);
