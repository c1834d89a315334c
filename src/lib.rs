//! Next.js route handlers, served from Rust.
//!
//! A folder with `app/**/route.ts` files becomes a [`tower_service::Service`]
//! that runs them on V8, with web-standard `Request`, `Response`, `fetch`,
//! streams and crypto, under limits that hold.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use edgehost::EdgeHost;
//!
//! let host = EdgeHost::builder("./my-project").build().await?;
//! let request = http::Request::get("/hello").body(http_body_util::Empty::new())?;
//! let response = host.call(request).await;
//! assert_eq!(response.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//!
//! From the ground up: `limits`, `instances`, `permissions`, `error` and `telemetry` are values; `project`
//! reads the user's folder; `bundle` makes a `build` of it; `enforcer` and the crate
//! `edgehost_ext` guard and equip what runs; a `version` is a build with its settings;
//! `isolate` owns a V8 heap; `shard` a thread; `evaluate` runs `next.config`; `rules` are what it says of paths;
//! `front` turns requests into responses; `server` speaks HTTP; [`EdgeHost`] puts
//! them together; `dev` serves who works on an app. `ARCHITECTURE.md` tells the rest.

mod build;
mod bundle;
mod calling;
#[cfg(feature = "dev")]
pub mod dev;
mod draft;
mod ending;
mod enforcer;
mod error;
mod evaluate;
mod front;
mod host;
mod instances;
mod isolate;
mod limits;
mod memory;
mod permissions;
mod project;
mod registry;
mod rules;
mod server;
mod shard;
mod soon;
pub mod telemetry;
mod types;
mod version;

pub use build::ModuleVariable;
pub use bundle::{BundleError, Problem};
pub use calling::{Context, ContextError, Mount, Peer};
pub use edgehost_ext::message::{BoxError, ResponseBody};
pub use ending::{CutOff, ShutdownReport};
pub use enforcer::{contain_fatal_errors, contain_panics};
pub use error::Error;
pub use host::{
    App, BuildSummary, Deployed, EdgeHost, EdgeHostBuilder, HostBuilder, Mounted, Progress, ReadFile,
    RouteSummary, Update,
};
pub use instances::Instances;
pub use limits::{Exceeded, Limits};
pub use memory::MemoryBudget;
pub use permissions::{Permissions, Profile};
pub use project::{Environment, ProjectError};
pub use server::Http1;
pub use types::ProjectTypes;
