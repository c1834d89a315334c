//! The ops that runtime-js calls.
//!
//! Each is thin: it converts, calls into `message`, converts back. Handles that
//! belong to no request are refused with a `TypeError`, never a panic.

mod assets;
mod clones;
mod console;
mod crypto;
mod decompress;
mod descriptors;
mod env;
mod held;
mod messages;
mod request;
mod response;
mod upstream;
mod zone;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use deno_core::OpState;
use deno_error::JsErrorBox;

use crate::message::{Exchange, Exchanges, Handle};

pub(crate) use assets::*;
pub(crate) use clones::*;
pub(crate) use console::*;
pub use console::{ConsoleLine, ConsoleSink, Level, PrintedBy, ThrownSink};
pub(crate) use crypto::*;
pub(crate) use decompress::*;
pub(crate) use descriptors::*;
pub(crate) use env::*;
pub use env::{AppFacts, Ceilings, Explain};
pub(crate) use held::*;
pub(crate) use messages::*;
pub use request::params;
pub(crate) use request::*;
pub(crate) use response::*;
pub use upstream::close_upstreams;
pub(crate) use upstream::*;
pub(crate) use zone::*;

/// The exchanges of an isolate, shared between its ops and its owner.
pub type SharedExchanges = Rc<RefCell<Exchanges>>;

thread_local! {
    /// Whether the body of an op has panicked.
    static PANICKED: Cell<bool> = const { Cell::new(false) };
}

/// Whether the body of an op has panicked on this thread since this was asked last: the
/// isolate that called it is not to be used again.
pub fn take_panic() -> bool {
    PANICKED.take()
}

/// The body of an op panicked.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
#[class(generic)]
#[error("Internal error")]
pub(crate) struct Panicked;

impl From<Panicked> for JsErrorBox {
    fn from(panicked: Panicked) -> Self {
        Self::from_err(panicked)
    }
}

/// Runs the body of an op that works on what the user made, of whatever size.
///
/// V8 calls ops as functions of C, which a panic cannot leave: it would cost the thread.
/// This way it costs the isolate, at the end of its turn.
pub(crate) fn contained<T>(body: impl FnOnce() -> T) -> Result<T, Panicked> {
    // The isolate is ended, and with it whatever the body left half done.
    catch_unwind(AssertUnwindSafe(body)).map_err(|_| {
        PANICKED.set(true);
        Panicked
    })
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_an_op_is_told_once() {
        assert!(contained(|| 1).is_ok_and(|one| one == 1) && !take_panic());
        assert!(contained(|| panic!("on purpose")).is_err());
        assert!(take_panic() && !take_panic());
    }
}
