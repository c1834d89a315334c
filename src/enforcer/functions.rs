//! Functions of SQL whose built-in forms take as many steps as the lengths of their
//! arguments multiplied, and which nothing can interrupt. These take the sum.
//!
//! They answer what SQLite's own answer: <https://sqlite.org/lang_corefunc.html>.

use std::collections::HashSet;
use std::ffi::{CStr, c_int};
use std::ptr::null_mut;
use std::slice;

use libsqlite3_sys::{
    SQLITE_BLOB, SQLITE_DETERMINISTIC, SQLITE_INNOCUOUS, SQLITE_NULL, SQLITE_TRANSIENT, SQLITE_UTF8, sqlite3,
    sqlite3_context, sqlite3_create_function_v2, sqlite3_result_error_nomem, sqlite3_result_error_toobig,
    sqlite3_result_int64, sqlite3_result_text64, sqlite3_result_value, sqlite3_value, sqlite3_value_blob,
    sqlite3_value_bytes, sqlite3_value_text, sqlite3_value_type,
};
use memchr::memmem;

use super::queries::LENGTH;

type Function = unsafe extern "C" fn(*mut sqlite3_context, c_int, *mut *mut sqlite3_value);

const FUNCTIONS: [(&CStr, c_int, Function); 5] = [
    (c"instr", 2, instr),
    (c"ltrim", 2, trim::<true, false>),
    (c"replace", 3, replace),
    (c"rtrim", 2, trim::<false, true>),
    (c"trim", 2, trim::<true, true>),
];

/// Gives them to a database.
///
/// # Safety
///
/// The database is open, and used by this thread alone.
#[allow(unsafe_code, reason = "SQLite takes C callbacks")]
pub(super) unsafe fn register(database: *mut sqlite3) -> c_int {
    let flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    FUNCTIONS.iter().fold(0, |code, (name, arguments, function)| {
        // SAFETY: the database is open; names and functions are statics.
        let this = unsafe {
            sqlite3_create_function_v2(
                database,
                name.as_ptr(),
                *arguments,
                flags,
                null_mut(),
                Some(*function),
                None,
                None,
                None,
            )
        };
        if code == 0 { this } else { code }
    })
}

/// What a function was given.
struct Call<'a> {
    context: *mut sqlite3_context,
    values: &'a [*mut sqlite3_value],
}

#[allow(unsafe_code, reason = "these are C functions")]
impl<'a> Call<'a> {
    /// # Safety
    ///
    /// As SQLite calls a function: the pointers are valid until it returns.
    unsafe fn new(context: *mut sqlite3_context, count: c_int, values: *mut *mut sqlite3_value) -> Self {
        let count = usize::try_from(count).unwrap_or_default();
        // SAFETY: SQLite gives as many values as it says, at least one here.
        Self { context, values: unsafe { slice::from_raw_parts(values, count) } }
    }

    fn has_type(&self, index: usize, kind: c_int) -> bool {
        // SAFETY: the value is valid, as is every pointer of this call.
        self.values.get(index).is_some_and(|value| unsafe { sqlite3_value_type(*value) } == kind)
    }

    fn has_null(&self) -> bool {
        (0..self.values.len()).any(|index| self.has_type(index, SQLITE_NULL))
    }

    /// The bytes of an argument, as they are or as text; None where memory runs out.
    fn bytes(&self, index: usize, as_text: bool) -> Option<&'a [u8]> {
        let value = *self.values.get(index)?;
        // SAFETY: the pointer of one argument stays valid while it is not converted again,
        // and its length belongs to the form that was asked for last.
        unsafe {
            let start = if as_text { sqlite3_value_text(value) } else { sqlite3_value_blob(value).cast() };
            let length = usize::try_from(sqlite3_value_bytes(value)).unwrap_or_default();
            match (start.is_null(), length) {
                (_, 0) => Some(&[]),
                (true, _) => None,
                (false, _) => Some(slice::from_raw_parts(start, length)),
            }
        }
    }

    fn integer(&self, number: usize) {
        // SAFETY: the context is that of this call.
        unsafe { sqlite3_result_int64(self.context, i64::try_from(number).unwrap_or(i64::MAX)) };
    }

    fn text(&self, bytes: &[u8]) {
        let encoding = u8::try_from(SQLITE_UTF8).unwrap_or(1);
        // SAFETY: SQLite copies the bytes.
        unsafe {
            sqlite3_result_text64(
                self.context,
                bytes.as_ptr().cast(),
                bytes.len() as u64,
                SQLITE_TRANSIENT(),
                encoding,
            );
        }
    }

    fn same(&self, index: usize) {
        if let Some(value) = self.values.get(index) {
            // SAFETY: SQLite copies the value.
            unsafe { sqlite3_result_value(self.context, *value) };
        }
    }

    fn too_big(&self) {
        // SAFETY: the context is that of this call.
        unsafe { sqlite3_result_error_toobig(self.context) };
    }

    fn no_memory(&self) {
        // SAFETY: the context is that of this call.
        unsafe { sqlite3_result_error_nomem(self.context) };
    }
}

fn begins_char(byte: &u8) -> bool {
    byte & 0xc0 != 0x80
}

/// The length of the first character.
fn first(text: &[u8]) -> usize {
    text.iter().skip(1).position(begins_char).map_or(text.len(), |next| next + 1)
}

/// Where the last character begins.
fn last(text: &[u8]) -> usize {
    text.iter().rposition(begins_char).unwrap_or_default()
}

#[allow(unsafe_code, reason = "SQLite calls this from C")]
unsafe extern "C" fn instr(context: *mut sqlite3_context, count: c_int, values: *mut *mut sqlite3_value) {
    // SAFETY: called by SQLite.
    let call = unsafe { Call::new(context, count, values) };
    if call.has_null() {
        return;
    }
    let as_text = !(call.has_type(0, SQLITE_BLOB) && call.has_type(1, SQLITE_BLOB));
    let (Some(all), Some(part)) = (call.bytes(0, as_text), call.bytes(1, as_text)) else {
        return call.no_memory();
    };
    call.integer(match memmem::find(all, part) {
        None => 0,
        Some(at) if as_text => 1 + all.iter().take(at).filter(|byte| begins_char(byte)).count(),
        Some(at) => 1 + at,
    });
}

#[allow(unsafe_code, reason = "SQLite calls this from C")]
unsafe extern "C" fn replace(context: *mut sqlite3_context, count: c_int, values: *mut *mut sqlite3_value) {
    // SAFETY: called by SQLite.
    let call = unsafe { Call::new(context, count, values) };
    if call.has_type(0, SQLITE_NULL) || call.has_type(1, SQLITE_NULL) {
        return;
    }
    let (Some(all), Some(from)) = (call.bytes(0, true), call.bytes(1, true)) else { return call.no_memory() };
    if from.first().is_none_or(|byte| *byte == 0) {
        return call.same(0);
    }
    if call.has_type(2, SQLITE_NULL) {
        return;
    }
    let Some(to) = call.bytes(2, true) else { return call.no_memory() };
    let finder = memmem::Finder::new(from);
    let found = finder.find_iter(all).count();
    let length = all.len() - found * from.len() + found.saturating_mul(to.len());
    if c_int::try_from(length).is_ok_and(|length| length <= LENGTH) {
        let mut result = Vec::with_capacity(length);
        let mut rest = 0;
        for at in finder.find_iter(all) {
            result.extend_from_slice(all.get(rest..at).unwrap_or_default());
            result.extend_from_slice(to);
            rest = at + from.len();
        }
        result.extend_from_slice(all.get(rest..).unwrap_or_default());
        call.text(&result);
    } else {
        call.too_big();
    }
}

#[allow(unsafe_code, reason = "SQLite calls this from C")]
unsafe extern "C" fn trim<const LEFT: bool, const RIGHT: bool>(
    context: *mut sqlite3_context,
    count: c_int,
    values: *mut *mut sqlite3_value,
) {
    // SAFETY: called by SQLite.
    let call = unsafe { Call::new(context, count, values) };
    if call.has_null() {
        return;
    }
    let (Some(mut text), Some(mut listed)) = (call.bytes(0, true), call.bytes(1, true)) else {
        return call.no_memory();
    };
    let mut chars = HashSet::new();
    while !listed.is_empty() {
        let (char, rest) = listed.split_at(first(listed));
        chars.insert(char);
        listed = rest;
    }
    while LEFT && !text.is_empty() {
        let (char, rest) = text.split_at(first(text));
        if !chars.contains(char) {
            break;
        }
        text = rest;
    }
    while RIGHT && !text.is_empty() {
        let (rest, char) = text.split_at(last(text));
        if !chars.contains(char) {
            break;
        }
        text = rest;
    }
    call.text(text);
}
