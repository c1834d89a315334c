//! The `Date` of answers.

use std::cell::RefCell;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Length of a date, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
const LENGTH: usize = 29;

/// A date, and until when it is the right one.
struct Date {
    text: [u8; LENGTH],
    until: Option<Instant>,
}

thread_local! {
    static DATE: RefCell<Date> = const { RefCell::new(Date { text: [b' '; LENGTH], until: None }) };
}

/// Writes the date behind `out`. It is made once a second on each thread.
pub(super) fn write(out: &mut Vec<u8>, now: Instant) {
    DATE.with_borrow_mut(|date| {
        if date.until.is_none_or(|until| until <= now) {
            date.renew(now, SystemTime::now());
        }
        out.extend_from_slice(&date.text);
    });
}

impl Date {
    fn renew(&mut self, now: Instant, system: SystemTime) {
        let mut text = &mut self.text[..];
        let _ = write!(text, "{}", httpdate::HttpDate::from(system));
        let nanos = system.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        let left = 1_000_000_000_u32.saturating_sub(nanos);
        self.until = now.checked_add(Duration::from_nanos(left.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_kept_until_the_next_second() {
        let mut date = Date { text: [b' '; LENGTH], until: None };
        let now = Instant::now();
        date.renew(now, UNIX_EPOCH + Duration::from_millis(784_111_777_250));
        assert_eq!(&date.text, b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date.until, Some(now + Duration::from_millis(750)));
        let mut out = Vec::new();
        write(&mut out, now);
        let text = std::str::from_utf8(&out).expect("ASCII");
        let age = SystemTime::now().duration_since(httpdate::parse_http_date(text).expect("a date"));
        assert!(age.expect("not later") < Duration::from_secs(2), "{text}");
    }
}
