//! The memory of all isolates together, looked after before the system runs out of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::clock;
use super::watchdog::Slot;
use crate::memory::{MemoryBudget, give_back};

/// How long memory of an isolate that was ended has to come back before another one is.
const PAUSE: Duration = Duration::from_millis(500);

/// Longest pause: what isolates do not hold does not come back by ending them.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A budget, and what was done to keep it.
#[derive(Debug)]
pub(crate) struct Guard {
    budget: MemoryBudget,
    /// When an isolate was ended last, and how long after that no other one is.
    ended: Mutex<Option<(Instant, Duration)>>,
}

impl Guard {
    /// Watches over `budget`.
    pub(crate) fn new(budget: MemoryBudget) -> Arc<Self> {
        Arc::new(Self { budget, ended: Mutex::default() })
    }

    /// Ends the largest of its isolates if they use too much. On the watchdog's thread.
    pub(super) fn look<'a>(&self, slots: impl Iterator<Item = &'a Arc<Slot>> + Clone, now: Instant) {
        let most = self.budget.bytes();
        let used = || match self.budget.is_of_process() {
            true => clock::resident_memory(),
            false => slots.clone().map(|slot| slot.holds()).sum(),
        };
        let mut ended = self.ended.lock();
        if used() <= most {
            *ended = ended.filter(|(at, pause)| now.duration_since(*at) < *pause);
            return;
        }
        let pause = match *ended {
            Some((at, pause)) if now.duration_since(at) < pause => return,
            // Ending one has not helped.
            Some((_, pause)) => (pause * 2).min(LONGEST_PAUSE),
            None => PAUSE,
        };
        if self.budget.is_of_process() {
            // What was freed, and the allocator keeps.
            give_back();
        }
        let used = used();
        let healthy = slots.filter(|slot| !slot.is_condemned());
        let Some(largest) = healthy.max_by_key(|slot| slot.holds()).filter(|_| used > most) else { return };
        *ended = Some((now, pause));
        tracing::error!(
            used = format!("{} MiB", used >> 20),
            budget = format!("{} MiB", most >> 20),
            holds = format!("{} MiB", largest.holds() >> 20),
            "the memory budget is used up: the isolate that holds most is replaced (--memory-budget)"
        );
        largest.condemn();
    }
}
