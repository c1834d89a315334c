//! One thread for the process, which ends turns that pass their budget.
//!
//! A turn costs two atomic stores and one uncontended lock. The watchdog looks
//! at all isolates every [`TICK`] while any of them runs JavaScript, and sleeps
//! otherwise. It reads the CPU clock of a shard's thread from outside, so no
//! signal and no timer is set anywhere.
//!
//! A turn ends behind the abort fence ([`edgehost_fence`]): an interrupt that arrives
//! late finds that nothing was decided about the turn that runs, and does nothing.

use std::cell::RefCell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::Thread;
use std::time::{Duration, Instant};

use deno_core::v8;
use edgehost_ext::Held;
use edgehost_ext::message::{Handle, RequestId};
use edgehost_fence::{Fence, Turn as Number};
use parking_lot::Mutex;

use super::budget::Guard;
use super::clock::{self, ThreadClock};
use super::external::Quota;
use super::wedge::Wedge;
use super::{ScopeKey, Sighting, queries};
use crate::limits::Exceeded;
use crate::memory::give_back;

/// How often running isolates are looked at. A turn may pass its budget by about twice this.
const TICK: Duration = Duration::from_millis(5);

/// How long an interrupt may stay unanswered before execution is terminated outright.
const PATIENCE: Duration = Duration::from_millis(100);

/// CPU time that a turn may use after it was to end, before its thread counts as wedged:
/// on a loaded machine that takes longer than by the clock.
const WEDGED_CPU: Duration = Duration::from_secs(2);

/// The same after a memory limit: filling or collecting what was too much takes V8 a
/// while, and then ends.
const WEDGED_CPU_MEMORY: Duration = Duration::from_secs(15);

/// The same by the clock, for a thread that does not run at all: it waits for something.
const WEDGED_WALL: Duration = Duration::from_secs(3);

/// A thread that used less than this meanwhile does not run.
const BARELY: Duration = Duration::from_millis(50);

/// How long whoever is found running at somebody else's deadline goes on unasked.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Every how many ticks the memory of the process is measured. That of an isolate is at each.
const MEMORY_EVERY: u64 = 4;

/// How much garbage there may be beyond the limit before it is collected once more.
const MOST_SLACK: u64 = 32 * 1024 * 1024;

/// Ticks without any JavaScript after which the watchdog parks.
const IDLE_TICKS: u32 = 20;

/// What the rest of the process may grow by during one turn.
const RUNAWAY_MARGIN: u64 = 64 * 1024 * 1024;

/// What is in no account may come to over many turns, beyond what an isolate may hold: some
/// of it is the code of the program, and what the allocator keeps.
const OUTGROWN_MARGIN: u64 = 32 * 1024 * 1024;

/// In place of a route's index: the turn runs for no request in particular.
const NOBODY: usize = usize::MAX;

/// What one turn may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// CPU time.
    pub(crate) cpu: Duration,
    /// The nearest deadline of those who may run in it: it ends then if it is theirs.
    pub(crate) due: Instant,
    /// Whether several may run in it: then it is found out again and again who does.
    pub(crate) shared: bool,
    /// When it has to be over, whoever runs.
    pub(crate) until: Instant,
}

/// On whose behalf a turn runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Behalf {
    /// The route, by its index.
    pub(crate) route: usize,
    /// The request.
    pub(crate) request: RequestId,
}

/// Is told, on the watchdog's thread, that a turn did not end although it was to.
pub(crate) type OnWedge = Box<dyn Fn(Exceeded, Option<Behalf>) + Send + Sync>;

/// Why an isolate ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A limit.
    Exceeded(Exceeded),
    /// Native code panicked while the isolate ran.
    Panicked,
}

/// What was decided about a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// What went wrong.
    pub(crate) cause: Cause,
    /// The request on whose behalf code ran, where it is known.
    pub(crate) culprit: Option<Handle>,
}

/// An isolate as the watchdog sees it.
pub(crate) struct Slot {
    fence: Fence<Decision, Verdict, Watch>,
    /// The count of turns at the last look, to tell a busy isolate from an idle one.
    looked: AtomicU64,
    cpu_budget_ns: AtomicU64,
    due_ns: AtomicU64,
    shared: AtomicBool,
    until_ns: AtomicU64,
    /// On whose behalf the turn runs: the index of the route, and the request's id.
    route: AtomicUsize,
    request: AtomicU64,
    on_wedge: OnWedge,
    /// Tells of the thread that it is on.
    wedge: Arc<Wedge>,
    clock: ThreadClock,
    isolate: OnceLock<v8::IsolateHandle>,
    quota: Arc<Quota>,
    held: Held,
    guard: Arc<Guard>,
    memory: u64,
    /// Set when the isolate has run since its memory was measured.
    unmeasured: AtomicBool,
    /// What was measured last, in bytes.
    measured: AtomicU64,
    /// The same with garbage, and of that the heap alone.
    mapped: AtomicU64,
    heap: AtomicU64,
    /// What the process has had in RAM beside all isolates, at the least since this one began.
    floor: AtomicU64,
    /// What it has beyond that, which is in no account.
    unexplained: AtomicU64,
    /// Garbage is collected before an isolate counts as full, but not again and again:
    /// only when it holds more than this.
    collect_above: AtomicU64,
    /// The same for what is in no account.
    clean_above: AtomicU64,
    /// Set when the isolate is to be replaced whatever it does.
    condemned: AtomicBool,
    /// When it was seen last to have run.
    used_ns: AtomicU64,
    /// Whether it may be given up while it is idle, and whether that is wanted.
    may_rest: AtomicBool,
    unwanted: AtomicBool,
    /// Makes an idle isolate take a turn.
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// What was decided about a turn, and when.
#[derive(Debug, Clone, Copy)]
struct Decision {
    exceeded: Exceeded,
    at: Instant,
}

impl Decision {
    fn now(exceeded: Exceeded) -> Self {
        Self { exceeded, at: Instant::now() }
    }

    fn verdict(&self, culprit: Option<Handle>) -> Verdict {
        Verdict { cause: Cause::Exceeded(self.exceeded), culprit }
    }
}

/// What was found at the first look at a turn.
#[derive(Debug, Clone, Copy)]
struct Seen {
    turn: Number,
    cpu: Duration,
    /// Resident memory of the process, in bytes.
    resident: u64,
    /// Memory that the thread had touched, in bytes.
    touched: u64,
}

/// What the watchdog knows of turns, each with the turn that it is about.
#[derive(Debug, Default)]
struct Watch {
    /// First look at the running turn.
    seen: Option<Seen>,
    /// The thread's CPU time when the last decision was first seen.
    cpu_at_decision: Option<(Number, Duration)>,
    /// Whether the thread was reported as wedged.
    wedged: bool,
    /// The interrupt callback is to find out who runs.
    asked: Option<Number>,
    /// CPU time of the thread when that was found out last.
    sighted: Option<(Number, Duration)>,
    /// The interrupt callback is to measure the memory.
    measure: Option<Number>,
}

/// Armed while JavaScript runs.
pub(crate) struct Turn<'a> {
    slot: &'a Slot,
    number: Number,
    started: Instant,
}

fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

pub(super) fn since_epoch(instant: Instant) -> u64 {
    nanos(instant.saturating_duration_since(epoch()))
}

impl Slot {
    /// A slot for an isolate that lives on the calling thread.
    pub(crate) fn new(
        memory: u64,
        quota: Arc<Quota>,
        held: Held,
        guard: Arc<Guard>,
        wedge: Arc<Wedge>,
        on_wedge: OnWedge,
    ) -> Arc<Self> {
        Arc::new(Self {
            fence: Fence::new(Watch::default()),
            looked: AtomicU64::new(0),
            cpu_budget_ns: AtomicU64::new(u64::MAX),
            due_ns: AtomicU64::new(u64::MAX),
            shared: AtomicBool::new(false),
            until_ns: AtomicU64::new(u64::MAX),
            route: AtomicUsize::new(NOBODY),
            request: AtomicU64::new(0),
            on_wedge,
            wedge,
            clock: ThreadClock::current(),
            isolate: OnceLock::new(),
            quota,
            held,
            guard,
            memory,
            unmeasured: AtomicBool::new(false),
            measured: AtomicU64::new(0),
            mapped: AtomicU64::new(0),
            heap: AtomicU64::new(0),
            floor: AtomicU64::new(u64::MAX),
            unexplained: AtomicU64::new(0),
            collect_above: AtomicU64::new(memory),
            clean_above: AtomicU64::new(0),
            condemned: AtomicBool::new(false),
            used_ns: AtomicU64::new(since_epoch(Instant::now())),
            may_rest: AtomicBool::new(false),
            unwanted: AtomicBool::new(false),
            wake: OnceLock::new(),
        })
    }

    /// Puts the isolate under watch.
    pub(crate) fn watch(self: &Arc<Self>, isolate: v8::IsolateHandle) {
        let _ = self.isolate.set(isolate);
        register(self);
        if self.guard.is_of_process() {
            self.reckon();
        }
    }

    /// What makes an idle isolate take a turn, so that it notices that it is condemned.
    pub(crate) fn wake_with(&self, wake: impl Fn() + Send + Sync + 'static) {
        let _ = self.wake.set(Box::new(wake));
    }

    /// Has the memory measured at the end of the next turn, which begins at once.
    pub(crate) fn measure_soon(&self) {
        self.unmeasured.store(true, Ordering::SeqCst);
        if let Some(wake) = self.wake.get() {
            wake();
        }
    }

    /// Ends the isolate as one that is out of memory, now if it runs, else as soon as it can.
    pub(super) fn condemn(&self) {
        self.condemned.store(true, Ordering::SeqCst);
        self.out_of_memory();
        self.measure_soon();
    }

    /// Allows that it is given up while it is idle: it is one of many.
    pub(crate) fn may_rest(&self) {
        self.may_rest.store(true, Ordering::Relaxed);
    }

    /// Since when it has not run, if it may be given up and is not to be already.
    pub(super) fn rests_since(&self) -> Option<u64> {
        let is_idle = self.fence.latest().is_none();
        let may = self.may_rest.load(Ordering::Relaxed) && !self.unwanted.load(Ordering::Relaxed);
        (is_idle && may).then(|| self.used_ns.load(Ordering::Relaxed))
    }

    /// Has it ended unless somebody uses it.
    pub(super) fn give_up(&self) {
        self.unwanted.store(true, Ordering::SeqCst);
        if let Some(wake) = self.wake.get() {
            wake();
        }
    }

    /// Whether it is to end if nobody uses it. Asks once.
    pub(crate) fn is_unwanted(&self) -> bool {
        self.unwanted.load(Ordering::Relaxed) && self.unwanted.swap(false, Ordering::SeqCst)
    }

    /// Whether the isolate was ended for the good of all, not for what one request did.
    pub(crate) fn is_condemned(&self) -> bool {
        self.condemned.load(Ordering::Relaxed)
    }

    /// What the isolate is known to hold, in bytes. From any thread.
    pub(crate) fn holds(&self) -> u64 {
        let outside = (self.quota.used() + self.held.bytes()) as u64;
        let known = self.measured.load(Ordering::Relaxed).max(outside);
        known + self.unexplained.load(Ordering::Relaxed)
    }

    /// Arms the limits; they are disarmed by [`Turn::end`].
    pub(crate) fn begin(self: &Arc<Self>, budget: Budget, behalf: Option<Behalf>, now: Instant) -> Turn<'_> {
        LATEST.with_borrow_mut(|latest| {
            // Mostly a thread goes on with the isolate that it ran before.
            if !std::ptr::eq(latest.as_ptr(), Arc::as_ptr(self)) {
                *latest = Arc::downgrade(self);
            }
        });
        self.cpu_budget_ns.store(nanos(budget.cpu), Ordering::Relaxed);
        self.due_ns.store(since_epoch(budget.due), Ordering::Relaxed);
        self.shared.store(budget.shared, Ordering::Relaxed);
        self.until_ns.store(since_epoch(budget.until), Ordering::Relaxed);
        self.route.store(behalf.map_or(NOBODY, |behalf| behalf.route), Ordering::Relaxed);
        self.request.store(behalf.map_or(0, |behalf| behalf.request.to_bits()), Ordering::Relaxed);
        let number = self.fence.begin();
        wake_if_parked();
        Turn { slot: self, number, started: now }
    }

    /// Called by the memory guards: the running turn is to be ended.
    pub(super) fn out_of_memory(&self) {
        if self.fence.lock().decide(Decision::now(Exceeded::Memory)) {
            self.interrupt();
        }
    }

    #[allow(unsafe_code, reason = "V8 takes a C callback")]
    fn interrupt(&self) {
        if let Some(isolate) = self.isolate.get() {
            // The callback runs on the isolate's thread, while the isolate lives;
            // the owner of the isolate keeps this slot longer than that.
            isolate.request_interrupt(on_interrupt, std::ptr::from_ref(self).cast_mut().cast::<c_void>());
        }
    }

    /// Whether a turn runs that somebody waits for. One of a thread that was written off is
    /// looked at now and then, in case that it comes back.
    fn needs_looks(&self) -> bool {
        self.fence.latest().is_some() && !self.wedge.is_wedged()
    }

    /// Looks at the isolate; true if it has run since the last look.
    fn inspect(&self, tick: u64, now: Instant) -> bool {
        let count = self.fence.count();
        let ran = self.looked.swap(count, Ordering::Relaxed) != count;
        if ran {
            self.used_ns.store(since_epoch(now), Ordering::Relaxed);
            self.unmeasured.store(true, Ordering::Relaxed);
        }
        self.look(tick, now) || ran
    }

    /// Holds the running turn against its budget; true if there is one.
    fn look(&self, tick: u64, now: Instant) -> bool {
        if self.fence.latest().is_none() {
            return false;
        }
        let mut watch = self.fence.lock();
        let Some(turn) = watch.turn() else { return false };
        let cpu = self.clock.read();
        let Some(seen) = watch.seen.filter(|seen| seen.turn == turn) else {
            let (resident, touched) = (clock::resident_memory(), self.clock.touched());
            watch.seen = Some(Seen { turn, cpu, resident, touched });
            if self.shared.load(Ordering::Relaxed) && watch.asked != Some(turn) {
                watch.asked = Some(turn);
                self.interrupt();
            }
            return true;
        };
        // Seen twice: it has gone on for a tick at least.
        self.wedge.is_held_at(since_epoch(now));
        if let Some(&Decision { exceeded, at }) = watch.decision() {
            // Again and again: native code that builds an error may swallow a termination.
            if now.duration_since(at) >= PATIENCE {
                let terminate = || {
                    if let Some(isolate) = self.isolate.get() {
                        isolate.terminate_execution();
                    }
                };
                watch.strike(|decision| decision.verdict(None), terminate);
            }
            let since = watch.cpu_at_decision.get_or_insert((turn, cpu));
            if since.0 != turn {
                *since = (turn, cpu);
            }
            let spent = cpu.saturating_sub(since.1);
            let patience = if exceeded == Exceeded::Memory { WEDGED_CPU_MEMORY } else { WEDGED_CPU };
            let is_waiting = spent < BARELY && now.duration_since(at) >= WEDGED_WALL;
            let is_wedged = spent >= patience || is_waiting;
            let was_wedged = watch.wedged;
            if is_wedged && !std::mem::replace(&mut watch.wedged, true) {
                drop(watch);
                (self.on_wedge)(exceeded, self.behalf());
            }
            return !was_wedged && !self.wedge.is_wedged();
        }
        let used = nanos(cpu.saturating_sub(seen.cpu) + TICK);
        let exceeded = if used >= self.cpu_budget_ns.load(Ordering::Relaxed) {
            Some(Exceeded::Cpu)
        } else if since_epoch(now) >= self.until_ns.load(Ordering::Relaxed) {
            Some(Exceeded::Wall)
        } else if tick.is_multiple_of(MEMORY_EVERY) && self.is_running_away(&seen) {
            Some(Exceeded::Memory)
        } else {
            None
        };
        if let Some(exceeded) = exceeded {
            watch.decide(Decision { exceeded, at: now });
            self.interrupt();
            return true;
        }
        // Who runs can only be found out on the isolate's own thread.
        let is_due =
            self.shared.load(Ordering::Relaxed) || since_epoch(now) >= self.due_ns.load(Ordering::Relaxed);
        if is_due && watch.asked != Some(turn) {
            watch.asked = Some(turn);
            self.interrupt();
        }
        watch.measure = Some(turn);
        self.interrupt();
        true
    }

    /// On whose behalf the running turn runs.
    fn behalf(&self) -> Option<Behalf> {
        let route = self.route.load(Ordering::Relaxed);
        let request = RequestId::from_bits(self.request.load(Ordering::Relaxed));
        (route != NOBODY).then_some(Behalf { route, request })
    }

    /// Whether this turn has made the process grow by more than an isolate may hold. That is
    /// what native code keeps in no account: everything else is stopped before. The thread's
    /// own page faults tell whose growth it is.
    fn is_running_away(&self, seen: &Seen) -> bool {
        let most = self.memory.saturating_add(RUNAWAY_MARGIN);
        clock::resident_memory().saturating_sub(seen.resident) > most
            && self.clock.touched().saturating_sub(seen.touched) > most
    }

    /// What the interrupt asks for, on the isolate's own thread.
    fn answer(&self, isolate: &mut v8::Isolate) {
        let (turn, decided, measure, asked) = {
            let mut watch = self.fence.lock();
            let Some(turn) = watch.turn() else { return };
            let decided = watch.decision().copied();
            (turn, decided, watch.measure.take() == Some(turn), watch.asked.take() == Some(turn))
        };
        let found = match decided {
            Some(decision) => Some((decision, None)),
            None if measure && self.is_full(isolate) => Some((Decision::now(Exceeded::Memory), None)),
            None if asked => {
                self.sight(isolate, turn).map(|(exceeded, known)| (Decision::now(exceeded), known))
            }
            None => None,
        };
        if let Some((decision, known)) = found {
            let culprit = known.or_else(|| culprit(isolate));
            let mut watch = self.fence.lock();
            watch.decide(decision);
            let terminate = || {
                isolate.terminate_execution();
            };
            watch.strike(|_| decision.verdict(culprit), terminate);
        }
    }

    /// Looks who runs; tells the limit that is passed, and by whom.
    fn sight(&self, isolate: &mut v8::Isolate, turn: Number) -> Option<(Exceeded, Option<Handle>)> {
        let (cpu, now) = (self.clock.read(), Instant::now());
        let (since, began) = {
            let mut watch = self.fence.lock();
            let began = watch.seen.filter(|seen| seen.turn == turn).map_or(cpu, |seen| seen.cpu);
            let last = watch.sighted.replace((turn, cpu)).filter(|(sighted, _)| *sighted == turn);
            (last.map(|(_, cpu)| cpu), began)
        };
        // A turn is seen about as often as it is long: each first look stands for one tick.
        let sighting = Sighting {
            handle: culprit(isolate),
            cpu: since.map_or(TICK, |since| cpu.saturating_sub(since)),
            turn: cpu.saturating_sub(began),
            now,
        };
        let verdict = (isolate.get_slot::<ScopeKey>()?.judge)(sighting);
        if verdict.is_none() {
            self.due_ns.store(since_epoch(now + ASK_AGAIN), Ordering::Relaxed);
        }
        match verdict?.cause {
            Cause::Exceeded(exceeded) => Some((exceeded, verdict?.culprit)),
            Cause::Panicked => None,
        }
    }

    /// Whether the isolate holds more than it may, garbage left aside.
    fn is_full(&self, isolate: &mut v8::Isolate) -> bool {
        let mut bytes = self.memory_of(isolate);
        let mut is_full = false;
        if bytes > self.collect_above.load(Ordering::Relaxed) {
            isolate.low_memory_notification();
            bytes = self.memory_of(isolate);
            let slack = (self.memory / 8).min(MOST_SLACK);
            self.collect_above.store(self.memory.max(bytes.saturating_add(slack)), Ordering::Relaxed);
            is_full = bytes > self.memory;
        }
        self.measured.store(bytes, Ordering::Relaxed);
        is_full || self.guard.is_of_process() && self.has_outgrown(isolate)
    }

    /// Whether the process has grown by what is in no account, such as keys or compressors that
    /// native code keeps for objects: as far as nobody knows whose it is, it counts for the
    /// isolate that runs. On its own thread.
    fn has_outgrown(&self, isolate: &mut v8::Isolate) -> bool {
        let most = self.memory.saturating_add(OUTGROWN_MARGIN);
        let held = || self.measured.load(Ordering::Relaxed) + self.reckon();
        if held() <= self.clean_above.load(Ordering::Relaxed).max(most) {
            return false;
        }
        // What objects held that are garbage, pages that V8 keeps, and what the allocator does.
        isolate.low_memory_notification();
        give_back();
        let bytes = self.memory_of(isolate);
        self.measured.store(bytes, Ordering::Relaxed);
        let bytes = held();
        let slack = (self.memory / 8).min(MOST_SLACK);
        self.clean_above.store(bytes.saturating_add(slack), Ordering::Relaxed);
        bytes > most
    }

    /// Reckons what the process has in RAM beside all isolates and what it had before this one
    /// began. Each isolate is taken to have an equal part in it.
    fn reckon(&self) -> u64 {
        let slots: Vec<_> = SLOTS.lock().iter().filter_map(Weak::upgrade).collect();
        let of_all = |part: fn(&Slot) -> &AtomicU64| -> u64 {
            slots.iter().map(|slot| part(slot).load(Ordering::Relaxed)).sum()
        };
        let (mapped, heaps) = (of_all(|slot| &slot.mapped), of_all(|slot| &slot.heap));
        let resident = clock::resident_memory();
        // Buffers count before they are touched: they must not make the floor too low.
        let rest = resident.saturating_sub(heaps);
        let floor = self.floor.fetch_min(rest, Ordering::Relaxed).min(rest);
        let grown = resident.saturating_sub(mapped).saturating_sub(floor);
        let unexplained = grown / slots.len().max(1) as u64;
        self.unexplained.store(unexplained, Ordering::Relaxed);
        unexplained
    }

    /// What the isolate holds, garbage left aside, if that is near to what it may.
    pub(crate) fn nearly_full(&self, isolate: &mut v8::Isolate) -> Option<u64> {
        let near = self.memory / 4 * 3;
        let bytes = self.memory_of(isolate);
        self.measured.store(bytes, Ordering::Relaxed);
        if bytes <= near {
            return None;
        }
        isolate.low_memory_notification();
        Some(self.memory_of(isolate)).filter(|held| *held > near)
    }

    /// Whether the isolate came to hold more than it may over many turns, none of which was
    /// long enough to be looked at. Between turns, on its own thread.
    pub(crate) fn has_filled_up(&self, isolate: &mut v8::Isolate) -> bool {
        // A store only where it changes something: this is asked after every turn.
        self.unmeasured.load(Ordering::Relaxed) && {
            self.unmeasured.store(false, Ordering::Relaxed);
            self.is_condemned() || self.is_full(isolate)
        }
    }

    /// Whether the isolate may hold so many bytes more, garbage left aside. On its own thread.
    fn has_room(&self, isolate: &mut v8::Isolate, bytes: u64) -> bool {
        let fits = |held: u64| held.saturating_add(bytes) <= self.memory;
        if fits(self.memory_of(isolate)) {
            return true;
        }
        // What would never fit is no reason to look for garbage.
        bytes <= self.memory && {
            isolate.low_memory_notification();
            fits(self.memory_of(isolate))
        }
    }

    /// What an isolate holds, in bytes: heap, buffers, WebAssembly memories, databases, and
    /// what else native code holds for it. On its own thread.
    fn memory_of(&self, isolate: &mut v8::Isolate) -> u64 {
        let statistics = isolate.get_heap_statistics();
        let heap = statistics.used_heap_size() as u64;
        // What V8 knows of outside of its heap; its statistics have only the buffers of that.
        let external = isolate.adjust_amount_of_external_allocated_memory(0);
        // Buffers that are shared are missing there.
        let external = u64::try_from(external).unwrap_or(0).max(self.quota.used() as u64);
        let outside =
            external + self.held.bytes() as u64 + queries::memory_of(std::ptr::from_ref(self).addr());
        let physical = statistics.total_physical_size() as u64;
        self.heap.store(physical, Ordering::Relaxed);
        self.mapped.store(physical + outside, Ordering::Relaxed);
        heap + outside
    }

    /// The quota on buffers.
    pub(crate) fn quota(&self) -> &Quota {
        &self.quota
    }
}

thread_local! {
    /// The isolate whose turn is, or was, the latest one of this thread.
    static LATEST: RefCell<Weak<Slot>> = const { RefCell::new(Weak::new()) };
}

/// Whether it was decided to end the turn that runs on this thread, for native code
/// that asks now and then.
pub(crate) fn is_turn_over() -> bool {
    let Some(slot) = LATEST.with_borrow(Weak::upgrade) else { return false };
    slot.fence.lock().decision().is_some()
}

/// Names the isolate that runs on this thread.
pub(super) fn running() -> usize {
    LATEST.with_borrow(|slot| slot.as_ptr().addr())
}

/// Ends the turn that runs on this thread if the isolate cannot hold so many bytes beside
/// its buffers; true if so. For native code that asks now and then.
pub(super) fn is_too_much(bytes: u64) -> bool {
    let Some(slot) = LATEST.with_borrow(Weak::upgrade) else { return false };
    let is_too_much = bytes + (slot.quota.used() + slot.held.bytes()) as u64 > slot.memory;
    if is_too_much {
        slot.out_of_memory();
    }
    is_too_much
}

/// Whether the isolate that runs on this thread may hold so many bytes more.
pub(crate) fn has_room(isolate: &mut v8::Isolate, bytes: usize) -> bool {
    let slot = LATEST.with_borrow(Weak::upgrade);
    slot.is_none_or(|slot| slot.has_room(isolate, bytes as u64))
}

/// Ends the turn that runs on this thread: its isolate is out of memory.
pub(crate) fn run_out() {
    if let Some(slot) = LATEST.with_borrow(Weak::upgrade) {
        slot.out_of_memory();
    }
}

/// The request whose scope is current. Only reads plain data properties.
fn culprit(isolate: &mut v8::Isolate) -> Option<Handle> {
    let (context, key) =
        isolate.get_slot::<ScopeKey>().map(|found| (found.context.clone(), found.key.clone()))?;
    v8::scope_with_context!(let scope, isolate, &context);
    let frame = scope.get_continuation_preserved_embedder_data();
    let frame = v8::Local::<v8::Object>::try_from(frame).ok()?;
    let key = v8::Local::new(scope, &key);
    let found = v8::Local::<v8::Object>::try_from(frame.get(scope, key)?).ok()?;
    let name = v8::String::new_external_onebyte_static(scope, b"handle")?;
    let handle = found.get(scope, name.into())?.number_value(scope)?;
    Some(Handle::from_number(handle))
}

#[allow(unsafe_code, reason = "V8 calls this from C++")]
unsafe extern "C" fn on_interrupt(mut raw: v8::UnsafeRawIsolatePtr, data: *mut c_void) {
    // SAFETY: V8 hands over the isolate that runs on this thread.
    let isolate = unsafe { v8::Isolate::ref_from_raw_isolate_ptr_mut(&mut raw) };
    // SAFETY: `data` is the slot that asked; it outlives its isolate.
    let slot = unsafe { &*data.cast::<Slot>() };
    slot.answer(isolate);
}

/// How a turn ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TurnEnd {
    /// What to charge: CPU time where it was measured, else the elapsed time.
    pub(crate) used: Duration,
    /// Set when a limit ended the turn.
    pub(crate) verdict: Option<Verdict>,
}

impl Turn<'_> {
    /// Disarms the limits.
    pub(crate) fn end(self, now: Instant) -> TurnEnd {
        let elapsed = now.saturating_duration_since(self.started);
        let used = |watch: &mut Watch| match watch.seen {
            Some(seen) if seen.turn == self.number => {
                (self.slot.clock.read().saturating_sub(seen.cpu) + TICK).min(elapsed)
            }
            _ => elapsed,
        };
        // Memory may have run out in the last native call, which no interrupt came after.
        let is_full =
            |decision: Option<&Decision>| decision.is_some_and(|it| it.exceeded == Exceeded::Memory);
        let close = |watch: &mut Watch, decision: Option<&Decision>| (used(watch), is_full(decision));
        let ((used, is_full), verdict) = self.slot.fence.end(self.number, close);
        let full = Verdict { cause: Cause::Exceeded(Exceeded::Memory), culprit: None };
        TurnEnd { used, verdict: verdict.or(is_full.then_some(full)) }
    }
}

impl Drop for Turn<'_> {
    /// A turn that did not come to its end, because something panicked, ends all the same.
    fn drop(&mut self) {
        if self.slot.fence.is_running(self.number) {
            let _ = self.slot.fence.end(self.number, |_, _| ());
        }
    }
}

/// Looks after the budget of each host.
fn keep_budgets(slots: &[Arc<Slot>], now: Instant) {
    let mut kept: Vec<&Arc<Guard>> = Vec::new();
    for slot in slots {
        if !kept.iter().any(|guard| Arc::ptr_eq(guard, &slot.guard)) {
            kept.push(&slot.guard);
            slot.guard.look(slots.iter().filter(|other| Arc::ptr_eq(&other.guard, &slot.guard)), now);
        }
    }
}

static SLOTS: Mutex<Vec<Weak<Slot>>> = Mutex::new(Vec::new());
static WATCHDOG: Mutex<Option<Thread>> = Mutex::new(None);
static PARKED: AtomicBool = AtomicBool::new(false);

fn register(slot: &Arc<Slot>) {
    epoch();
    let mut watchdog = WATCHDOG.lock();
    SLOTS.lock().push(Arc::downgrade(slot));
    if let Some(thread) = watchdog.as_ref() {
        thread.unpark();
        return;
    }
    let spawned = std::thread::Builder::new().name("edgehost-watchdog".into()).spawn(run);
    match spawned {
        Ok(handle) => *watchdog = Some(handle.thread().clone()),
        Err(error) => tracing::error!(%error, "no watchdog thread: limits on running JavaScript do not hold"),
    }
}

fn wake_if_parked() {
    if PARKED.load(Ordering::SeqCst)
        && let Some(thread) = WATCHDOG.lock().as_ref()
    {
        PARKED.store(false, Ordering::SeqCst);
        thread.unpark();
    }
}

/// Ends when the last isolate is gone; the next one starts it again.
fn run() {
    let mut tick = 0;
    let mut idle = 0;
    loop {
        let mut running = false;
        {
            let mut watchdog = WATCHDOG.lock();
            let mut slots = SLOTS.lock();
            slots.retain(|slot| slot.strong_count() > 0);
            if slots.is_empty() {
                *watchdog = None;
                return;
            }
        }
        let slots: Vec<_> = SLOTS.lock().iter().filter_map(Weak::upgrade).collect();
        let now = Instant::now();
        for slot in &slots {
            running |= slot.inspect(tick, now);
        }
        if tick.is_multiple_of(MEMORY_EVERY) {
            keep_budgets(&slots, now);
        }
        drop(slots);
        tick += 1;
        // Waking a parked thread costs more than many a request: stay awake for a
        // while after the last one.
        idle = if running { 0 } else { idle + 1 };
        if idle < IDLE_TICKS {
            std::thread::sleep(TICK);
            continue;
        }
        // Announce first, look second: a turn that begins in between sees the announcement.
        PARKED.store(true, Ordering::SeqCst);
        let begun = SLOTS.lock().iter().filter_map(Weak::upgrade).any(|slot| slot.needs_looks());
        if begun {
            idle = 0;
        } else {
            // Wakes now and then all the same, to notice that the last isolate is gone.
            std::thread::park_timeout(Duration::from_millis(250));
        }
        PARKED.store(false, Ordering::SeqCst);
    }
}
