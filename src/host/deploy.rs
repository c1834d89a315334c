//! Brings apps to a host, exchanges their versions, and takes them away again.

use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Instant;

use bytes::Bytes;
use edgehost_ext::message::{BoxError, RequestId, ResponseBody};
use http::{Request, Response};
use http_body::Body;

use super::app::{App, RouteSummary, summaries};
use super::{EdgeHost, Shared};
use crate::error::Error;
use crate::front::Front;
use crate::instances::Instances;
use crate::registry::{self, Names};
use crate::shard::BackendError;
use crate::telemetry::{Event, VersionReplaced};
use crate::version::{AppId, Version};

/// An app of a host, which it does not keep going: when the host is gone, it answers 503.
#[derive(Clone)]
pub struct Deployed {
    host: Weak<Shared>,
    id: AppId,
    name: Option<Arc<str>>,
}

impl fmt::Debug for Deployed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deployed").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What an update has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Update {
    /// Nothing: modules, settings and hosts are what they were, and the version goes on.
    Unchanged,
    /// The hosts that mean the app; the version goes on.
    Hosts,
    /// Another version has taken over.
    Version,
}

impl EdgeHost {
    /// Reads and bundles an app, and has it answer from now on. Its isolates are started when
    /// it is asked for.
    ///
    /// # Errors
    ///
    /// [`Error`] when its settings cannot work, another app has its name or one of its hosts,
    /// its project is not in order, or none of its routes can be bundled.
    pub async fn deploy(&self, app: App) -> Result<Deployed, Error> {
        let mut app = app;
        if self.0.has_ended() {
            return Err(Error::Ended);
        }
        let (id, name) = (AppId::next(), app.name.clone().map(Arc::<str>::from));
        let version = self.0.load(name.clone(), &mut app, None, None).await?;
        let names = app.names()?;
        let placing = self.0.placing.lock();
        let shards = self.0.place(app.instances, &[]);
        let entry = registry::App { id, name: name.clone(), names, version, shards };
        self.0.registry.add(entry).map_err(|problem| Error::Settings(vec![problem]))?;
        drop(placing);
        Ok(Deployed { host: Arc::downgrade(&self.0), id, name })
    }

    /// The app of this name.
    pub fn app(&self, name: &str) -> Option<Deployed> {
        self.apps().into_iter().find(|app| app.name() == Some(name))
    }

    /// Every app, in the order in which they came.
    pub fn apps(&self) -> Vec<Deployed> {
        let (_, directory) = self.0.registry.directory();
        let host = Arc::downgrade(&self.0);
        let deployed =
            |app: &registry::App| Deployed { host: host.clone(), id: app.id, name: app.name.clone() };
        directory.apps().iter().map(deployed).collect()
    }

    /// Takes an app away. Requests in flight are answered; those that come are not. Tells
    /// whether there was one.
    pub async fn remove(&self, name: &str) -> bool {
        match self.app(name) {
            Some(app) => app.remove().await,
            None => false,
        }
    }
}

impl Deployed {
    pub(super) fn host(&self) -> Option<Arc<Shared>> {
        self.host.upgrade()
    }

    pub(super) fn id(&self) -> AppId {
        self.id
    }

    /// What the host calls it.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The number of its current version; none where the app was removed. A later version has a higher number,
    /// also of other apps of the process.
    pub fn version(&self) -> Option<u64> {
        Some(self.host.upgrade()?.app(self.id)?.version.id.number())
    }

    /// Every route of its current version, in order of precedence.
    pub fn routes(&self) -> Vec<RouteSummary> {
        self.host
            .upgrade()
            .and_then(|host| host.app(self.id))
            .map_or(Vec::new(), |app| summaries(&app.version))
    }

    /// Answers one request, whatever host it names.
    ///
    /// Every failure is a response; there is no error to handle.
    pub async fn call<B>(&self, request: Request<B>) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let Some(host) = self.host.upgrade() else { return crate::front::shutting_down(RequestId::next()) };
        let shards = host.app(self.id).map(|app| app.shards);
        host.call(request, shards.as_deref(), Some(self.id)).await
    }

    /// Puts another version into the place of the current one. Name and instances stay as they
    /// are, and so do hosts where `app` has none; all else is what `app` says.
    ///
    /// The new version is bundled, its isolates are started, and the modules that the current
    /// one has loaded are loaded in them; then it gets every new request. Requests in flight
    /// and streams that are open finish on the version that they began with.
    ///
    /// # Errors
    ///
    /// [`Error`] as with [`EdgeHost::deploy`], and [`Error::Version`] when a route is broken,
    /// or its module does not load, that the current version serves: that one goes on.
    pub async fn replace(&self, app: App) -> Result<(), Error> {
        let (host, current) = self.current()?;
        let mut app = app;
        let names = if app.hosts.is_empty() { None } else { Some(app.names()?) };
        let began = Instant::now();
        let instances = Some(current.shards.len());
        let version = host.load(self.name.clone(), &mut app, Some(&current.version), instances).await?;
        self.exchange(&host, &current, version, names, current.shards.clone(), began).await
    }

    /// Makes the app what `app` says, hosts and instances included, and its name left aside:
    /// as [`Self::replace`], but a version in which nothing has changed goes on, with what its
    /// modules remember.
    ///
    /// # Errors
    ///
    /// As [`Self::replace`].
    pub async fn update(&self, app: App) -> Result<Update, Error> {
        let (host, current) = self.current()?;
        let mut app = app;
        let names = app.names()?;
        let began = Instant::now();
        let version = host.load(self.name.clone(), &mut app, Some(&current.version), None).await?;
        let shards = host.place(app.instances, &current.shards);
        if shards != current.shards || !current.version.is_same(&version) {
            self.exchange(&host, &current, version, Some(names), shards, began).await?;
            return Ok(Update::Version);
        }
        if names == current.names {
            return Ok(Update::Unchanged);
        }
        let same = current.version.clone();
        let renamed = host.registry.replace(self.id, &current.version, same, Some(names), None);
        host.refresh().await;
        renamed.map(|()| Update::Hosts).map_err(Error::Version)
    }

    /// Takes the app away. Requests in flight are answered; those that come are not. Tells
    /// whether it was there.
    pub async fn remove(&self) -> bool {
        let Some(host) = self.host.upgrade() else { return false };
        let removed = host.registry.remove(self.id).is_some();
        host.refresh().await;
        removed
    }

    fn current(&self) -> Result<(Arc<Shared>, registry::App), Error> {
        let gone = || Error::Version("the app has been removed".to_owned());
        let host = self.host.upgrade().filter(|host| !host.has_ended()).ok_or(Error::Ended)?;
        let current = host.app(self.id).ok_or_else(gone)?;
        Ok((host, current))
    }

    /// Has a version take over from the current one, on these shards.
    async fn exchange(
        &self,
        host: &Shared,
        current: &registry::App,
        version: Arc<Version>,
        names: Option<Names>,
        shards: Arc<[usize]>,
        began: Instant,
    ) -> Result<(), Error> {
        if let Some(problem) = broken(&current.version, &version) {
            return Err(Error::Version(problem));
        }
        self.take_over(host, current, version, names, shards, began, Loading::Beforehand).await
    }

    /// As [`Self::update`], for who works on the app: routes may break, and modules are
    /// loaded when somebody asks for them. Tells whether another version has taken over.
    ///
    /// # Errors
    ///
    /// [`Error`] when there is no version of it.
    #[cfg(feature = "dev")]
    pub(crate) async fn renew(&self, app: App) -> Result<bool, Error> {
        let (host, current) = self.current()?;
        let mut app = app;
        let names = app.names()?;
        let began = Instant::now();
        let version = host.load(self.name.clone(), &mut app, Some(&current.version), None).await?;
        let shards = host.place(app.instances, &current.shards);
        if shards == current.shards && names == current.names && current.version.is_same(&version) {
            return Ok(false);
        }
        self.take_over(&host, &current, version, Some(names), shards, began, Loading::WhenAsked).await?;
        Ok(true)
    }

    /// Has a version take over from the current one, whatever it breaks.
    #[allow(clippy::too_many_arguments, reason = "all that makes an app what it is")]
    async fn take_over(
        &self,
        host: &Shared,
        current: &registry::App,
        version: Arc<Version>,
        names: Option<Names>,
        shards: Arc<[usize]>,
        began: Instant,
        loads: Loading,
    ) -> Result<(), Error> {
        let prepared = host.prepare(&shards, current, &version, loads).await;
        let replaced = prepared.and_then(|()| {
            let shards = Some(shards.clone());
            host.registry.replace(self.id, &current.version, version.clone(), names, shards)
        });
        if replaced.is_err() {
            host.give_up(&shards, &version).await;
        }
        if replaced.is_ok() {
            let (app, took, number) = (self.name.as_deref(), began.elapsed(), version.id.number());
            host.observer.observe(Event::Version(VersionReplaced { app, version: number, took }));
        }
        host.refresh().await;
        replaced.map_err(Error::Version)
    }
}

/// When the modules of a version are loaded that its predecessor has loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loading {
    /// Before it takes over.
    Beforehand,
    /// When somebody asks for them.
    #[cfg(feature = "dev")]
    WhenAsked,
}

/// What `next` breaks that `current` serves.
fn broken(current: &Version, next: &Version) -> Option<String> {
    let broken = next.routes.iter().filter_map(|route| {
        let error = route.bundle_error.as_deref()?;
        let is_sound = |other: &&crate::version::ServedRoute| {
            other.pattern == route.pattern && other.bundle_error.is_none()
        };
        current.routes.iter().find(is_sound)?;
        Some(format!("{} cannot be bundled any more: {error}", route.pattern))
    });
    let broken: Vec<String> = broken.collect();
    (!broken.is_empty()).then(|| broken.join("\n\n"))
}

impl Shared {
    /// Reads and bundles an app, which may take the place of a version. It has so many instances;
    /// as many as it asks for where nobody says.
    async fn load(
        &self,
        name: Option<Arc<str>>,
        app: &mut App,
        current: Option<&Version>,
        instances: Option<usize>,
    ) -> Result<Arc<Version>, Error> {
        app.validate()?;
        let mut limits = app.limits.clone().unwrap_or_else(|| self.limits.clone());
        limits.memory = limits.memory.min(self.limits.memory);
        let instances = instances.unwrap_or_else(|| app.instances.threads(Some(self.lanes.len())));
        let secret = current.map(|current| current.draft_secret.as_str());
        let (observer, guard) = (self.observer.clone(), self.guard.clone());
        app.load(name, limits, observer, guard, instances, secret).await
    }

    fn app(&self, id: AppId) -> Option<registry::App> {
        let (_, directory) = self.registry.directory();
        directory.position(id).map(|index| directory.apps()[index].clone())
    }

    /// Chooses shards for an app: of those on which it is, then of those with the fewest
    /// instances.
    fn place(&self, instances: Instances, current: &[usize]) -> Arc<[usize]> {
        let (_, directory) = self.registry.directory();
        let mut taken: Vec<(bool, usize, usize)> =
            (0..self.lanes.len()).map(|index| (!current.contains(&index), 0, index)).collect();
        for index in directory.apps().iter().flat_map(|app| app.shards.iter()) {
            taken[*index].1 += 1;
        }
        taken.sort_unstable();
        let wanted = instances.threads(Some(taken.len()));
        let mut shards: Vec<usize> = taken.into_iter().take(wanted).map(|(_, _, index)| index).collect();
        shards.sort_unstable();
        shards.into()
    }

    /// Makes a version ready on every shard that is to have an instance of its app.
    async fn prepare(
        &self,
        shards: &[usize],
        app: &registry::App,
        version: &Arc<Version>,
        loads: Loading,
    ) -> Result<(), String> {
        for index in shards {
            let Some(lane) = self.lanes.get(*index) else { continue };
            let next = version.clone();
            let current = (loads == Loading::Beforehand).then(|| app.version.clone());
            let prepared =
                lane.run(move |front: Rc<Front>| async move { front.prepare(&next, current.as_ref()).await });
            match prepared.await {
                Ok(prepared) => prepared?,
                // A thread that takes its place begins with what is current then.
                Err(BackendError::Wedged) => {}
                Err(_) => return Err("the host has ended".to_owned()),
            }
        }
        Ok(())
    }

    async fn give_up(&self, shards: &[usize], version: &Arc<Version>) {
        for lane in shards.iter().filter_map(|index| self.lanes.get(*index)) {
            let version = version.clone();
            lane.start(move |front: Rc<Front>| async move { front.give_up(&version) }).await;
        }
    }

    /// Has all shards notice that there is another directory, also those that nobody asks.
    async fn refresh(&self) {
        for lane in self.lanes.all() {
            lane.start(|front: Rc<Front>| async move { front.refresh() }).await;
        }
    }
}
