//! Ends SQL queries, which run on an isolate's thread outside of V8: no interrupt
//! reaches them, and a recursive one may have no end.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Once;

use libsqlite3_sys::{
    SQLITE_OK, sqlite3, sqlite3_api_routines, sqlite3_auto_extension, sqlite3_progress_handler,
};

use super::watchdog;

/// Steps of SQLite's virtual machine between two looks: some hundred microseconds.
const STEPS: c_int = 4096;

/// Puts every database that is opened from now on under the limits of the turn
/// that queries it.
#[allow(unsafe_code, reason = "SQLite takes a C callback")]
pub(crate) fn guard_queries() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
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
    unsafe { sqlite3_progress_handler(database, STEPS, Some(is_over), std::ptr::null_mut()) };
    SQLITE_OK
}

/// Not zero interrupts the query.
#[allow(unsafe_code, reason = "SQLite calls this from C")]
unsafe extern "C" fn is_over(_: *mut c_void) -> c_int {
    c_int::from(watchdog::is_turn_over())
}
