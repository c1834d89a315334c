//! A thread with its tokio runtime and its isolates.
//!
//! Purpose: run everything of a request on one thread, and be the one place
//! where work crosses to it from other threads.
//! Key types: [`Shard`] (the isolates of a thread), [`ShardThread`] and
//! [`Remote`] (the way in from elsewhere), [`ShardError`].
//! Where to look: `thread` for the thread and its channel, `local` for the
//! choice of an isolate, its queue and its successor, `load` for who waits where.
//! Never: HTTP, routing.

mod load;
mod local;
mod thread;

pub(crate) use load::Load;
pub(crate) use local::{Called, Shard, ShardError, Share};
pub(crate) use thread::{Remote, ShardThread};
