//! The end of a host, and what it cut off.
//!
//! Values only, and the moment by which everything has to be over, as threads see it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// What was cut off of one app when the time of a shutdown was up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CutOff {
    /// The name of the app, where it has one.
    pub app: Option<Arc<str>>,
    /// Requests without an answer: clients of a listener see their connection closed, callers
    /// of [`EdgeHost::call`](crate::EdgeHost::call) a 503 `SHUTTING_DOWN`.
    pub requests: usize,
    /// Answers of which a stream was still to come: it ends with an error.
    pub streams: usize,
    /// Tasks of `after()` and `waitUntil()`: they stop where they wait.
    pub tasks: usize,
}

impl CutOff {
    pub(crate) fn is_empty(&self) -> bool {
        self.requests + self.streams + self.tasks == 0
    }
}

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, streams, tasks, .. } = self;
        write!(f, "{requests} requests, {streams} streams, {tasks} tasks")?;
        self.app.as_ref().map_or(Ok(()), |app| write!(f, " of {app}"))
    }
}

/// How a host ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// How long it took.
    pub took: Duration,
    /// What was cut off, of each app that lost something.
    pub cut_off: Vec<CutOff>,
    /// Threads that were not waited for any longer: one that runs a handler which computes ends
    /// when the handler's limit does, one that is stuck in native code never.
    pub threads: usize,
}

impl ShutdownReport {
    /// Whether everything that had begun was done.
    pub fn is_complete(&self) -> bool {
        self.cut_off.is_empty() && self.threads == 0
    }

    /// Adds what one thread has cut off.
    pub(crate) fn add(&mut self, cut_off: Vec<CutOff>) {
        for CutOff { app, requests, streams, tasks } in cut_off {
            let known = self.cut_off.iter().position(|known| known.app == app);
            let at = known.unwrap_or_else(|| {
                self.cut_off.push(CutOff { app, ..CutOff::default() });
                self.cut_off.len() - 1
            });
            let known = &mut self.cut_off[at];
            known.requests += requests;
            known.streams += streams;
            known.tasks += tasks;
        }
        self.cut_off.retain(|cut_off| !cut_off.is_empty());
    }
}

/// Longest time that a host may take for its end: beyond it, points in time cannot be reckoned
/// with on every system.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Begins the end of a host.
#[derive(Debug)]
pub(crate) struct Ending(watch::Sender<Option<Instant>>);

/// Notices it.
#[derive(Debug, Clone)]
pub(crate) struct EndingWatch(watch::Receiver<Option<Instant>>);

impl Ending {
    /// One that has not begun.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    pub(crate) fn watch(&self) -> EndingWatch {
        EndingWatch(self.0.subscribe())
    }

    /// Everything has to be over after so long, or after what an earlier call said, if that is sooner.
    /// Tells whether this is the first call.
    pub(crate) fn begin(&self, grace: Duration) -> bool {
        let until = Instant::now() + grace.min(LONGEST);
        let mut is_first = false;
        self.0.send_if_modified(|known| {
            is_first = known.is_none();
            let is_sooner = known.is_none_or(|known| until < known);
            if is_sooner {
                *known = Some(until);
            }
            is_sooner
        });
        is_first
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.0.borrow().is_some()
    }
}

impl EndingWatch {
    /// When everything has to be over, if the end has begun.
    pub(crate) fn until(&self) -> Option<Instant> {
        *self.0.borrow()
    }

    /// Resolves when the end has begun: never, where a host is merely dropped.
    pub(crate) async fn begun(&mut self) -> Instant {
        match self.0.wait_for(Option::is_some).await.ok().and_then(|until| *until) {
            Some(until) => until,
            None => std::future::pending().await,
        }
    }

    /// Resolves when the time is up.
    pub(crate) async fn over(&mut self) {
        let mut until = self.begun().await;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until.into()) => return,
                changed = self.0.changed() => match (changed, self.until()) {
                    (Ok(()), Some(sooner)) => until = sooner,
                    // The host is gone; the time goes on.
                    _ => return tokio::time::sleep_until(until.into()).await,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_cut_off_is_added_up_by_app() {
        let of =
            |app: &str, requests, streams, tasks| CutOff { app: Some(app.into()), requests, streams, tasks };
        let mut report = ShutdownReport::default();
        report.add(vec![of("one", 1, 0, 0), of("two", 0, 0, 0)]);
        report.add(vec![of("one", 2, 3, 4)]);
        assert_eq!(report.cut_off, [of("one", 3, 3, 4)]);
        assert!(!report.is_complete() && ShutdownReport::default().is_complete());
    }

    #[tokio::test]
    async fn the_sooner_end_counts() {
        let ending = Ending::new();
        let mut watch = ending.watch();
        ending.begin(Duration::from_secs(100));
        let mut over = Box::pin(watch.over());
        assert!(futures::poll!(over.as_mut()).is_pending());
        ending.begin(Duration::ZERO);
        ending.begin(Duration::from_secs(1000));
        tokio::time::timeout(Duration::from_secs(1), over).await.expect("at once");
    }
}
