//! The isolates of one thread: which one a request goes to, how many may run at
//! once, who waits, and who succeeds an isolate that is over.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use edgehost_ext::message::{Answer, BodyError, BodyFault, RequestId};
use http::HeaderValue;
use http::header::{CONNECTION, EXPECT};
use tokio::sync::Semaphore;

use super::backend::{Backend, BackendError};
use super::load::Load;
use crate::build::Role;
use crate::ending::CutOff;
use crate::enforcer::Wedge;
use crate::isolate::{CallError, Invocation, Isolate, LoadError, Unanswered};
use crate::limits::Limits;
use crate::project::Runtime;
use crate::soon::Soon;
use crate::version::Version;

/// How often a request that was never started is moved to a successor: as many modules may
/// end the isolates that they load in.
const MOVES: usize = 16;

/// Bytes that are read ahead of a body that is still arriving, for a request that waits
/// for a permit.
const GATHERED: usize = 64 * 1024;

/// How long a body may take to arrive whole where no more uploads may wait.
const GATHERING: Duration = Duration::from_secs(1);

/// How many may do so at once, if the queue is not longer.
const MOST_GATHERING: usize = 256;

/// What the isolates of a thread have in common.
pub(crate) struct Shard {
    wedge: Arc<Wedge>,
    load: Load,
    /// All isolates that may still be there, also those that were replaced.
    started: RefCell<Vec<Weak<Isolate>>>,
    /// Whether a grace period is over that what still runs was given.
    has_given_up: Cell<bool>,
}

impl Shard {
    /// A shard without isolates, on the thread that `wedge` tells of.
    pub(crate) fn new(wedge: Arc<Wedge>, load: Load) -> Rc<Self> {
        Rc::new(Self { wedge, load, started: RefCell::default(), has_given_up: Cell::new(false) })
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

    /// Waits until nothing is left to do that was promised after an answer.
    pub(crate) async fn settled(&self) {
        let started: Vec<_> = self.started.borrow().iter().filter_map(Weak::upgrade).collect();
        for isolate in started {
            isolate.settled().await;
        }
    }

    /// What its isolates have not done yet, of each app.
    pub(crate) fn left(&self) -> Vec<CutOff> {
        let started: Vec<_> = self.started.borrow().iter().filter_map(Weak::upgrade).collect();
        let of = |isolate: &Rc<Isolate>| {
            let (streams, tasks) = isolate.left();
            CutOff { app: isolate.version().name.clone(), requests: 0, streams, tasks }
        };
        started.iter().map(of).collect()
    }

    /// Ends the streams of all of them with an error.
    pub(crate) fn cut(&self) {
        let started: Vec<_> = self.started.borrow().iter().filter_map(Weak::upgrade).collect();
        started.iter().for_each(|isolate| isolate.cut());
    }

    fn start(&self, version: &Arc<Version>, kind: Runtime) -> Result<Rc<Isolate>, BackendError> {
        let started = Isolate::start(version, kind, &self.wedge).map_err(|error| {
            tracing::error!("{error}");
            BackendError::NoIsolate
        })?;
        let mut all = self.started.borrow_mut();
        all.retain(|isolate| isolate.strong_count() > 0);
        all.push(Rc::downgrade(&started));
        Ok(started)
    }
}

/// A version on this thread: an isolate for each runtime that its routes ask for.
///
/// Requests in flight hold it. When it is gone, because another version has taken over and
/// they have been answered, its isolates finish what they have begun, and end.
pub(crate) struct Local {
    shard: Rc<Shard>,
    version: Arc<Version>,
    seats: [Seat; 2],
}

/// Where the isolate for the routes of a runtime sits, and its successor after it.
struct Seat {
    kind: Runtime,
    isolate: RefCell<Option<Rc<Isolate>>>,
    /// For handlers that run at the same time.
    permits: Semaphore,
    /// How many requests wait for one.
    waiting: Cell<usize>,
    /// How many of the permits may be had by requests whose body is still arriving.
    uploads: Arc<Semaphore>,
    /// How many of those wait.
    uploads_waiting: Cell<usize>,
    /// How many bodies are on their way whose requests are none of those.
    gathering: Cell<usize>,
    succeeding: Cell<bool>,
}

impl Seat {
    fn new(kind: Runtime, limits: &Limits) -> Self {
        Self {
            kind,
            isolate: RefCell::new(None),
            permits: Semaphore::new(limits.concurrency.max(1)),
            waiting: Cell::new(0),
            uploads: Arc::new(Semaphore::new(half(limits.concurrency.max(1)))),
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

/// What one connection that carries many requests at once may take of an isolate's permits,
/// so that other connections find some.
pub(crate) struct Share(Semaphore);

/// A part of it, held until an answer begins.
pub(crate) struct Part(Rc<Share>);

impl Share {
    /// The share of a new connection, where so many handlers may run at once.
    pub(crate) fn new(concurrency: usize) -> Rc<Self> {
        Rc::new(Self(Semaphore::new(half(concurrency.max(1)))))
    }

    /// Waits for a part of it; none where it is gone.
    pub(crate) async fn part(self: Rc<Self>) -> Option<Part> {
        self.0.acquire().await.ok()?.forget();
        Some(Part(self))
    }

    fn try_part(self: &Rc<Self>) -> Option<Part> {
        self.0.try_acquire().ok()?.forget();
        Some(Part(self.clone()))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.0.0.add_permits(1);
    }
}

/// Leave for a handler to run, held until its answer begins.
struct Permit {
    local: Rc<Local>,
    kind: Runtime,
    _part: Option<Part>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.local.seat(self.kind).permits.add_permits(1);
    }
}

/// One of the permits for uploads, held while a body arrives.
struct Upload(Arc<Semaphore>);

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
fn broken(error: &BodyError) -> BackendError {
    BackendError::Call(CallError::Body(BodyFault::of(error).unwrap_or(BodyFault::Malformed)).into())
}

impl Drop for Local {
    fn drop(&mut self) {
        for seat in &self.seats {
            if let Some(isolate) = seat.isolate.take() {
                isolate.retire();
            }
        }
    }
}

impl Local {
    /// A version without isolates; they are started when the first request wants one.
    pub(crate) fn new(shard: &Rc<Shard>, version: &Arc<Version>) -> Rc<Self> {
        let seats = [Runtime::NodeJs, Runtime::Edge].map(|kind| Seat::new(kind, &version.limits));
        Rc::new(Self { shard: shard.clone(), version: version.clone(), seats })
    }

    /// How many requests have no answer yet: they have a permit, or wait for one.
    pub(crate) fn unanswered(&self) -> usize {
        let all = self.version.limits.concurrency.max(1);
        let of = |seat: &Seat| {
            let running = all.saturating_sub(seat.permits.available_permits());
            running + seat.waiting.get() + seat.gathering.get()
        };
        self.seats.iter().map(of).sum()
    }

    /// The version.
    pub(crate) fn version(&self) -> &Arc<Version> {
        &self.version
    }

    /// Starts the isolate of the first route's runtime now, and loads what it can.
    pub(crate) fn warm(self: &Rc<Self>) {
        let _ = self.isolate(self.first_seat());
    }

    /// The patterns of the routes whose modules are loaded.
    pub(crate) fn loaded(&self) -> Vec<String> {
        let isolates = self.seats.iter().filter_map(|seat| seat.isolate.borrow().clone());
        let routes = isolates.flat_map(|isolate| isolate.loaded_routes());
        routes.map(|route| self.version.routes[route].pattern.clone()).collect()
    }

    /// Starts isolates and loads the modules of the routes with these patterns, before the
    /// first request comes.
    ///
    /// # Errors
    ///
    /// A sentence that says what does not load, and why.
    pub(crate) async fn prepare(self: &Rc<Self>, patterns: &[String]) -> Result<(), String> {
        self.isolate(self.first_seat())
            .map_err(|_| "no isolate can be started: the log says why".to_owned())?;
        for (index, route) in self.version.routes.iter().enumerate() {
            let is_wanted = route.role == Role::Middleware || patterns.contains(&route.pattern);
            if route.bundle_error.is_none() && is_wanted {
                self.load(index).await?;
            }
        }
        Ok(())
    }

    /// Loads the module of a route before anybody asks for it.
    async fn load(self: &Rc<Self>, index: usize) -> Result<(), String> {
        let route = &self.version.routes[index];
        let failed = |why: &str| format!("the module of {} does not load: {why}", route.pattern);
        let isolate =
            self.isolate(self.seat(route.runtime)).map_err(|_| failed("no isolate can be started"))?;
        isolate.load(index, None).await.map_err(|error| match error {
            LoadError::Failed => failed(&route.failure()),
            LoadError::Exceeded(limit) => failed(&format!("it passes the {limit} limit")),
            LoadError::IsolateOver => match route.startup_failed() {
                Some(limit) => failed(&format!("it passes the {limit} limit")),
                None => failed("its isolate ended"),
            },
        })
    }

    /// Loads the modules of all routes, and has V8's code caches of all modules: by specifier,
    /// and what does not load.
    pub(crate) async fn compile(self: &Rc<Self>) -> (Vec<(String, Bytes)>, Vec<String>) {
        let mut failed = Vec::new();
        for (index, route) in self.version.routes.iter().enumerate() {
            if route.bundle_error.is_none() {
                failed.extend(self.load(index).await.err());
            }
        }
        let isolates = self.seats.iter().filter_map(|seat| seat.isolate.borrow().clone());
        (isolates.flat_map(|isolate| isolate.code_caches()).collect(), failed)
    }

    /// Where routes of the first one's runtime are answered.
    fn first_seat(&self) -> &Seat {
        self.seat(self.version.routes.first().map_or(Runtime::NodeJs, |route| route.runtime))
    }

    fn seat(&self, kind: Runtime) -> &Seat {
        match kind {
            Runtime::NodeJs => &self.seats[0],
            Runtime::Edge => &self.seats[1],
        }
    }

    fn isolate(self: &Rc<Self>, seat: &Seat) -> Result<Rc<Isolate>, BackendError> {
        if let Some(isolate) = seat.isolate.borrow().as_ref().filter(|isolate| isolate.is_fit()) {
            return Ok(isolate.clone());
        }
        let isolate = self.start(seat)?;
        *seat.isolate.borrow_mut() = Some(isolate.clone());
        Ok(isolate)
    }

    fn start(self: &Rc<Self>, seat: &Seat) -> Result<Rc<Isolate>, BackendError> {
        let started = self.shard.start(&self.version, seat.kind)?;
        let (local, isolate, kind) = (Rc::downgrade(self), Rc::downgrade(&started), seat.kind);
        started.when_given_up(move || {
            // The next request finds nobody here, and has one started.
            let Some(local) = local.upgrade() else { return };
            let mut held = local.seat(kind).isolate.borrow_mut();
            let is_own = held.as_ref().is_some_and(|held| std::ptr::eq(Rc::as_ptr(held), isolate.as_ptr()));
            let gone = if is_own { held.take() } else { None };
            drop(held);
            drop(gone);
        });
        Ok(started)
    }

    /// A permit, if there is one for this request.
    fn try_enter(
        self: &Rc<Self>,
        seat: &Seat,
        invocation: &mut Invocation,
        share: Option<&Rc<Share>>,
    ) -> Option<Permit> {
        let part = match share {
            Some(share) => Some(share.try_part()?),
            None => None,
        };
        let is_upload = invocation.body.is_free_upload();
        let upload = if is_upload { Some(seat.uploads.try_acquire().ok()?) } else { None };
        seat.permits.try_acquire().ok()?.forget();
        if let Some(upload) = upload {
            upload.forget();
            invocation.body.keep_while_arriving(Upload(seat.uploads.clone()));
        }
        Some(Permit { local: self.clone(), kind: seat.kind, _part: part })
    }

    /// Waits for a permit.
    async fn enter(
        self: &Rc<Self>,
        seat: &Seat,
        invocation: &mut Invocation,
        share: Option<&Rc<Share>>,
    ) -> Result<Permit, BackendError> {
        let closed = || BackendError::Overloaded { elsewhere: false };
        let part = match share {
            Some(share) => Some(share.clone().part().await.ok_or_else(closed)?),
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
                upload = seat.uploads.acquire() => Some(upload.map_err(|_closed| closed())?),
            };
            if let Some(upload) = upload {
                upload.forget();
                invocation.body.keep_while_arriving(Upload(seat.uploads.clone()));
            }
        }
        seat.permits.acquire().await.map_err(|_closed| closed())?.forget();
        Ok(Permit { local: self.clone(), kind: seat.kind, _part: part })
    }

    /// Waits a moment for the body of a request that cannot wait as an upload: who sends at
    /// once, if in two pieces, is none.
    async fn gather(&self, seat: &Seat, invocation: &mut Invocation) -> Result<(), BackendError> {
        let overloaded = || BackendError::Overloaded { elsewhere: self.shard.load.is_uneven() };
        if invocation.head.raw_headers.contains_key(EXPECT) {
            return Err(overloaded());
        }
        let most = self.version.limits.queue.max(MOST_GATHERING);
        let _gathering = Waiting::join(&seat.gathering, most).ok_or_else(overloaded)?;
        let gathered = tokio::time::timeout(GATHERING, invocation.body.gather(GATHERED)).await;
        gathered.map_err(|_elapsed| overloaded())?.map_err(|error| broken(&error))
    }

    async fn call_when_possible(
        self: Rc<Self>,
        mut invocation: Invocation,
        share: Option<Rc<Share>>,
    ) -> Result<Answer, BackendError> {
        let version = invocation.version.clone();
        let route = &version.routes[invocation.head.route];
        let seat = self.seat(route.runtime);
        let load = &self.shard.load;
        let mut leads_away = false;
        if invocation.body.is_free_upload()
            && seat.uploads.available_permits() == 0
            && seat.uploads_waiting.get() >= half(self.version.limits.queue)
        {
            self.gather(seat, &mut invocation).await?;
        }
        let _permit = match self.try_enter(seat, &mut invocation, share.as_ref()) {
            Some(permit) => permit,
            None => {
                let queue = self.version.limits.queue;
                let is_upload = invocation.body.is_free_upload();
                let overloaded = || BackendError::Overloaded { elsewhere: load.is_uneven() };
                let _crowding = Crowding::begin(load);
                let _waiting = Waiting::join(&seat.waiting, queue).ok_or_else(overloaded)?;
                let _upload = match is_upload {
                    true => Some(Waiting::join(&seat.uploads_waiting, half(queue)).ok_or_else(overloaded)?),
                    false => None,
                };
                let deadline = invocation.started + route.first_byte;
                let entering = self.enter(seat, &mut invocation, share.as_ref());
                let Ok(entered) = tokio::time::timeout_at(deadline.into(), entering).await else {
                    return Err(overloaded());
                };
                // Connections with many requests, and calls without one, stay.
                leads_away = share.is_none() && invocation.head.origin.wire && load.is_uneven();
                entered?
            }
        };
        let deadline = invocation.started + route.first_byte;
        for _ in 0..MOVES {
            if Instant::now() >= deadline {
                break;
            }
            let mut isolate = self.isolate(seat)?;
            if isolate.has_failed(invocation.head.route) && route.begin_retry(Instant::now()) {
                self.load_again(&isolate, invocation.head.route, invocation.head.id).await;
                isolate = self.isolate(seat)?;
            }
            let result = isolate.call(invocation).await;
            self.look_after(&isolate);
            match result {
                Err(Unanswered { error: CallError::NotStarted(unstarted), .. }) => invocation = *unstarted,
                Err(error) => return Err(BackendError::Call(error)),
                Ok(mut answer) => {
                    if leads_away {
                        answer.headers.insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                    return Ok(answer);
                }
            }
        }
        Err(BackendError::Call(CallError::Reset.into()))
    }

    /// Tries a module again that failed to load, in an isolate of its own: a second copy of
    /// what it shares with other routes has no place beside the first. Where that succeeds,
    /// the isolate takes over, with the modules that were loaded; those in flight are
    /// finished. It goes on although the request that asked for it may be given up.
    async fn load_again(self: &Rc<Self>, old: &Rc<Isolate>, route: usize, request: RequestId) {
        let (local, old) = (self.clone(), old.clone());
        let trial = tokio::task::spawn_local(async move {
            let seat = local.seat(old.kind());
            let Ok(successor) = local.start(seat) else {
                local.version.routes[route].load_failed(None, Instant::now());
                return;
            };
            let mut is_better = successor.load_again(route, Some(request)).await.is_ok();
            if is_better {
                for other in old.loaded_routes() {
                    let _ = successor.load(other, None).await;
                }
                let is_current =
                    seat.isolate.borrow().as_ref().is_some_and(|current| Rc::ptr_eq(current, &old));
                is_better = is_current && successor.is_fit();
            }
            if is_better {
                *seat.isolate.borrow_mut() = Some(successor);
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
        let seat = self.seat(kind);
        let is_current = seat.isolate.borrow().as_ref().is_some_and(|current| Rc::ptr_eq(current, isolate));
        if !is_current || seat.succeeding.replace(true) {
            return;
        }
        let (local, old) = (self.clone(), isolate.clone());
        tokio::task::spawn_local(async move {
            let seat = local.seat(kind);
            // One that is only worn serves until its successor is ready; one that is over
            // is succeeded at once, perhaps by a request that came first.
            let is_worn = old.is_fit();
            let successor = if is_worn { local.start(seat) } else { local.isolate(seat) };
            if let Ok(successor) = successor {
                for route in routes {
                    let _ = successor.load(route, None).await;
                }
                if is_worn && let Some(replaced) = seat.isolate.replace(Some(successor)) {
                    replaced.retire();
                }
            }
            seat.succeeding.set(false);
        });
    }
}

impl Backend for Local {
    /// At once, where there is a permit and an isolate with the module, and the handler
    /// waits for nothing.
    fn call(
        self: Rc<Self>,
        mut invocation: Invocation,
        share: Option<Rc<Share>>,
    ) -> Soon<Result<Answer, BackendError>> {
        let route = invocation.head.route;
        let seat = self.seat(invocation.route().runtime);
        let isolate = seat.isolate.borrow().as_ref().filter(|isolate| isolate.is_ready_for(route)).cloned();
        if let Some(isolate) = isolate
            && let Some(permit) = self.try_enter(seat, &mut invocation, share.as_ref())
        {
            let begun = isolate.begin(invocation);
            match begun {
                Soon::Now(Err(Unanswered { error: CallError::NotStarted(unstarted), .. })) => {
                    invocation = *unstarted;
                }
                Soon::Now(result) => {
                    self.look_after(&isolate);
                    return Soon::Now(result.map_err(BackendError::Call));
                }
                Soon::Later(waiting) => {
                    return Soon::Later(Box::pin(async move {
                        let result = waiting.answer().await;
                        permit.local.look_after(&isolate);
                        result.map_err(BackendError::Call)
                    }));
                }
            }
        }
        Soon::Later(Box::pin(self.call_when_possible(invocation, share)))
    }
}
