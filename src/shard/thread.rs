//! Shard threads and the bounded channel into them.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::ending::{CutOff, EndingWatch};
use crate::enforcer::Wedge;

/// Stack of a shard, in bytes of address space. V8 ends JavaScript that is nested too
/// deeply within one of them; native code below it has the rest.
const STACK: usize = 16 * 1024 * 1024;

/// Work for a shard thread: what to do with its service.
pub(crate) type Work<S> = Box<dyn FnOnce(Rc<S>) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// The way into a shard from other threads.
pub(crate) struct Remote<S> {
    sender: mpsc::Sender<Work<S>>,
}

impl<S> Clone for Remote<S> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone() }
    }
}

/// The shard has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closed;

impl<S: 'static> Remote<S> {
    /// Hands work over, waiting while the channel is full.
    pub(crate) async fn send(&self, work: Work<S>) -> Result<(), Closed> {
        self.sender.send(work).await.map_err(|_| Closed)
    }

    /// Resolves when the shard has ended: what it was given and has not begun, nobody will.
    pub(crate) async fn closed(&self) {
        self.sender.closed().await;
    }
}

/// One OS thread with a current-thread tokio runtime. It tells what was cut off at its end.
pub(crate) struct ShardThread {
    join: JoinHandle<Vec<CutOff>>,
    wedge: Arc<Wedge>,
}

/// How often a thread that is to end is looked at.
const JOIN_EVERY: Duration = Duration::from_millis(5);

impl ShardThread {
    /// Starts a thread whose service is made on it by `make`. It ends when the last
    /// [`Remote`] is gone, the work it was given is done, and `finish` as well; or when the time
    /// of `ending` is up: what is not done then is dropped after `finish`. `wedge` tells
    /// whether it ends at all.
    pub(crate) fn spawn<S: 'static, F: Future<Output = Vec<CutOff>>>(
        index: usize,
        capacity: usize,
        wedge: Arc<Wedge>,
        mut ending: EndingWatch,
        make: impl FnOnce() -> S + Send + 'static,
        finish: impl FnOnce(Rc<S>) -> F + Send + 'static,
    ) -> io::Result<(Self, Remote<S>)> {
        let (sender, mut receiver) = mpsc::channel::<Work<S>>(capacity);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name(format!("edgehost-shard-{index}")).stack_size(STACK);
        let own = wedge.clone();
        let join = thread.spawn(move || {
            own.adopt();
            let local = LocalSet::new();
            let serving = async move {
                let service = Rc::new(make());
                let mut running = tokio::task::JoinSet::new();
                let working = async {
                    loop {
                        tokio::select! {
                            work = receiver.recv() => match work {
                                Some(work) => { running.spawn_local(work(service.clone())); }
                                None => break,
                            },
                            Some(_) = running.join_next() => {}
                        }
                    }
                    while running.join_next().await.is_some() {}
                };
                tokio::select! {
                    biased;
                    () = working => {}
                    () = ending.over() => {}
                }
                finish(service).await
            };
            let cut_off = local.block_on(&runtime, async move {
                tokio::select! {
                    biased;
                    // It has come back, and another has its place.
                    () = own.wedged() => Vec::new(),
                    cut_off = serving => cut_off,
                }
            });
            // Tasks that still hold isolates are dropped here, on their own thread.
            drop(local);
            drop(runtime);
            cut_off
        })?;
        Ok((Self { join, wedge }, Remote { sender }))
    }

    /// What tells whether it comes back.
    pub(super) fn wedge(&self) -> &Arc<Wedge> {
        &self.wedge
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.join.is_finished()
    }

    /// Waits until the thread has ended and tells what was cut off; not where it is known never to
    /// end, nor longer than until `patience` is over. Blocks.
    pub(crate) fn join(self, patience: impl Fn() -> bool) -> Option<Vec<CutOff>> {
        while !self.join.is_finished() {
            if self.wedge.is_wedged() || !patience() {
                return None;
            }
            std::thread::sleep(JOIN_EVERY);
        }
        let joined = self.join.join();
        if joined.is_err() {
            tracing::error!("a shard thread panicked");
        }
        joined.ok()
    }
}
