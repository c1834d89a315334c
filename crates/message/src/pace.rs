//! How long a client may be waited for.

use std::time::Duration;

/// What a client may cost in time, by sending a body or taking an answer slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Longest time in which nothing moves.
    pub silence: Duration,
    /// Bytes that have to move in a second, on average; with 0, any will do.
    pub rate: u64,
}

/// What is left of a client's time. It runs while the client is waited for, and what moves
/// meanwhile wins some of it back: at the least rate as much as is used up. So a client that
/// keeps that rate is waited for as long as it takes, one that is silent for the longest
/// silence, and one that is slower for something in between.
#[derive(Debug)]
pub struct Pace {
    patience: Patience,
    left: Duration,
}

impl Pace {
    /// All of the time is left.
    pub fn new(patience: Patience) -> Self {
        Self { patience, left: patience.silence }
    }

    /// How much longer the client may be waited for if nothing moves; zero when its time is up.
    pub fn left(&self) -> Duration {
        self.left
    }

    /// The client was waited for, and so many bytes moved meanwhile.
    pub fn waited(&mut self, time: Duration, bytes: u64) {
        let Patience { silence, rate } = self.patience;
        let won = match bytes.saturating_mul(1_000_000).checked_div(rate) {
            Some(micros) => Duration::from_micros(micros),
            None if bytes > 0 => silence,
            None => Duration::ZERO,
        };
        self.left = self.left.saturating_sub(time).saturating_add(won).min(silence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For how many seconds a client is waited for that moves `bytes` once in `every` seconds.
    fn waited_for(rate: u64, bytes: u64, every: u64) -> Option<u64> {
        let mut pace = Pace::new(Patience { silence: Duration::from_secs(60), rate });
        let mut waited = 0;
        while waited < 100_000 {
            if pace.left() < Duration::from_secs(every) {
                return Some(waited + pace.left().as_secs());
            }
            pace.waited(Duration::from_secs(every), bytes);
            waited += every;
        }
        None
    }

    #[test]
    fn a_silent_client_has_the_silence_and_one_at_the_least_rate_all_the_time() {
        assert_eq!(waited_for(1024, 0, 1), Some(60));
        assert_eq!(waited_for(1024, 1024, 1), None);
        assert_eq!(waited_for(1024, 30 * 1024, 30), None);
        // Half the rate wins half of the time back.
        assert!(waited_for(1024, 1024, 2).is_some_and(|seconds| (110..=120).contains(&seconds)));
        assert!(waited_for(1024, 1, 10).is_some_and(|seconds| (59..=61).contains(&seconds)));
        // Without a rate, one byte is enough.
        assert_eq!(waited_for(0, 1, 59), None);
        assert_eq!(waited_for(0, 0, 1), Some(60));
    }

    #[test]
    fn much_at_once_wins_no_more_than_there_was() {
        let mut pace = Pace::new(Patience { silence: Duration::from_secs(10), rate: 1 });
        pace.waited(Duration::from_secs(9), u64::MAX);
        assert_eq!(pace.left(), Duration::from_secs(10));
        pace.waited(Duration::from_secs(11), 0);
        assert_eq!(pace.left(), Duration::ZERO);
    }
}
