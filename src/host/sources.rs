//! Where apps come from: a project, what was built of one, files in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::app::{App, Progress, RouteSummary, summaries};
use crate::build::{Artefact, Build, Loaded, Place, Refused, Shipment, absolute};
use crate::bundle::{self, BundleError, Bundled, Problem, traced};
use crate::enforcer::Guard;
use crate::error::Error;
use crate::evaluate::{self, Circumstances};
use crate::isolate::engine;
use crate::limits::Limits;
use crate::memory::MemoryBudget;
use crate::project::{Environment, Project, ProjectError};
use crate::telemetry::{Observer, Tracing};

/// What an app is made of.
pub(super) enum Source {
    /// The folder of a project.
    Dir(PathBuf),
    /// A folder or a file that was built.
    Build(PathBuf),
    /// The bytes of such a file.
    Bytes(Bytes),
    /// A project that is on no disk: paths and contents.
    Files(Vec<(String, Vec<u8>)>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dir(path) | Self::Build(path) => path.fmt(f),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Files(files) => write!(f, "{} files", files.len()),
        }
    }
}

/// All that a version is made of but settings.
pub(super) struct Ready {
    pub(super) place: Place,
    pub(super) build: Build,
    pub(super) environment: Environment,
    /// Files that went into a bundle.
    pub(super) inputs: Vec<PathBuf>,
}

/// Whom the app is read for.
pub(super) struct Around<'a> {
    pub(super) name: Option<Arc<str>>,
    pub(super) limits: &'a Limits,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) guard: Arc<Guard>,
    /// How many instances it will have; none where it will not serve.
    pub(super) instances: Option<usize>,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Artefact(refused.to_string())
    }
}

impl App {
    /// Whether there is a build at a path, for [`Self::from_build`]: a file, or a folder that
    /// holds what `edgehost build` writes.
    pub fn is_build(path: impl AsRef<Path>) -> bool {
        Artefact::is_at(path.as_ref())
    }

    /// The text of the `edgehost.toml` that a project had when it was built. The library does
    /// not read it; the program `edgehost` does.
    ///
    /// # Errors
    ///
    /// [`Error::Artefact`] when the build is damaged.
    pub fn settings_of_build(path: impl AsRef<Path>) -> Result<Option<String>, Error> {
        Ok(Artefact::open(path.as_ref())?.settings()?)
    }

    /// Reads what the app is made of, and tells its routes in order of precedence. Nothing of
    /// it runs.
    ///
    /// # Errors
    ///
    /// [`Error`] when the project or the build is not in order, or no route can be bundled.
    pub async fn routes(mut self) -> Result<Vec<RouteSummary>, Error> {
        self.validate()?;
        let limits = self.limits.clone().unwrap_or_default();
        let (observer, guard) = (Arc::new(Tracing), Guard::new(MemoryBudget::default()));
        let around = Around {
            name: None,
            limits: &limits,
            observer: observer.clone(),
            guard: guard.clone(),
            instances: None,
        };
        let ready = self.ready(around).await?;
        Ok(summaries(&*self.version(ready, None, limits, observer, guard, None)?))
    }

    /// Reads what the app is made of.
    pub(super) async fn ready(&mut self, around: Around<'_>) -> Result<Ready, Error> {
        let instances = around.instances;
        let ready = match &mut self.source {
            Source::Dir(dir) => {
                let dir = dir.clone();
                self.bundle(&dir, around).await?
            }
            Source::Build(path) => {
                let folder = Some(&**path).filter(|path| path.is_dir());
                let environment = Environment::of_folder(folder, &self.environment)?;
                unpack(Artefact::open(path)?, environment)?
            }
            Source::Bytes(bytes) => {
                let environment = Environment::of_folder(None, &self.environment)?;
                unpack(Artefact::of_bytes(bytes.clone())?, environment)?
            }
            Source::Files(files) => {
                let files = std::mem::take(files);
                let ready = self.bundle_files(&files, around).await;
                self.source = Source::Files(files);
                ready?
            }
        };
        let variables = &ready.build.manifest.state;
        if let Some(instances @ 2..) = instances
            && !variables.is_empty()
        {
            (self.progress)(Progress::ModuleState { instances, variables });
        }
        Ok(ready)
    }

    /// Bundles the project in a folder.
    async fn bundle(&mut self, dir: &Path, around: Around<'_>) -> Result<Ready, Error> {
        let Around { name, limits, observer, guard, .. } = around;
        let root = Project::root_of(dir)?;
        let circumstances = Circumstances {
            name,
            environment: &Project::environment_of(&root, &self.environment)?,
            permissions: &self.permissions,
            conditions: &self.conditions,
            is_kept: self.keeps,
            limits,
            observer,
            guard,
        };
        let config = evaluate::next_config(&root, circumstances).await?;
        let project = Project::open(dir, &self.environment, config)?;
        let routes = project.routes.len();
        (self.progress)(Progress::Found { routes, hints: &project.hints(limits) });
        let began = Instant::now();
        let progress = &mut self.progress;
        let started = |routes| progress(Progress::Bundling { routes });
        let mut workshop = match &self.workshop {
            Some(workshop) => Some(workshop.lock().await),
            None => None,
        };
        let Bundled { build, errors, warnings, cached, packages, inputs } =
            bundle::bundle(&project, &self.conditions, workshop.as_deref_mut(), self.keeps, started).await?;
        drop(workshop);
        progress(Progress::Bundled {
            routes,
            packages,
            cached,
            took: began.elapsed(),
            warnings: &warnings,
            errors: &errors,
            inputs: &inputs,
        });
        Ok(Ready { place: project.root.into(), build, environment: project.environment, inputs })
    }

    /// Bundles a project that is on no disk. The bundler reads disks: the files are on one for
    /// as long as it runs, in a folder that nobody else may read.
    async fn bundle_files(
        &mut self,
        files: &[(String, Vec<u8>)],
        around: Around<'_>,
    ) -> Result<Ready, Error> {
        let failed =
            |source| Error::System { what: "cannot write the files of an app for the bundler", source };
        let private = std::fs::Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("edgehost-").permissions(private).tempdir();
        let folder = folder.map_err(failed)?;
        let root = folder.path().canonicalize().map_err(failed)?;
        for (path, content) in files {
            let is_name =
                path.split('/').all(|part| !matches!(part, "" | "." | "..")) && !path.contains('\0');
            if !is_name {
                return Err(Error::Settings(vec![format!("'{path}' is no path of a file below a project")]));
            }
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(&root)).map_err(failed)?;
            std::fs::write(path, content).map_err(failed)?;
        }
        let keeps = std::mem::take(&mut self.keeps);
        let ready = self.bundle(&root, around).await;
        self.keeps = keeps;
        let ready = ready.map_err(|error| match error {
            Error::Project(ProjectError::NoAppDirectory(_)) => {
                ProjectError::NoAppDirectory("the files".into()).into()
            }
            other => other,
        })?;
        // Folders above are looked into for packages, and are anybody's.
        if let Some(path) = ready.inputs.iter().find(|path| !path.starts_with(&root)) {
            let message =
                format!("an app of files in memory has no packages, and imports {}", path.display());
            return Err(BundleError::Problems(vec![Problem { message, ..Problem::default() }]).into());
        }
        let read = read_files(&ready);
        let Ready { place, build, environment, inputs } = ready;
        let (root, files) = (&place.root, &read.keys().cloned().collect());
        let shipment =
            Shipment { build: &build, root, inputs: &inputs, files, settings: None, engine: engine() };
        let bytes = shipment.to_bytes().map_err(failed)?;
        drop(folder);
        Ok(unpack(Artefact::of_bytes(bytes.into())?, environment)?)
    }
}

fn unpack(artefact: Artefact, environment: Environment) -> Result<Ready, Refused> {
    let own = engine();
    let Loaded { build, place, foreign } = artefact.load(&own)?;
    if let Some(maker) = foreign {
        tracing::warn!(
            "the code cache of the build is not used, and modules are compiled when they are loaded: it was made by {maker}, and this is edgehost {} ({own})",
            env!("CARGO_PKG_VERSION")
        );
    }
    Ok(Ready { place, build, environment, inputs: Vec::new() })
}

/// What code reads while it runs, with whose code does: of the project, its packages, and the
/// packages of its workspace.
pub(super) fn read_files(ready: &Ready) -> BTreeMap<PathBuf, PathBuf> {
    let root = &ready.place.root;
    let mut roots = BTreeSet::from([root.clone()]);
    roots.extend(ready.build.manifest.packages.iter().map(|path| absolute(root, path)));
    for input in &ready.inputs {
        if !roots.iter().any(|root| input.starts_with(root)) {
            let package = input.ancestors().skip(1).find(|folder| folder.join("package.json").is_file());
            roots.extend(package.map(Path::to_owned));
        }
    }
    traced(root, &Vec::from_iter(roots), &ready.inputs)
}
