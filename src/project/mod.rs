//! The user's folder, read without V8.
//!
//! Purpose: find the app directory, turn `route.*` files into a route table,
//! read segment configuration and `.env` files.
//! Key types: [`Project`], [`RouteTable`], [`Environment`].
//! Where to look: `discovery` walks, `routes` orders and matches, `segment`
//! reads exported constants, `env` reads `.env` files, `next` finds out the version of
//! Next.js.
//! Never: JavaScript is not run here, nothing is written, nothing is awaited.

mod discovery;
mod env;
mod next;
mod routes;
mod segment;

use std::path::{Path, PathBuf};

pub(crate) use discovery::IgnoredFiles;
pub use env::Environment;
pub(crate) use routes::{Match, Method, MethodSet, ParamValue, Params, Route, RouteTable};
pub(crate) use segment::Runtime;

/// A project folder as it was found on disk.
#[derive(Debug)]
pub(crate) struct Project {
    /// The folder that holds `app/` or `src/app/`; `process.cwd()` of the app.
    pub root: PathBuf,
    /// Every route, in matching order.
    pub routes: RouteTable,
    /// What is handed to the app as `process.env`.
    pub environment: Environment,
    /// Whether it is on a Next.js before 15, where `params`, `cookies()` and their like
    /// are no promises.
    pub sync_params: bool,
    /// Recognised files of other Next.js conventions, which are not served.
    pub ignored: IgnoredFiles,
}

/// Everything that is wrong with a project folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// The folder does not exist or cannot be read.
    #[error("cannot read {}: {source}", path.display())]
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
    #[error("no route files in {}: add a `route.ts` that exports GET, POST or another method", .0.display())]
    NoRoutes(PathBuf),
    /// Route files that contradict each other; one entry a conflict.
    #[error("{}", join_lines(.0))]
    Conflicts(Vec<String>),
    /// A `.env` file that cannot be understood.
    #[error("{}", join_lines(.0))]
    Segments(Vec<String>),
}

fn join_lines(problems: &[String]) -> String {
    problems.join("\n")
}

impl Project {
    /// Reads the project in `dir`: a folder with `app/` or `src/app/`, or an app directory itself.
    ///
    /// # Errors
    ///
    /// [`ProjectError`] names every conflict that was found, not only the first.
    pub(crate) fn open(dir: &Path, real_env: &Environment) -> Result<Self, ProjectError> {
        let dir = absolute(dir)?;
        let (root, app_dir) = discovery::locate(&dir)?;
        let (routes, ignored) = discovery::discover(&root, &app_dir)?;
        let environment = env::load(&root, real_env)?;
        let sync_params = next::is_synchronous(&root);
        Ok(Self { root, routes, environment, sync_params, ignored })
    }
}

fn absolute(dir: &Path) -> Result<PathBuf, ProjectError> {
    dir.canonicalize().map_err(|source| ProjectError::Unreadable { path: dir.to_owned(), source })
}
