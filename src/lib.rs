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
//! # A tour for those who embed it
//!
//! - **A host and its apps.** [`EdgeHost::builder`] is the short way for one project;
//!   [`EdgeHost::for_apps`] makes a host to which [`App`]s are [deployed](EdgeHost::deploy), whose
//!   versions are [replaced](Deployed::replace) while they serve.
//! - **The ways in.** [`EdgeHost::call`] and [`Deployed::call`] take any `http::Request`; both types are
//!   [`tower_service::Service`]s, for axum and its like, [under a prefix](EdgeHost::at) too;
//!   [`EdgeHost::serve`] listens by itself.
//! - **What handlers are told.** A [`Context`] in a request's extensions is what
//!   `import { context } from 'edgehost'` returns; a [`Peer`] is its client, or
//!   [`HostBuilder::peer_from`] finds it in a type of the framework.
//! - **What the program is told.** An [`Outcome`] in the response's extensions; everything else goes to
//!   a [`telemetry::Observer`].
//! - **What is allowed.** [`Limits`], [`Permissions`], [`MemoryBudget`], [`Environment`], each with setters.
//! - **The end.** [`EdgeHost::shutdown`] finishes what has begun, cuts off the rest, and tells what that was.
//!
//! ```no_run
//! # async fn run(request: http::Request<String>) -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use edgehost::{Context, EdgeHost, Limits, Outcome, Permissions, Profile};
//!
//! let host = EdgeHost::builder("./my-project")
//!     .limits(Limits::default().with_cpu(Duration::from_secs(1)))
//!     .permissions(Permissions::new(Profile::Strict).with_allow_net(["api.example.com"]))
//!     .build()
//!     .await?;
//!
//! let mut request = request;
//! request.extensions_mut().insert(Context::new(&("anna", ["admin"]))?);
//! let response = host.call(request).await;
//! let outcome = response.extensions().get::<Outcome>();
//! println!("{:?}", outcome.map(|outcome| (outcome.route.as_deref(), outcome.cpu, outcome.limit)));
//!
//! let report = host.shutdown(Duration::from_secs(10)).await;
//! assert!(report.is_complete(), "cut off: {:?}", report.cut_off);
//! # Ok(())
//! # }
//! ```
//!
//! `docs/embedding.md` tells all of it at more length, and `examples/` has whole programs.
//!
//! # Layout
//!
//! From the ground up: `limits`, `instances`, `permissions`, `calling`, `ending`, `error` and `telemetry` are values; `project`
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
pub use calling::{Context, ContextError, Mount, Outcome, Peer};
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
