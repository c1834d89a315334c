//! From settings to a host, and the short way for one app.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;

use super::app::{App, Progress, RouteSummary};
use super::{EdgeHost, PeerFrom};
use crate::calling::Peer;
use crate::error::Error;
use crate::front::Pages;
use crate::instances::Instances;
use crate::limits::Limits;
use crate::memory::MemoryBudget;
use crate::permissions::Permissions;
use crate::project::Environment;
use crate::server::Http1;
use crate::telemetry::{Observer, Tracing};

/// Sets up an [`EdgeHost`] to which apps are deployed.
#[must_use = "a builder does nothing until it is built"]
pub struct HostBuilder {
    pub(super) limits: Limits,
    pub(super) memory_budget: MemoryBudget,
    pub(super) shards: Option<usize>,
    pub(super) max_wedged: Option<usize>,
    pub(super) trusted: Vec<IpNet>,
    pub(super) peer_from: Option<PeerFrom>,
    pub(super) http1: Http1,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) pages: Option<Arc<dyn Pages>>,
}

impl fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostBuilder")
            .field("limits", &self.limits)
            .field("memory_budget", &self.memory_budget)
            .field("shards", &self.shards)
            .field("trusted", &self.trusted)
            .field("observer", &self.observer)
            .finish_non_exhaustive()
    }
}

impl HostBuilder {
    pub(super) fn new() -> Self {
        Self {
            limits: Limits::default(),
            memory_budget: MemoryBudget::default(),
            shards: None,
            max_wedged: None,
            trusted: Vec::new(),
            peer_from: None,
            http1: Http1::default(),
            observer: Arc::new(Tracing),
            pages: None,
        }
    }

    /// Ceilings: those of connections, and of apps that have none of their own;
    /// [`Limits::default`] otherwise.
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

    /// How many threads serve requests; as many as there are cores otherwise.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// How many threads that do not come back from native code are written off, until the
    /// last of them is not replaced, and [`EdgeHost::serve`] ends; as many as there are cores
    /// otherwise. Each goes on to use a core and what it holds.
    pub fn max_wedged(mut self, threads: usize) -> Self {
        self.max_wedged = Some(threads);
        self
    }

    /// Proxies whose `x-forwarded-*` headers are believed.
    pub fn trust_proxies(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.trusted.extend(networks);
        self
    }

    /// Finds the peer of a request that the program hands over, where it is not in the
    /// extensions as a [`Peer`](crate::Peer): in a type of a framework, such as axum's.
    ///
    /// ```
    /// # use std::net::SocketAddr;
    /// use axum::extract::ConnectInfo;
    ///
    /// let builder = edgehost::EdgeHost::for_apps()
    ///     .peer_from(|extensions| Some(extensions.get::<ConnectInfo<SocketAddr>>()?.0.into()))
    ///     .trust_proxies(["10.0.0.0/8".parse()?]);
    /// // With `router.into_make_service_with_connect_info::<SocketAddr>()` in `axum::serve`.
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peer_from(
        mut self,
        find: impl Fn(&http::Extensions) -> Option<Peer> + Send + Sync + 'static,
    ) -> Self {
        self.peer_from = Some(Arc::new(find));
        self
    }

    /// Who speaks HTTP/1.1 with clients; [`Http1::Own`] otherwise.
    pub fn http1(mut self, http1: Http1) -> Self {
        self.http1 = http1;
        self
    }

    /// Is told of requests that are over and of what user code prints, in the place of
    /// [`tracing`]; see [`telemetry`](crate::telemetry).
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// As [`Self::observer`], of one that others have as well.
    #[cfg(feature = "dev")]
    pub(crate) fn shared_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Has something shown in the place of plain answers.
    #[cfg(feature = "dev")]
    pub(crate) fn pages(mut self, pages: Arc<dyn Pages>) -> Self {
        self.pages = Some(pages);
        self
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = self.limits.problems();
        problems.extend(self.memory_budget.problem());
        if self.shards == Some(0) {
            problems.push("--shards is 0: it must be at least 1".to_owned());
        }
        if self.max_wedged == Some(0) {
            problems.push("--max-wedged is 0: it must be at least 1".to_owned());
        }
        problems
    }

    /// Whether the settings can work. [`Self::build`] asks as well.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] names every one that cannot.
    pub fn validate(&self) -> Result<(), Error> {
        let problems = self.problems();
        if problems.is_empty() { Ok(()) } else { Err(Error::Settings(problems)) }
    }

    /// Starts the shards.
    ///
    /// # Errors
    ///
    /// [`Error`] when settings cannot work or threads cannot be had.
    pub fn build(mut self) -> Result<EdgeHost, Error> {
        self.validate()?;
        self.limits.memory = self.limits.memory.min(self.memory_budget.bytes());
        self.limits.unsent = self.limits.unsent.min(self.memory_budget.bytes() / 2);
        EdgeHost::start(self)
    }
}

/// Sets up an [`EdgeHost`] with one app.
#[must_use = "a builder does nothing until it is built"]
pub struct EdgeHostBuilder {
    host: HostBuilder,
    app: App,
}

impl fmt::Debug for EdgeHostBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeHostBuilder")
            .field("source", &self.app.source)
            .field("limits", &self.host.limits)
            .field("instances", &self.app.instances)
            .field("shards", &self.host.shards)
            .finish_non_exhaustive()
    }
}

impl EdgeHostBuilder {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { host: HostBuilder::new(), app: App::from_dir(dir) }
    }

    /// Ceilings; [`Limits::default`] otherwise.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.host.limits = limits;
        self
    }

    /// What all isolates together may hold, or the process have; half of the memory that
    /// there is otherwise, for the isolates. [`Limits::memory`] is at most as much.
    pub fn memory_budget(mut self, budget: MemoryBudget) -> Self {
        self.host.memory_budget = budget;
        self
    }

    /// What user code may reach; [`Permissions::default`] otherwise.
    pub fn permissions(mut self, permissions: Permissions) -> Self {
        self.app.permissions = permissions;
        self
    }

    /// Which variants of packages routes of the Node runtime get, by the names of
    /// conditional exports; `node`, `module`, `react-server` and `production` otherwise.
    pub fn conditions<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.app.conditions.node = names.into_iter().map(Into::into).collect();
        self
    }

    /// As [`Self::conditions`] for edge routes; `edge-light`, `browser`, `module`,
    /// `react-server` and `production` otherwise.
    pub fn edge_conditions<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.app.conditions.edge = names.into_iter().map(Into::into).collect();
        self
    }

    /// How many copies of the app run, a number or [`Instances::Auto`]; one otherwise.
    ///
    /// With one, module state is shared by all requests of a runtime. Each copy has a
    /// thread: one instance uses one core for JavaScript.
    pub fn instances(mut self, instances: impl Into<Instances>) -> Self {
        self.app.instances = instances.into();
        self
    }

    /// How many threads serve requests at most: instances beyond that are not started.
    /// As many as there are cores otherwise, or as instances were asked for.
    pub fn shards(mut self, shards: usize) -> Self {
        self.host.shards = Some(shards);
        self
    }

    /// How many threads that do not come back are written off; see [`HostBuilder::max_wedged`].
    pub fn max_wedged(mut self, threads: usize) -> Self {
        self.host.max_wedged = Some(threads);
        self
    }

    /// Whether the bundle and a secret of draft mode are kept in the project's folder; see
    /// [`App::keep_in_project`].
    pub fn keep_in_project(mut self, keep: bool) -> Self {
        self.app.keeps = keep;
        self
    }

    /// The variables that come before those of `.env` files, such as
    /// [`Environment::of_process`]; none otherwise.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.app.environment = environment;
        self
    }

    /// Scheme and host that `request.url` shows, such as `https://example.com`.
    pub fn public_origin(mut self, origin: impl Into<String>) -> Self {
        self.app.public_origin = Some(origin.into());
        self
    }

    /// What draft mode is made sure with: the same for all machines that serve a project,
    /// at least 16 bytes that nobody guesses. Otherwise one is made up, which
    /// [`Self::keep_in_project`] keeps.
    pub fn draft_secret(mut self, secret: impl Into<String>) -> Self {
        self.app.draft_secret = Some(secret.into());
        self
    }

    /// Proxies whose `x-forwarded-*` headers are believed.
    pub fn trust_proxies(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.host.trusted.extend(networks);
        self
    }

    /// Finds the peer of a request that the program hands over, as [`HostBuilder::peer_from`].
    pub fn peer_from(
        mut self,
        find: impl Fn(&http::Extensions) -> Option<Peer> + Send + Sync + 'static,
    ) -> Self {
        self.host.peer_from = Some(Arc::new(find));
        self
    }

    /// Who speaks HTTP/1.1 with clients; [`Http1::Own`] otherwise.
    pub fn http1(mut self, http1: Http1) -> Self {
        self.host.http1 = http1;
        self
    }

    /// Is told of requests that are over and of what user code prints, in the place of
    /// [`tracing`]; see [`telemetry`](crate::telemetry).
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.host.observer = Arc::new(observer);
        self
    }

    /// Is told what happens while the host is built.
    pub fn on_progress(mut self, progress: impl FnMut(Progress<'_>) + Send + 'static) -> Self {
        self.app.progress = Box::new(progress);
        self
    }

    /// Whether the settings can work. [`Self::build`] and [`Self::routes`] ask as well.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] names every one that cannot.
    pub fn validate(&self) -> Result<(), Error> {
        let mut problems = self.host.problems();
        problems.extend(self.app.problems());
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
        self.host.shards = Some(self.app.instances.threads(self.host.shards));
        let host = self.host.build()?;
        host.deploy(self.app).await?;
        Ok(host)
    }

    /// Reads and bundles the project, and tells its routes in order of precedence.
    ///
    /// # Errors
    ///
    /// [`Error`] when the project is not in order or none of its routes can be bundled.
    pub async fn routes(self) -> Result<Vec<RouteSummary>, Error> {
        self.validate()?;
        self.app.limits(self.host.limits).routes().await
    }
}
