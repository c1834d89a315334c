//! Extensions and ops of edgehost.
//!
//! A crate of its own because two programs need the same list: the build
//! script, which makes the snapshot, and every isolate, which starts from it.
//!
//! Purpose: [`extensions`], the one list; [`message`], the values that ops fill, a crate of its own.
//! Where to look: `ops` for what runtime-js calls, `list` for the order.
//! Never: routing, limits policy, sockets.

mod held;
mod list;
mod node;
mod ops;

pub use edgehost_message as message;
pub use held::{Charge, Held};
pub use list::{Layer, Settings, extensions};
pub use node::{
    AppSys, DiskModule, DiskModules, NODE_VERSION, app_sys, is_builtin, no_stdio, prepare_vm, wants_threads,
};
pub use ops::{
    AppFacts, Ceilings, ConsoleLine, ConsoleSink, Explain, Level, PrintedBy, SharedExchanges, ThrownSink,
    close_upstreams, params, take_panic,
};
