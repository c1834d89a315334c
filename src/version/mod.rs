//! What answers requests: a build and what it runs with, never changed.
//!
//! Purpose: be the one value that a request is answered by from its beginning to its end,
//! on whatever thread, also after the next version has taken over.
//! Key types: [`Version`], [`Settings`], [`ServedRoute`].
//! Where to look: `route` for what is known of a route, `public` for files of `public/`, `sources` for lines of code in reports.
//! Never: JavaScript, threads, requests.

mod public;
mod route;
mod sources;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use edgehost_ext::Layer;
use edgehost_ext::message::Site;

pub(crate) use self::public::{Coding, PublicFiles};
pub(crate) use self::route::ServedRoute;
use self::sources::SourceLines;
use crate::build::{Build, Chunk, absolute, digest};
use crate::enforcer::{Access, Guard};
use crate::limits::Limits;
use crate::permissions::Permissions;
use crate::project::{Environment, RouteTable, Runtime};
use crate::telemetry::Observer;

/// Tells the versions of a process apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct VersionId(u64);

impl VersionId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Tells the apps of a process apart, also those of one name that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AppId(u64);

impl AppId {
    /// One that no other app has.
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a build runs with.
#[derive(Debug)]
pub(crate) struct Settings {
    /// What people call the app; none where it is the only one.
    pub(crate) name: Option<Arc<str>>,
    /// Ceilings.
    pub(crate) limits: Limits,
    /// What its code may reach.
    pub(crate) permissions: Permissions,
    /// What there is to see in `process.env`, as far as the permissions show it.
    pub(crate) environment: Environment,
    /// What `draftMode()` compares its cookie with.
    pub(crate) draft_secret: String,
    /// Scheme and host that `request.url` shows, if they are not the request's own.
    pub(crate) public_origin: Option<String>,
    /// Is told what happens.
    pub(crate) observer: Arc<dyn Observer>,
    /// Looks after the memory of all isolates of the host together.
    pub(crate) guard: Arc<Guard>,
}

/// A build with its settings.
#[derive(Debug)]
pub(crate) struct Version {
    /// Tells it from others.
    pub(crate) id: VersionId,
    /// Of all that it is made of but its modules.
    fingerprint: String,
    /// What people call the app; none where it is the only one.
    pub(crate) name: Option<Arc<str>>,
    /// The project folder.
    pub(crate) root: PathBuf,
    /// The same as a URL with a slash at its end, cut from stack traces.
    pub(crate) root_url: String,
    /// Lines of code for reports of errors.
    pub(crate) sources: SourceLines,
    /// Routes in order of precedence.
    pub(crate) routes: Vec<ServedRoute>,
    /// Finds one of them by a path.
    pub(crate) table: RouteTable,
    /// Modules by specifier.
    pub(crate) chunks: HashMap<String, Chunk>,
    /// The runtimes whose isolates have the Node layer.
    node: Vec<Runtime>,
    /// `process.env`.
    pub(crate) env: Vec<(String, String)>,
    /// Whether `NODE_ENV` is `production`.
    pub(crate) production: bool,
    /// Whether `params`, `cookies()` and their like come without a promise.
    pub(crate) sync_params: bool,
    /// What `draftMode()` compares its cookie with.
    pub(crate) draft_secret: String,
    /// What `request.url` shows.
    pub(crate) site: Site,
    /// Files that are answers as they are.
    pub(crate) public: PublicFiles,
    /// Ceilings.
    pub(crate) limits: Limits,
    /// Whether the log has that loaded modules nearly fill the memory.
    pub(crate) nearly_full_told: AtomicBool,
    /// What its code may reach.
    pub(crate) access: Access,
    /// Is told what happens.
    pub(crate) observer: Arc<dyn Observer>,
    /// Looks after the memory of its isolates together.
    pub(crate) guard: Arc<Guard>,
}

impl Version {
    /// The version of `build` whose project is, or was, in the folder `root`.
    ///
    /// # Errors
    ///
    /// A sentence where a list in the permissions cannot be understood.
    pub(crate) fn new(root: PathBuf, build: Build, settings: Settings) -> Result<Arc<Self>, String> {
        let fingerprint = fingerprint(&root, &build, &settings);
        let Build { manifest, chunks } = build;
        let packages: Vec<PathBuf> = manifest.packages.iter().map(|path| absolute(&root, path)).collect();
        let access =
            Access::new(settings.permissions, &root, &packages).map_err(|error| error.to_string())?;
        let table = RouteTable::new(manifest.routes.iter().map(|route| route.pattern.as_str()));
        let routes = manifest.routes.into_iter().map(|route| ServedRoute::new(route, &settings.limits));
        let environment = &settings.environment;
        Ok(Arc::new(Self {
            id: VersionId::next(),
            fingerprint,
            name: settings.name,
            root_url: url::Url::from_directory_path(&root).map(String::from).unwrap_or_default(),
            sources: SourceLines::default(),
            public: PublicFiles::of(&root),
            root,
            routes: routes.collect(),
            table,
            chunks,
            node: manifest.node,
            env: environment
                .iter()
                .filter(|(name, _)| access.shows(name))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            production: environment.get("NODE_ENV") == Some("production"),
            sync_params: manifest.sync_params,
            draft_secret: settings.draft_secret,
            site: Site { public: settings.public_origin, ..Site::default() },
            limits: settings.limits,
            nearly_full_told: AtomicBool::new(false),
            access,
            observer: settings.observer,
            guard: settings.guard,
        }))
    }

    /// Whether another one would answer in the same way: the same modules from the same places,
    /// with the same settings.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let is_there = |(specifier, chunk): (&String, &Chunk)| {
            let other = other.chunks.get(specifier);
            other.is_some_and(|other| other.code == chunk.code && other.map.read() == chunk.map.read())
        };
        self.fingerprint == other.fingerprint
            && self.chunks.len() == other.chunks.len()
            && self.chunks.iter().all(is_there)
    }

    /// What the isolates of a runtime start from.
    pub(crate) fn layer(&self, kind: Runtime) -> Layer {
        if self.node.contains(&kind) { Layer::Node } else { Layer::Web }
    }
}

/// Of what a version is made of, but for its modules.
fn fingerprint(root: &Path, build: &Build, settings: &Settings) -> String {
    // Whoever adds a setting has to think of this.
    let Settings {
        name: _,
        limits,
        permissions,
        environment,
        draft_secret,
        public_origin,
        observer: _,
        guard: _,
    } = settings;
    let manifest = serde_json::to_string(&build.manifest).unwrap_or_default();
    let text = format!(
        "{root:?} {manifest} {limits:?} {permissions:?} {environment:?} {draft_secret:?} {public_origin:?}"
    );
    digest(text.as_bytes())
}
