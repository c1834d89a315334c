//! `console.*` and reports of errors, on their way to the host's log.

use std::rc::Rc;

use deno_core::{OpState, op2, v8};
use http::HeaderValue;

use super::{Panicked, SharedExchanges, contained};
use crate::message::{Handle, RequestId};

/// Severity of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// `console.debug`.
    Debug,
    /// `console.log`, `console.info`.
    Info,
    /// `console.warn`.
    Warn,
    /// `console.error`.
    Error,
    /// An uncaught error or rejection.
    Uncaught,
}

/// One line that user code printed.
pub struct ConsoleLine<'a> {
    /// How severe.
    pub level: Level,
    /// The text, formatted, without the final newline.
    pub text: &'a str,
    /// The request during which it was printed.
    pub request: Option<PrintedBy>,
    /// What a promise was rejected with, where the line tells of that.
    pub reason: Option<v8::Global<v8::Value>>,
}

/// The request during which something was printed.
#[derive(Debug)]
pub struct PrintedBy {
    /// Its name.
    pub id: RequestId,
    /// Its route, by index.
    pub route: usize,
    /// `x-request-id`, as the client sent it.
    pub x_request_id: Option<HeaderValue>,
}

/// Where lines go.
pub type ConsoleSink = Rc<dyn Fn(&ConsoleLine<'_>)>;

/// Is handed every value that was thrown and becomes an error of Rust.
pub type ThrownSink = Rc<dyn Fn(v8::Global<v8::Value>)>;

/// Whether somebody handles the rejection of a promise by now. Called by
/// runtime-js/51_dispatch.js.
#[op2(fast)]
pub(crate) fn op_edgehost_is_handled(promise: v8::Local<'_, v8::Promise>) -> bool {
    promise.has_handler()
}

/// Hands one formatted line to the host's log. Called by runtime-js/20_console.js.
#[op2(fast)]
pub(crate) fn op_edgehost_log(
    state: &OpState,
    #[smi] level: u32,
    handle: f64,
    #[string] text: &str,
) -> Result<(), Panicked> {
    let level = match level {
        0 => Level::Debug,
        1 => Level::Info,
        2 => Level::Warn,
        3 => Level::Error,
        _ => Level::Uncaught,
    };
    contained(|| print(state, level, handle, text, None))
}

/// Hands a report of a rejection that nobody handles to the host's log, with what the promise
/// was rejected with. Called by runtime-js/20_console.js.
#[op2(fast)]
pub(crate) fn op_edgehost_log_rejection(
    state: &OpState,
    scope: &mut v8::PinScope<'_, '_>,
    handle: f64,
    #[string] text: &str,
    reason: v8::Local<'_, v8::Value>,
) -> Result<(), Panicked> {
    let reason = v8::Global::new(scope, reason);
    contained(|| print(state, Level::Uncaught, handle, text, Some(reason)))
}

fn print(state: &OpState, level: Level, handle: f64, text: &str, reason: Option<v8::Global<v8::Value>>) {
    let request = if handle < 0.0 {
        None
    } else {
        let mut exchanges = state.borrow::<SharedExchanges>().borrow_mut();
        exchanges.get(Handle::from_number(handle)).map(|exchange| PrintedBy {
            id: exchange.head.id,
            route: exchange.head.route,
            x_request_id: exchange.head.x_request_id.clone(),
        })
    };
    let sink = state.borrow::<ConsoleSink>().clone();
    sink(&ConsoleLine { level, text: text.trim_end_matches('\n'), request, reason });
}

/// Tells the host which value becomes an error of Rust: it may be what a module threw.
/// Called by runtime-js/51_dispatch.js.
#[op2(fast)]
pub(crate) fn op_edgehost_thrown(
    state: &OpState,
    scope: &mut v8::PinScope<'_, '_>,
    value: v8::Local<'_, v8::Value>,
) {
    let value = v8::Global::new(scope, value);
    state.borrow::<ThrownSink>()(value);
}
