//! The quota on ArrayBuffers, which V8's heap limit does not cover.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use deno_core::v8;

use super::Slot;

/// What an isolate may still get once it is being ended, so that native code
/// that cannot cope with a refusal does not abort the process.
const UNWINDING: usize = 1024 * 1024 * 1024;

/// Bytes of ArrayBuffers in use, and how many there may be.
pub(crate) struct Quota {
    used: AtomicUsize,
    max: usize,
    /// Set between a refusal and the next allocation: V8 collects garbage in between.
    refused: AtomicBool,
    /// Set when V8 has nothing more to collect: the next attempt is the last.
    last_resort: AtomicBool,
    refusals: AtomicUsize,
    slot: OnceLock<Weak<Slot>>,
}

/// V8 asks at most four times for one buffer, with a garbage collection before
/// each; then JavaScript gets a RangeError, and some native callers abort.
const ATTEMPTS: usize = 4;

/// How long the last attempt waits for V8's threads to free what was collected.
const SWEEP: Duration = Duration::from_millis(50);

impl Quota {
    /// A quota of `max` bytes.
    pub(crate) fn new(max: u64) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicUsize::new(0),
            max: usize::try_from(max).unwrap_or(usize::MAX),
            refused: AtomicBool::new(false),
            last_resort: AtomicBool::new(false),
            refusals: AtomicUsize::new(0),
            slot: OnceLock::new(),
        })
    }

    /// Whom to tell when the quota is passed.
    pub(crate) fn report_to(&self, slot: &Arc<Slot>) {
        let _ = self.slot.set(Arc::downgrade(slot));
    }

    /// Whether V8 is collecting garbage because a buffer was refused. Called when V8
    /// has come to its last resort.
    pub(super) fn was_refused(&self) -> bool {
        let refused = self.refused.load(Ordering::Relaxed);
        self.last_resort.store(refused, Ordering::Relaxed);
        refused
    }

    fn take(&self, bytes: usize) -> bool {
        let take = |max: usize| {
            self.used
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                    used.checked_add(bytes).filter(|total| *total <= max)
                })
                .is_ok()
        };
        let settle = |granted: bool| {
            self.refused.store(!granted, Ordering::Relaxed);
            self.last_resort.store(false, Ordering::Relaxed);
            self.refusals.store(0, Ordering::Relaxed);
            granted
        };
        if take(self.max) {
            return settle(true);
        }
        self.refused.store(true, Ordering::Relaxed);
        let refusals = self.refusals.fetch_add(1, Ordering::Relaxed) + 1;
        if refusals < ATTEMPTS && !self.last_resort.load(Ordering::Relaxed) {
            return false;
        }
        let patience = Instant::now() + SWEEP;
        while Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
            if take(self.max) {
                return settle(true);
            }
        }
        if let Some(slot) = self.slot.get().and_then(Weak::upgrade) {
            slot.out_of_memory();
        }
        settle(take(self.max.saturating_add(UNWINDING)))
    }

    /// Bytes of buffers in use.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// An allocator that counts against this quota.
    #[allow(unsafe_code, reason = "V8 takes an allocator as C callbacks")]
    pub(crate) fn allocator(self: &Arc<Self>) -> v8::UniqueRef<v8::Allocator> {
        // SAFETY: the vtable frees what it allocates, with the same length, and
        // `dropped` gives back the reference that is leaked here.
        unsafe { v8::new_rust_allocator(Arc::into_raw(self.clone()), &VTABLE) }
    }
}

static VTABLE: v8::RustAllocatorVtable<Quota> =
    v8::RustAllocatorVtable { allocate: zeroed, allocate_uninitialized: uninitialised, free, drop: dropped };

#[allow(unsafe_code, reason = "V8 calls this from C++")]
unsafe extern "C" fn zeroed(quota: &Quota, bytes: usize) -> *mut c_void {
    // SAFETY: `calloc` of at least one byte, freed by `free` below.
    counted(quota, bytes, || unsafe { libc::calloc(1, bytes.max(1)) })
}

#[allow(unsafe_code, reason = "V8 calls this from C++")]
unsafe extern "C" fn uninitialised(quota: &Quota, bytes: usize) -> *mut c_void {
    // SAFETY: `malloc` of at least one byte, freed by `free` below.
    counted(quota, bytes, || unsafe { libc::malloc(bytes.max(1)) })
}

fn counted(quota: &Quota, bytes: usize, allocate: impl FnOnce() -> *mut c_void) -> *mut c_void {
    if !quota.take(bytes) {
        return std::ptr::null_mut();
    }
    let memory = allocate();
    if memory.is_null() {
        quota.give_back(bytes);
    }
    memory
}

#[allow(unsafe_code, reason = "V8 calls this from C++")]
unsafe extern "C" fn free(quota: &Quota, memory: *mut c_void, bytes: usize) {
    // SAFETY: V8 hands back what `zeroed` or `uninitialised` gave it.
    unsafe { libc::free(memory) };
    quota.give_back(bytes);
}

#[allow(unsafe_code, reason = "V8 calls this from C++")]
unsafe extern "C" fn dropped(quota: *const Quota) {
    // SAFETY: the pointer came from `Arc::into_raw` in `allocator`.
    drop(unsafe { Arc::from_raw(quota) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_refused_until_garbage_was_collected_then_granted_to_unwind() {
        let quota = Quota::new(100);
        assert!(quota.take(80));
        assert!(!quota.take(40), "first attempt");
        assert!(!quota.take(40), "after a collection");
        assert!(quota.was_refused(), "V8 comes to its last resort");
        assert!(quota.take(40), "the last one, so that native callers do not abort");
        quota.give_back(120);
        assert!(quota.take(100));
    }
}
