//! Errors of the library's public functions.

use crate::bundle::BundleError;
use crate::project::ProjectError;

/// Why a host could not be built or could not serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The project folder is not in order.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The project cannot be bundled.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// What `edgehost build` wrote cannot be served: a file is damaged, missing, or not of this
    /// edgehost.
    #[error("{0}")]
    Artefact(String),
    /// A build cannot be written.
    #[error("cannot write the build to {}", path.display())]
    Unwritten {
        /// Where it was to be.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Settings that cannot work, a sentence for each. They are named as flags are.
    #[error("{}", .0.join("\n"))]
    Settings(Vec<String>),
    /// A list in the permissions cannot be understood.
    #[error("the permissions cannot be used: {0}")]
    Permissions(String),
    /// A version of an app cannot take over; the current one goes on.
    #[error("the new version cannot take over: {0}")]
    Version(String),
    /// The host was shut down.
    #[error("the host was shut down: it takes no apps, no listeners and no requests any more")]
    Ended,
    /// Threads run native code that nothing can interrupt: they answer nobody any more.
    /// Start the process afresh.
    #[error("{threads} of {of} threads do not come back from native code: start the process afresh")]
    Wedged {
        /// How many.
        threads: usize,
        /// Of how many.
        of: usize,
    },
    /// A thread, a socket or an isolate could not be had.
    #[error("{what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}
