//! Ends SQL queries, which run on an isolate's thread outside of V8: no interrupt
//! reaches them, and a recursive one may have no end.

use std::ffi::{c_char, c_int, c_void};
use std::sync::{Once, OnceLock};

use libsqlite3_sys::{
    SQLITE_CONFIG_MMAP_SIZE, SQLITE_LIMIT_LENGTH, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, SQLITE_OK, sqlite3,
    sqlite3_api_routines, sqlite3_auto_extension, sqlite3_config, sqlite3_limit, sqlite3_progress_handler,
    sqlite3_vfs, sqlite3_vfs_find,
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

/// Puts every database that is opened from now on under the limits of the turn
/// that queries it.
#[allow(unsafe_code, reason = "SQLite takes a C callback")]
pub(crate) fn guard_queries() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A file that is cut short while it is mapped ends the process.
        // SAFETY: it takes two 64-bit integers; SQLite refuses it once it is in use.
        let code = unsafe { sqlite3_config(SQLITE_CONFIG_MMAP_SIZE, 0_i64, 0_i64) };
        if code != SQLITE_OK {
            tracing::debug!(code, "SQLite was in use before: databases may be mapped into memory");
        }
        // SAFETY: the VFS is a static of SQLite; nobody uses it yet, or reads the pointer whole.
        if let Some(vfs) = unsafe { sqlite3_vfs_find(std::ptr::null()).as_mut() } {
            if let Some(sleep) = vfs.xSleep {
                let _ = SLEEP.set(sleep);
            }
            vfs.xSleep = Some(sleep_unless_over);
        }
        // SAFETY: the callback has the signature of an extension's entry point.
        let code = unsafe { sqlite3_auto_extension(Some(on_open)) };
        if code != SQLITE_OK {
            tracing::error!(code, "SQL queries cannot be ended: limits do not hold for them");
        }
    });
}

#[allow(unsafe_code, reason = "SQLite calls this from C")]
unsafe extern "C" fn on_open(
    database: *mut sqlite3,
    _error: *mut *mut c_char,
    _routines: *const sqlite3_api_routines,
) -> c_int {
    // SAFETY: SQLite hands over a database that it has just opened.
    unsafe {
        sqlite3_progress_handler(database, STEPS, Some(is_over), std::ptr::null_mut());
        sqlite3_limit(database, SQLITE_LIMIT_LENGTH, LENGTH);
        sqlite3_limit(database, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, PATTERN);
        functions::register(database)
    }
}

/// Waits for a lock in small steps, until the turn is over.
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
