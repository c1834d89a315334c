//! Sockets, HTTP/1 and hyper.
//!
//! Purpose: accept connections on a shard's thread, speak HTTP/1.1 and h2c on
//! them, hand requests to a service, and end in an orderly way.
//! Key types: [`Acceptor`], [`ServerSettings`], [`Drain`].
//! Where to look: `listener` accepts, `connection` serves one peer, `http1` is HTTP/1.1, for
//! which hyper can take its place, `prefixed` hands bytes on to hyper, `line` notices
//! that it leaves, `stall` cuts off clients that do not read, `taking` those of single
//! streams of HTTP/2, `unsent` the slowest of all, `idle` those that do not send, `drain`
//! ends it all; `named` gives an id to what hyper answers by itself.
//! Never: routing, isolates; the service is a generic.

mod connection;
mod drain;
mod http1;
mod idle;
mod line;
mod listener;
mod named;
mod prefixed;
mod stall;
mod taking;
mod unsent;

pub(crate) use drain::{Drain, DrainWatch};
pub use listener::Http1;
pub(crate) use listener::{Acceptor, HttpService, ServerSettings};
pub(crate) use unsent::Unsent;
