//! What clients have not taken yet of their answers, all together.
//!
//! No single client holds much, but thousands that are just fast enough hold gigabytes. So
//! there is a limit for all connections of a host, and beyond it the slowest are cut.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Context;
use std::time::{Duration, Instant};

use atomic_waker::AtomicWaker;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::memory::give_back;

/// How often clients are looked at while there is too much.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a client is looked at before it counts as slow.
const LOOK_FOR: Duration = Duration::from_millis(500);
/// Bytes a second with which a client is not slow.
const FAST: u128 = 1024 * 1024;

/// Whoever takes answers one after the other: a connection of HTTP/1, or one answer of HTTP/2.
#[derive(Debug, Default)]
pub(super) struct Taker {
    taken: AtomicU64,
    is_cut: AtomicBool,
    waker: AtomicWaker,
}

impl Taker {
    /// Bytes went on their way.
    pub(super) fn took(&self, bytes: u64) {
        // Only its own task writes it.
        self.taken.store(self.taken.load(Ordering::Relaxed) + bytes, Ordering::Relaxed);
    }

    /// Whether it is to be cut; if not, the task is woken when it is.
    pub(super) fn is_cut(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.is_cut.load(Ordering::Acquire)
    }

    fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// The account of a host.
#[derive(Debug)]
pub(crate) struct Unsent {
    most: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes of answers, but for those that have been cut.
    bytes: u64,
    answers: HashMap<u64, Answer>,
    next: u64,
    /// Whether somebody looks at the clients from time to time.
    is_watched: bool,
}

#[derive(Debug)]
struct Answer {
    bytes: u64,
    taker: Arc<Taker>,
    /// Since when its client is looked at, and what it had taken by then.
    seen: Option<(Instant, u64)>,
}

impl Unsent {
    /// An account of at most so many bytes.
    pub(crate) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default() })
    }

    /// Counts bytes until nobody has them any more.
    pub(super) fn hold(self: &Arc<Self>, bytes: Bytes, taker: &Arc<Taker>) -> Bytes {
        let length = bytes.len() as u64;
        let mut state = self.state.lock();
        state.next += 1;
        let number = state.next;
        state.bytes += length;
        state.answers.insert(number, Answer { bytes: length, taker: taker.clone(), seen: None });
        if state.bytes > self.most && !std::mem::replace(&mut state.is_watched, true) {
            tokio::spawn(self.clone().relieve());
        }
        drop(state);
        Bytes::from_owner(Held { bytes, number, account: self.clone() })
    }

    /// Cuts slow clients until there is not too much any more.
    async fn relieve(self: Arc<Self>) {
        while self.look(Instant::now()) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        // Those who were cut have let go of it by now.
        tokio::time::sleep(LOOK_EVERY).await;
        let _ = tokio::task::spawn_blocking(give_back).await;
    }

    /// Whether there is still too much.
    fn look(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        let state = &mut *state;
        let mut slow: Vec<(u128, u64)> = Vec::new();
        for (number, answer) in &mut state.answers {
            let taken = answer.taker.taken.load(Ordering::Relaxed);
            let (since, before) = *answer.seen.get_or_insert((now, taken));
            let time = now.duration_since(since);
            let rate = u128::from(taken.saturating_sub(before)) * 1000 / time.as_millis().max(1);
            if time >= LOOK_FOR && rate < FAST {
                slow.push((rate, *number));
            }
        }
        slow.sort_unstable();
        let (mut cut, mut freed) = (0_usize, 0);
        for (_, number) in slow {
            // A single answer may be as long as it likes.
            if state.bytes <= self.most || state.answers.len() == 1 {
                break;
            }
            if let Some(answer) = state.answers.remove(&number) {
                state.bytes -= answer.bytes;
                answer.taker.cut();
                (cut, freed) = (cut + 1, freed + answer.bytes);
            }
        }
        if cut > 0 {
            tracing::warn!(
                answers = cut,
                size = format!("{} MiB", freed >> 20),
                allowed = format!("{} MiB", self.most >> 20),
                "too much waits for clients to take it: the slowest are cut (--limit-unsent)"
            );
        }
        state.is_watched = state.bytes > self.most;
        state.is_watched
    }
}

/// Bytes that are counted.
struct Held {
    bytes: Bytes,
    number: u64,
    account: Arc<Unsent>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.account.state.lock();
        if let Some(answer) = state.answers.remove(&self.number) {
            state.bytes -= answer.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[tokio::test]
    async fn the_slowest_are_cut_and_fast_ones_are_not() {
        let account = Unsent::new(250);
        // None is watched by a task of its own here.
        account.state.lock().is_watched = true;
        let takers: Vec<Arc<Taker>> = (0..4).map(|_| Arc::default()).collect();
        let held: Vec<Bytes> =
            takers.iter().map(|taker| account.hold(Bytes::from(vec![7; 100]), taker)).collect();
        assert_eq!(held[3], vec![7; 100]);
        let began = Instant::now();
        let cut = || -> Vec<bool> {
            takers.iter().map(|taker| taker.is_cut(&Context::from_waker(Waker::noop()))).collect()
        };
        assert!(account.look(began));
        for (taker, taken) in takers.iter().zip([500, 100, 10 << 20, 200]) {
            taker.took(taken);
        }
        assert!(account.look(began + LOOK_EVERY));
        assert_eq!(cut(), [false; 4], "nobody is slow at once");
        assert!(!account.look(began + LOOK_FOR));
        assert_eq!(cut(), [false, true, false, true], "as many as it takes, the slowest first");
        drop(held);
        let state = account.state.lock();
        assert_eq!((state.bytes, state.answers.len()), (0, 0));
    }

    #[tokio::test]
    async fn a_single_answer_may_be_longer_than_the_limit() {
        let account = Unsent::new(10);
        account.state.lock().is_watched = true;
        let taker = Arc::default();
        let _held = account.hold(Bytes::from_static(b"more than ten bytes"), &taker);
        let began = Instant::now();
        account.look(began);
        assert!(account.look(began + 10 * LOOK_FOR));
        assert!(!taker.is_cut(&Context::from_waker(Waker::noop())));
    }
}
