//! Limits on JavaScript, as guards, and what it may reach.
//!
//! Purpose: end a turn (one stretch of JavaScript) that passes its budget, and
//! say which limit it was and on whose behalf it ran; tell of a thread that does not come back.
//! Key types: [`Slot`] (one isolate as the watchdog sees it), [`Turn`] (armed
//! while JavaScript runs), [`Verdict`] (what a limit decided), [`Quota`].
//! Where to look: `watchdog` for CPU and wall time, `heap` and `external` for
//! memory, `budget` for that of all isolates together, `queries` and `functions` for SQL, `clock` for thread CPU clocks, `wedge` for threads that do not come back, `access` for what code may reach.
//! Never: requests, HTTP, what becomes of an isolate afterwards.

mod access;
mod budget;
mod clock;
mod external;
mod functions;
mod heap;
mod queries;
mod watchdog;
mod wedge;

use std::time::{Duration, Instant};

use edgehost_ext::message::Handle;

pub(crate) use access::Access;
pub(crate) use budget::Guard;
pub(crate) use external::Quota;
pub(crate) use heap::guard_heap;
pub(crate) use queries::guard_queries;
pub(crate) use watchdog::{Behalf, Budget, Cause, OnWedge, Slot, Verdict, has_room, is_turn_over, run_out};
pub(crate) use wedge::{HeldSocket, Wedge};
pub use wedge::{contain_fatal_errors, contain_panics};

/// Who was found running in the midst of a turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sighting {
    /// The request, where it is known.
    pub(crate) handle: Option<Handle>,
    /// CPU time since the last look.
    pub(crate) cpu: Duration,
    /// CPU time of the turn so far.
    pub(crate) turn: Duration,
    /// When that was.
    pub(crate) now: Instant,
}

/// What the interrupt callback needs to find out on whose behalf code runs:
/// the context, the key of the request scope in an async context frame, and what to do about
/// who it finds.
pub(crate) struct ScopeKey {
    pub(crate) context: deno_core::v8::Global<deno_core::v8::Context>,
    pub(crate) key: deno_core::v8::Global<deno_core::v8::Value>,
    pub(crate) judge: Box<dyn Fn(Sighting) -> Option<Verdict>>,
}
