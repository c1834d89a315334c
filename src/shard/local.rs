//! The isolates of one thread: which one a request goes to, how many may run at
//! once, who waits, and who succeeds an isolate that is over.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;

use edgehost_ext::message::{Answer, RequestId};
use tokio::sync::Semaphore;

use crate::enforcer::Wedge;
use crate::isolate::{App, Begun, CallError, Invocation, Isolate};
use crate::limits::Limits;
use crate::project::Runtime;

/// How often a request that was never started is moved to a successor.
const MOVES: usize = 3;

/// Why a shard has no answer.
#[derive(Debug)]
pub(crate) enum ShardError {
    /// From the isolate.
    Call(CallError),
    /// Too many requests wait already, or this one waited too long.
    Overloaded,
    /// No isolate could be started; it is in the log.
    NoIsolate,
}

/// A thread's isolates, one for each runtime that the app's routes ask for.
pub(crate) struct Shard {
    app: Arc<App>,
    rooms: [Room; 2],
    wedge: Arc<Wedge>,
    /// All isolates that may still be there, also those that were replaced.
    started: RefCell<Vec<Weak<Isolate>>>,
}

struct Room {
    kind: Runtime,
    isolate: RefCell<Option<Rc<Isolate>>>,
    places: Semaphore,
    waiting: Cell<usize>,
    succeeding: Cell<bool>,
}

impl Room {
    fn new(kind: Runtime, limits: &Limits) -> Self {
        Self {
            kind,
            isolate: RefCell::new(None),
            places: Semaphore::new(limits.concurrency.max(1)),
            waiting: Cell::new(0),
            succeeding: Cell::new(false),
        }
    }
}

/// What became of a call.
pub(crate) enum Called {
    /// It is done.
    Done(Result<Answer, ShardError>),
    /// It takes longer.
    Later(Pin<Box<dyn Future<Output = Result<Answer, ShardError>>>>),
}

/// A place in a room, held while a handler waits.
struct Place {
    shard: Rc<Shard>,
    kind: Runtime,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shard.room(self.kind).places.add_permits(1);
    }
}

struct Waiting<'a>(&'a Cell<usize>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Shard {
    /// A shard without isolates; they are started when the first request wants one.
    pub(crate) fn new(app: Arc<App>, wedge: Arc<Wedge>) -> Self {
        let rooms = [Runtime::NodeJs, Runtime::Edge].map(|kind| Room::new(kind, &app.limits));
        Self { app, rooms, wedge, started: RefCell::default() }
    }

    /// Starts the isolate of the first route's runtime now, and loads what it can.
    pub(crate) fn warm(&self) {
        if let Some(route) = self.app.routes.first() {
            let _ = self.isolate(self.room(route.runtime));
        }
    }

    fn room(&self, kind: Runtime) -> &Room {
        match kind {
            Runtime::NodeJs => &self.rooms[0],
            Runtime::Edge => &self.rooms[1],
        }
    }

    fn isolate(&self, room: &Room) -> Result<Rc<Isolate>, ShardError> {
        if let Some(isolate) = room.isolate.borrow().as_ref().filter(|isolate| isolate.is_fit()) {
            return Ok(isolate.clone());
        }
        let isolate = self.start(room)?;
        *room.isolate.borrow_mut() = Some(isolate.clone());
        Ok(isolate)
    }

    fn start(&self, room: &Room) -> Result<Rc<Isolate>, ShardError> {
        let started = Isolate::start(&self.app, room.kind, &self.wedge).map_err(|error| {
            tracing::error!("{error}");
            ShardError::NoIsolate
        })?;
        let mut all = self.started.borrow_mut();
        all.retain(|isolate| isolate.strong_count() > 0);
        all.push(Rc::downgrade(&started));
        Ok(started)
    }

    /// Runs one request to the head of its answer: at once, where there is a place
    /// and an isolate with the module, and the handler waits for nothing.
    pub(crate) fn call(self: &Rc<Self>, mut invocation: Invocation) -> Called {
        let route = invocation.head.route;
        let room = self.room(self.app.routes[route].runtime);
        let isolate = room.isolate.borrow().as_ref().filter(|isolate| isolate.is_ready_for(route)).cloned();
        if let (Some(isolate), Ok(place)) = (isolate, room.places.try_acquire()) {
            let begun = isolate.begin(invocation);
            match begun {
                Begun::Done(Err(CallError::NotStarted(unstarted))) => invocation = *unstarted,
                Begun::Done(result) => {
                    self.look_after(&isolate);
                    return Called::Done(result.map_err(ShardError::Call));
                }
                Begun::Waiting(waiting) => {
                    place.forget();
                    let place = Place { shard: self.clone(), kind: room.kind };
                    return Called::Later(Box::pin(async move {
                        let result = waiting.answer().await;
                        place.shard.look_after(&isolate);
                        result.map_err(ShardError::Call)
                    }));
                }
            }
        }
        let shard = self.clone();
        Called::Later(Box::pin(async move { shard.call_when_possible(invocation).await }))
    }

    async fn call_when_possible(self: Rc<Self>, invocation: Invocation) -> Result<Answer, ShardError> {
        let route = &self.app.routes[invocation.head.route];
        let room = self.room(route.runtime);
        let _place = match room.places.try_acquire() {
            Ok(place) => place,
            Err(_) => {
                if room.waiting.get() >= self.app.limits.queue {
                    return Err(ShardError::Overloaded);
                }
                room.waiting.set(room.waiting.get() + 1);
                let _waiting = Waiting(&room.waiting);
                let deadline = invocation.started + route.first_byte;
                match tokio::time::timeout_at(deadline.into(), room.places.acquire()).await {
                    Ok(Ok(place)) => place,
                    Ok(Err(_)) | Err(_) => return Err(ShardError::Overloaded),
                }
            }
        };
        let mut invocation = invocation;
        for _ in 0..MOVES {
            let mut isolate = self.isolate(room)?;
            if isolate.has_failed(invocation.head.route) && route.begin_retry(Instant::now()) {
                self.load_again(&isolate, invocation.head.route, invocation.head.id).await;
                isolate = self.isolate(room)?;
            }
            let result = isolate.call(invocation).await;
            self.look_after(&isolate);
            match result {
                Err(CallError::NotStarted(unstarted)) => invocation = *unstarted,
                Err(error) => return Err(ShardError::Call(error)),
                Ok(answer) => return Ok(answer),
            }
        }
        Err(ShardError::Call(CallError::Reset))
    }

    /// Waits until nothing is left to do that was promised after an answer.
    pub(crate) async fn settled(&self) {
        let started: Vec<_> = self.started.borrow().iter().filter_map(Weak::upgrade).collect();
        for isolate in started {
            isolate.settled().await;
        }
    }

    /// Tries a module again that failed to load, in an isolate of its own: a second copy of
    /// what it shares with other routes has no place beside the first. Where that succeeds,
    /// the isolate takes over, with the modules that were loaded; those in flight are
    /// finished. It goes on although the request that asked for it may be given up.
    async fn load_again(self: &Rc<Self>, old: &Rc<Isolate>, route: usize, request: RequestId) {
        let (shard, old) = (self.clone(), old.clone());
        let trial = tokio::task::spawn_local(async move {
            let room = shard.room(old.kind());
            let Ok(successor) = shard.start(room) else {
                shard.app.routes[route].load_failed(None, Instant::now());
                return;
            };
            let mut is_better = successor.load_again(route, Some(request)).await.is_ok();
            if is_better {
                for other in old.loaded_routes() {
                    let _ = successor.load(other, None).await;
                }
                let is_current =
                    room.isolate.borrow().as_ref().is_some_and(|current| Rc::ptr_eq(current, &old));
                is_better = is_current && successor.is_fit();
            }
            if is_better {
                *room.isolate.borrow_mut() = Some(successor);
                old.retire();
            } else {
                successor.retire();
            }
        });
        let _ = trial.await;
    }

    /// Has an isolate replaced that is over or has served enough.
    fn look_after(self: &Rc<Self>, isolate: &Rc<Isolate>) {
        if !isolate.is_fit() || isolate.is_worn() {
            self.succeed(isolate);
        }
    }

    /// Makes a successor ready in the background, with the modules that were loaded.
    fn succeed(self: &Rc<Self>, isolate: &Rc<Isolate>) {
        let (kind, routes) = (isolate.kind(), isolate.loaded_routes());
        let room = self.room(kind);
        let is_current = room.isolate.borrow().as_ref().is_some_and(|current| Rc::ptr_eq(current, isolate));
        if !is_current || room.succeeding.replace(true) {
            return;
        }
        let (shard, old) = (self.clone(), isolate.clone());
        tokio::task::spawn_local(async move {
            let room = shard.room(kind);
            // One that is only worn serves until its successor is ready; one that is over
            // is succeeded at once, perhaps by a request that came first.
            let is_worn = old.is_fit();
            let successor = if is_worn { shard.start(room) } else { shard.isolate(room) };
            if let Ok(successor) = successor {
                for route in routes {
                    let _ = successor.load(route, None).await;
                }
                if is_worn && let Some(replaced) = room.isolate.replace(Some(successor)) {
                    replaced.retire();
                }
            }
            room.succeeding.set(false);
        });
    }
}
