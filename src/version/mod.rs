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
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use edgehost_ext::Layer;
use edgehost_ext::message::Site;

pub(crate) use self::public::{Coding, PublicFiles};
pub(crate) use self::route::ServedRoute;
use self::sources::SourceLines;
use crate::build::{
    Build, BuiltMiddleware, BuiltRoute, Chunk, Entry, Place, Role, SourceMap, absolute, digest, relative,
};
use crate::enforcer::{Access, Guard};
use crate::limits::Limits;
use crate::permissions::Permissions;
use crate::project::{Environment, MethodSet, RouteTable, Runtime};
use crate::rules::{Matcher, Paths, Rules};
use crate::telemetry::Observer;

/// Tells the versions of a process apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct VersionId(u64);

impl VersionId {
    /// The number that is shown.
    pub(crate) fn number(self) -> u64 {
        self.0
    }

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

/// The specifier of the module that stands for other servers: all that it does is the host's.
const FORWARD: &str = "edgehost:///forward.js";

/// What stands in the log in the place of its pattern; the URL is its parameter.
const FORWARDED: &str = "rewrite/[target]";

/// The middleware of a version.
#[derive(Debug)]
pub(crate) struct Guarding {
    /// Its place behind the routes.
    pub(crate) route: usize,
    /// What it may be exported as.
    pub(crate) export: String,
    /// For which requests it runs.
    pub(crate) matcher: Matcher,
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
    /// Keeps what was unpacked there.
    place: Place,
    /// The same as a URL with a slash at its end, cut from stack traces.
    pub(crate) root_url: String,
    /// The folder around a project that was shipped, and what it is called from there.
    pub(crate) around: Option<(String, String)>,
    /// Lines of code for reports of errors.
    pub(crate) sources: SourceLines,
    /// Routes in order of precedence; behind them the middleware, which no path means.
    pub(crate) routes: Vec<ServedRoute>,
    /// Finds one of them by a path.
    pub(crate) table: RouteTable,
    /// What paths are like.
    pub(crate) paths: Paths,
    /// What stands before the routes, if anything does.
    pub(crate) rules: Option<Rules>,
    /// What runs before the routes.
    pub(crate) middleware: Option<Guarding>,
    /// The place of what hands requests to other servers, behind the routes.
    pub(crate) forward: Option<usize>,
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
    /// The version of `build` whose project, or what is left of it, is at `place`.
    ///
    /// # Errors
    ///
    /// A sentence where a list in the permissions or a rule cannot be understood.
    pub(crate) fn new(
        place: impl Into<Place>,
        build: Build,
        settings: Settings,
    ) -> Result<Arc<Self>, String> {
        let place = place.into();
        let root = place.root.clone();
        let fingerprint = fingerprint(&place, &build, &settings);
        let around = place.base.as_ref().filter(|base| **base != root).and_then(|base| {
            let url = url::Url::from_directory_path(base).ok()?;
            Some((url.into(), format!("{}/", relative(&root, base).display())))
        });
        let Build { manifest, mut chunks } = build;
        let packages: Vec<PathBuf> = manifest.packages.iter().map(|path| absolute(&root, path)).collect();
        let access =
            Access::new(settings.permissions, &root, &packages).map_err(|error| error.to_string())?;
        let config = manifest.config;
        let rules = config.rules.compile(&config.paths.base).map_err(|problems| problems.join("\n"))?;
        let has_rules = !rules.is_empty() || config.paths != Paths::default();
        let table = RouteTable::new(manifest.routes.iter().map(|route| route.pattern.as_str()));
        let guarding = |(route, built): (usize, &BuiltMiddleware)| {
            let matcher = Matcher::compile(built.matcher.as_ref(), &config.paths.base);
            let matcher = matcher.map_err(|problems| problems.join("\n"))?;
            Ok::<_, String>(Guarding { route, export: built.export.clone(), matcher })
        };
        let count = manifest.routes.len();
        let middleware = manifest.middleware.as_ref().map(|built| guarding((count, built))).transpose()?;
        let leads_outside = rules.lead_outside() || middleware.is_some();
        let forwarding = leads_outside.then(|| {
            let code = Chunk { code: "export {};".into(), map: SourceMap::Absent, cache: None };
            chunks.insert(FORWARD.to_owned(), code);
            BuiltRoute {
                pattern: FORWARDED.to_owned(),
                file: config.file.clone().unwrap_or_default(),
                role: Role::Forward,
                // Where there is an isolate in any case.
                runtime: manifest.routes.first().map_or(Runtime::NodeJs, |route| route.runtime),
                max_duration: None,
                entry: Ok(Entry { specifier: FORWARD.to_owned(), methods: MethodSet::from_bits(u8::MAX) }),
            }
        });
        let modules = manifest.routes.into_iter();
        let modules = modules.chain(manifest.middleware.map(|built| built.module)).chain(forwarding);
        let routes = modules.map(|route| ServedRoute::new(route, &settings.limits));
        let environment = &settings.environment;
        Ok(Arc::new(Self {
            id: VersionId::next(),
            fingerprint,
            name: settings.name,
            root_url: url::Url::from_directory_path(&root).map(String::from).unwrap_or_default(),
            sources: SourceLines::default(),
            public: PublicFiles::of(&root),
            around,
            root,
            place,
            routes: routes.collect(),
            table,
            paths: config.paths,
            forward: leads_outside.then_some(count + usize::from(middleware.is_some())),
            middleware,
            rules: has_rules.then_some(rules),
            chunks,
            node: manifest.node,
            env: environment
                .iter()
                .filter(|(name, _)| access.shows(name) && !config.env.contains_key(*name))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .chain(config.env.clone())
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

    /// Whether another one would answer in the same way: the same modules and public files from
    /// the same places, with the same settings.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let is_there = |(specifier, chunk): (&String, &Chunk)| {
            let is_same = |other: &Chunk| {
                Arc::ptr_eq(&other.code, &chunk.code)
                    || (other.code == chunk.code && other.map.read() == chunk.map.read())
            };
            other.chunks.get(specifier).is_some_and(is_same)
        };
        self.fingerprint == other.fingerprint
            && self.public.is_same(&other.public)
            && self.chunks.len() == other.chunks.len()
            && self.chunks.iter().all(is_there)
    }

    /// Whether paths are not as they are without a configuration.
    pub(crate) fn has_own_paths(&self) -> bool {
        !self.paths.base.is_empty() || self.paths.trailing_slash
    }

    /// What a configuration is run for, in the words of `next/constants`.
    pub(crate) fn phase(&self) -> &'static str {
        let is_development =
            self.env.iter().any(|(name, value)| name == "NODE_ENV" && value == "development");
        if is_development { "phase-development-server" } else { "phase-production-server" }
    }

    /// Its host has ended, and with it what it has unpacked.
    pub(crate) fn leave(&self) {
        self.place.leave();
    }

    /// What the isolates of a runtime start from.
    pub(crate) fn layer(&self, kind: Runtime) -> Layer {
        if self.node.contains(&kind) { Layer::Node } else { Layer::Web }
    }
}

/// Of what a version is made of, but for its modules.
fn fingerprint(place: &Place, build: &Build, settings: &Settings) -> String {
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
    let identity = &place.identity;
    let text = format!(
        "{identity} {manifest} {limits:?} {permissions:?} {environment:?} {draft_secret:?} {public_origin:?}"
    );
    digest(text.as_bytes())
}
