//! A value that is exchanged as a whole while others read it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Holds the current value. Readers keep the one that they took, and notice by its number,
/// one load of a word that hardly ever changes, that there is another: no lock is taken and
/// no counter touched for each look.
#[derive(Debug)]
pub(crate) struct Swap<T> {
    number: AtomicU64,
    current: Mutex<Arc<T>>,
}

impl<T> Swap<T> {
    /// Holds `value` first.
    pub(crate) fn new(value: T) -> Self {
        Self { number: AtomicU64::new(0), current: Mutex::new(Arc::new(value)) }
    }

    /// The number of the current value.
    pub(crate) fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    /// The current value, and its number.
    pub(crate) fn take(&self) -> (u64, Arc<T>) {
        let current = self.current.lock();
        (self.number.load(Ordering::Relaxed), current.clone())
    }

    /// Puts another value in place, made from the current one; an error leaves that.
    /// Changes that come at the same time follow each other.
    pub(crate) fn change<R, E>(&self, change: impl FnOnce(&T) -> Result<(T, R), E>) -> Result<R, E> {
        let mut current = self.current.lock();
        let (next, result) = change(&current)?;
        *current = Arc::new(next);
        self.number.fetch_add(1, Ordering::Release);
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_follow_each_other_and_are_noticed() {
        let swap = Arc::new(Swap::new(0_u64));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let swap = swap.clone();
                std::thread::spawn(move || {
                    let mut seen = 0;
                    for _ in 0..1000 {
                        swap.change(|value| Ok::<_, ()>((value + 1, ()))).expect("changed");
                        let (number, value) = swap.take();
                        assert_eq!(number, *value, "a value and its number belong together");
                        assert!(number > seen && swap.number() >= number);
                        seen = number;
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!((swap.number(), *swap.take().1), (4000, 4000));
        assert_eq!(swap.change(|_| Err::<(u64, ()), _>("no")), Err("no"));
        assert_eq!(swap.number(), 4000);
    }
}
