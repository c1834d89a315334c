//! The ops that runtime-js calls.
//!
//! Each is thin: it converts, calls into `message`, converts back. Handles that
//! belong to no request are refused with a `TypeError`, never a panic.

mod assets;
mod console;
mod decompress;
mod descriptors;
mod env;
mod held;
mod request;
mod response;
mod upstream;
mod zone;

use std::cell::RefCell;
use std::rc::Rc;

use deno_core::OpState;

use crate::message::{Exchange, Exchanges, Handle};

pub(crate) use assets::*;
pub(crate) use console::*;
pub use console::{ConsoleLine, ConsoleSink, Level, PrintedBy};
pub(crate) use decompress::*;
pub(crate) use descriptors::*;
pub(crate) use env::*;
pub use env::{AppFacts, Ceilings, Explain};
pub(crate) use held::*;
pub(crate) use request::*;
pub(crate) use response::*;
pub use upstream::close_upstreams;
pub(crate) use upstream::*;
pub(crate) use zone::*;

/// The exchanges of an isolate, shared between its ops and its owner.
pub type SharedExchanges = Rc<RefCell<Exchanges>>;

/// An op was called for a request that is over.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
#[class(type)]
#[error("The request is over: its {0} can no longer be read")]
pub(crate) struct Gone(&'static str);

/// Runs `read` on a live exchange.
fn with<T>(
    state: &OpState,
    handle: f64,
    what: &'static str,
    read: impl FnOnce(&mut Exchange) -> T,
) -> Result<T, Gone> {
    let mut exchanges = state.borrow::<SharedExchanges>().borrow_mut();
    exchanges.get(Handle::from_number(handle)).map(read).ok_or(Gone(what))
}
