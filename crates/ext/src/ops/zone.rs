//! The time zone of an isolate.
//!
//! ICU has one default zone for the process. V8 takes a copy of it for each isolate, at
//! the first question after a change was announced, and `Date` works with that copy.

use std::sync::OnceLock;

use deno_core::{op2, v8};
use parking_lot::Mutex;

#[allow(unsafe_code, reason = "functions of the ICU that V8 brings along")]
unsafe extern "C" {
    #[link_name = "ucal_getDefaultTimeZone_77"]
    fn ucal_get_default_time_zone(zone: *mut u16, capacity: i32, status: *mut i32) -> i32;
    #[link_name = "ucal_setDefaultTimeZone_77"]
    fn ucal_set_default_time_zone(zone: *const u16, status: *mut i32);
}

/// The zone of the process, which holds except while an isolate takes another one. Every
/// isolate takes its copy under this lock.
static DEFAULT: Mutex<()> = Mutex::new(());

/// Longest name of a zone, with its end.
const LONGEST: usize = 128;

/// The name of the zone that the process has: zeros follow it.
fn of_host() -> &'static [u16; LONGEST] {
    static HOST: OnceLock<[u16; LONGEST]> = OnceLock::new();
    HOST.get_or_init(|| {
        let (mut name, mut status) = ([0; LONGEST], 0);
        #[allow(unsafe_code, reason = "a function of ICU")]
        // SAFETY: `name` has room for one more than the capacity that is told, and stays
        // ended by a zero; `status` is a place for the result.
        unsafe {
            ucal_get_default_time_zone(name.as_mut_ptr(), LONGEST as i32 - 1, &raw mut status);
        }
        name
    })
}

fn make_default(name: &[u16; LONGEST]) {
    let mut status = 0;
    #[allow(unsafe_code, reason = "a function of ICU")]
    // SAFETY: `name` ends with a zero; ICU guards its default zone by a lock of its own.
    unsafe {
        ucal_set_default_time_zone(name.as_ptr(), &raw mut status);
    }
}

/// Puts the isolate into a zone, that of the host if there is no name, by calling `fill`,
/// which asks `Date` something. Returns the host's. Called by runtime-js/15_zone.js.
#[op2(reentrant)]
#[string]
pub(crate) fn op_edgehost_zone<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[string] name: Option<String>,
    fill: v8::Local<'s, v8::Function>,
) -> String {
    let _default = DEFAULT.lock();
    let host = of_host();
    let own = name.map(|name| {
        let mut own = [0; LONGEST];
        own.iter_mut().take(LONGEST - 1).zip(name.encode_utf16()).for_each(|(place, unit)| *place = unit);
        own
    });
    if let Some(own) = &own {
        make_default(own);
    }
    scope.date_time_configuration_change_notification(v8::TimeZoneDetection::Skip);
    let undefined = v8::undefined(scope).into();
    fill.call(scope, undefined, &[]);
    if own.is_some() {
        make_default(host);
    }
    let length = host.iter().position(|unit| *unit == 0).unwrap_or(LONGEST);
    String::from_utf16_lossy(&host[..length])
}
