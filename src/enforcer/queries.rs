//! Ends SQL queries, which run on an isolate's thread outside of V8: no interrupt
//! reaches them, and a recursive one may have no end.
//!
//! SQLite is linked once, and keeps for the process what is called when a database is opened
//! and how it sleeps. The program around the host may use it as well: what is put there acts
//! on threads of isolates alone.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Once, OnceLock};

use libsqlite3_sys::{
    SQLITE_DBSTATUS_CACHE_USED, SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_VFS_POINTER, SQLITE_LIMIT_LENGTH,
    SQLITE_LIMIT_LIKE_PATTERN_LENGTH, SQLITE_OK, sqlite3, sqlite3_api_routines, sqlite3_auto_extension,
    sqlite3_db_name, sqlite3_db_status64, sqlite3_exec, sqlite3_file, sqlite3_file_control, sqlite3_limit,
    sqlite3_progress_handler, sqlite3_set_clientdata, sqlite3_vfs, sqlite3_vfs_find,
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

/// Bytes that a database takes at the least, mostly for small allocations to come.
const LEAST: u64 = 64 * 1024;

/// A database that is open, and the isolate that opened it.
struct Database {
    handle: *mut sqlite3,
    owner: usize,
}

thread_local! {
    /// Whether databases that this thread opens are those of user code.
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
    /// Databases of user code that this thread has opened.
    static OPEN: RefCell<Vec<Database>> = const { RefCell::new(Vec::new()) };
}

/// Bytes of memory that the databases of an isolate take: what they have read or not yet
/// written, and all of those that are in no file. On the thread that opened them.
#[allow(unsafe_code, reason = "what it calls takes a pointer")]
pub(super) fn memory_of(owner: usize) -> u64 {
    OPEN.with_borrow(|open| {
        // SAFETY: a database leaves this list before it is freed.
        let memory = |database: &Database| unsafe { memory(database.handle) };
        open.iter().filter(|database| database.owner == owner).map(memory).sum()
    })
}

/// # Safety
///
/// The database is open, and used by this thread alone.
#[allow(unsafe_code, reason = "these are C functions")]
unsafe fn memory(database: *mut sqlite3) -> u64 {
    let (mut cached, mut most) = (0, 0);
    // SAFETY: as the caller says; the numbers outlive the call.
    unsafe {
        sqlite3_db_status64(database, SQLITE_DBSTATUS_CACHE_USED, &raw mut cached, &raw mut most, 0);
    }
    let schemas = (0..).map_while(|index| {
        // SAFETY: as the caller says; what is beyond the last schema has no name.
        let name = unsafe { sqlite3_db_name(database, index) };
        (!name.is_null()).then_some(name)
    });
    // SAFETY: as the caller says, and these are names of its schemas.
    let deserialized: u64 = schemas.map(|name| unsafe { size_in_memory(database, name) }).sum();
    LEAST + u64::try_from(cached).unwrap_or(0) + deserialized
}

/// Bytes of a schema that was deserialized, or is shared by name: they are no cache, the
/// file itself is in memory.
///
/// # Safety
///
/// As for [`memory`]; the name is that of one of its schemas.
#[allow(unsafe_code, reason = "these are C functions")]
unsafe fn size_in_memory(database: *mut sqlite3, name: *const c_char) -> u64 {
    let mut vfs: *mut sqlite3_vfs = null_mut();
    let mut file: *mut sqlite3_file = null_mut();
    let mut size = 0;
    // SAFETY: as the caller says. SQLite fills in a pointer, valid while the database is
    // open, or leaves it null; a file that is not open has no methods.
    unsafe {
        sqlite3_file_control(database, name, SQLITE_FCNTL_VFS_POINTER, (&raw mut vfs).cast());
        if vfs.is_null() || CStr::from_ptr((*vfs).zName) != c"memdb" {
            return 0;
        }
        sqlite3_file_control(database, name, SQLITE_FCNTL_FILE_POINTER, (&raw mut file).cast());
        if let Some(methods) = file.as_ref().and_then(|file| file.pMethods.as_ref())
            && let Some(ask) = methods.xFileSize
        {
            ask(file, &raw mut size);
        }
    }
    u64::try_from(size).unwrap_or(0)
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
        sqlite3_progress_handler(database, STEPS, Some(is_over), database.cast());
        // Its destructor is called when the database is closed.
        let code = sqlite3_set_clientdata(database, c"edgehost".as_ptr(), database.cast(), Some(closed));
        if code != SQLITE_OK {
            return code;
        }
        OPEN.with_borrow_mut(|open| open.push(Database { handle: database, owner: watchdog::running() }));
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

#[allow(unsafe_code, reason = "SQLite calls this from C")]
unsafe extern "C" fn closed(database: *mut c_void) {
    // A thread that ends may have no list any more.
    let _ = OPEN.try_with(|open| open.borrow_mut().retain(|other| other.handle.cast() != database));
}

/// What is not zero interrupts the query.
#[allow(unsafe_code, reason = "SQLite calls this from C")]
unsafe extern "C" fn is_over(database: *mut c_void) -> c_int {
    // SAFETY: SQLite calls this for the database that it was registered with, while it runs.
    let memory = unsafe { memory(database.cast()) };
    c_int::from(watchdog::is_turn_over() || watchdog::is_too_much(memory))
}
