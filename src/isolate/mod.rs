//! One V8 heap, its thread's property.
//!
//! Purpose: own a `JsRuntime`, load route modules into it, call handlers, keep
//! its event loop going, and end it when a limit was passed.
//! Key types: [`App`] (what every isolate of an app shares), [`Isolate`],
//! [`Invocation`], [`CallError`].
//! Where to look: `boot` starts one from the snapshot, `load` loads a route module,
//! `invoke` runs a request,
//! `pump` polls the event loop, `current` switches between isolates of a thread,
//! `loader` hands the bundle to V8, `report` makes texts of errors.
//! Never: sockets, the choice of an isolate for a request, statuses.

mod app;
mod boot;
mod current;
mod invoke;
mod load;
mod loader;
mod pump;
mod report;

pub(crate) use app::{App, AppRoute};
pub(crate) use boot::init_platform;
pub(crate) use invoke::{Begun, CallError, Invocation, Isolate};
pub(crate) use report::SourceLines;
