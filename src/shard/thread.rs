//! Shard threads and the bounded channel into them.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::LocalSet;

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
}

/// One OS thread with a current-thread tokio runtime.
pub(crate) struct ShardThread {
    join: JoinHandle<()>,
    wedge: Arc<Wedge>,
}

/// How often a thread that is to end is looked at.
const JOIN_EVERY: Duration = Duration::from_millis(5);

impl ShardThread {
    /// Starts a thread whose service is made on it by `make`. It ends when the last
    /// [`Remote`] is gone, the work it was given is done, and `finish` as well. `wedge` tells
    /// whether it will.
    pub(crate) fn spawn<S: 'static, F: Future<Output = ()>>(
        index: usize,
        capacity: usize,
        wedge: Arc<Wedge>,
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
                finish(service).await;
            };
            local.block_on(&runtime, async move {
                tokio::select! {
                    biased;
                    // It has come back, and another has its place.
                    () = own.wedged() => {}
                    () = serving => {}
                }
            });
            // Tasks that still hold isolates are dropped here, on their own thread.
            drop(local);
            drop(runtime);
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

    /// Waits until the thread has ended, unless it is known never to. Blocks.
    pub(crate) fn join(self) {
        while !self.join.is_finished() {
            if self.wedge.is_wedged() {
                return;
            }
            std::thread::sleep(JOIN_EVERY);
        }
        if self.join.join().is_err() {
            tracing::error!("a shard thread panicked");
        }
    }
}
