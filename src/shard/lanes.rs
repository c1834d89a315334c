//! The threads of a host, as they are seen from others.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;
use tokio::sync::oneshot;

use super::backend::BackendError;
use super::thread::Remote;
use crate::enforcer::Wedge;

/// The way to a shard, and what is known of it from outside.
pub(crate) struct Lane<S> {
    remote: Remote<S>,
    wedge: Arc<Wedge>,
    in_flight: AtomicUsize,
}

/// One more is on its way while this lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S: 'static> Lane<S> {
    pub(crate) fn new(remote: Remote<S>, wedge: Arc<Wedge>) -> Self {
        Self { remote, wedge, in_flight: AtomicUsize::new(0) }
    }

    /// What tells whether its thread comes back.
    pub(crate) fn wedge(&self) -> &Arc<Wedge> {
        &self.wedge
    }

    /// How much from other threads it has not done yet.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Has work begun on the thread, and does not wait for its end.
    pub(crate) async fn start<F: Future<Output = ()> + 'static>(
        &self,
        work: impl FnOnce(Rc<S>) -> F + Send + 'static,
    ) {
        let work = move |service| -> Pin<Box<dyn Future<Output = ()>>> { Box::pin(work(service)) };
        let _ = self.remote.send(Box::new(work)).await;
    }

    /// Has work done on the thread. Who stops waiting for it gives it up.
    ///
    /// # Errors
    ///
    /// [`BackendError::Ended`] and [`BackendError::Wedged`], where the thread is no more.
    pub(crate) async fn run<R, F>(
        &self,
        work: impl FnOnce(Rc<S>) -> F + Send + 'static,
    ) -> Result<R, BackendError>
    where
        R: Send + 'static,
        F: Future<Output = R> + 'static,
    {
        let _counted = Counted::new(&self.in_flight);
        let running = async {
            let (reply, result) = oneshot::channel();
            let work = move |service| -> Pin<Box<dyn Future<Output = ()>>> {
                Box::pin(async move {
                    let mut reply = reply;
                    tokio::select! {
                        result = work(service) => { let _ = reply.send(result); }
                        () = reply.closed() => {}
                    }
                })
            };
            self.remote.send(Box::new(work)).await.map_err(|_closed| BackendError::Ended)?;
            result.await.map_err(|_dropped| BackendError::Ended)
        };
        tokio::select! {
            result = running => result,
            () = self.wedge.wedged() => Err(BackendError::Wedged),
        }
    }
}

/// All shards of a host.
pub(crate) struct Lanes<S> {
    all: RwLock<Vec<Arc<Lane<S>>>>,
}

impl<S: 'static> Lanes<S> {
    /// None yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { all: RwLock::default() })
    }

    /// Adds a shard.
    pub(crate) fn add(&self, lane: Lane<S>) {
        self.all.write().push(Arc::new(lane));
    }

    /// Those that there are.
    pub(crate) fn all(&self) -> Vec<Arc<Lane<S>>> {
        self.all.read().clone()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.read().len()
    }

    /// One of them.
    pub(crate) fn get(&self, index: usize) -> Option<Arc<Lane<S>>> {
        self.all.read().get(index).cloned()
    }

    /// One that comes back, of those with these indices: the freer of two neighbours, of
    /// which `turn` chooses the first.
    pub(crate) fn choose(&self, of: &[usize], turn: usize) -> Option<Arc<Lane<S>>> {
        let all = self.all.read();
        let lane =
            |offset: usize| of.get(turn.wrapping_add(offset) % of.len()).and_then(|index| all.get(*index));
        let mut free = (0..of.len()).filter_map(lane).filter(|lane| !lane.wedge.is_wedged());
        let (first, second) = (free.next()?, free.next());
        let freer = second.filter(|second| second.in_flight() < first.in_flight());
        Some(freer.unwrap_or(first).clone())
    }
}
