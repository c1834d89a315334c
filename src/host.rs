//! The composition root: project, bundle, shards, and the ways in.

use std::convert::Infallible;
use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use edgehost_ext::message::{BoxError, RequestId, ResponseBody, Site};
use http::{Request, Response};
use http_body::Body;
use ipnet::IpNet;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use crate::bundle::{self, Bundle, Conditions, Problem};
use crate::enforcer::Access;
use crate::error::Error;
use crate::front::{Front, FrontSettings, Peer, Serving};
use crate::isolate::{self, App, AppRoute};
use crate::limits::Limits;
use crate::permissions::Permissions;
use crate::project::{Environment, MethodSet, Project, RouteTable};
use crate::server::{Acceptor, Drain, HttpService, ServerSettings};
use crate::shard::{Remote, Shard, ShardThread};

/// What happens while a host is built, for those who want to show it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// The routes were found.
    Found {
        /// How many.
        routes: usize,
        /// Remarks about the files, full sentences.
        hints: &'a [String],
    },
    /// No bundle of last time can be used: this many routes are being bundled.
    Bundling {
        /// How many.
        routes: usize,
    },
    /// The bundle is there.
    Bundled {
        /// How many routes are in it.
        routes: usize,
        /// How many packages of `node_modules` are in it.
        packages: usize,
        /// Whether it is that of last time.
        cached: bool,
        /// How long it took.
        took: Duration,
        /// Complaints about the user's own files that stop nobody.
        warnings: &'a [Problem],
    },
}

/// A route as it is shown to people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteSummary {
    /// The pattern, such as `/items/[id]`.
    pub pattern: String,
    /// Exported methods.
    pub methods: Vec<&'static str>,
    /// The route file, relative to the project.
    pub file: String,
    /// `nodejs` or `edge`.
    pub runtime: &'static str,
    /// The wall limit that applies, in whole seconds if the route asks for one.
    pub max_duration: Option<u32>,
}

/// Sets up an [`EdgeHost`].
#[must_use = "a builder does nothing until it is built"]
pub struct EdgeHostBuilder {
    dir: PathBuf,
    limits: Limits,
    permissions: Permissions,
    conditions: Conditions,
    shards: usize,
    environment: Environment,
    public_origin: Option<String>,
    trusted: Vec<IpNet>,
    progress: Box<dyn FnMut(Progress<'_>) + Send>,
}

impl fmt::Debug for EdgeHostBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeHostBuilder")
            .field("dir", &self.dir)
            .field("limits", &self.limits)
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}

impl EdgeHostBuilder {
    /// Ceilings; [`Limits::default`] otherwise.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What user code may reach; [`Permissions::default`] otherwise.
    pub fn permissions(mut self, permissions: Permissions) -> Self {
        self.permissions = permissions;
        self
    }

    /// Which variants of packages routes of the Node runtime get, by the names of
    /// conditional exports; `node`, `module`, `react-server` and `production` otherwise.
    pub fn conditions<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.conditions.node = names.into_iter().map(Into::into).collect();
        self
    }

    /// As [`Self::conditions`] for edge routes; `edge-light`, `browser`, `module`,
    /// `react-server` and `production` otherwise.
    pub fn edge_conditions<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.conditions.edge = names.into_iter().map(Into::into).collect();
        self
    }

    /// How many threads serve requests; as many as there are cores otherwise, at least one.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards.max(1);
        self
    }

    /// The variables that come before those of `.env` files; those of this process otherwise.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Scheme and host that `request.url` shows, such as `https://example.com`.
    pub fn public_origin(mut self, origin: impl Into<String>) -> Self {
        self.public_origin = Some(origin.into().trim_end_matches('/').to_owned());
        self
    }

    /// Proxies whose `x-forwarded-*` headers are believed.
    pub fn trust_proxies(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.trusted.extend(networks);
        self
    }

    /// Is told what happens while the host is built.
    pub fn on_progress(mut self, progress: impl FnMut(Progress<'_>) + Send + 'static) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// Reads and bundles the project and starts the shards.
    ///
    /// # Errors
    ///
    /// [`Error`] when the project is not in order, cannot be bundled, or threads cannot be had.
    pub async fn build(mut self) -> Result<EdgeHost, Error> {
        isolate::init_platform();
        let (app, table) = self.load().await?;
        EdgeHost::start(&app, &table, self.shards, self.public_origin, &self.trusted)
    }

    /// Reads and bundles the project, and tells its routes in order of precedence.
    ///
    /// # Errors
    ///
    /// [`Error`] when the project is not in order or cannot be bundled.
    pub async fn routes(mut self) -> Result<Vec<RouteSummary>, Error> {
        let (app, _) = self.load().await?;
        Ok(summaries(&app))
    }

    async fn load(&mut self) -> Result<(Arc<App>, Arc<RouteTable>), Error> {
        let project = Project::open(&self.dir, &self.environment)?;
        (self.progress)(Progress::Found { routes: project.routes.routes().len(), hints: &hints(&project) });
        let began = Instant::now();
        let progress = &mut self.progress;
        let bundle =
            bundle::bundle(&project, &self.conditions, |routes| progress(Progress::Bundling { routes }))
                .await?;
        progress(Progress::Bundled {
            routes: project.routes.routes().len(),
            packages: bundle.packages(),
            cached: bundle.cached,
            took: began.elapsed(),
            warnings: &bundle.warnings,
        });
        app(project, bundle, self.limits.clone(), self.permissions.clone())
    }
}

/// Remarks about route files and about files that are left alone.
fn hints(project: &Project) -> Vec<String> {
    let mut hints: Vec<String> =
        project.routes.routes().iter().flat_map(|route| route.segment.hints.iter().cloned()).collect();
    for file in &project.ignored.extensions {
        hints.push(format!(
            "{} is no route: only route.tsx, .ts, .jsx and .js are.",
            file.strip_prefix(&project.root).unwrap_or(file).display()
        ));
    }
    for file in &project.ignored.intercepting {
        hints.push(format!(
            "{} is skipped: intercepting routes exist only for navigation in a browser.",
            file.strip_prefix(&project.root).unwrap_or(file).display()
        ));
    }
    for (path, effect) in &project.ignored.beside {
        hints.push(format!(
            "{} is not supported: {effect}.",
            path.strip_prefix(&project.root).unwrap_or(path).display()
        ));
    }
    if project.ignored.conventions > 0 {
        hints.push(format!(
            "{} files of other Next.js conventions (pages, layouts, metadata) are not served.",
            project.ignored.conventions
        ));
    }
    hints
}

fn app(
    project: Project,
    bundle: Bundle,
    limits: Limits,
    permissions: Permissions,
) -> Result<(Arc<App>, Arc<RouteTable>), Error> {
    let access = Access::new(permissions, &project.root, &bundle.packages_above(&project.root))
        .map_err(|error| Error::Permissions(error.to_string()))?;
    let routes = project
        .routes
        .routes()
        .iter()
        .zip(bundle.entries)
        .map(|(route, entry)| AppRoute::new(route, entry, &limits))
        .collect();
    let production = project.environment.get("NODE_ENV") == Some("production");
    let app = App {
        draft_secret: draft_secret(&project.root)?,
        root: project.root,
        routes,
        chunks: bundle.chunks,
        node: bundle.node,
        env: project
            .environment
            .iter()
            .filter(|(name, _)| access.shows(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        production,
        sync_params: project.sync_params,
        limits,
        access,
    };
    Ok((Arc::new(app), Arc::new(project.routes)))
}

/// What `draftMode()` compares its cookie with: 32 hex digits, kept in `.edgehost/`
/// so that a restart does not end every draft.
fn draft_secret(root: &Path) -> Result<String, Error> {
    let path = root.join(".edgehost").join("draft-secret");
    if let Ok(kept) = std::fs::read_to_string(&path)
        && kept.len() == 32
    {
        return Ok(kept);
    }
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| Error::System {
        what: "cannot make a secret for draft mode",
        source: std::io::Error::other(error.to_string()),
    })?;
    let secret: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let _ = std::fs::create_dir_all(root.join(".edgehost"));
    let _ = std::fs::write(&path, &secret);
    Ok(secret)
}

/// The service of one shard.
struct Service(Rc<Front>);

impl HttpService for Service {
    type Serving = Serving;

    fn serve(&self, request: Request<hyper::body::Incoming>, peer: SocketAddr) -> Serving {
        self.0.serve(request, Peer { address: Some(peer.ip().to_canonical()), secure: false })
    }
}

struct Shared {
    app: Arc<App>,
    remotes: Vec<Remote<Service>>,
    next: AtomicUsize,
    threads: Mutex<Vec<ShardThread>>,
}

/// An app, ready to answer requests.
///
/// Cheap to clone; all clones are the same host. When the last one is gone, its
/// threads end. Needs no particular runtime around it, and touches nothing of the
/// process: no signal handlers, no global subscriber.
#[derive(Clone)]
pub struct EdgeHost(Arc<Shared>);

impl fmt::Debug for EdgeHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeHost")
            .field("root", &self.0.app.root)
            .field("shards", &self.0.remotes.len())
            .finish_non_exhaustive()
    }
}

impl EdgeHost {
    /// Sets up a host for the project in `dir`.
    pub fn builder(dir: impl Into<PathBuf>) -> EdgeHostBuilder {
        EdgeHostBuilder {
            dir: dir.into(),
            limits: Limits::default(),
            permissions: Permissions::default(),
            conditions: Conditions::default(),
            shards: std::thread::available_parallelism().map_or(1, usize::from),
            environment: Environment::of_process(),
            public_origin: None,
            trusted: Vec::new(),
            progress: Box::new(|_| {}),
        }
    }

    fn start(
        app: &Arc<App>,
        table: &Arc<RouteTable>,
        shards: usize,
        public_origin: Option<String>,
        trusted: &[IpNet],
    ) -> Result<Self, Error> {
        let site = Arc::new(Site { fallback: "localhost".to_owned(), public: public_origin });
        let mut remotes = Vec::with_capacity(shards);
        let mut threads = Vec::with_capacity(shards);
        for index in 0..shards {
            let settings = FrontSettings {
                table: table.clone(),
                app: app.clone(),
                site: site.clone(),
                trusted: trusted.to_vec(),
            };
            let make = move || {
                let shard = Shard::new(settings.app.clone());
                Service(Rc::new(Front::new(settings, shard)))
            };
            let (thread, remote) = ShardThread::spawn(index, app.limits.queue.max(1), make)
                .map_err(|source| Error::System { what: "cannot start a shard thread", source })?;
            threads.push(thread);
            remotes.push(remote);
        }
        Ok(Self(Arc::new(Shared {
            app: app.clone(),
            remotes,
            next: AtomicUsize::new(0),
            threads: Mutex::new(threads),
        })))
    }

    /// Every route, in order of precedence.
    pub fn routes(&self) -> Vec<RouteSummary> {
        summaries(&self.0.app)
    }

    /// Answers one request, on the next shard in turn.
    ///
    /// Every failure is a response; there is no error to handle.
    pub async fn call<B>(&self, request: Request<B>) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let shared = &self.0;
        let index = shared.next.fetch_add(1, Ordering::Relaxed) % shared.remotes.len();
        let (reply, answer) = oneshot::channel();
        let sent = shared.remotes[index]
            .send(Box::new(move |service| {
                Box::pin(async move {
                    let peer = Peer { address: None, secure: false };
                    let mut reply = reply;
                    // The caller may stop waiting; then the request is given up here too.
                    tokio::select! {
                        response = service.0.serve(request, peer) => { let _ = reply.send(response); }
                        () = reply.closed() => {}
                    }
                })
            }))
            .await;
        match sent {
            Ok(()) => answer.await.unwrap_or_else(|_| shutting_down()),
            Err(_closed) => shutting_down(),
        }
    }

    /// Serves HTTP/1.1 and h2c on `listener` until `shutdown` resolves, then lets
    /// requests finish for [`Limits::grace`].
    ///
    /// # Errors
    ///
    /// [`Error::System`] when the listener cannot be used.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), Error> {
        let failed = |source| Error::System { what: "cannot use the listener", source };
        listener.set_nonblocking(true).map_err(failed)?;
        let limits = &self.0.app.limits;
        let settings = ServerSettings {
            headers: limits.headers,
            header_count: limits.header_count,
            header_read: limits.header_read,
            write_stall: limits.write_stall,
            connections: Arc::new(Semaphore::new(limits.connections.max(1))),
        };
        let (drain, watch) = Drain::new();
        let mut ended = Vec::with_capacity(self.0.remotes.len());
        for remote in &self.0.remotes {
            let acceptor = Acceptor::new(&listener, settings.clone(), watch.clone()).map_err(failed)?;
            let (end, wait) = oneshot::channel();
            let _ = remote
                .send(Box::new(move |service| {
                    Box::pin(async move {
                        service.0.shard().warm();
                        let _ = end.send(acceptor.run(service).await);
                    })
                }))
                .await;
            ended.push(wait);
        }
        drop(listener);
        let all_ended = futures::future::join_all(ended);
        tokio::pin!(all_ended);
        let results = tokio::select! {
            results = &mut all_ended => results,
            () = shutdown => {
                drain.begin();
                match tokio::time::timeout(limits.grace, &mut all_ended).await {
                    Ok(results) => results,
                    Err(_elapsed) => {
                        tracing::warn!(grace = ?limits.grace, "grace period is over: cutting what still runs");
                        drain.cut();
                        all_ended.await
                    }
                }
            }
        };
        results.into_iter().flatten().collect::<Result<(), _>>().map_err(failed)
    }

    /// Ends the host and waits until its threads are gone. Requests in flight finish first.
    ///
    /// Only the last clone ends it; on any other this does nothing.
    pub async fn shutdown(self) {
        if let Some(shared) = Arc::into_inner(self.0) {
            let threads = shared.threads.into_inner();
            drop(shared.remotes);
            let joined = tokio::task::spawn_blocking(move || threads.into_iter().for_each(ShardThread::join));
            let _ = joined.await;
        }
    }
}

fn shutting_down() -> Response<ResponseBody> {
    crate::front::shutting_down(RequestId::next())
}

fn summaries(app: &App) -> Vec<RouteSummary> {
    app.routes
        .iter()
        .map(|route| RouteSummary {
            pattern: route.pattern.clone(),
            methods: method_names(route.methods()),
            file: route.file.clone(),
            runtime: route.runtime.name(),
            max_duration: route.max_duration,
        })
        .collect()
}

fn method_names(methods: MethodSet) -> Vec<&'static str> {
    crate::project::Method::ALL
        .into_iter()
        .filter(|method| methods.contains(*method))
        .map(crate::project::Method::name)
        .collect()
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
