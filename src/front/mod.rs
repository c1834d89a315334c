//! One request, as prose.
//!
//! Purpose: decide everything about a request that needs no JavaScript, hand the
//! rest to a backend, and turn what comes back into a response.
//! Key types: [`Front`], [`Peer`].
//! Where to look: `pipeline` is the whole way, `exchange` a request on it, `stages` what is
//! decided, in order, `path` normalises, `rules` applies those of `next.config`, `guard` calls the
//! middleware, `files` answers with those of `public/`, `apps` knows what answers for an app,
//! `forward` hands over to another thread, `pages` shows something else where somebody wants that, `respond` holds the table of failures, `access`
//! tells of requests that are over, `asker` a program of one that it has handed over.
//! Never: sockets, isolates (only the shard), anything that prints.

mod access;
mod apps;
mod asker;
mod exchange;
mod files;
mod forward;
mod guard;
mod pages;
mod path;
mod pipeline;
mod respond;
mod rules;
mod stages;

pub(crate) use exchange::Peer;
pub(crate) use pages::Pages;
#[cfg(feature = "dev")]
pub(crate) use pages::{Asked, Failed};
pub(crate) use pipeline::{Front, FrontSettings};

/// The response of a host whose threads have ended.
pub(crate) fn shutting_down(
    id: edgehost_ext::message::RequestId,
) -> http::Response<edgehost_ext::message::ResponseBody> {
    let mut response = respond::Refusal::ShuttingDown.response(id);
    respond::name_request(&mut response, id, None);
    response
}

/// The response in place of a thread that does not come back.
pub(crate) fn wedged(
    id: edgehost_ext::message::RequestId,
) -> http::Response<edgehost_ext::message::ResponseBody> {
    respond::Refusal::Wedged.response(id)
}
