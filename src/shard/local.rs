//! The isolates of one thread: which one a request goes to, how many may run at
//! once, who waits, and who succeeds an isolate that is over.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use edgehost_ext::message::{Answer, BodyError, BodyFault, RequestId};
use http::HeaderValue;
use http::header::{CONNECTION, EXPECT};
use tokio::sync::Semaphore;

use super::load::Load;
use crate::enforcer::Wedge;
use crate::isolate::{App, Begun, CallError, Invocation, Isolate};
use crate::limits::Limits;
use crate::project::Runtime;

/// How often a request that was never started is moved to a successor.
const MOVES: usize = 3;

/// Bytes that are read ahead of a body that is still arriving, for a request that waits
/// for a place.
const GATHERED: usize = 64 * 1024;

/// How long a body may take to arrive whole where no more uploads may wait.
const GATHERING: Duration = Duration::from_secs(1);

/// Why a shard has no answer.
#[derive(Debug)]
pub(crate) enum ShardError {
    /// From the isolate.
    Call(CallError),
    /// Too many requests wait already, or this one waited too long.
    Overloaded {
        /// Whether other shards have places.
        elsewhere: bool,
    },
    /// No isolate could be started; it is in the log.
    NoIsolate,
}

/// A thread's isolates, one for each runtime that the app's routes ask for.
pub(crate) struct Shard {
    app: Arc<App>,
    rooms: [Room; 2],
    wedge: Arc<Wedge>,
    load: Load,
    /// All isolates that may still be there, also those that were replaced.
    started: RefCell<Vec<Weak<Isolate>>>,
    /// Whether a grace period is over that what still runs was given.
    has_given_up: Cell<bool>,
}

struct Room {
    kind: Runtime,
    isolate: RefCell<Option<Rc<Isolate>>>,
    places: Semaphore,
    waiting: Cell<usize>,
    /// How many of the places may be taken by requests whose body is still arriving.
    uploads: Rc<Semaphore>,
    /// How many of those wait.
    uploads_waiting: Cell<usize>,
    /// How many bodies are on their way whose requests are none of those.
    gathering: Cell<usize>,
    succeeding: Cell<bool>,
}

impl Room {
    fn new(kind: Runtime, limits: &Limits) -> Self {
        Self {
            kind,
            isolate: RefCell::new(None),
            places: Semaphore::new(limits.concurrency.max(1)),
            waiting: Cell::new(0),
            uploads: Rc::new(Semaphore::new(half(limits.concurrency.max(1)))),
            uploads_waiting: Cell::new(0),
            gathering: Cell::new(0),
            succeeding: Cell::new(false),
        }
    }
}

/// What some requests may take of what there is, so that others find something.
fn half(all: usize) -> usize {
    all.div_ceil(2)
}

/// What one connection that carries many requests at once may take of an isolate's places,
/// so that other connections find some.
pub(crate) struct Share(Semaphore);

impl Share {
    /// The share of a new connection.
    pub(crate) fn new(limits: &Limits) -> Rc<Self> {
        Rc::new(Self(Semaphore::new(half(limits.concurrency.max(1)))))
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
    share: Option<Rc<Share>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shard.room(self.kind).places.add_permits(1);
        if let Some(share) = &self.share {
            share.0.add_permits(1);
        }
    }
}

/// One of the places for uploads, held while a body arrives.
struct Upload(Rc<Semaphore>);

impl Drop for Upload {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

/// One of those in a queue.
struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    /// Waits in a queue of so many, if there is room.
    fn join(waiting: &'a Cell<usize>, most: usize) -> Option<Self> {
        (waiting.get() < most).then(|| {
            waiting.set(waiting.get() + 1);
            Self(waiting)
        })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// One that others know of.
struct Crowding<'a>(&'a Load);

impl<'a> Crowding<'a> {
    fn begin(load: &'a Load) -> Self {
        load.joins();
        Self(load)
    }
}

impl Drop for Crowding<'_> {
    fn drop(&mut self) {
        self.0.leaves();
    }
}

/// The body cannot be read, before a handler wants it.
fn broken(error: &BodyError) -> ShardError {
    ShardError::Call(CallError::Body(BodyFault::of(error).unwrap_or(BodyFault::Malformed)))
}

impl Shard {
    /// A shard without isolates; they are started when the first request wants one.
    pub(crate) fn new(app: Arc<App>, wedge: Arc<Wedge>, load: Load) -> Self {
        let rooms = [Runtime::NodeJs, Runtime::Edge].map(|kind| Room::new(kind, &app.limits));
        Self { app, rooms, wedge, load, started: RefCell::default(), has_given_up: Cell::new(false) }
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
    ///
    /// `share` is that of the connection, if it carries other requests at the same time.
    pub(crate) fn call(self: &Rc<Self>, mut invocation: Invocation, share: Option<Rc<Share>>) -> Called {
        let route = invocation.head.route;
        let room = self.room(self.app.routes[route].runtime);
        let isolate = room.isolate.borrow().as_ref().filter(|isolate| isolate.is_ready_for(route)).cloned();
        if let Some(isolate) = isolate
            && let Some(place) = self.try_enter(room, &mut invocation, share.as_ref())
        {
            let begun = isolate.begin(invocation);
            match begun {
                Begun::Done(Err(CallError::NotStarted(unstarted))) => invocation = *unstarted,
                Begun::Done(result) => {
                    self.look_after(&isolate);
                    return Called::Done(result.map_err(ShardError::Call));
                }
                Begun::Waiting(waiting) => {
                    return Called::Later(Box::pin(async move {
                        let result = waiting.answer().await;
                        place.shard.look_after(&isolate);
                        result.map_err(ShardError::Call)
                    }));
                }
            }
        }
        let shard = self.clone();
        Called::Later(Box::pin(async move { shard.call_when_possible(invocation, share).await }))
    }

    /// A place, if one is free for this request.
    fn try_enter(
        self: &Rc<Self>,
        room: &Room,
        invocation: &mut Invocation,
        share: Option<&Rc<Share>>,
    ) -> Option<Place> {
        let shared = match share {
            Some(share) => Some(share.0.try_acquire().ok()?),
            None => None,
        };
        let is_upload = invocation.body.is_free_upload();
        let upload = if is_upload { Some(room.uploads.try_acquire().ok()?) } else { None };
        room.places.try_acquire().ok()?.forget();
        if let Some(upload) = upload {
            upload.forget();
            invocation.body.keep_while_arriving(Upload(room.uploads.clone()));
        }
        if let Some(shared) = shared {
            shared.forget();
        }
        Some(Place { shard: self.clone(), kind: room.kind, share: share.cloned() })
    }

    /// Waits for a place.
    async fn enter(
        self: &Rc<Self>,
        room: &Room,
        invocation: &mut Invocation,
        share: Option<&Rc<Share>>,
    ) -> Result<Place, ShardError> {
        let closed = |_closed| ShardError::Overloaded { elsewhere: false };
        let shared = match share {
            Some(share) => Some(share.0.acquire().await.map_err(closed)?),
            None => None,
        };
        if invocation.body.is_free_upload() {
            // Once everything has arrived it is no upload any more. Who waits to be told to go
            // on is told by the handler.
            let awaits_continue = invocation.head.raw_headers.contains_key(EXPECT);
            let gathered = if awaits_continue { 0 } else { GATHERED };
            let upload = tokio::select! {
                biased;
                gathered = invocation.body.gather(gathered) => {
                    gathered.map_err(|error| broken(&error))?;
                    None
                }
                upload = room.uploads.acquire() => Some(upload.map_err(closed)?),
            };
            if let Some(upload) = upload {
                upload.forget();
                invocation.body.keep_while_arriving(Upload(room.uploads.clone()));
            }
        }
        room.places.acquire().await.map_err(closed)?.forget();
        if let Some(shared) = shared {
            shared.forget();
        }
        Ok(Place { shard: self.clone(), kind: room.kind, share: share.cloned() })
    }

    /// Waits a moment for the body of a request that cannot wait as an upload: who sends at
    /// once, if in two pieces, is none.
    async fn gather(&self, room: &Room, invocation: &mut Invocation) -> Result<(), ShardError> {
        let overloaded = || ShardError::Overloaded { elsewhere: self.load.is_uneven() };
        if invocation.head.raw_headers.contains_key(EXPECT) {
            return Err(overloaded());
        }
        let most = half(self.app.limits.queue);
        let _gathering = Waiting::join(&room.gathering, most).ok_or_else(overloaded)?;
        let gathered = tokio::time::timeout(GATHERING, invocation.body.gather(GATHERED)).await;
        gathered.map_err(|_elapsed| overloaded())?.map_err(|error| broken(&error))
    }

    async fn call_when_possible(
        self: Rc<Self>,
        mut invocation: Invocation,
        share: Option<Rc<Share>>,
    ) -> Result<Answer, ShardError> {
        let route = &self.app.routes[invocation.head.route];
        let room = self.room(route.runtime);
        let mut leads_away = false;
        if invocation.body.is_free_upload()
            && room.uploads.available_permits() == 0
            && room.uploads_waiting.get() >= half(self.app.limits.queue)
        {
            self.gather(room, &mut invocation).await?;
        }
        let _place = match self.try_enter(room, &mut invocation, share.as_ref()) {
            Some(place) => place,
            None => {
                let queue = self.app.limits.queue;
                let is_upload = invocation.body.is_free_upload();
                let overloaded = || ShardError::Overloaded { elsewhere: self.load.is_uneven() };
                let _crowding = Crowding::begin(&self.load);
                let _waiting = Waiting::join(&room.waiting, queue).ok_or_else(overloaded)?;
                let _upload = match is_upload {
                    true => Some(Waiting::join(&room.uploads_waiting, half(queue)).ok_or_else(overloaded)?),
                    false => None,
                };
                let deadline = invocation.started + route.first_byte;
                let entering = self.enter(room, &mut invocation, share.as_ref());
                let Ok(entered) = tokio::time::timeout_at(deadline.into(), entering).await else {
                    return Err(overloaded());
                };
                // Connections with many requests, and calls without one, stay.
                leads_away =
                    share.is_none() && invocation.head.origin.peer.is_some() && self.load.is_uneven();
                entered?
            }
        };
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
                Ok(mut answer) => {
                    if leads_away {
                        answer.headers.insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                    return Ok(answer);
                }
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

    /// Whether connections had better go to another shard.
    pub(crate) fn is_crowded(&self) -> bool {
        self.load.is_uneven()
    }

    /// Nobody waits for what still runs any more.
    pub(crate) fn give_up(&self) {
        self.has_given_up.set(true);
    }

    /// Whether that is so.
    pub(crate) fn has_given_up(&self) -> bool {
        self.has_given_up.get()
    }

    /// As [`Self::settled`], and no answer is on its way any more either.
    pub(crate) async fn done(&self) {
        let started: Vec<_> = self.started.borrow().iter().filter_map(Weak::upgrade).collect();
        for isolate in started {
            isolate.done().await;
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
