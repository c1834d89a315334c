//! Ops that give an answer.
//!
//! The first answer to a request counts; a later one is dropped.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use deno_core::{OpState, op2, v8};
use deno_error::JsErrorBox;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode};

use super::held::{LARGE, flat, need};
use super::{Panicked, SharedExchanges, contained};
use crate::message::{
    Answer, Failure, Handle, Lines, ResponseBody, StreamEnd, StreamWriter, Unsendable, response_stream,
};

/// Which content type goes with a body that is sent through the fast slots of
/// deno_fetch's Response. The numbers are those of `23_response.js`.
const CONTENT_TYPE_NONE: u32 = 0;
const CONTENT_TYPE_TEXT: u32 = 1;

/// Most bytes of an answer's headers: they are kept for clients that do not read, whom only bodies
/// are reckoned to.
const MOST_HEADERS: usize = 1024 * 1024;

/// Room for the headers of an answer that has few: those of the host are added to them.
const ROOM: usize = 6;

fn answer(state: &OpState, handle: f64, make: impl FnOnce() -> Answer) {
    let mut exchanges = state.borrow::<SharedExchanges>().borrow_mut();
    if let Some(exchange) = exchanges.get(Handle::from_number(handle)) {
        exchange.settle(Ok(make()));
    }
}

/// None for a value that only `op_edgehost_respond` can deal with.
fn content_type(kind: u32, value: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(ROOM);
    let value = match kind {
        CONTENT_TYPE_NONE => return Some(headers),
        CONTENT_TYPE_TEXT => HeaderValue::from_static("text/plain;charset=UTF-8"),
        _ if value == "application/json" => HeaderValue::from_static("application/json"),
        _ => HeaderValue::from_str(value).ok().filter(|_| value.is_ascii())?,
    };
    headers.insert(CONTENT_TYPE, value);
    Some(headers)
}

/// Answers 200 with a string body and at most a content type. False if it cannot.
/// Called by runtime-js/51_dispatch.js for Responses whose fast slots are filled.
#[op2(fast)]
pub(crate) fn op_edgehost_respond_text(
    state: &OpState,
    handle: f64,
    #[smi] kind: u32,
    #[string] value: &str,
    #[string] body: String,
) -> Result<bool, Panicked> {
    contained(|| {
        let Some(headers) = content_type(kind, value) else { return false };
        answer(state, handle, || Answer {
            status: StatusCode::OK,
            reason: None,
            headers,
            body: ResponseBody::whole(body),
            to_head: false,
        });
        true
    })
}

/// Answers 200 with a byte body and at most a content type. As `op_edgehost_respond_text`.
/// What is large is left to `op_edgehost_respond`, which looks for room.
#[op2(fast)]
pub(crate) fn op_edgehost_respond_bytes(
    state: &OpState,
    handle: f64,
    #[smi] kind: u32,
    #[string] value: &str,
    #[buffer] body: &[u8],
) -> Result<bool, Panicked> {
    contained(|| {
        if body.len() > LARGE {
            return false;
        }
        let Some(headers) = content_type(kind, value) else { return false };
        answer(state, handle, || Answer {
            status: StatusCode::OK,
            reason: None,
            headers,
            body: ResponseBody::whole(Bytes::copy_from_slice(body)),
            to_head: false,
        });
        true
    })
}

/// A header that HTTP has no form for. Whoever is answered must not miss it in silence.
fn unsendable(name: &str, why: Unsendable) -> JsErrorBox {
    JsErrorBox::type_error(format!("The header {name:?} of the answer cannot be sent: {why}"))
}

/// The headers of an answer, from a text of so many lines, each a name and a value: one text
/// is quicker to take over than a list of many.
fn header_map(
    scope: &mut v8::PinScope<'_, '_>,
    count: u32,
    text: v8::Local<'_, v8::String>,
) -> Result<HeaderMap, JsErrorBox> {
    let mut lines = Lines::with_room_for(count as usize).map_err(|why| {
        JsErrorBox::type_error(format!("The {count} headers of the answer cannot be sent: {why}"))
    })?;
    if !text.contains_only_onebyte() {
        let text = text.to_rust_string_lossy(scope);
        let is_wide = |part: &str| part.chars().any(|c| c > '\u{ff}');
        let pieces: Vec<&str> = text.split('\n').collect();
        let wide = pieces.chunks(2).find(|line| line.iter().any(|part| is_wide(part))).unwrap_or_default();
        let name = wide.first().copied().unwrap_or_default();
        return Err(unsendable(name, if is_wide(name) { Unsendable::Name } else { Unsendable::Value }));
    }
    if text.length() > MOST_HEADERS {
        return Err(JsErrorBox::type_error(format!(
            "The headers of the answer cannot be sent: they are {} bytes long, and {MOST_HEADERS} is the most",
            text.length()
        )));
    }
    let mut bytes = vec![0; text.length()];
    text.write_one_byte_v2(scope, 0, &mut bytes, v8::WriteFlags::empty());
    lines.add_all(&bytes.into()).map_err(|(name, why)| unsendable(&name, why))?;
    Ok(lines.into_map())
}

/// Answers with any status and headers. The body is null, a string, or a
/// Uint8Array, which is copied. Throws for a header that cannot be sent. Called by
/// runtime-js/51_dispatch.js.
///
/// Not called the fast way: what makes sure that there is room may collect garbage, or end
/// the turn.
#[op2(nofast)]
#[allow(clippy::needless_pass_by_value, reason = "a reference would be a borrow for as long as the op runs")]
pub(crate) fn op_edgehost_respond(
    state: Rc<RefCell<OpState>>,
    scope: &mut v8::PinScope<'_, '_>,
    handle: f64,
    #[smi] status: u32,
    #[string] reason: String,
    #[smi] count: u32,
    lines: v8::Local<'_, v8::String>,
    body: v8::Local<'_, v8::Value>,
) -> Result<(), JsErrorBox> {
    contained(|| {
        let headers = header_map(scope, count, lines)?;
        let body = if let Ok(text) = v8::Local::<v8::String>::try_from(body) {
            if text.length() > LARGE {
                flat(&state, scope, text)?;
            }
            ResponseBody::whole(text.to_rust_string_lossy(scope))
        } else if let Ok(view) = v8::Local::<v8::ArrayBufferView>::try_from(body) {
            let length = view.byte_length();
            if length > LARGE {
                need(&state, scope, length)?;
            }
            let mut bytes = vec![0; length];
            view.copy_contents(&mut bytes);
            ResponseBody::whole(bytes)
        } else {
            ResponseBody::empty()
        };
        let state = state.borrow();
        let mut exchanges = state.borrow::<SharedExchanges>().borrow_mut();
        if let Some(exchange) = exchanges.get(Handle::from_number(handle)) {
            let to_head = exchange.head.method == Method::HEAD;
            let (status, reason) = (status_code(status), reason_of(reason));
            exchange.settle(Ok(Answer { status, reason, headers, body, to_head }));
        }
        Ok(())
    })?
}

/// Answers with a head now and bytes later (`op_edgehost_stream_write`).
/// False if the request is over. Throws for a header that cannot be sent. Called by
/// runtime-js/51_dispatch.js.
#[op2(nofast)]
#[allow(clippy::needless_pass_by_value, reason = "a reference would be a borrow for as long as the op runs")]
pub(crate) fn op_edgehost_respond_stream(
    state: Rc<RefCell<OpState>>,
    scope: &mut v8::PinScope<'_, '_>,
    handle: f64,
    #[smi] status: u32,
    #[string] reason: String,
    #[smi] count: u32,
    lines: v8::Local<'_, v8::String>,
) -> Result<bool, JsErrorBox> {
    contained(|| {
        let headers = header_map(scope, count, lines)?;
        let state = state.borrow();
        let mut exchanges = state.borrow::<SharedExchanges>().borrow_mut();
        let Some(exchange) = exchanges.in_flight(Handle::from_number(handle)) else { return Ok(false) };
        if exchange.result.is_some() || exchange.stream.is_some() {
            return Ok(false);
        }
        let (writer, body) = response_stream();
        let (status, reason) = (status_code(status), reason_of(reason));
        exchange.settle(Ok(Answer { status, reason, headers, body, to_head: false }));
        exchange.stream = Some(writer);
        Ok(true)
    })?
}

fn status_code(status: u32) -> StatusCode {
    u16::try_from(status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn reason_of(reason: String) -> Option<String> {
    Some(reason).filter(|reason| !reason.is_empty())
}

fn writer(state: &OpState, handle: f64) -> Option<StreamWriter> {
    let mut exchanges = state.borrow::<SharedExchanges>().borrow_mut();
    exchanges.get(Handle::from_number(handle)).and_then(|exchange| exchange.stream.clone())
}

/// Queues one chunk. False when the caller has to wait (`op_edgehost_stream_ready`).
/// Called by runtime-js/50_stream.js.
#[op2(fast)]
pub(crate) fn op_edgehost_stream_write(
    state: &OpState,
    handle: f64,
    #[buffer] chunk: &[u8],
) -> Result<bool, Panicked> {
    contained(|| writer(state, handle).is_some_and(|writer| writer.write(Bytes::copy_from_slice(chunk))))
}

/// Waits until the client has taken enough. False when nobody reads any more.
/// Called by runtime-js/50_stream.js; does not block.
#[op2]
pub(crate) async fn op_edgehost_stream_ready(state: Rc<RefCell<OpState>>, handle: f64) -> bool {
    let writer = writer(&state.borrow(), handle);
    match writer {
        Some(writer) => writer.ready().await,
        None => false,
    }
}

/// Ends a streamed answer, cleanly or by cutting the connection. Called by runtime-js/50_stream.js.
#[op2(fast)]
pub(crate) fn op_edgehost_stream_end(state: &OpState, handle: f64, complete: bool) {
    if let Some(writer) = writer(state, handle) {
        writer.end(if complete { StreamEnd::Complete } else { StreamEnd::Broken });
    }
}

/// Reports that there will be no answer: 0 the handler failed, 1 the method is
/// not exported after all. Called by runtime-js/51_dispatch.js.
#[op2(fast)]
pub(crate) fn op_edgehost_fail(state: &OpState, handle: f64, #[smi] why: u32) {
    let mut exchanges = state.borrow::<SharedExchanges>().borrow_mut();
    if let Some(exchange) = exchanges.get(Handle::from_number(handle)) {
        let failure = match why {
            1 => Failure::MethodNotAllowed,
            _ => exchange.body_fault.map_or(Failure::Handler, Failure::Body),
        };
        exchange.settle(Err(failure));
    }
}

/// A task was promised on behalf of a request: it is waited for when the isolate ends.
/// Called by runtime-js/32_after.js.
#[op2(fast)]
pub(crate) fn op_edgehost_task_began(state: &OpState, handle: f64) {
    state.borrow::<SharedExchanges>().borrow_mut().task_began(Handle::from_number(handle));
}

/// It has ended. Called by runtime-js/32_after.js.
#[op2(fast)]
pub(crate) fn op_edgehost_task_ended(state: &OpState, handle: f64) {
    state.borrow::<SharedExchanges>().borrow_mut().behind.task_ended(Handle::from_number(handle));
}

/// Asks to be told when the client leaves, and when the answer has been sent or given up:
/// 0 where that has happened, 2 if the client has left already, else 1. Called by
/// runtime-js/10_scope.js.
#[op2(fast)]
#[smi]
pub(crate) fn op_edgehost_watch_end(state: &OpState, handle: f64) -> u32 {
    let mut exchanges = state.borrow::<SharedExchanges>().borrow_mut();
    exchanges.in_flight(Handle::from_number(handle)).map_or(0, |exchange| {
        exchange.watches_end = true;
        1 + u32::from(exchange.left)
    })
}
