//! An app as programs describe it: where it comes from, and what it runs with.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::sources::{Around, Ready, Source};
use crate::build::{ModuleVariable, Role};
use crate::bundle::{Conditions, Problem, Workshop};
use crate::draft::{SHORTEST_DRAFT_SECRET, draft_secret_from, kept_draft_secret, new_draft_secret};
use crate::enforcer::Guard;
use crate::error::Error;
use crate::instances::Instances;
use crate::limits::Limits;
use crate::permissions::Permissions;
use crate::project::{Environment, MethodSet};
use crate::registry::{HostName, Names};
use crate::telemetry::Observer;
use crate::version::{Settings, Version};

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
        /// Every file that is in it.
        inputs: &'a [PathBuf],
    },
    /// Modules of the app keep what handlers change, and the app has several instances, each
    /// of which has its own.
    ModuleState {
        /// How many instances.
        instances: usize,
        /// The variables, in the order of their files.
        variables: &'a [ModuleVariable],
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

/// An app, to be deployed on a host.
#[must_use = "an app does nothing until it is deployed"]
pub struct App {
    pub(super) source: Source,
    pub(super) keeps: bool,
    pub(super) name: Option<String>,
    pub(super) hosts: Vec<String>,
    pub(super) is_default: bool,
    pub(super) limits: Option<Limits>,
    pub(super) permissions: Permissions,
    pub(super) conditions: Conditions,
    pub(super) instances: Instances,
    pub(super) environment: Environment,
    pub(super) public_origin: Option<String>,
    pub(super) draft_secret: Option<String>,
    pub(super) progress: Box<dyn FnMut(Progress<'_>) + Send>,
    /// What is kept of builds, for who works on the project.
    pub(super) workshop: Option<Arc<tokio::sync::Mutex<Workshop>>>,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("source", &self.source)
            .field("name", &self.name)
            .field("hosts", &self.hosts)
            .field("limits", &self.limits)
            .field("instances", &self.instances)
            .finish_non_exhaustive()
    }
}

impl App {
    /// The app of the project in `dir`. Its environment has what `.env` files of the project
    /// say, and nothing of this process. Nothing is written into the folder unless
    /// [`Self::keep_in_project`] asks for it.
    pub fn from_dir(dir: impl Into<PathBuf>) -> Self {
        Self::new(Source::Dir(dir.into()))
    }

    /// The app that `edgehost build` or [`Self::build`] wrote to a folder or a file. Its
    /// environment has what `.env` files beside the folder's contents say. Who may write to
    /// `path` decides what runs: the checksums in it are against damage.
    pub fn from_build(path: impl Into<PathBuf>) -> Self {
        Self::new(Source::Build(path.into()))
    }

    /// As [`Self::from_build`], from the bytes of the file. Files that code reads while it
    /// runs are unpacked into the temporary folder, and removed with the app's version.
    pub fn from_build_bytes(bytes: impl Into<Bytes>) -> Self {
        Self::new(Source::Bytes(bytes.into()))
    }

    /// The app of a project in memory: paths as they are seen from its folder, such as
    /// `app/hello/route.ts`, and what the files hold. It has no `node_modules`.
    pub fn from_files<P: Into<String>, C: Into<Vec<u8>>>(files: impl IntoIterator<Item = (P, C)>) -> Self {
        let files = files.into_iter().map(|(path, content)| (path.into(), content.into()));
        Self::new(Source::Files(files.collect()))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            keeps: false,
            name: None,
            hosts: Vec::new(),
            is_default: false,
            limits: None,
            permissions: Permissions::default(),
            conditions: Conditions::default(),
            instances: Instances::default(),
            environment: Environment::empty(),
            public_origin: None,
            draft_secret: None,
            progress: Box::new(|_| {}),
            workshop: None,
        }
    }

    /// What the host and its log call it. Every app of a host needs another one.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The hosts that mean it: `shop.example.com`, or `*.example.com` for every name below.
    /// The exact name comes before the nearest wildcard. An app without hosts gets what no
    /// other is asked for by; a host has one such app at most.
    pub fn hosts<T: Into<String>>(mut self, hosts: impl IntoIterator<Item = T>) -> Self {
        self.hosts.extend(hosts.into_iter().map(Into::into));
        self
    }

    /// Whether it gets what no other is asked for by, beside its hosts.
    pub fn default(mut self, is_default: bool) -> Self {
        self.is_default = is_default;
        self
    }

    /// Ceilings; those of the host otherwise. What concerns connections is the host's alone.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
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

    /// On how many threads of the host it runs, each with modules of its own: a number, or
    /// [`Instances::Auto`] for all; one otherwise.
    pub fn instances(mut self, instances: impl Into<Instances>) -> Self {
        self.instances = instances.into();
        self
    }

    /// Whether the bundle, so that the next start takes milliseconds, and a secret of draft mode
    /// are kept in the project's folder, in `.edgehost/`; nothing is written there otherwise.
    pub fn keep_in_project(mut self, keep: bool) -> Self {
        self.keeps = keep;
        self
    }

    /// Variables that come before those of `.env` files; none otherwise.
    pub fn env(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Scheme and host that `request.url` shows, such as `https://example.com`.
    pub fn public_origin(mut self, origin: impl Into<String>) -> Self {
        self.public_origin = Some(origin.into());
        self
    }

    /// What draft mode is made sure with: the same for all machines that serve a project,
    /// at least 16 bytes that nobody guesses. Otherwise one is made up, which
    /// [`Self::keep_in_project`] keeps.
    pub fn draft_secret(mut self, secret: impl Into<String>) -> Self {
        self.draft_secret = Some(secret.into());
        self
    }

    /// Is told what happens while the app is read and bundled.
    pub fn on_progress(mut self, progress: impl FnMut(Progress<'_>) + Send + 'static) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// Has it built for who works on it: as development builds are, with what is kept in the
    /// workshop of the last one, and whatever mistakes it has.
    #[cfg(feature = "dev")]
    pub(crate) fn in_workshop(mut self, workshop: Arc<tokio::sync::Mutex<Workshop>>) -> Self {
        self.conditions.for_development();
        self.workshop = Some(workshop);
        self
    }

    /// Has `more` told as well what happens while the app is read and bundled.
    #[cfg(feature = "dev")]
    pub(crate) fn also_on_progress(mut self, mut more: impl FnMut(&Progress<'_>) + Send + 'static) -> Self {
        let mut first = self.progress;
        self.progress = Box::new(move |progress| {
            more(&progress);
            first(progress);
        });
        self
    }

    /// Whether the settings can work. [`EdgeHost::deploy`](super::EdgeHost::deploy) asks as well.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] names every one that cannot.
    pub fn validate(&self) -> Result<(), Error> {
        let problems = self.problems();
        if problems.is_empty() { Ok(()) } else { Err(Error::Settings(problems)) }
    }

    /// What its hosts are.
    pub(super) fn names(&self) -> Result<Names, Error> {
        let hosts: Result<Arc<[HostName]>, String> =
            self.hosts.iter().map(|host| HostName::parse(host)).collect();
        let hosts = hosts.map_err(|problem| Error::Settings(vec![problem]))?;
        Ok(Names { is_default: self.is_default || hosts.is_empty(), hosts })
    }

    /// A sentence for each setting that cannot work.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.limits.iter().flat_map(Limits::problems).collect();
        if self.instances == Instances::Count(0) {
            problems.push("--instances is 0: it must be at least 1, or auto".to_owned());
        }
        // It stands in lines of the log.
        let is_word = |name: &String| {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        if let Some(name) = self.name.as_ref().filter(|name| !is_word(name)) {
            problems.push(format!("'{name}' is no name of an app: it has letters, digits, '-', '_' and '.'"));
        }
        problems.extend(self.hosts.iter().filter_map(|host| HostName::parse(host).err()));
        if let Some(Err(problem)) = self.public_origin.as_deref().map(origin) {
            problems.push(problem);
        }
        if self.draft_secret.as_ref().is_some_and(|secret| secret.len() < SHORTEST_DRAFT_SECRET) {
            problems.push(format!(
                "--draft-secret is too short to be one: it must have at least {SHORTEST_DRAFT_SECRET} bytes, such as `openssl rand -hex 16` makes"
            ));
        }
        problems
    }

    /// Has what the app is made of: a version of it, which is called `name` and will have so many
    /// instances. `secret` is the one of draft mode that the version before it has.
    pub(super) async fn load(
        &mut self,
        name: Option<Arc<str>>,
        limits: Limits,
        observer: Arc<dyn Observer>,
        guard: Arc<Guard>,
        instances: usize,
        secret: Option<&str>,
    ) -> Result<Arc<Version>, Error> {
        let around = Around {
            name: name.clone(),
            limits: &limits,
            observer: observer.clone(),
            guard: guard.clone(),
            instances: Some(instances),
        };
        let ready = self.ready(around).await?;
        self.version(ready, name, limits, observer, guard, secret)
    }

    /// The version that is made of `ready`.
    pub(super) fn version(
        &self,
        ready: Ready,
        name: Option<Arc<str>>,
        limits: Limits,
        observer: Arc<dyn Observer>,
        guard: Arc<Guard>,
        secret: Option<&str>,
    ) -> Result<Arc<Version>, Error> {
        let Ready { place, build, environment, .. } = ready;
        let draft_secret = match (&self.draft_secret, secret) {
            (Some(configured), _) => Ok(draft_secret_from(configured)),
            (None, _) if self.keeps && matches!(self.source, Source::Dir(_)) => {
                kept_draft_secret(&place.root)
            }
            (None, Some(before)) => Ok(before.to_owned()),
            (None, None) => new_draft_secret(),
        };
        let draft_secret = draft_secret
            .map_err(|source| Error::System { what: "cannot make a secret for draft mode", source })?;
        let settings = Settings {
            name,
            limits,
            permissions: self.permissions.clone(),
            environment,
            draft_secret,
            public_origin: self.public_origin.as_deref().and_then(|text| origin(text).ok()),
            observer,
            guard,
        };
        Version::new(place, build, settings).map_err(Error::Permissions)
    }
}

/// The form of a public origin: scheme and host, nothing else.
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

pub(super) fn summaries(version: &Version) -> Vec<RouteSummary> {
    version
        .routes
        .iter()
        .filter(|route| route.role == Role::Handler)
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
