//! What crosses between Rust and JavaScript for one request.
//!
//! Purpose: hold a request and its answer while the handler runs, without V8.
//! Key types: [`Exchange`] (one request in flight), [`Exchanges`] (all of one
//! isolate, by handle), [`ResponseBody`] (what hyper polls), [`Answer`].
//! Where to look: `head` for the request, `body` for both streams, `exchange`
//! for the table.
//! Never: V8 types, routing, limits policy.

mod body;
mod exchange;
mod head;

pub use body::{
    BodyEnd, BodyError, BodyPolicy, BoxError, IncomingStream, RequestBody, ResponseBody, StreamEnd,
    StreamWriter, linger, response_stream,
};
pub use exchange::{Answer, Exchange, Exchanges, Failure, Handle, Outcome};
pub use head::{Origin, ParamValue, RequestHead, RequestId, Site};
