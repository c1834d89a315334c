//! All orders of what happens around a turn, tried by loom.
//!
//! The engine is two flags: an interrupt that was requested, which the isolate's thread
//! answers when it comes to look, and a termination, which hits whatever runs.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::{Fence, Turn};

struct Isolate {
    /// A decision, and a verdict, is the turn that it is about.
    fence: Fence<Turn, Turn, ()>,
    interrupt: AtomicBool,
    terminated: AtomicBool,
}

impl Isolate {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            fence: Fence::new(()),
            interrupt: AtomicBool::new(false),
            terminated: AtomicBool::new(false),
        })
    }

    fn terminate(&self) {
        self.terminated.store(true, Ordering::SeqCst);
    }

    /// As the watchdog does when a limit is passed.
    fn decide(&self) {
        let mut locked = self.fence.lock();
        let Some(turn) = locked.turn() else { return };
        if locked.decide(turn) {
            self.interrupt.store(true, Ordering::SeqCst);
        }
    }

    /// As the watchdog does when the interrupt is not answered.
    fn insist(&self) {
        self.fence.lock().strike(|decided| *decided, || self.terminate());
    }

    /// As the isolate's thread does when an interrupt arrives.
    fn answer(&self) {
        if self.interrupt.swap(false, Ordering::SeqCst) {
            self.insist();
        }
    }

    /// Runs one turn; whether the isolate can be used again.
    fn turn(&self) -> bool {
        let turn = self.fence.begin();
        self.answer();
        // JavaScript goes on for a while, and is hit or not.
        let was_hit = self.terminated.load(Ordering::SeqCst);
        let ((), verdict) = self.fence.end(turn, |(), _| ());
        match verdict {
            Some(of) => {
                assert_eq!(of, turn, "a turn was terminated for another one");
                false
            }
            None => {
                assert!(!was_hit, "a turn was terminated that nobody had decided about");
                assert!(!self.terminated.load(Ordering::SeqCst), "the next turn will be hit");
                true
            }
        }
    }
}

#[test]
fn a_termination_hits_the_turn_that_was_decided_about() {
    loom::model(|| {
        let isolate = Isolate::new();
        let watchdog = {
            let isolate = isolate.clone();
            thread::spawn(move || {
                isolate.decide();
                isolate.insist();
            })
        };
        if isolate.turn() {
            isolate.turn();
        }
        watchdog.join().expect("no panic");
    });
}

#[test]
fn two_who_decide_do_not_take_each_others_turn() {
    // All orders of three threads take hours; what goes wrong shows in few switches.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let isolate = Isolate::new();
        let others: Vec<_> = [Isolate::decide, Isolate::insist]
            .into_iter()
            .map(|step| {
                let isolate = isolate.clone();
                thread::spawn(move || {
                    isolate.decide();
                    step(&isolate);
                })
            })
            .collect();
        if isolate.turn() {
            isolate.turn();
        }
        for other in others {
            other.join().expect("no panic");
        }
    });
}

#[test]
fn a_decision_that_is_insisted_on_is_never_lost() {
    loom::model(|| {
        let isolate = Isolate::new();
        let turn = isolate.fence.begin();
        let watchdog = {
            let isolate = isolate.clone();
            thread::spawn(move || {
                isolate.decide();
                isolate.insist();
            })
        };
        watchdog.join().expect("no panic");
        assert!(isolate.terminated.load(Ordering::SeqCst));
        assert_eq!(isolate.fence.end(turn, |(), _| ()).1, Some(turn));
    });
}
