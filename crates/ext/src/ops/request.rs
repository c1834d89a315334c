//! Ops that read a request, each on first touch.

use std::borrow::Cow;
use std::rc::Rc;

use deno_core::{AsyncResult, BufView, CancelHandle, CancelTryFuture, OpState, RcRef, Resource, op2, v8};
use deno_error::JsErrorBox;

use super::{Gone, SharedExchanges, with};
use crate::message::{BodyError, BodyFault, Handle, LentBody, ParamValue, RequestBody, joined};

fn one_byte<'s>(scope: &mut v8::PinScope<'s, '_>, bytes: &[u8]) -> v8::Local<'s, v8::String> {
    v8::String::new_from_one_byte(scope, bytes, v8::NewStringType::Normal)
        .unwrap_or_else(|| v8::String::empty(scope))
}

fn text<'s>(scope: &mut v8::PinScope<'s, '_>, text: &str) -> v8::Local<'s, v8::String> {
    if text.is_ascii() {
        return one_byte(scope, text.as_bytes());
    }
    v8::String::new(scope, text).unwrap_or_else(|| v8::String::empty(scope))
}

/// The absolute URL. Called by runtime-js/30_request.js on first touch of `request.url`.
#[op2]
pub(crate) fn op_edgehost_request_url<'s>(
    state: &OpState,
    scope: &mut v8::PinScope<'s, '_>,
    handle: f64,
) -> Result<v8::Local<'s, v8::String>, Gone> {
    let url = with(state, handle, "URL", |exchange| exchange.url())?;
    Ok(text(scope, &url))
}

/// One header's value, or null. Called by runtime-js/30_request.js for `headers.get`.
#[op2]
pub(crate) fn op_edgehost_request_header<'s>(
    state: &OpState,
    scope: &mut v8::PinScope<'s, '_>,
    handle: f64,
    #[string] name: &str,
) -> Result<v8::Local<'s, v8::Value>, Gone> {
    let lower: Cow<'_, str> = if name.bytes().any(|b| b.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    };
    let value = with(state, handle, "headers", |exchange| joined(exchange.header_map_for(&lower), &lower))?;
    Ok(match value {
        Some(value) => one_byte(scope, &value).into(),
        None => v8::null(scope).into(),
    })
}

/// All headers as a flat array of names and values. Called by runtime-js/30_request.js.
#[op2]
pub(crate) fn op_edgehost_request_headers<'s>(
    state: &OpState,
    scope: &mut v8::PinScope<'s, '_>,
    handle: f64,
) -> Result<v8::Local<'s, v8::Array>, Gone> {
    with(state, handle, "headers", |exchange| {
        let headers = exchange.headers();
        let mut flat: Vec<v8::Local<'_, v8::Value>> = Vec::with_capacity(headers.len() * 2);
        for name in headers.keys() {
            if let Some(value) = joined(headers, name.as_str()) {
                flat.push(one_byte(scope, name.as_str().as_bytes()).into());
                flat.push(one_byte(scope, &value).into());
            }
        }
        v8::Array::new_with_elements(scope, &flat)
    })
}

/// The route parameters of a request as runtime-js/51_dispatch.js takes them: the value of
/// the one that the route has, else a list of all that were captured.
pub fn params<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    exchanges: &SharedExchanges,
    handle: Handle,
    is_only: bool,
) -> v8::Local<'s, v8::Value> {
    // Nobody else asks for them.
    let taken = exchanges.borrow_mut().get(handle).map(|exchange| std::mem::take(&mut exchange.head.params));
    match taken.unwrap_or_default().as_slice() {
        [] => v8::undefined(scope).into(),
        [(_, only)] if is_only => param(scope, only),
        params => {
            let values: Vec<_> = params.iter().map(|(_, value)| param(scope, value)).collect();
            v8::Array::new_with_elements(scope, &values).into()
        }
    }
}

fn param<'s>(scope: &mut v8::PinScope<'s, '_>, value: &ParamValue) -> v8::Local<'s, v8::Value> {
    match value {
        ParamValue::One(one) => text(scope, one).into(),
        ParamValue::Many(many) => {
            let parts: Vec<v8::Local<'_, v8::Value>> =
                many.iter().map(|part| text(scope, part).into()).collect();
            v8::Array::new_with_elements(scope, &parts).into()
        }
    }
}

/// What a program gave along: JSON for the handler, and what a router has cut off the path; null
/// where it gave nothing. Called by runtime-js/30_request.js.
#[op2]
pub(crate) fn op_edgehost_request_given<'s>(
    state: &OpState,
    scope: &mut v8::PinScope<'s, '_>,
    handle: f64,
) -> Result<v8::Local<'s, v8::Value>, Gone> {
    let given = with(state, handle, "context", |exchange| exchange.head.given.clone())?;
    let Some(given) = given else { return Ok(v8::null(scope).into()) };
    let both = [given.context, given.mount].map(|part| match part {
        Some(part) => text(scope, &part).into(),
        None => v8::null(scope).into(),
    });
    Ok(v8::Array::new_with_elements(scope, &both).into())
}

/// Takes the body: null if there is none, a Uint8Array if all of it has arrived,
/// else the number of a resource to read. Called by runtime-js/30_request.js on
/// first touch; counts against the request body limit.
#[op2]
pub(crate) fn op_edgehost_request_body<'s>(
    state: &mut OpState,
    scope: &mut v8::PinScope<'s, '_>,
    handle: f64,
) -> Result<v8::Local<'s, v8::Value>, Gone> {
    let body =
        with(state, handle, "body", |exchange| std::mem::replace(&mut exchange.body, RequestBody::Taken))?;
    Ok(match body {
        RequestBody::Empty | RequestBody::Taken => v8::null(scope).into(),
        RequestBody::Whole(bytes) => {
            let length = bytes.len();
            let store = v8::ArrayBuffer::new_backing_store_from_vec(bytes.into()).make_shared();
            let buffer = v8::ArrayBuffer::with_backing_store(scope, &store);
            v8::Uint8Array::new(scope, buffer, 0, length).map_or_else(|| v8::null(scope).into(), Into::into)
        }
        RequestBody::Stream(stream) => {
            let exchanges = state.borrow::<SharedExchanges>().clone();
            let handle = Handle::from_number(handle);
            let body = Rc::new(LentBody::new(stream));
            if let Some(exchange) = exchanges.borrow_mut().in_flight(handle) {
                exchange.lent = Some(body.clone());
            }
            let resource = BodyResource { body, cancel: CancelHandle::new(), exchanges, handle };
            let rid = state.resource_table.add(resource);
            v8::Number::new(scope, f64::from(rid)).into()
        }
    })
}

/// Takes a body that has arrived whole as text (UTF-8, lossy, without byte order
/// mark), or null if it has not or is gone. Called by runtime-js/30_request.js
/// for `json()` and `text()`.
#[op2]
pub(crate) fn op_edgehost_request_text<'s>(
    state: &OpState,
    scope: &mut v8::PinScope<'s, '_>,
    handle: f64,
) -> Result<v8::Local<'s, v8::Value>, Gone> {
    let bytes = with(state, handle, "body", |exchange| {
        if !matches!(exchange.body, RequestBody::Whole(_)) {
            return None;
        }
        match std::mem::replace(&mut exchange.body, RequestBody::Taken) {
            RequestBody::Whole(bytes) => Some(bytes),
            _ => None,
        }
    })?;
    Ok(match bytes {
        Some(bytes) => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
            // Decoding looks at each byte.
            match bytes.is_ascii() {
                true => one_byte(scope, bytes).into(),
                false => text(scope, &String::from_utf8_lossy(bytes)).into(),
            }
        }
        None => v8::null(scope).into(),
    })
}

struct BodyResource {
    body: Rc<LentBody>,
    cancel: CancelHandle,
    exchanges: SharedExchanges,
    handle: Handle,
}

impl BodyResource {
    fn note(&self, error: &BodyError) {
        if let Some(exchange) = self.exchanges.borrow_mut().get(self.handle) {
            exchange.body_fault = BodyFault::of(error).or(exchange.body_fault);
        }
    }
}

/// The time in which the client is waited for is not the handler's.
struct Waiting<'a>(&'a BodyResource);

impl<'a> Waiting<'a> {
    fn new(body: &'a BodyResource) -> Self {
        body.exchanges.borrow_mut().await_client(body.handle, true);
        Self(body)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // It may be given up while a request is taken apart, which has no deadline any more.
        if let Ok(mut exchanges) = self.0.exchanges.try_borrow_mut() {
            exchanges.await_client(self.0.handle, false);
        }
    }
}

impl Resource for BodyResource {
    fn name(&self) -> Cow<'_, str> {
        "requestBody".into()
    }

    fn read(self: Rc<Self>, limit: usize) -> AsyncResult<BufView> {
        let cancel = RcRef::map(self.clone(), |resource| &resource.cancel);
        Box::pin(
            async move {
                let read = {
                    let _waiting = Waiting::new(&self);
                    self.body.read(limit).await
                };
                match read {
                    Ok(piece) => Ok(piece.map_or_else(BufView::empty, BufView::from)),
                    Err(error) => {
                        self.note(&error);
                        Err(JsErrorBox::from_err(error))
                    }
                }
            }
            .try_or_cancel(cancel),
        )
    }

    fn close(self: Rc<Self>) {
        self.cancel.cancel();
        // What is left stays with the request until its end: a client whose upload is cut
        // off might not see its answer.
    }
}
