//! Ends SQL queries, which run on an isolate's thread outside of V8: no interrupt
//! reaches them, and a recursive one may have no end.
//!
//! SQLite is linked once, and keeps for the process what is called when a database is opened
//! and how it sleeps. The program around the host may use it as well: what is put there acts
//! on threads of isolates alone.

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Once, OnceLock};

use libsqlite3_sys::{
    SQLITE_LIMIT_LENGTH, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, SQLITE_OK, sqlite3, sqlite3_api_routines,
    sqlite3_auto_extension, sqlite3_exec, sqlite3_limit, sqlite3_progress_handler, sqlite3_vfs,
    sqlite3_vfs_find,
};

use super::{functions, watchdog};

/// Steps of SQLite's virtual machine between two looks: about a hundred microseconds.
const STEPS: c_int = 1000;

/// Bytes of a string or blob: half of an isolate's memory by default.
pub(super) const LENGTH: c_int = 1 << 26;

/// Bytes of a pattern of LIKE: matching takes its length times that of the text.
const PATTERN: c_int = 256;

/// How the system's VFS sleeps.
type Sleep = unsafe extern "C" fn(*mut sqlite3_vfs, c_int) -> c_int;
static SLEEP: OnceLock<Sleep> = OnceLock::new();

thread_local! {
    /// Whether databases that this thread opens are those of user code.
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Puts every database that this thread opens from now on under the limits of the turn
/// that queries it.
pub(crate) fn guard_queries() {
    static ONCE: Once = Once::new();
    ONCE.call_once(hook);
    IS_GUARDED.set(true);
}

#[allow(unsafe_code, reason = "SQLite takes C callbacks")]
fn hook() {
    // SAFETY: the VFS is a static of SQLite, valid for as long as the process.
    if let Some(vfs) = unsafe { sqlite3_vfs_find(std::ptr::null()).as_mut() }
        && let Some(sleep) = vfs.xSleep
    {
        let _ = SLEEP.set(sleep);
        let place = (&raw mut vfs.xSleep).cast::<*mut ()>();
        // SAFETY: a function that may be absent is a pointer in size and alignment. Others may
        // be reading it: they find the one or the other, and both do the same for them.
        unsafe { AtomicPtr::from_ptr(place) }.store(sleep_unless_over as *mut (), Ordering::Release);
    }
    // SAFETY: the callback has the signature of an extension's entry point.
    let code = unsafe { sqlite3_auto_extension(Some(on_open)) };
    if code != SQLITE_OK {
        tracing::error!(code, "SQL queries cannot be ended: limits do not hold for them");
    }
}

#[allow(unsafe_code, reason = "SQLite calls this from C")]
unsafe extern "C" fn on_open(
    database: *mut sqlite3,
    _error: *mut *mut c_char,
    _routines: *const sqlite3_api_routines,
) -> c_int {
    if !IS_GUARDED.get() {
        return SQLITE_OK;
    }
    // SAFETY: SQLite hands over a database that it has just opened.
    unsafe {
        // A file that is cut short while it is mapped ends the process. What would map it later
        // is refused by runtime-js/node/02_sqlite.js.
        sqlite3_exec(database, c"PRAGMA mmap_size = 0".as_ptr(), None, null_mut(), null_mut());
        sqlite3_progress_handler(database, STEPS, Some(is_over), null_mut());
        sqlite3_limit(database, SQLITE_LIMIT_LENGTH, LENGTH);
        sqlite3_limit(database, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, PATTERN);
        functions::register(database)
    }
}

/// Waits for a lock in small steps, until the turn is over; where none is, as ever.
#[allow(unsafe_code, reason = "SQLite calls this from C")]
unsafe extern "C" fn sleep_unless_over(vfs: *mut sqlite3_vfs, micros: c_int) -> c_int {
    if watchdog::is_turn_over() {
        return 0;
    }
    // SAFETY: the function that was there before, with what it would have been given.
    SLEEP.get().map_or(0, |sleep| unsafe { sleep(vfs, micros) })
}

/// What is not zero interrupts the query.
#[allow(unsafe_code, reason = "SQLite calls this from C")]
unsafe extern "C" fn is_over(_: *mut c_void) -> c_int {
    c_int::from(watchdog::is_turn_over())
}
