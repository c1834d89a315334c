//! A thread with its tokio runtime and its isolates.
//!
//! Purpose: run everything of a request on one thread, and be the one place
//! where work crosses to it from other threads.
//! Key types: [`Shard`] (the isolates of a thread), [`ShardThread`] and
//! [`Remote`] (the way in from elsewhere), [`ShardError`].
//! Where to look: `thread` for the thread and its channel, `local` for the
//! choice of an isolate, its queue and its successor.
//! Never: HTTP, routing.

mod local;
mod thread;

pub(crate) use local::{Called, Shard, ShardError};
pub(crate) use thread::{Remote, ShardThread};
