//! Work that requests have left behind: tasks of `after()` and `waitUntil()`, and whatever
//! else still runs on behalf of a request whose answer is out.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::exchange::Handle;
use super::head::RequestId;

/// How many entries there are before those that are over are looked for.
const MANY: usize = 64;
/// How long work is remembered that nobody has seen running.
const QUIET: Duration = Duration::from_secs(60);

/// What one request has left behind.
#[derive(Debug)]
struct Entry {
    /// Route and id of the request, unless they were forgotten before.
    request: Option<(usize, RequestId)>,
    /// Promised tasks that have not ended.
    tasks: usize,
    /// CPU time since the answer.
    used: Duration,
    /// When its time is up; none before the answer.
    until: Option<Instant>,
    /// Whether it was told of already that its time is up.
    told: bool,
    seen: Instant,
}

/// Which budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// CPU time.
    Cpu,
    /// Time since the answer.
    Time,
}

/// Work whose budget is used up.
#[derive(Debug, Clone, Copy)]
pub struct Overdue {
    /// The request that left it behind.
    pub handle: Handle,
    /// Its route and id, where they are known.
    pub request: Option<(usize, RequestId)>,
    /// Which budget.
    pub spent: Spent,
}

/// All that the requests of an isolate have left behind.
#[derive(Debug)]
pub struct Behind {
    entries: HashMap<Handle, Entry>,
    time: Duration,
    cpu: Duration,
    tasks: usize,
    ran: Option<Instant>,
    overdue: Option<Overdue>,
}

impl Default for Behind {
    /// Without limits.
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            time: Duration::from_secs(365 * 24 * 60 * 60),
            cpu: Duration::MAX,
            tasks: 0,
            ran: None,
            overdue: None,
        }
    }
}

impl Behind {
    /// Sets the budget of the work of one request: time since its answer, and CPU time.
    pub fn set_budget(&mut self, time: Duration, cpu: Duration) {
        (self.time, self.cpu) = (time, cpu);
    }

    fn entry(&mut self, handle: Handle, request: Option<(usize, RequestId)>, now: Instant) -> &mut Entry {
        if self.entries.len() > MANY && self.entries.len().is_power_of_two() {
            self.entries.retain(|_, entry| entry.tasks > 0 || now.duration_since(entry.seen) < QUIET);
        }
        let empty = Entry { request, tasks: 0, used: Duration::ZERO, until: None, told: false, seen: now };
        self.entries.entry(handle).or_insert(empty)
    }

    /// A task was promised, by a request that may be over.
    pub(super) fn task_began(&mut self, handle: Handle, request: Option<(usize, RequestId)>, is_over: bool) {
        let now = Instant::now();
        let until = is_over.then(|| now + self.time);
        let entry = self.entry(handle, request, now);
        entry.tasks += 1;
        entry.until = entry.until.or(until);
        self.tasks += 1;
    }

    /// A promised task has ended.
    pub fn task_ended(&mut self, handle: Handle) {
        let Some(entry) = self.entries.get_mut(&handle).filter(|entry| entry.tasks > 0) else { return };
        entry.tasks -= 1;
        self.tasks -= 1;
        if entry.tasks == 0 && entry.used == Duration::ZERO {
            self.entries.remove(&handle);
        }
    }

    /// The answer is out: time begins to count.
    pub(super) fn answered(&mut self, handle: Handle) {
        if self.tasks > 0
            && let Some(entry) = self.entries.get_mut(&handle)
        {
            entry.until.get_or_insert(Instant::now() + self.time);
        }
    }

    /// Charges CPU time to a request that is over; tells which budget is used up by now.
    pub(super) fn charge(
        &mut self,
        handle: Handle,
        request: Option<(usize, RequestId)>,
        cpu: Duration,
        now: Instant,
    ) -> Option<Spent> {
        let (time, most) = (self.time, self.cpu);
        self.ran = Some(now);
        let entry = self.entry(handle, request, now);
        let request = entry.request.or(request);
        entry.used += cpu;
        entry.seen = now;
        let until = *entry.until.get_or_insert(now + time);
        let spent = if entry.used >= most {
            Spent::Cpu
        } else if now >= until {
            Spent::Time
        } else {
            return None;
        };
        self.overdue.get_or_insert(Overdue { handle, request, spent });
        Some(spent)
    }

    /// Whether such work has run lately: who runs besides is charged for what was seen of it only.
    pub fn runs(&self, now: Instant) -> bool {
        self.ran.is_some_and(|ran| now.duration_since(ran) < Duration::from_secs(10))
    }

    /// Work that uses its isolate for longer than it may.
    pub fn take_overdue(&mut self) -> Option<Overdue> {
        self.overdue.take()
    }

    /// Whether tasks are still to be waited for.
    pub fn has_tasks(&self) -> bool {
        self.tasks > 0 && self.entries.values().any(|entry| entry.tasks > 0 && !entry.told)
    }

    /// How many tasks are still to be waited for.
    pub fn waited_for(&self) -> usize {
        self.entries.values().filter(|entry| !entry.told).map(|entry| entry.tasks).sum()
    }

    /// When the time of a task is up next.
    pub fn next_end(&self) -> Option<Instant> {
        if self.tasks == 0 {
            return None;
        }
        let waited_for = self.entries.values().filter(|entry| entry.tasks > 0 && !entry.told);
        waited_for.filter_map(|entry| entry.until).min()
    }

    /// Tasks whose time is up; each is told of once.
    pub fn late_tasks(&mut self, now: Instant) -> Vec<Overdue> {
        let late = |(handle, entry): (&Handle, &mut Entry)| {
            let is_late = entry.tasks > 0 && entry.until.is_some_and(|until| until <= now);
            let is_new = is_late && !std::mem::replace(&mut entry.told, true);
            is_new.then_some(Overdue { handle: *handle, request: entry.request, spent: Spent::Time })
        };
        self.entries.iter_mut().filter_map(late).collect()
    }
}
