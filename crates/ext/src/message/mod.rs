//! What crosses between Rust and JavaScript for one request.
//!
//! Purpose: hold a request and its answer while the handler runs, without V8.
//! Key types: [`Exchange`] (one request in flight), [`Exchanges`] (all of one
//! isolate, by handle), [`ResponseBody`] (what hyper polls), [`Answer`].
//! Where to look: `head` for the request, `body` for both streams, `lent` for what
//! JavaScript has of a request's, `decoding` for what `fetch` receives, `exchange` for the table, `behind` for work after the answer, `presence` and `pace` for the client.
//! Never: V8 types, routing, limits policy.

mod behind;
mod body;
mod decoding;
mod exchange;
mod head;
mod lent;
mod pace;
mod presence;

pub use behind::{Behind, Overdue, Spent};
pub use body::{
    BodyEnd, BodyError, BodyPolicy, BoxError, IncomingStream, RequestBody, ResponseBody, StreamEnd,
    StreamWriter, linger, response_stream,
};
pub use decoding::{Decompressor, Reader, decoded};
pub use exchange::{Answer, BodyFault, Exchange, Exchanges, Failure, Handle, Retired, Upstream};
pub use head::{Origin, ParamValue, RequestHead, RequestId, Site};
pub use lent::LentBody;
pub use pace::{Pace, Patience};
pub use presence::Presence;
