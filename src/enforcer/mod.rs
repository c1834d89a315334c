//! Limits on JavaScript, as guards, and what it may reach.
//!
//! Purpose: end a turn (one stretch of JavaScript) that passes its budget, and
//! say which limit it was and on whose behalf it ran.
//! Key types: [`Slot`] (one isolate as the watchdog sees it), [`Turn`] (armed
//! while JavaScript runs), [`Verdict`] (what a limit decided), [`Quota`].
//! Where to look: `watchdog` for CPU and wall time, `heap` and `external` for
//! memory, `queries` and `functions` for SQL, `clock` for thread CPU clocks, `access` for what code may reach.
//! Never: requests, HTTP, what becomes of an isolate afterwards.

mod access;
mod clock;
mod external;
mod functions;
mod heap;
mod queries;
mod watchdog;

pub(crate) use access::Access;
pub(crate) use external::Quota;
pub(crate) use heap::guard_heap;
pub(crate) use queries::guard_queries;
pub(crate) use watchdog::{Budget, Slot, Verdict, is_turn_over};

/// What the interrupt callback needs to find out on whose behalf code runs:
/// the context, and the key of the request scope in an async context frame.
pub(crate) struct ScopeKey {
    pub(crate) context: deno_core::v8::Global<deno_core::v8::Context>,
    pub(crate) key: deno_core::v8::Global<deno_core::v8::Value>,
}
