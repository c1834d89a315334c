//! `DecompressionStream`.

use std::cell::RefCell;

use deno_core::convert::Uint8Array;
use deno_core::{GarbageCollected, op2, v8};
use deno_error::JsErrorBox;

use super::{Panicked, contained};
use crate::message::Decompressor;

pub(crate) struct DecompressorObject(RefCell<Decompressor>);

#[allow(unsafe_code, reason = "the trait is unsafe to implement")]
// SAFETY: it holds nothing of V8.
unsafe impl GarbageCollected for DecompressorObject {
    fn trace(&self, _: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"Decompressor"
    }
}

/// A decompressor for a format. Called by runtime-js/00_bodies.js.
#[op2]
#[cppgc]
pub(crate) fn op_edgehost_decompressor(#[string] format: &str) -> Result<DecompressorObject, JsErrorBox> {
    Decompressor::new(format)
        .map(|decompressor| DecompressorObject(RefCell::new(decompressor)))
        .ok_or_else(|| JsErrorBox::type_error(format!("There is no compression format {format:?}")))
}

/// Feeds bytes, perhaps the last. Called by runtime-js/00_bodies.js.
#[op2(fast)]
pub(crate) fn op_edgehost_decompress(
    #[cppgc] decompressor: &DecompressorObject,
    #[buffer] bytes: &[u8],
    is_last: bool,
) -> Result<(), Panicked> {
    contained(|| decompressor.0.borrow().feed(bytes, is_last))
}

/// The next expanded bytes, or null if more has to be fed. Called by runtime-js/00_bodies.js.
#[op2]
pub(crate) fn op_edgehost_decompress_step(
    #[cppgc] decompressor: &DecompressorObject,
) -> Result<Option<Uint8Array>, JsErrorBox> {
    let expanded = contained(|| decompressor.0.borrow_mut().step())?;
    expanded
        .map(|bytes| bytes.map(Uint8Array::from))
        .map_err(|error| JsErrorBox::type_error(error.to_string()))
}
