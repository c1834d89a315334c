//! The threads of a host, as they are seen from others.
//!
//! A shard is a place among them, with a thread. Where that does not come back, a fresh one
//! takes its place: what others had for it and it has not begun goes there, and so does
//! everything that comes later.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;

use super::backend::BackendError;
use super::thread::{Remote, ShardThread, Work};
use crate::enforcer::Wedge;
use crate::telemetry::{Event, Observer, ThreadWrittenOff};

/// The way to the thread of a shard, and what is known of it from outside.
pub(crate) struct Lane<S> {
    index: usize,
    remote: Remote<S>,
    wedge: Arc<Wedge>,
    in_flight: AtomicUsize,
    /// Whether it is known to have wedged, and no other thread has its place.
    is_lost: AtomicBool,
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

/// Work whose result somebody waits for. Until a thread begins with it, it can be given to
/// another one.
struct Errand<S, R> {
    work: Arc<Mutex<Option<Work<S>>>>,
    result: oneshot::Receiver<R>,
}

impl<S: 'static, R: Send + 'static> Errand<S, R> {
    fn new<F: Future<Output = R> + 'static>(work: impl FnOnce(Rc<S>) -> F + Send + 'static) -> Self {
        let (mut reply, result) = oneshot::channel();
        let work: Work<S> = Box::new(move |service| {
            Box::pin(async move {
                tokio::select! {
                    result = work(service) => { let _ = reply.send(result); }
                    () = reply.closed() => {}
                }
            })
        });
        Self { work: Arc::new(Mutex::new(Some(work))), result }
    }

    /// What a thread gets: the work, if no other has begun with it by the time that it is this
    /// task's turn.
    fn ticket(&self) -> Work<S> {
        let work = self.work.clone();
        Box::new(move |service| {
            Box::pin(async move {
                let work = work.lock().take();
                if let Some(work) = work {
                    work(service).await;
                }
            })
        })
    }

    fn has_begun(&self) -> bool {
        self.work.lock().is_none()
    }
}

impl<S: 'static> Lane<S> {
    /// The way to a thread that `wedge` tells of, on the shard of this number.
    pub(crate) fn new(index: usize, remote: Remote<S>, wedge: Arc<Wedge>) -> Self {
        Self { index, remote, wedge, in_flight: AtomicUsize::new(0), is_lost: AtomicBool::new(false) }
    }

    /// What tells whether its thread comes back.
    pub(crate) fn wedge(&self) -> &Arc<Wedge> {
        &self.wedge
    }

    /// How much from other threads it has not done yet.
    fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Has work begun on the thread, and does not wait for its end.
    pub(crate) async fn start<F: Future<Output = ()> + 'static>(
        &self,
        work: impl FnOnce(Rc<S>) -> F + Send + 'static,
    ) {
        let work = move |service| -> Pin<Box<dyn Future<Output = ()>>> { Box::pin(work(service)) };
        tokio::select! {
            _ = self.remote.send(Box::new(work)) => {}
            // Its channel may be full.
            () = self.wedge.wedged() => {}
        }
    }

    /// Has work done on this thread and no other. Who stops waiting for it gives it up.
    ///
    /// # Errors
    ///
    /// [`BackendError::Ended`] and [`BackendError::Wedged`], where the thread is no more.
    pub(crate) async fn run<R: Send + 'static, F: Future<Output = R> + 'static>(
        &self,
        work: impl FnOnce(Rc<S>) -> F + Send + 'static,
    ) -> Result<R, BackendError> {
        self.attempt(&mut Errand::new(work)).await
    }

    async fn attempt<R: Send + 'static>(&self, errand: &mut Errand<S, R>) -> Result<R, BackendError> {
        let _counted = Counted::new(&self.in_flight);
        let ticket = errand.ticket();
        let running = async {
            self.remote.send(ticket).await.map_err(|_closed| BackendError::Ended)?;
            tokio::select! {
                biased;
                result = &mut errand.result => result.map_err(|_dropped| BackendError::Ended),
                () = self.remote.closed() => Err(BackendError::Ended),
            }
        };
        let ran = tokio::select! {
            biased;
            result = running => result,
            () = self.wedge.wedged() => Err(BackendError::Wedged),
        };
        // A thread that comes back after all lets go of everything.
        match ran {
            Err(BackendError::Ended) if self.wedge.is_wedged() => Err(BackendError::Wedged),
            ran => ran,
        }
    }
}

/// Starts the thread of a shard.
type Start<S> = Box<dyn Fn(usize) -> io::Result<(ShardThread, Lane<S>)> + Send + Sync>;

/// All shards of a host.
pub(crate) struct Lanes<S> {
    all: RwLock<Vec<Arc<Lane<S>>>>,
    start: Start<S>,
    threads: Mutex<Threads>,
    /// How many threads are written off until nothing takes their places any more.
    most_wedged: usize,
    observer: Arc<dyn Observer>,
}

#[derive(Default)]
struct Threads {
    serving: Vec<ShardThread>,
    written_off: Vec<ShardThread>,
}

impl<S: 'static> Lanes<S> {
    /// None yet. `start` makes the threads.
    pub(crate) fn new(
        most_wedged: usize,
        observer: Arc<dyn Observer>,
        start: impl Fn(usize) -> io::Result<(ShardThread, Lane<S>)> + Send + Sync + 'static,
    ) -> Self {
        Self {
            all: RwLock::default(),
            start: Box::new(start),
            threads: Mutex::default(),
            most_wedged,
            observer,
        }
    }

    /// Adds a shard.
    ///
    /// # Errors
    ///
    /// When there is no thread to be had.
    pub(crate) fn add(&self) -> io::Result<()> {
        let mut threads = self.threads.lock();
        let (thread, lane) = (self.start)(self.len())?;
        threads.serving.push(thread);
        self.all.write().push(Arc::new(lane));
        Ok(())
    }

    /// Lets all of them go: their threads end when what they were given is done.
    pub(crate) fn close(&self) {
        self.all.write().clear();
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

    /// How many threads have been written off.
    pub(crate) fn written_off(&self) -> usize {
        self.threads.lock().written_off.len()
    }

    /// How many of those run to this day.
    pub(crate) fn stuck(&self) -> usize {
        self.threads.lock().written_off.iter().filter(|thread| !thread.is_over()).count()
    }

    /// How many threads have served, those that were written off included.
    pub(crate) fn threads(&self) -> usize {
        let threads = self.threads.lock();
        threads.serving.len() + threads.written_off.len()
    }

    /// The threads that serve, to be joined.
    pub(crate) fn take_threads(&self) -> Vec<ShardThread> {
        std::mem::take(&mut self.threads.lock().serving)
    }

    /// Writes a thread off that has wedged, and has another one take its place; none where
    /// that was the last that may be written off. Whoever asks later gets the same.
    pub(crate) fn replace(&self, wedged: &Arc<Lane<S>>) -> Option<Arc<Lane<S>>> {
        self.write_off(wedged, true)
    }

    /// Writes a thread off whose place nobody needs any more.
    pub(crate) fn lose(&self, wedged: &Arc<Lane<S>>) {
        self.write_off(wedged, false);
    }

    fn write_off(&self, wedged: &Arc<Lane<S>>, is_needed: bool) -> Option<Arc<Lane<S>>> {
        let mut threads = self.threads.lock();
        let index = wedged.index;
        let current = self.get(index)?;
        if !Arc::ptr_eq(&current, wedged) {
            return Some(current);
        }
        if wedged.is_lost.swap(true, Ordering::Relaxed) {
            return None;
        }
        let is_it = |thread: &ShardThread| Arc::ptr_eq(thread.wedge(), &wedged.wedge);
        if let Some(at) = threads.serving.iter().position(is_it) {
            let thread = threads.serving.swap_remove(at);
            threads.written_off.push(thread);
        }
        let (count, most) = (threads.written_off.len(), self.most_wedged);
        let fresh = (is_needed && count < most).then(|| (self.start)(index));
        let fresh = match fresh {
            Some(Ok((thread, lane))) => {
                let lane = Arc::new(lane);
                threads.serving.push(thread);
                // There is no place any more where the host has begun to end.
                self.all.write().get_mut(index).map(|place| {
                    place.clone_from(&lane);
                    lane
                })
            }
            Some(Err(error)) => {
                tracing::error!(%error, "cannot start a thread in the place of one that does not come back");
                None
            }
            None => None,
        };
        drop(threads);
        let is_replaced = fresh.is_some();
        if is_replaced {
            tracing::warn!(
                shard = index,
                "a thread is written off, {count} of {most} (--max-wedged): a fresh one takes its place"
            );
        } else {
            tracing::error!(
                shard = index,
                "a thread is written off, {count} of {most} (--max-wedged): nothing takes its place"
            );
        }
        self.observer.observe(Event::Thread(ThreadWrittenOff { shard: index, count, most, is_replaced }));
        fresh
    }

    /// Has work done on one of the shards with these indices: the freer of two neighbours that
    /// no long turn holds, of which `turn` chooses the first. If its thread turns out to have
    /// wedged before it began with the work, another one does it. Who stops waiting for it
    /// gives it up.
    ///
    /// # Errors
    ///
    /// [`BackendError::Ended`] and [`BackendError::Wedged`], where there is no thread, or the
    /// one that began with it is no more.
    pub(crate) async fn run<R: Send + 'static, F: Future<Output = R> + 'static>(
        &self,
        of: &[usize],
        turn: usize,
        work: impl FnOnce(Rc<S>) -> F + Send + 'static,
    ) -> Result<R, BackendError> {
        let mut errand = Errand::new(work);
        loop {
            let nobody = || if self.len() == 0 { BackendError::Ended } else { BackendError::Wedged };
            let lane = self.choose(of, turn).ok_or_else(nobody)?;
            match lane.attempt(&mut errand).await {
                Err(BackendError::Wedged) if !errand.has_begun() => {}
                result => return result,
            }
        }
    }

    /// One that comes back, if there is one.
    fn choose(&self, of: &[usize], turn: usize) -> Option<Arc<Lane<S>>> {
        loop {
            let chosen = {
                let all = self.all.read();
                let lane = |offset: usize| {
                    of.get(turn.wrapping_add(offset) % of.len()).and_then(|index| all.get(*index))
                };
                let is_lost = |lane: &Arc<Lane<S>>| lane.is_lost.load(Ordering::Relaxed);
                let there = || (0..of.len()).filter_map(lane).filter(|lane| !is_lost(lane));
                let mut free = there().filter(|lane| !lane.wedge.is_held());
                let (first, second) = match free.next() {
                    Some(first) => (first, free.next()),
                    // Whoever is held by one long turn answers nobody else until it is over.
                    None => (there().next()?, there().nth(1)),
                };
                let freer = second.filter(|second| second.in_flight() < first.in_flight());
                freer.unwrap_or(first).clone()
            };
            if !chosen.wedge.is_wedged() {
                return Some(chosen);
            }
            self.replace(&chosen);
        }
    }
}
