//! A thread with its tokio runtime and its isolates.
//!
//! Purpose: run everything of a request on one thread, and be the one place
//! where work crosses to it from other threads.
//! Key types: [`Backend`] (what the front calls), [`Local`] (a version on this thread),
//! [`Shard`] (what its isolates have in common), [`ShardThread`], [`Lane`] (the way in from elsewhere).
//! Where to look: `thread` for the thread and its channel, `lanes` for all threads of a host,
//! `local` for the choice of an isolate, its queue and its successor, `load` for who waits where.
//! Never: HTTP, routing.

mod backend;
mod lanes;
mod load;
mod local;
mod thread;

pub(crate) use backend::{Backend, BackendError};
pub(crate) use lanes::{Lane, Lanes};
pub(crate) use load::Loads;
pub(crate) use local::{Local, Shard, Share};
pub(crate) use thread::ShardThread;
