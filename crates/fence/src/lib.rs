//! The abort fence: what ends one turn never hits another.
//!
//! A turn is one stretch of JavaScript on its isolate's thread. Another thread decides that
//! it is to be ended, and asks the engine for that; what it asks for arrives later, perhaps
//! when the turn is over and one of somebody else runs. So turns have numbers, a decision is
//! about one of them, and a turn ends under the lock under which decisions are made and
//! executions terminated: either the turn has ended, and nothing is done, or it cannot end
//! before it has its verdict, by which its owner knows never to use the isolate again.
//!
//! A crate of its own, without dependencies, because its model is tried in all orders of
//! events (`model`, with loom), and needs all that it is made of compiled for that.

#[cfg(all(test, loom))]
mod model;

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;

#[cfg(not(all(test, loom)))]
use std::sync::{Mutex, MutexGuard, atomic::AtomicU64, atomic::Ordering};

#[cfg(all(test, loom))]
use loom::sync::{Mutex, MutexGuard, atomic::AtomicU64, atomic::Ordering};

/// The number of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn(u64);

impl Turn {
    /// Odd numbers are those of turns, even ones of the time between two.
    fn running(number: u64) -> Option<Self> {
        (number % 2 == 1).then_some(Self(number))
    }
}

/// The turns of one isolate. `D` is what a decision consists of, `V` a verdict; `S` is kept
/// under the same lock.
#[derive(Debug)]
pub struct Fence<D, V, S> {
    number: AtomicU64,
    guarded: Mutex<Guarded<D, V, S>>,
}

#[derive(Debug)]
struct Guarded<D, V, S> {
    /// What was decided about which turn.
    decision: Option<(Turn, D)>,
    /// Set once the running turn was terminated, or is about to be.
    verdict: Option<V>,
    state: S,
}

impl<D, V, S> Fence<D, V, S> {
    /// No turn runs.
    pub fn new(state: S) -> Self {
        let guarded = Guarded { decision: None, verdict: None, state };
        Self { number: AtomicU64::new(0), guarded: Mutex::new(guarded) }
    }

    /// Begins a turn. For the isolate's thread only, which runs one at a time.
    pub fn begin(&self) -> Turn {
        let turn = Turn(self.number.load(Ordering::Relaxed) + 1);
        // Whoever waits for something to run announces that, and looks afterwards.
        self.number.store(turn.0, Ordering::SeqCst);
        turn
    }

    /// Ends a turn, with what `close` makes of the state and of what was decided about the
    /// turn. Where there is a verdict, the execution was terminated, or may be by now.
    pub fn end<T>(&self, turn: Turn, close: impl FnOnce(&mut S, Option<&D>) -> T) -> (T, Option<V>) {
        let mut guarded = self.guarded();
        self.number.store(turn.0 + 1, Ordering::SeqCst);
        let Guarded { decision, verdict, state } = &mut *guarded;
        let decision =
            decision.as_ref().filter(|(decided, _)| *decided == turn).map(|(_, decision)| decision);
        (close(state, decision), verdict.take())
    }

    /// Whether this turn has not ended. For the isolate's thread only.
    pub fn is_running(&self, turn: Turn) -> bool {
        self.number.load(Ordering::Relaxed) == turn.0
    }

    /// The turn that ran a moment ago.
    pub fn latest(&self) -> Option<Turn> {
        Turn::running(self.count())
    }

    /// A number that is another one whenever a turn begins or ends.
    pub fn count(&self) -> u64 {
        self.number.load(Ordering::SeqCst)
    }

    /// Keeps the running turn from ending, if there is one.
    pub fn lock(&self) -> Locked<'_, D, V, S> {
        let guarded = self.guarded();
        let turn = Turn::running(self.number.load(Ordering::SeqCst));
        Locked { turn, guarded }
    }

    fn guarded(&self) -> MutexGuard<'_, Guarded<D, V, S>> {
        // What panicked has left nothing half done: each step is one assignment.
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fence while the turn that runs cannot end.
#[derive(Debug)]
pub struct Locked<'a, D, V, S> {
    turn: Option<Turn>,
    guarded: MutexGuard<'a, Guarded<D, V, S>>,
}

impl<D, V, S> Locked<'_, D, V, S> {
    /// The turn that runs.
    pub fn turn(&self) -> Option<Turn> {
        self.turn
    }

    /// What was decided about it.
    pub fn decision(&self) -> Option<&D> {
        let (turn, decision) = self.guarded.decision.as_ref()?;
        (Some(*turn) == self.turn).then_some(decision)
    }

    /// Decides that it is to be ended. The first decision counts; true if this is it.
    pub fn decide(&mut self, decision: D) -> bool {
        let Some(turn) = self.turn else { return false };
        let is_first = self.decision().is_none();
        if is_first {
            self.guarded.decision = Some((turn, decision));
        }
        is_first
    }

    /// Terminates it, if that was decided: leaves its verdict, of which the first counts,
    /// and calls `terminate`.
    pub fn strike(&mut self, verdict: impl FnOnce(&D) -> V, terminate: impl FnOnce()) {
        let Some(decision) = self.decision() else { return };
        if self.guarded.verdict.is_none() {
            let verdict = verdict(decision);
            self.guarded.verdict = Some(verdict);
        }
        terminate();
    }
}

impl<D, V, S> Deref for Locked<'_, D, V, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.guarded.state
    }
}

impl<D, V, S> DerefMut for Locked<'_, D, V, S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.guarded.state
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn fence() -> Fence<&'static str, &'static str, u32> {
        Fence::new(0)
    }

    #[test]
    fn a_decision_is_about_the_turn_that_runs() {
        let fence = fence();
        assert!(!fence.lock().decide("between turns"));
        let turn = fence.begin();
        assert_eq!((fence.latest(), fence.lock().turn()), (Some(turn), Some(turn)));
        assert!(fence.lock().decide("first") && !fence.lock().decide("second"));
        assert_eq!(fence.lock().decision(), Some(&"first"));
        assert_eq!(fence.end(turn, |_, _| ()).1, None, "nothing was terminated");
        let next = fence.begin();
        let mut late = fence.lock();
        assert_eq!(late.decision(), None);
        late.strike(|_| "wrong", || unreachable!("it was decided about another turn"));
        assert!(late.decide("another"));
        drop(late);
        assert!(fence.is_running(next) && !fence.is_running(turn));
    }

    #[test]
    fn the_first_verdict_is_left_to_the_turn_it_is_about() {
        let fence = fence();
        let turn = fence.begin();
        let mut terminated = 0;
        fence.lock().decide("why");
        for _ in 0..3 {
            fence.lock().strike(|why| why, || terminated += 1);
        }
        *fence.lock() += 7;
        assert_eq!(
            fence.end(turn, |state, decision| (*state, decision.copied())),
            ((7, Some("why")), Some("why"))
        );
        assert_eq!(terminated, 3, "again and again: native code may swallow one");
        let next = fence.begin();
        assert_eq!(fence.end(next, |_, _| ()).1, None);
    }
}
