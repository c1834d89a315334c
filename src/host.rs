//! The composition root: project, bundle, shards, and the ways in.

use std::convert::Infallible;
use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use edgehost_ext::message::{BoxError, Patience, Presence, RequestId, ResponseBody, Site};
use http::{Request, Response};
use http_body::Body;
use ipnet::IpNet;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use crate::bundle::{self, Bundle, Conditions, Problem};
use crate::draft::{SHORTEST_DRAFT_SECRET, draft_secret_from, kept_draft_secret};
use crate::enforcer::{Access, Guard, Wedge};
use crate::error::Error;
use crate::front::{Front, FrontSettings, Peer, Serving};
use crate::instances::Instances;
use crate::isolate::{self, App, AppRoute, SourceLines};
use crate::limits::Limits;
use crate::memory::MemoryBudget;
use crate::permissions::Permissions;
use crate::project::{Environment, MethodSet, Project, ProjectError, RouteTable};
use crate::server::{Acceptor, Drain, HttpService, ServerSettings, Unsent};
use crate::shard::{Load, Remote, Shard, ShardThread, Share};
use crate::telemetry::{Observer, Tracing};

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
        /// Mistakes that keep routes from being bundled; these routes answer 500.
        errors: &'a [Problem],
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
    /// The wall limit of a route that exports `maxDuration`, as it applies.
    pub max_duration: Option<Duration>,
    /// Why the route cannot be bundled, if so: it answers 500, whatever the method.
    pub error: Option<String>,
}

/// Sets up an [`EdgeHost`].
#[must_use = "a builder does nothing until it is built"]
pub struct EdgeHostBuilder {
    dir: PathBuf,
    limits: Limits,
    memory_budget: MemoryBudget,
    permissions: Permissions,
    conditions: Conditions,
    instances: Instances,
    shards: Option<usize>,
    ignore_middleware: bool,
    environment: Environment,
    public_origin: Option<String>,
    draft_secret: Option<String>,
    trusted: Vec<IpNet>,
    observer: Arc<dyn Observer>,
    progress: Box<dyn FnMut(Progress<'_>) + Send>,
}

impl fmt::Debug for EdgeHostBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeHostBuilder")
            .field("dir", &self.dir)
            .field("limits", &self.limits)
            .field("instances", &self.instances)
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

    /// What all isolates together may hold, or the process have; half of the memory that
    /// there is otherwise, for the isolates. [`Limits::memory`] is at most as much.
    pub fn memory_budget(mut self, budget: MemoryBudget) -> Self {
        self.memory_budget = budget;
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

    /// How many copies of the app run, a number or [`Instances::Auto`]; one otherwise.
    ///
    /// With one, module state is shared by all requests of a runtime. Each copy has a
    /// thread: one instance uses one core for JavaScript.
    pub fn instances(mut self, instances: impl Into<Instances>) -> Self {
        self.instances = instances.into();
        self
    }

    /// How many threads serve requests at most: instances beyond that are not started.
    /// As many as there are cores otherwise, or as instances were asked for.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Serves a project that has a `middleware` or `proxy` file, which does not run.
    ///
    /// Without this such a project is refused: what the file checks, as often who may see
    /// what, would not be checked.
    pub fn ignore_middleware(mut self, ignore: bool) -> Self {
        self.ignore_middleware = ignore;
        self
    }

    /// The variables that come before those of `.env` files; those of this process otherwise.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Scheme and host that `request.url` shows, such as `https://example.com`.
    pub fn public_origin(mut self, origin: impl Into<String>) -> Self {
        self.public_origin = Some(origin.into());
        self
    }

    /// What draft mode is made sure with: the same for all machines that serve a project,
    /// at least 16 bytes that nobody guesses. Otherwise one is kept in `.edgehost/`.
    pub fn draft_secret(mut self, secret: impl Into<String>) -> Self {
        self.draft_secret = Some(secret.into());
        self
    }

    /// Proxies whose `x-forwarded-*` headers are believed.
    pub fn trust_proxies(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.trusted.extend(networks);
        self
    }

    /// Is told of requests that are over and of what user code prints, in the place of
    /// [`tracing`]; see [`telemetry`](crate::telemetry).
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// Is told what happens while the host is built.
    pub fn on_progress(mut self, progress: impl FnMut(Progress<'_>) + Send + 'static) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// Whether the settings can work. [`Self::build`] and [`Self::routes`] ask as well.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] names every one that cannot.
    pub fn validate(&self) -> Result<(), Error> {
        let mut problems = self.limits.problems();
        problems.extend(self.memory_budget.problem());
        if self.instances == Instances::Count(0) {
            problems.push("--instances is 0: it must be at least 1, or auto".to_owned());
        }
        if self.shards == Some(0) {
            problems.push("--shards is 0: it must be at least 1".to_owned());
        }
        if let Some(Err(problem)) = self.public_origin.as_deref().map(origin) {
            problems.push(problem);
        }
        if self.draft_secret.as_ref().is_some_and(|secret| secret.len() < SHORTEST_DRAFT_SECRET) {
            problems.push(format!(
                "--draft-secret is too short to be one: it must have at least {SHORTEST_DRAFT_SECRET} bytes, such as `openssl rand -hex 16` makes"
            ));
        }
        if problems.is_empty() { Ok(()) } else { Err(Error::Settings(problems)) }
    }

    /// Reads and bundles the project and starts the shards.
    ///
    /// # Errors
    ///
    /// [`Error`] when settings cannot work, the project is not in order, none of its routes
    /// can be bundled, or threads cannot be had. A route that cannot be bundled beside others
    /// that can is no error: it answers 500, and [`RouteSummary::error`] tells why.
    pub async fn build(mut self) -> Result<EdgeHost, Error> {
        self.validate()?;
        self.limits.memory = self.limits.memory.min(self.memory_budget.bytes());
        self.limits.unsent = self.limits.unsent.min(self.memory_budget.bytes() / 2);
        isolate::init_platform(self.limits.memory);
        let (app, table) = self.load(true).await?;
        let threads = self.instances.threads(self.shards);
        let public = self.public_origin.as_deref().and_then(|text| origin(text).ok());
        EdgeHost::start(&app, &table, threads, public, &self.trusted)
    }

    /// Reads and bundles the project, and tells its routes in order of precedence.
    ///
    /// # Errors
    ///
    /// [`Error`] when the project is not in order or none of its routes can be bundled.
    pub async fn routes(mut self) -> Result<Vec<RouteSummary>, Error> {
        self.validate()?;
        let (app, _) = self.load(false).await?;
        Ok(summaries(&app))
    }

    async fn load(&mut self, serves: bool) -> Result<(Arc<App>, Arc<RouteTable>), Error> {
        let project = Project::open(&self.dir, &self.environment)?;
        if serves && !self.ignore_middleware {
            project.refuse_middleware()?;
        }
        (self.progress)(Progress::Found {
            routes: project.routes.routes().len(),
            hints: &project.hints(&self.limits),
        });
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
            errors: &bundle.errors,
        });
        let secret = self.draft_secret.as_deref();
        let (limits, permissions) = (self.limits.clone(), self.permissions.clone());
        let guard = Guard::new(self.memory_budget);
        app(project, bundle, limits, guard, permissions, secret, self.observer.clone())
    }
}

/// The form that [`Site`] wants: scheme and host, nothing else.
fn origin(text: &str) -> Result<String, String> {
    let parse = |text: &str| {
        let url = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        url.has_host().then_some(url)
    };
    let refuse = |right: Option<url::Url>| {
        let right = right.map_or("https://example.com".to_owned(), |url| url.origin().ascii_serialization());
        format!(
            "--public-origin is '{text}': it must be a scheme and a host and nothing else, such as {right}"
        )
    };
    let Some(url) = parse(text) else {
        return Err(refuse(parse(&format!("https://{}", text.trim_start_matches('/')))));
    };
    let is_bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if is_bare { Ok(url.origin().ascii_serialization()) } else { Err(refuse(Some(url))) }
}

fn app(
    project: Project,
    bundle: Bundle,
    limits: Limits,
    guard: Arc<Guard>,
    permissions: Permissions,
    draft_secret: Option<&str>,
    observer: Arc<dyn Observer>,
) -> Result<(Arc<App>, Arc<RouteTable>), Error> {
    let access = Access::new(permissions, &project.root, &bundle.packages_above(&project.root))
        .map_err(|error| Error::Permissions(error.to_string()))?;
    let routes = project
        .routes
        .routes()
        .iter()
        .zip(&bundle.entries)
        .map(|(route, entry)| {
            let error = || {
                let errors = bundle.errors_of(&route.pattern);
                let errors =
                    errors.map(|problem| Problem { breaks: Vec::new(), ..problem.clone() }.to_string());
                errors.collect::<Vec<_>>().join("\n\n")
            };
            AppRoute::new(route, entry.clone().ok_or_else(error), &limits)
        })
        .collect();
    let production = project.environment.get("NODE_ENV") == Some("production");
    let draft_secret = match draft_secret {
        Some(configured) => draft_secret_from(configured),
        None => kept_draft_secret(&project.root)
            .map_err(|source| Error::System { what: "cannot make a secret for draft mode", source })?,
    };
    let app = App {
        draft_secret,
        root_url: url::Url::from_directory_path(&project.root).map(String::from).unwrap_or_default(),
        sources: SourceLines::default(),
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
        nearly_full_told: AtomicBool::new(false),
        access,
        observer,
        guard,
    };
    Ok((Arc::new(app), Arc::new(project.routes)))
}

/// The service of one shard.
struct Service(Rc<Front>);

impl HttpService for Service {
    type Serving = Serving;
    type Common = Rc<Share>;

    fn is_crowded(&self) -> bool {
        self.0.shard().is_crowded()
    }

    fn connected(&self) -> Rc<Share> {
        self.0.share()
    }

    fn serve(
        &self,
        request: Request<hyper::body::Incoming>,
        peer: SocketAddr,
        presence: Presence,
        share: &Rc<Share>,
    ) -> Serving {
        let share = (request.version() == http::Version::HTTP_2).then(|| share.clone());
        let address = Some(peer.ip().to_canonical());
        self.0.serve(request, &Peer { address, secure: false, presence, share })
    }
}

/// The way to a shard, and what is known of it from outside.
struct Lane {
    remote: Remote<Service>,
    wedge: Arc<Wedge>,
}

/// How long a thread may take to end what was cut, before it counts as wedged.
const CUT_PATIENCE: Duration = Duration::from_secs(1);

struct Shared {
    app: Arc<App>,
    lanes: Vec<Lane>,
    next: AtomicUsize,
    /// Places for connections, of all listeners.
    connections: Arc<Semaphore>,
    /// What waits for clients of all listeners.
    unsent: Arc<Unsent>,
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
            .field("instances", &self.instances())
            .finish_non_exhaustive()
    }
}

impl EdgeHost {
    /// Sets up a host for the project in `dir`.
    pub fn builder(dir: impl Into<PathBuf>) -> EdgeHostBuilder {
        EdgeHostBuilder {
            dir: dir.into(),
            limits: Limits::default(),
            memory_budget: MemoryBudget::default(),
            permissions: Permissions::default(),
            conditions: Conditions::default(),
            instances: Instances::default(),
            shards: None,
            ignore_middleware: false,
            environment: Environment::of_process(),
            public_origin: None,
            draft_secret: None,
            trusted: Vec::new(),
            observer: Arc::new(Tracing),
            progress: Box::new(|_| {}),
        }
    }

    fn start(
        app: &Arc<App>,
        table: &Arc<RouteTable>,
        instances: usize,
        public_origin: Option<String>,
        trusted: &[IpNet],
    ) -> Result<Self, Error> {
        let site = Arc::new(Site { fallback: "localhost".to_owned(), public: public_origin });
        let mut lanes = Vec::with_capacity(instances);
        let mut threads = Vec::with_capacity(instances);
        for (index, load) in Load::of(instances).enumerate() {
            let settings = FrontSettings {
                table: table.clone(),
                app: app.clone(),
                site: site.clone(),
                trusted: trusted.to_vec(),
            };
            let wedge = Wedge::new();
            let (own, grace) = (wedge.clone(), app.limits.grace);
            let finish = move |service: Rc<Service>| async move {
                if service.0.shard().has_given_up() {
                    return;
                }
                let done = service.0.shard().done();
                if tokio::time::timeout(grace, done).await.is_err() {
                    tracing::warn!(?grace, "grace period is over: cutting answers and tasks after them");
                }
            };
            let make = move || {
                let shard = Shard::new(settings.app.clone(), own, load);
                Service(Rc::new(Front::new(settings, shard)))
            };
            let (thread, remote) =
                ShardThread::spawn(index, app.limits.queue.max(1), wedge.clone(), make, finish)
                    .map_err(|source| Error::System { what: "cannot start a shard thread", source })?;
            threads.push(thread);
            lanes.push(Lane { remote, wedge });
        }
        Ok(Self(Arc::new(Shared {
            app: app.clone(),
            lanes,
            next: AtomicUsize::new(0),
            connections: Arc::new(Semaphore::new(app.limits.connections)),
            unsent: Unsent::new(app.limits.unsent),
            threads: Mutex::new(threads),
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

    /// Every route, in order of precedence.
    pub fn routes(&self) -> Vec<RouteSummary> {
        summaries(&self.0.app)
    }

    /// How many copies of the app run; see [`EdgeHostBuilder::instances`].
    pub fn instances(&self) -> usize {
        self.0.lanes.len()
    }

    /// Answers one request, on the next instance in turn.
    ///
    /// Every failure is a response; there is no error to handle.
    pub async fn call<B>(&self, request: Request<B>) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let shared = &self.0;
        let next = shared.next.fetch_add(1, Ordering::Relaxed);
        let lanes = shared.lanes.len();
        let free = (0..lanes).map(|offset| &shared.lanes[next.wrapping_add(offset) % lanes]);
        let Some(lane) = free.into_iter().find(|lane| !lane.wedge.is_wedged()) else { return wedged() };
        tokio::select! {
            response = Self::call_on(&lane.remote, request) => response,
            () = lane.wedge.wedged() => wedged(),
        }
    }

    async fn call_on<B>(remote: &Remote<Service>, request: Request<B>) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (reply, answer) = oneshot::channel();
        let sent = remote
            .send(Box::new(move |service| {
                Box::pin(async move {
                    let peer =
                        Peer { address: None, secure: false, presence: Presence::default(), share: None };
                    let mut reply = reply;
                    // The caller may stop waiting; then the request is given up here too.
                    tokio::select! {
                        response = service.0.serve(request, &peer) => { let _ = reply.send(response); }
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
    /// requests, and tasks of `after()` and `waitUntil()`, finish for [`Limits::grace`]. May be
    /// called for several listeners.
    ///
    /// # Errors
    ///
    /// [`Error::System`] when the listener cannot be used; [`Error::Wedged`] when a thread
    /// does not come back from native code: its connections were closed, the requests on
    /// other threads have been answered, and nobody listens any more.
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
            keep_alive: limits.keep_alive,
            taking: Patience { silence: limits.write_stall, rate: limits.min_rate },
            unsent: self.0.unsent.clone(),
            connections: self.0.connections.clone(),
        };
        let (drain, watch) = Drain::new();
        let mut ended = Vec::with_capacity(self.0.lanes.len());
        for Lane { remote, wedge } in &self.0.lanes {
            let acceptor =
                Acceptor::new(&listener, settings.clone(), wedge.clone(), watch.clone()).map_err(failed)?;
            let mut drain = watch.clone();
            let (end, wait) = oneshot::channel();
            let _ = remote
                .send(Box::new(move |service| {
                    Box::pin(async move {
                        service.0.shard().warm();
                        let result = acceptor.run(service.clone()).await;
                        // What answers have left to do has the rest of the grace period.
                        tokio::select! {
                            () = service.0.shard().settled() => {}
                            () = drain.cutting() => {}
                        }
                        if drain.has_cut() {
                            service.0.shard().give_up();
                        }
                        let _ = end.send(result);
                    })
                }))
                .await;
            ended.push(async move {
                tokio::select! {
                    result = wait => Some(result.unwrap_or(Ok(()))),
                    () = wedge.wedged() => None,
                }
            });
        }
        drop(listener);
        let all_ended = futures::future::join_all(ended);
        tokio::pin!(all_ended);
        let stop = async {
            tokio::select! {
                () = shutdown => {}
                () = self.any_wedged() => {}
            }
        };
        let results = tokio::select! {
            results = &mut all_ended => Some(results),
            () = stop => {
                drain.begin();
                match tokio::time::timeout(limits.grace, &mut all_ended).await {
                    Ok(results) => Some(results),
                    Err(_elapsed) => {
                        tracing::warn!(grace = ?limits.grace, "grace period is over: cutting what still runs");
                        drain.cut();
                        tokio::time::timeout(CUT_PATIENCE, &mut all_ended).await.ok()
                    }
                }
            }
        };
        let of = self.0.lanes.len();
        let Some(results) = results else { return Err(Error::Wedged { threads: self.wedged().max(1), of }) };
        let results: Vec<_> = results.into_iter().flatten().collect();
        match of - results.len() {
            0 => results.into_iter().collect::<Result<(), _>>().map_err(failed),
            threads => Err(Error::Wedged { threads, of }),
        }
    }

    /// How many threads are known not to come back.
    fn wedged(&self) -> usize {
        self.0.lanes.iter().filter(|lane| lane.wedge.is_wedged()).count()
    }

    async fn any_wedged(&self) {
        let all = self.0.lanes.iter().map(|lane| Box::pin(lane.wedge.wedged()));
        futures::future::select_all(all).await;
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
            let threads = shared.threads.into_inner();
            drop(shared.lanes);
            let joined = tokio::task::spawn_blocking(move || threads.into_iter().for_each(ShardThread::join));
            let _ = joined.await;
        }
    }
}

fn shutting_down() -> Response<ResponseBody> {
    crate::front::shutting_down(RequestId::next())
}

fn wedged() -> Response<ResponseBody> {
    crate::front::wedged(RequestId::next())
}

fn summaries(app: &App) -> Vec<RouteSummary> {
    app.routes
        .iter()
        .map(|route| RouteSummary {
            pattern: route.pattern.clone(),
            methods: method_names(route.methods()),
            file: route.file.clone(),
            runtime: route.runtime.name(),
            max_duration: route.max_duration.map(|_| route.wall),
            error: route.bundle_error.clone(),
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
