//! What has to hold whoever speaks HTTP/1.1, once more with hyper.

#![allow(clippy::duplicate_mod, reason = "the same tests with another setting")]

#[path = "authority.rs"]
mod authority;
#[path = "bodies.rs"]
mod bodies;
#[path = "http1.rs"]
mod http1;
#[path = "methods.rs"]
mod methods;
#[path = "server.rs"]
mod server;
#[path = "slow.rs"]
mod slow;
#[path = "streaming.rs"]
mod streaming;

/// The same harness with another setting.
mod harness {
    use edgehost::Http1;

    pub(super) use super::super::harness::*;

    pub(super) const HTTP1: Http1 = Http1::Hyper;

    pub(super) fn project() -> Project {
        super::super::harness::project().http1(HTTP1)
    }

    pub(super) async fn serve_root(source: &str) -> App {
        project().file("app/route.ts", source).start().await
    }
}
