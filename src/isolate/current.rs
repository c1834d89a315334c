//! Which isolate of a thread is entered.
//!
//! V8 wants the isolate that it is called for to be the current one of the
//! thread. Mostly a thread has one, so it stays entered between turns; a
//! successor that is made ready beside it is switched to and from here.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use deno_core::{JsRuntime, v8};

/// Tells isolates apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IsolateId(u64);

impl IsolateId {
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

thread_local! {
    static CURRENT: Cell<Option<(IsolateId, v8::UnsafeRawIsolatePtr)>> = const { Cell::new(None) };
}

/// Leaves whatever isolate is entered on this thread.
#[allow(unsafe_code, reason = "V8's enter and exit are unsafe in rusty_v8")]
pub(super) fn leave() {
    if let Some((_, raw)) = CURRENT.take() {
        // SAFETY: the pointer was set by `enter` or `adopt`, and is cleared before
        // its isolate is dropped; it is the one that this thread entered last.
        unsafe { v8::Isolate::from_raw_isolate_ptr(raw).exit() };
    }
}

/// Makes the isolate of `runtime` the current one.
#[allow(unsafe_code, reason = "V8's enter and exit are unsafe in rusty_v8")]
pub(super) fn enter(id: IsolateId, runtime: &mut JsRuntime) {
    if CURRENT.get().is_some_and(|(current, _)| current == id) {
        return;
    }
    leave();
    // SAFETY: no isolate is entered on this thread, and this one belongs to it.
    unsafe { runtime.v8_isolate().enter() };
    adopt(id, runtime);
}

/// Notes that a new runtime has entered its isolate by itself.
#[allow(unsafe_code, reason = "the raw pointer is needed to leave the isolate")]
pub(super) fn adopt(id: IsolateId, runtime: &mut JsRuntime) {
    // SAFETY: the pointer is used by `leave` only, while the isolate lives.
    let raw = unsafe { runtime.v8_isolate().as_raw_isolate_ptr() };
    CURRENT.set(Some((id, raw)));
}

/// Notes that the current isolate is about to exit by being dropped.
pub(super) fn forget() {
    CURRENT.set(None);
}
