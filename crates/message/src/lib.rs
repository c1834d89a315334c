//! What crosses between Rust and JavaScript for one request.
//!
//! A crate of its own, without V8, so that what reads bytes of strangers can be compiled, and
//! tried on bytes of all kinds (`fuzz`), in a minute.
//!
//! Purpose: hold a request and its answer while the handler runs.
//! Key types: [`Exchange`] (one request in flight), [`Exchanges`] (all of one
//! isolate, by handle), [`ResponseBody`] (what hyper polls), [`Answer`].
//! Where to look: `head` for the request, `body` for both streams, `lent` for what
//! JavaScript has of a request's, `decoding` for what `fetch` receives, `exchange` for the table, `behind` for work after the answer, `presence` and `pace` for the client,
//! `http1` for requests as they stand on the wire, `authority` for whom a request is for, `lines` for the headers of an answer.
//! Never: V8 types, routing, limits policy.

mod authority;
mod behind;
mod body;
mod decoding;
mod exchange;
mod head;
pub mod http1;
mod lent;
mod lines;
mod pace;
mod packed;
mod presence;

pub use authority::{MalformedHost, settle_authority, settled_host};
pub use behind::{Behind, Overdue, Spent};
pub use body::{
    BodyEnd, BodyError, BodyPolicy, BoxError, Cost, IncomingStream, RequestBody, ResponseBody, StreamEnd,
    StreamWriter, Upload, linger, response_stream,
};
pub use decoding::{Decompressor, Reader, decoded};
pub use exchange::{Answer, BodyFault, Exchange, Exchanges, Failure, Handle, Retired, Upstream};
pub use head::{
    Given, Origin, ParamValue, RequestHead, RequestId, Site, below, clean_headers, host_of, joined,
};
pub use lent::LentBody;
pub use lines::{Lines, Unsendable};
pub use pace::{Pace, Patience};
pub use presence::Presence;
