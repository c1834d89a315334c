//! The user's folder, read without V8.
//!
//! Purpose: find the app directory, turn `route.*` files into a route table,
//! read segment configuration and `.env` files.
//! Key types: [`Project`], [`RouteTable`], [`Environment`].
//! Where to look: `discovery` walks, `routes` orders and matches, `segment`
//! reads exported constants, `middleware` what runs before routes, `metadata` which metadata files are served where, `next_config` holds what `next.config` sets, `file_rules` reads
//! what it says of files that are no code, `env` reads `.env` files, `hints` says what Next.js
//! would do with all that and edgehost does not, `next` finds out the version of Next.js.
//! Never: JavaScript is not run here, nothing is written, nothing is awaited.

mod discovery;
mod env;
mod file_rules;
mod hints;
mod metadata;
mod middleware;
mod next;
mod next_config;
mod routes;
mod segment;

use std::path::{Path, PathBuf};

pub use env::Environment;
pub(crate) use file_rules::{Condition, FileKind, FileRule, FileRules, Pattern};
#[cfg(feature = "dev")]
pub(crate) use metadata::is_metadata_file;
pub(crate) use metadata::{Form, Metadata};
pub(crate) use middleware::Middleware;
pub(crate) use next_config::{Evaluated, NextConfig};
pub(crate) use routes::{Capture, Match, Method, MethodSet, Params, Route, RouteTable, param_names};
pub(crate) use segment::Runtime;

/// A project folder as it was found on disk.
#[derive(Debug)]
pub(crate) struct Project {
    /// The folder that holds `app/` or `src/app/`; `process.cwd()` of the app.
    pub root: PathBuf,
    /// Every route, in matching order.
    pub routes: Vec<Route>,
    /// What is handed to the app as `process.env`.
    pub environment: Environment,
    /// Whether it is on a Next.js before 15, where `params`, `cookies()` and their like
    /// are no promises.
    pub sync_params: bool,
    /// Whether it is on a Next.js before 16, which hands `params` and `id` to images and sitemaps
    /// as they are.
    pub sync_metadata: bool,
    /// Whether it is on a Next.js that takes an import of a name that is not exported for an
    /// error, not for a warning.
    pub strict_exports: bool,
    /// Recognised files of other Next.js conventions, which are not served.
    ignored: discovery::IgnoredFiles,
    /// How files that are no code are imported.
    pub file_rules: FileRules,
    /// What `next.config` sets.
    pub config: NextConfig,
    /// What runs before the routes.
    pub middleware: Option<Middleware>,
}

/// Everything that is wrong with a project folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// The folder does not exist or cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// What could not be read.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is neither `app/` nor `src/app/`, and the folder is not an app directory.
    #[error(
        "couldn't find an `app` directory in {}: create `app/route.ts`, or name the folder that holds `app/` or `src/app/`",
        .0.display()
    )]
    NoAppDirectory(PathBuf),
    /// The app directory holds no `route.*` file.
    #[error(
        "no route files in {}: add a `route.ts` that exports GET, POST or another method{}",
        app.display(),
        hints.iter().map(|hint| format!("\n{hint}")).collect::<String>()
    )]
    NoRoutes {
        /// The app directory.
        app: PathBuf,
        /// Files that look as if they were meant to be routes, a sentence for each.
        hints: Vec<String>,
    },
    /// What is wrong with the file that runs before the routes; one entry a mistake.
    #[error("{}", join_lines(.0))]
    Middleware(Vec<String>),
    /// The configuration of Next.js cannot be used.
    #[error("{file} cannot be used: {problem}")]
    NextConfig {
        /// The file, relative to the project.
        file: String,
        /// What is wrong with it, or went wrong when it ran.
        problem: String,
    },
    /// Route files that contradict each other; one entry a conflict.
    #[error("{}", join_lines(.0))]
    Conflicts(Vec<String>),
}

fn join_lines(problems: &[String]) -> String {
    problems.join("\n")
}

impl Project {
    /// Reads the project in `dir`: a folder with `app/` or `src/app/`, or an app directory itself.
    /// `config` is what its `next.config` sets.
    ///
    /// # Errors
    ///
    /// [`ProjectError`] names every conflict that was found, not only the first.
    pub(crate) fn open(dir: &Path, real_env: &Environment, config: NextConfig) -> Result<Self, ProjectError> {
        let dir = absolute(dir)?;
        let (root, app_dir) = discovery::locate(&dir)?;
        let (routes, ignored) = discovery::discover(&root, &app_dir, config.page_extensions.as_deref())?;
        let extensions = discovery::extensions_of(config.page_extensions.as_deref());
        let beside = app_dir.parent().unwrap_or(&root);
        let middleware = middleware::find(&root, beside, &extensions).map_err(ProjectError::Middleware)?;
        let environment = env::load(Some(&root), real_env)?;
        let sync_params = next::is_synchronous(&root);
        let sync_metadata = next::is_synchronous_in_metadata(&root);
        let strict_exports = next::is_strict(&root);
        let file_rules = FileRules::of_project(&root);
        Ok(Self {
            root,
            routes,
            environment,
            sync_params,
            sync_metadata,
            strict_exports,
            ignored,
            file_rules,
            config,
            middleware,
        })
    }

    /// What an app in the project folder `root` sees as `process.env`.
    ///
    /// # Errors
    ///
    /// [`ProjectError`] when a `.env` file cannot be read.
    pub(crate) fn environment_of(root: &Path, real_env: &Environment) -> Result<Environment, ProjectError> {
        env::load(Some(root), real_env)
    }

    /// The version of a package in the nearest `node_modules` that has it.
    pub(crate) fn installed(&self, package: &str) -> Option<deno_semver::Version> {
        next::installed(&self.root, package)
    }

    /// How a person who works on the project installs a package that only they need.
    pub(crate) fn install_command(root: &Path, package: &str) -> String {
        next::install_command(root, package)
    }

    /// The project folder for the folder that a person named: the one that holds `app/`
    /// or `src/app/`.
    ///
    /// # Errors
    ///
    /// [`ProjectError`] when there is none.
    pub(crate) fn root_of(dir: &Path) -> Result<PathBuf, ProjectError> {
        discovery::locate(&absolute(dir)?).map(|(root, _)| root)
    }
}

fn absolute(dir: &Path) -> Result<PathBuf, ProjectError> {
    dir.canonicalize().map_err(|source| ProjectError::Unreadable { path: dir.to_owned(), source })
}
