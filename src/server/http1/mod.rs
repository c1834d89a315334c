//! HTTP/1.1, one connection after the other in one task each.
//!
//! Purpose: read requests, hand them to the service, write its answers, and hold every
//! limit on the way. Nothing is locked, boxed or timed for a request whose answer is there
//! at once; buffers belong to the thread, not to the connection.
//! Key types: [`Connection`], [`Served`].
//! Where to look: `connection` is the whole way, `arriving` brings a request's body to its
//! reader, `sending` writes an answer, `date` is its `Date`; heads and chunks are read in
//! `edgehost_ext::message::http1`.
//! Never: HTTP/2, which hyper speaks; what to answer.

mod arriving;
mod connection;
mod date;
mod sending;

pub(super) use connection::{Connection, Served};
