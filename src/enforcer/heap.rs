//! The guard on the V8 heap.

use std::sync::Arc;

use deno_core::JsRuntime;

use super::Slot;

/// Room that V8 gets to unwind in once the limit is passed.
///
/// A single allocation that is larger than this still costs the thread: V8
/// offers no way to refuse it.
const UNWINDING: usize = 1024 * 1024 * 1024;

/// A refused buffer makes V8 collect garbage and report that the heap is near
/// its limit, which it is not; the limit then moves by this much only.
const NUDGE: usize = 4 * 1024 * 1024;

/// Ends the running turn when the heap reaches its limit.
pub(crate) fn guard_heap(runtime: &mut JsRuntime, slot: &Arc<Slot>) {
    let slot = slot.clone();
    runtime.v8_isolate().set_oom_error_handler(super::wedge::on_out_of_memory);
    runtime.add_near_heap_limit_callback(move |current, _initial| {
        if slot.quota().was_refused() {
            return current + NUDGE;
        }
        slot.out_of_memory();
        current + UNWINDING
    });
}
