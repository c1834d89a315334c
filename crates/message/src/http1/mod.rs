//! HTTP/1.1 as clients write it, without sockets.
//!
//! What is let through can be read in one way only: whoever stands before this server and reads
//! a request in another way would take what a client hides in one for the next. So a line ends
//! with CR and LF, a body has one length, and nothing is repaired (RFC 9112, section 11.2).

mod chunked;
mod head;
mod target;

pub use chunked::{ChunkError, Chunks, Piece};
pub use head::{Framing, Head, HeadCaps, HeadError, HeadReader};
