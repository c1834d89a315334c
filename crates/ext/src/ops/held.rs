//! What native code is about to make, or keeps, for an isolate: room is looked for before,
//! and an account kept.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use deno_core::convert::Uint8Array;
use deno_core::{GarbageCollected, OpState, ResourceId, op2, v8};
use deno_error::JsErrorBox;
use deno_web::BlobStoreTrait;
use uuid::Uuid;

use super::AppFacts;
use crate::held::{Charge, Held, HeldPart};

/// Most bytes that one read takes.
const CHUNK: usize = 64 * 1024;

/// Bytes after which others get their turn: what a decoder expands is always ready.
const STRETCH: usize = 1024 * 1024;

/// All that a resource still gives, as `op_read_all` of deno_core. Called by deno_web's
/// 06_streams.js.
#[op2]
pub(crate) async fn op_edgehost_read_all(
    state: Rc<RefCell<OpState>>,
    #[smi] rid: ResourceId,
) -> Result<Uint8Array, JsErrorBox> {
    let (resource, held) = {
        let state = state.borrow();
        let resource = state.resource_table.get_any(rid).map_err(JsErrorBox::from_err)?;
        (resource, state.borrow::<Held>().clone())
    };
    let mut all = Vec::new();
    let mut charge = held.charge(0);
    let mut stretch = 0;
    loop {
        let chunk = resource.clone().read(CHUNK).await?;
        if chunk.is_empty() {
            return Ok(Uint8Array::from(all));
        }
        charge.grow(chunk.len());
        all.extend_from_slice(&chunk);
        stretch += chunk.len();
        if stretch >= STRETCH {
            stretch = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// Keeps the bytes of a `Blob`. Called by deno_web's 09_file.js in place of its own op.
#[op2]
pub(crate) fn op_edgehost_blob_create_part(state: &OpState, #[buffer] data: &[u8]) -> Uuid {
    let part = HeldPart::new(data, state.borrow::<Held>());
    state.borrow::<Arc<dyn BlobStoreTrait>>().insert_part(Arc::new(part))
}

/// There is no memory left for what was asked for. The turn ends.
pub(super) fn need(
    state: &RefCell<OpState>,
    isolate: &mut v8::Isolate,
    bytes: usize,
) -> Result<(), JsErrorBox> {
    // Garbage may be collected, and with it what has the state.
    let AppFacts { has_room, run_out, .. } = *state.borrow().borrow::<AppFacts>();
    if has_room(isolate, bytes) {
        return Ok(());
    }
    run_out();
    isolate.terminate_execution();
    Err(JsErrorBox::range_error("the memory of the isolate is used up"))
}

/// Looks for room for so many bytes, before native code makes them in one step. Called by
/// runtime-js/00_ceilings.js.
#[op2(nofast)]
#[allow(clippy::needless_pass_by_value, reason = "a reference would be a borrow for as long as the op runs")]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
pub(crate) fn op_edgehost_need_memory(
    state: Rc<RefCell<OpState>>,
    scope: &mut v8::PinScope<'_, '_>,
    bytes: f64,
) -> Result<(), JsErrorBox> {
    need(&state, scope, bytes as usize)
}

/// Makes one piece of a text, whose parts V8 may keep apart, and tells how many bytes it has
/// as UTF-8, if there is room for both. What is too much is found before any of it is made.
pub(super) fn flat(
    state: &RefCell<OpState>,
    scope: &mut v8::PinScope<'_, '_>,
    text: v8::Local<'_, v8::String>,
) -> Result<usize, JsErrorBox> {
    let width = if text.is_onebyte() { 1 } else { 2 };
    need(state, scope, text.length() * width)?;
    let bytes = text.utf8_length(scope);
    need(state, scope, bytes)?;
    Ok(bytes)
}

/// Looks for room for the bytes of a large text, before native code makes them. Called by
/// runtime-js/00_ceilings.js.
#[op2(nofast)]
#[allow(clippy::needless_pass_by_value, reason = "a reference would be a borrow for as long as the op runs")]
pub(crate) fn op_edgehost_need_text(
    state: Rc<RefCell<OpState>>,
    scope: &mut v8::PinScope<'_, '_>,
    text: v8::Local<'_, v8::String>,
) -> Result<(), JsErrorBox> {
    flat(&state, scope, text).map(drop)
}

/// What the values of a JSON text take at the most that come of a part of it.
const OBJECT: usize = 56;
const VALUE: usize = 24;
/// And each level, while the text is parsed.
const LEVEL: usize = 64;

/// Bytes that the values of a JSON text take, about. A list of nothing but empty ones is 20
/// times as large as its text.
fn size_of_values(units: impl Iterator<Item = u16>) -> usize {
    const QUOTE: u16 = b'"' as u16;
    const BACKSLASH: u16 = b'\\' as u16;
    let (mut objects, mut values, mut depth, mut deepest) = (0, 0, 0_usize, 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for unit in units {
        if is_escaped {
            is_escaped = false;
        } else if is_quoted {
            is_escaped = unit == BACKSLASH;
            is_quoted = unit != QUOTE;
        } else {
            match u8::try_from(unit) {
                Ok(b'"') => is_quoted = true,
                Ok(b'[' | b'{') => {
                    objects += 1;
                    depth += 1;
                    deepest = deepest.max(depth);
                }
                Ok(b']' | b'}') => depth = depth.saturating_sub(1),
                Ok(b',' | b':') => values += 1,
                _ => {}
            }
        }
    }
    objects * OBJECT + values * VALUE + deepest * LEVEL
}

/// Whether there is room for the values of a large JSON text, which a client may have sent to
/// harm others: they would be ended together with the isolate. Called by
/// runtime-js/00_bodies.js.
#[op2(nofast)]
#[allow(clippy::needless_pass_by_value, reason = "a reference would be a borrow for as long as the op runs")]
pub(crate) fn op_edgehost_fits_json(
    state: Rc<RefCell<OpState>>,
    scope: &mut v8::PinScope<'_, '_>,
    text: v8::Local<'_, v8::String>,
) -> bool {
    let size = {
        let view = v8::ValueView::new(scope, text);
        match view.data() {
            v8::ValueViewData::OneByte(bytes) => size_of_values(bytes.iter().map(|byte| u16::from(*byte))),
            v8::ValueViewData::TwoByte(units) => size_of_values(units.iter().copied()),
        }
    };
    // Texts of its own take another copy of it.
    let has_room = state.borrow().borrow::<AppFacts>().has_room;
    has_room(scope, size + text.length())
}

/// Characters up to which a text is taken as it is.
pub(super) const LARGE: usize = 1024 * 1024;

/// The bytes of a text as UTF-8. Called in place of `op_encode` of deno_core, which takes any
/// length.
#[op2]
#[allow(clippy::needless_pass_by_value, reason = "a reference would be a borrow for as long as the op runs")]
pub(crate) fn op_edgehost_encode<'s>(
    state: Rc<RefCell<OpState>>,
    scope: &mut v8::PinScope<'s, '_>,
    text: v8::Local<'s, v8::Value>,
) -> Result<v8::Local<'s, v8::Uint8Array>, JsErrorBox> {
    let text =
        v8::Local::<v8::String>::try_from(text).map_err(|_| JsErrorBox::type_error("Invalid argument"))?;
    if text.length() > LARGE {
        flat(&state, scope, text)?;
    }
    let bytes = text.to_rust_string_lossy(scope).into_bytes();
    let length = bytes.len();
    let store = v8::ArrayBuffer::new_backing_store_from_vec(bytes).make_shared();
    let buffer = v8::ArrayBuffer::with_backing_store(scope, &store);
    let array = v8::Uint8Array::new(scope, buffer, 0, length);
    array.ok_or_else(|| JsErrorBox::range_error("Array buffer allocation failed"))
}

/// The beginning of a text, of which V8 makes no single piece for that. Called by
/// runtime-js/20_console.js.
#[op2]
pub(crate) fn op_edgehost_prefix<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    text: v8::Local<'s, v8::String>,
    #[smi] length: u32,
) -> v8::Local<'s, v8::String> {
    let mut units = vec![0; text.length().min(length as usize)];
    text.write_v2(scope, 0, &mut units, v8::WriteFlags::empty());
    v8::String::new_from_two_byte(scope, &units, v8::NewStringType::Normal)
        .unwrap_or_else(|| v8::String::empty(scope))
}

/// Bytes that native code keeps for an object, for as long as the object is there.
pub(crate) struct Weight {
    _charge: Charge,
}

// SAFETY: it has no references to anything on V8's heap.
#[allow(unsafe_code, reason = "the trait is unsafe")]
unsafe impl GarbageCollected for Weight {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"Weight"
    }
}

/// Puts bytes on the account of the isolate until the result is collected. Called by
/// runtime-js/00_ceilings.js.
#[op2]
#[cppgc]
pub(crate) fn op_edgehost_weight(state: &OpState, #[smi] bytes: u32) -> Weight {
    Weight { _charge: state.borrow::<Held>().charge(bytes as usize) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_a_text_are_reckoned_without_its_strings() {
        let size = |text: &str| size_of_values(text.encode_utf16());
        assert_eq!(size(r#""[[{{,,::""#), 0);
        assert_eq!(size(r#"["\\", "\"[", 1]"#), OBJECT + 2 * VALUE + LEVEL);
        assert_eq!(size("[[[]]]"), 3 * (OBJECT + LEVEL));
        assert_eq!(size("[{},{}]"), 3 * OBJECT + VALUE + 2 * LEVEL);
        assert_eq!(size("]]]]"), 0);
    }
}
