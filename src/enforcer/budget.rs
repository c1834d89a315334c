//! The memory of all isolates together, looked after before the system runs out of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::clock;
use super::watchdog::{Slot, since_epoch};
use crate::memory::{MemoryBudget, give_back};

/// How long memory of an isolate that was ended has to come back before another one is.
const PAUSE: Duration = Duration::from_millis(500);

/// Longest pause: what isolates do not hold does not come back by ending them.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// From how much of the budget on idle isolates are given up, in percent.
const FULL: u64 = 80;

/// What an isolate holds at least.
const LEAST_HELD: u64 = 2 << 20;

/// How long one has to have been idle for that.
const IDLE: Duration = Duration::from_secs(1);

/// A budget, and what was done to keep it.
#[derive(Debug)]
pub(crate) struct Guard {
    budget: MemoryBudget,
    /// When an isolate was ended last, and how long after that no other one is.
    ended: Mutex<Option<(Instant, Duration)>>,
    /// When idle ones were given up last.
    gave_up: Mutex<Option<Instant>>,
}

impl Guard {
    /// Watches over `budget`.
    pub(crate) fn new(budget: MemoryBudget) -> Arc<Self> {
        Arc::new(Self { budget, ended: Mutex::default(), gave_up: Mutex::default() })
    }

    /// Whether the process does nothing else than run isolates.
    pub(super) fn is_of_process(&self) -> bool {
        self.budget.is_of_process()
    }

    /// Has isolates ended that nobody has used for the longest time, until `bytes` are free.
    /// What they hold comes back a moment later.
    fn give_up_idle<'a>(&self, slots: impl Iterator<Item = &'a Arc<Slot>>, bytes: u64, now: Instant) {
        let mut gave_up = self.gave_up.lock();
        if gave_up.is_some_and(|at| now.duration_since(at) < PAUSE) {
            return;
        }
        let Some(latest) = now.checked_sub(IDLE).map(since_epoch) else { return };
        let idle = slots.filter_map(|slot| Some((slot.rests_since()?, slot)));
        let mut idle: Vec<_> = idle.filter(|(since, _)| *since < latest).collect();
        idle.sort_unstable_by_key(|(since, _)| *since);
        let (mut freed, mut count) = (0, 0_usize);
        for (_, slot) in idle {
            if freed >= bytes {
                break;
            }
            freed += slot.holds().max(LEAST_HELD);
            count += 1;
            slot.give_up();
        }
        if count > 0 {
            *gave_up = Some(now);
            tracing::debug!(count, "memory runs short: isolates that nobody uses are given up");
        }
    }

    /// Gives up idle isolates of many, and ends the largest of all, if they use too much. On
    /// the watchdog's thread.
    pub(super) fn look<'a>(&self, slots: impl Iterator<Item = &'a Arc<Slot>> + Clone, now: Instant) {
        let most = self.budget.bytes();
        let used = || match self.budget.is_of_process() {
            true => clock::resident_memory(),
            false => slots.clone().map(|slot| slot.holds()).sum(),
        };
        let now_used = used();
        if now_used > most / 100 * FULL {
            self.give_up_idle(slots.clone(), now_used - most / 100 * FULL, now);
        }
        let mut ended = self.ended.lock();
        if now_used <= most {
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
