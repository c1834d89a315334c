//! The orderly end: stop accepting, finish what runs, then cut.

use tokio::sync::watch;

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    Draining,
    Cutting,
}

/// Starts the end.
#[derive(Debug)]
pub(crate) struct Drain(watch::Sender<Phase>);

/// Notices it.
#[derive(Debug, Clone)]
pub(crate) struct DrainWatch(watch::Receiver<Phase>);

impl Drain {
    /// A drain that has not begun.
    pub(crate) fn new() -> (Self, DrainWatch) {
        let (sender, receiver) = watch::channel(Phase::Serving);
        (Self(sender), DrainWatch(receiver))
    }

    /// Accept no more; connections end after the request they are in.
    pub(crate) fn begin(&self) {
        self.0.send_replace(Phase::Draining);
    }

    /// The grace period is over.
    pub(crate) fn cut(&self) {
        self.0.send_replace(Phase::Cutting);
    }
}

impl DrainWatch {
    async fn reached(&mut self, phase: Phase) {
        // An error means that the drain was dropped: nobody serves any more.
        let _ = self.0.wait_for(|now| *now >= phase).await;
    }

    /// Whether something has changed since this was made. Costs one load.
    pub(crate) fn has_moved(&self) -> bool {
        // An error means that the drain was dropped.
        self.0.has_changed().unwrap_or(true)
    }

    /// Resolves when no more connections are to be accepted.
    pub(crate) async fn draining(&mut self) {
        self.reached(Phase::Draining).await;
    }

    /// Whether what still ran was cut off.
    pub(crate) fn has_cut(&self) -> bool {
        *self.0.borrow() == Phase::Cutting
    }

    /// Resolves when what still runs is to be cut off.
    pub(crate) async fn cutting(&mut self) {
        self.reached(Phase::Cutting).await;
    }
}
