//! One V8 heap, its thread's property.
//!
//! Purpose: own a `JsRuntime`, load route modules into it, call handlers, keep
//! its event loop going, and end it when a limit was passed.
//! Key types: [`Isolate`], [`Invocation`], [`CallError`].
//! Where to look: `boot` starts one from the snapshot, `load` loads a route module,
//! `invoke` calls a handler, `turn` runs JavaScript under a budget and ends an isolate that
//! passed it, `compiled` keeps what V8 made of code, `answer` follows an answer to its end, `pump` polls the event loop, `current` switches between isolates of a thread,
//! `loader` hands the bundle to V8, `report` makes texts of errors.
//! Never: sockets, the choice of an isolate for a request, statuses.

mod answer;
mod boot;
mod compiled;
mod current;
mod invoke;
mod load;
mod loader;
#[cfg(test)]
pub(crate) mod op_calls;
mod pump;
mod report;
mod turn;

pub(crate) use boot::{engine, init_platform};
pub(crate) use invoke::{CallError, Invocation, Isolate, Unanswered};
pub(crate) use load::LoadError;
