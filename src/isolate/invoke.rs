//! An isolate, and one request running in it.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use atomic_waker::AtomicWaker;
use deno_core::{JsRuntime, v8};
use edgehost_ext::message::{
    Answer, BodyEnd, BodyFault, Exchange, Failure, Handle, Outcome, Presence, RequestBody, RequestHead,
    RequestId, Retired, StreamEnd,
};
use edgehost_ext::{SharedExchanges, close_upstreams};
use futures::FutureExt;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Sleep;

use super::boot::{BootError, Booted, boot};
use super::load::{LoadError, ModuleState, Rejections};
use super::{App, current};
use crate::enforcer::{Behalf, Budget, Cause, Slot, Verdict, Wedge};
use crate::limits::Exceeded;
use crate::memory::give_back;
use crate::project::{Method, MethodSet, Runtime};

/// What a turn may take at least, whoever's deadline is near or has passed.
const LAST_STEP: Duration = Duration::from_millis(50);

/// What runtime-js/51_dispatch.js returns.
pub(super) struct Functions {
    pub(super) context: v8::Global<v8::Context>,
    pub(super) dispatch: v8::Global<v8::Function>,
    pub(super) ended: v8::Global<v8::Function>,
    pub(super) register: v8::Global<v8::Function>,
}

/// A request on its way into an isolate.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// What the handler may look at.
    pub(crate) head: RequestHead,
    /// What it may read.
    pub(crate) body: RequestBody,
    /// The handler to call.
    pub(crate) method: Method,
    /// When the request's head had arrived.
    pub(crate) started: Instant,
    /// Whoever waits for the answer.
    pub(crate) client: Presence,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The handler threw; it is in the log.
    Handler,
    /// The request body could not be read, and the handler gave up.
    Body(BodyFault),
    /// The module does not export the method after all.
    MethodNotAllowed(MethodSet),
    /// The handler ran into a limit.
    Exceeded(Exceeded),
    /// Native code panicked on its behalf; it is in the log.
    Panicked,
    /// Another request ended the isolate while this one ran.
    Reset,
    /// The route module failed to load; it is in the log.
    ModuleInit,
    /// Loading the route module ran into a limit.
    Startup(Exceeded),
    /// The isolate ended before the handler was called: try its successor.
    NotStarted(Box<Invocation>),
}

/// How an answer ended; the numbers are those of runtime-js/51_dispatch.js.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Sent = 0,
    Aborted = 1,
    TimedOut = 2,
    /// The client has left, though it may still read an answer.
    Left = 3,
    /// The time for work after the answer is up.
    Late = 4,
}

/// Ends of answers, reported from wherever they are noticed. Holds at most two
/// entries for each request in flight.
#[derive(Default)]
pub(super) struct Ends {
    pub(super) queue: Mutex<Vec<(Handle, Ended)>>,
    pub(super) waker: AtomicWaker,
}

impl Ends {
    pub(super) fn push(&self, handle: Handle, how: Ended) {
        self.queue.lock().push((handle, how));
        self.waker.wake();
    }
}

/// One V8 heap of an app. Belongs to the thread that made it.
pub(crate) struct Isolate {
    pub(super) app: Arc<App>,
    id: current::IsolateId,
    kind: Runtime,
    runtime: RefCell<ManuallyDrop<JsRuntime>>,
    pub(super) functions: Functions,
    pub(super) exchanges: SharedExchanges,
    pub(super) slot: Arc<Slot>,
    pub(super) rejections: Rc<Rejections>,
    pub(super) ends: Arc<Ends>,
    pub(super) modules: RefCell<Vec<ModuleState>>,
    /// How many of them are loaded.
    pub(super) loaded: Cell<usize>,
    verdict: Cell<Option<Verdict>>,
    pub(super) condemned: Cell<bool>,
    pub(super) retiring: Cell<bool>,
    served: Cell<u64>,
    pub(super) settled: Notify,
    /// Whether a module is loaded that failed elsewhere.
    pub(super) is_trial: Cell<bool>,
    pub(super) after_timer: RefCell<Option<Pin<Box<Sleep>>>>,
    pub(super) pump_awake: Cell<bool>,
    pub(super) pump_waker: RefCell<Option<Waker>>,
}

impl Isolate {
    /// Starts an isolate and the task that keeps its event loop going.
    ///
    /// Call inside a `LocalSet` of the thread that is to own it.
    pub(crate) fn start(app: &Arc<App>, kind: Runtime, wedge: &Arc<Wedge>) -> Result<Rc<Self>, BootError> {
        let began = Instant::now();
        let Booted { id, runtime, functions, exchanges, slot, rejections } = boot(app, kind, wedge)?;
        let isolate = Rc::new(Self {
            app: app.clone(),
            id,
            kind,
            runtime: RefCell::new(ManuallyDrop::new(runtime)),
            functions,
            exchanges,
            slot,
            rejections,
            ends: Arc::default(),
            modules: RefCell::new(app.routes.iter().map(|_| ModuleState::Unloaded).collect()),
            loaded: Cell::new(0),
            verdict: Cell::new(None),
            condemned: Cell::new(false),
            retiring: Cell::new(false),
            served: Cell::new(0),
            settled: Notify::new(),
            is_trial: Cell::new(false),
            after_timer: RefCell::new(None),
            pump_awake: Cell::new(true),
            pump_waker: RefCell::new(None),
        });
        let ends = isolate.ends.clone();
        isolate.slot.wake_with(move || ends.waker.wake());
        tokio::task::spawn_local(isolate.clone().keep_going());
        tracing::debug!(runtime = kind.name(), took = ?began.elapsed(), "isolate ready");
        Ok(isolate)
    }

    /// Which routes it runs.
    pub(crate) fn kind(&self) -> Runtime {
        self.kind
    }

    /// Whether new requests may go here.
    pub(crate) fn is_fit(&self) -> bool {
        !self.condemned.get() && !self.retiring.get()
    }

    pub(super) fn is_over(&self) -> bool {
        let is_done = || {
            let exchanges = self.exchanges.borrow();
            exchanges.live() == 0 && !exchanges.behind.has_tasks()
        };
        self.condemned.get() || (self.retiring.get() && is_done())
    }

    /// No new requests; it ends when those in flight are done.
    pub(crate) fn retire(&self) {
        self.retiring.set(true);
        self.wake_pump();
    }

    /// Waits until nothing is left to do that was promised after an answer.
    pub(crate) async fn settled(&self) {
        loop {
            let changed = self.settled.notified();
            if self.condemned.get() || !self.exchanges.borrow().behind.has_tasks() {
                return;
            }
            changed.await;
        }
    }

    /// Waits until no request is in flight, and nothing is left to do after its answer.
    pub(crate) async fn done(&self) {
        loop {
            let changed = self.settled.notified();
            let has_requests = self.exchanges.borrow().live() > 0;
            if self.condemned.get() || !has_requests && !self.exchanges.borrow().behind.has_tasks() {
                return;
            }
            changed.await;
        }
    }

    /// Whether it has served as many requests as it may.
    pub(crate) fn is_worn(&self) -> bool {
        let most = self.app.limits.recycle_after;
        most > 0 && self.served.get() >= most
    }

    /// The routes whose modules are loaded, for a successor to load beforehand: none
    /// where they may have used up the memory together.
    pub(crate) fn loaded_routes(&self) -> Vec<usize> {
        if self.is_out_of_memory() {
            return Vec::new();
        }
        let is_ready =
            |(route, state): (usize, &ModuleState)| matches!(state, ModuleState::Ready).then_some(route);
        self.modules.borrow().iter().enumerate().filter_map(is_ready).collect()
    }

    fn is_out_of_memory(&self) -> bool {
        self.verdict.get().is_some_and(|verdict| verdict.cause == Cause::Exceeded(Exceeded::Memory))
    }

    pub(super) fn wake_pump(&self) {
        if !self.pump_awake.replace(true)
            && let Some(waker) = self.pump_waker.borrow().as_ref()
        {
            waker.wake_by_ref();
        }
    }

    /// What a turn may use in which everybody may run who is in flight.
    pub(super) fn budget(&self, cpu: Duration, until: Instant) -> Budget {
        let now = Instant::now();
        let nearest = self.exchanges.borrow_mut().nearest_deadline(now);
        // Whose time is up is told so in this moment; who only lacks his last step may take it.
        let due = nearest.map_or(until, |nearest| nearest.max(now + LAST_STEP).min(until));
        Budget { cpu, due, shared: false, until }
    }

    /// Runs JavaScript under a budget. Charges `on_behalf_of`; ends the isolate if
    /// a limit was passed.
    pub(super) fn turn<R>(
        &self,
        budget: Budget,
        on_behalf_of: Option<Handle>,
        run: impl FnOnce(&mut JsRuntime) -> R,
    ) -> Result<R, Verdict> {
        if let Some(verdict) = self.verdict.get() {
            return Err(verdict);
        }
        let behalf = on_behalf_of.and_then(|handle| {
            let mut exchanges = self.exchanges.borrow_mut();
            let head = &exchanges.get(handle)?.head;
            Some(Behalf { route: head.route, request: head.id })
        });
        let mut runtime = self.runtime.borrow_mut();
        current::enter(self.id, &mut runtime);
        let turn = self.slot.begin(budget, behalf, Instant::now());
        // What panics in an op's future, or in deno_core, costs this isolate, which is not used again.
        let result = catch_unwind(AssertUnwindSafe(|| run(&mut runtime)));
        let mut end = turn.end(Instant::now());
        let result = result.map_err(|_panic| ());
        // A panic inside an op was caught there.
        if edgehost_ext::take_panic() || result.is_err() {
            end.verdict = Some(Verdict { cause: Cause::Panicked, culprit: None });
        }
        if let Some(handle) = on_behalf_of
            && let Some(exchange) = self.exchanges.borrow_mut().get(handle)
        {
            exchange.used += end.used;
        }
        let spent = || {
            // Many short turns, none of which the watchdog has seen twice.
            let handle = on_behalf_of?;
            let used = self.exchanges.borrow_mut().get(handle)?.used;
            let culprit = Some(handle);
            let cause = Cause::Exceeded(Exceeded::Cpu);
            (used >= self.app.limits.cpu).then_some(Verdict { cause, culprit })
        };
        let is_sound = result.is_ok();
        let mut full = || {
            // Many short turns as well.
            let cause = Cause::Exceeded(Exceeded::Memory);
            let is_full = is_sound && self.slot.has_filled_up(runtime.v8_isolate());
            is_full.then_some(Verdict { cause, culprit: None })
        };
        let mut verdict = match (end.verdict.or_else(spent).or_else(&mut full), result) {
            (None, Ok(result)) => return Ok(result),
            (Some(verdict), _) => verdict,
            (None, Err(())) => Verdict { cause: Cause::Panicked, culprit: None },
        };
        drop(runtime);
        verdict.culprit =
            verdict.culprit.or(on_behalf_of).or_else(|| self.exchanges.borrow().alone(Instant::now()));
        self.condemn(verdict, end.used);
        Err(verdict)
    }

    /// Polls the event loop until the isolate is over, and ends it if that panics.
    async fn keep_going(self: Rc<Self>) {
        if AssertUnwindSafe(self.clone().pump()).catch_unwind().await.is_err() && !self.condemned.get() {
            self.condemn(Verdict { cause: Cause::Panicked, culprit: None }, Duration::ZERO);
        }
    }

    /// Fails everything in flight; the shard starts a successor.
    fn condemn(&self, verdict: Verdict, used: Duration) {
        self.condemned.set(true);
        self.verdict.set(Some(verdict));
        let for_all = self.slot.is_condemned();
        let mut exchanges = self.exchanges.borrow_mut();
        let handles = exchanges.handles();
        let siblings = handles.iter().filter(|handle| Some(**handle) != verdict.culprit).count();
        let culprit = verdict.culprit.and_then(|handle| exchanges.get(handle));
        let (route, request) = culprit.map_or((None, String::new()), |exchange| {
            (self.app.routes.get(exchange.head.route), exchange.head.id.to_string())
        });
        let limits = &self.app.limits;
        let pattern = route.map_or("", |route| route.pattern.as_str());
        match verdict.cause {
            Cause::Exceeded(exceeded) => {
                let allowed = match exceeded {
                    Exceeded::Cpu => format!("{:?}", limits.cpu),
                    Exceeded::Wall => format!("{:?}", route.map_or(limits.wall, |route| route.wall)),
                    Exceeded::Memory => format!("{} MiB", limits.memory / (1024 * 1024)),
                };
                tracing::error!(
                    route = pattern,
                    request,
                    limit = %exceeded,
                    allowed,
                    last_turn = ?used,
                    siblings,
                    "{exceeded} limit passed: the isolate is replaced",
                );
            }
            Cause::Panicked => tracing::error!(
                route = pattern,
                request,
                siblings,
                "native code panicked: the isolate is replaced"
            ),
        }
        for handle in handles {
            let Some(exchange) = exchanges.get(handle) else { continue };
            if let Some(stream) = &exchange.stream {
                stream.end(StreamEnd::Broken);
            }
            if exchange.outcome.is_none() {
                let failure = if Some(handle) == verdict.culprit || for_all {
                    Failure::Exceeded
                } else {
                    Failure::Reset
                };
                exchange.outcome = Some(Outcome::Failure(failure));
            }
            if let Some(waiter) = exchange.waiter.take() {
                waiter.wake();
            }
        }
        drop(exchanges);
        self.wake_pump();
    }

    /// Runs one request to the head of its answer.
    pub(crate) async fn call(self: &Rc<Self>, invocation: Invocation) -> Result<Answer, CallError> {
        let route = invocation.head.route;
        match self.load(route, Some(invocation.head.id)).await {
            Ok(()) => {}
            Err(LoadError::Failed) => return Err(CallError::ModuleInit),
            Err(LoadError::Exceeded(limit)) => return Err(CallError::Startup(limit)),
            Err(LoadError::IsolateOver) => return Err(CallError::NotStarted(Box::new(invocation))),
        }
        match self.begin(invocation) {
            Begun::Done(result) => result,
            Begun::Waiting(waiting) => waiting.answer().await,
        }
    }

    /// Whether a request to this route can be begun at once.
    pub(crate) fn is_ready_for(&self, route: usize) -> bool {
        self.is_fit() && matches!(self.modules.borrow()[route], ModuleState::Ready)
    }

    /// Calls the handler of a route whose module is loaded. Most handlers are done
    /// when this returns.
    pub(crate) fn begin(self: &Rc<Self>, invocation: Invocation) -> Begun {
        if self.condemned.get() {
            return Begun::Done(Err(CallError::NotStarted(Box::new(invocation))));
        }
        let Invocation { head, body, method, started, client } = invocation;
        let route = head.route;
        self.served.set(self.served.get() + 1);
        let handle = self.exchanges.borrow_mut().insert(head, body);
        let until = started + self.app.routes[route].first_byte;
        let latest = started + self.app.routes[route].wall;
        {
            let mut exchanges = self.exchanges.borrow_mut();
            exchanges.set_deadline(handle, until);
            exchanges.put_off_until(handle, latest);
        }
        let budget = self.budget(self.app.limits.cpu, until);
        let ran = self.turn(budget, Some(handle), |runtime| self.dispatch(runtime, route, method, handle));
        self.wake_pump();
        let outcome = match ran {
            Ok(()) => self.exchanges.borrow_mut().get(handle).and_then(|exchange| exchange.outcome.take()),
            Err(_) => None,
        };
        match outcome {
            Some(outcome) => Begun::Done(self.conclude(handle, route, started, outcome)),
            None => {
                Begun::Waiting(Waiting { isolate: self.clone(), handle, route, started, client, over: false })
            }
        }
    }

    fn conclude(
        self: &Rc<Self>,
        handle: Handle,
        route: usize,
        started: Instant,
        outcome: Outcome,
    ) -> Result<Answer, CallError> {
        let of_route = &self.app.routes[route];
        match outcome {
            Outcome::Answer(answer) => Ok(self.hand_over(handle, answer, started + of_route.wall)),
            Outcome::Failure(failure) => {
                self.finish(handle);
                Err(match failure {
                    Failure::Handler => CallError::Handler,
                    Failure::Body(fault) => CallError::Body(fault),
                    Failure::MethodNotAllowed => CallError::MethodNotAllowed(of_route.methods()),
                    Failure::Exceeded => match self.verdict.get().map(|verdict| verdict.cause) {
                        Some(Cause::Exceeded(exceeded)) => CallError::Exceeded(exceeded),
                        Some(Cause::Panicked) | None => CallError::Panicked,
                    },
                    Failure::Reset => CallError::Reset,
                })
            }
        }
    }

    fn dispatch(&self, runtime: &mut JsRuntime, route: usize, method: Method, handle: Handle) {
        // As `deno_core::scope!`, without a new global handle for every request.
        v8::scope!(let scope, runtime.v8_isolate());
        let context = v8::Local::new(scope, &self.functions.context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let undefined = v8::undefined(scope).into();
        scope.set_continuation_preserved_embedder_data(undefined);
        v8::tc_scope!(let scope, scope);
        let dispatch = v8::Local::new(scope, &self.functions.dispatch);
        let arguments = [
            v8::Integer::new_from_unsigned(scope, u32::try_from(route).unwrap_or(u32::MAX)).into(),
            v8::Integer::new_from_unsigned(scope, u32::from(method as u8)).into(),
            v8::Number::new(scope, handle.to_number()).into(),
        ];
        if dispatch.call(scope, undefined, &arguments).is_none() && !scope.has_terminated() {
            let message = scope.message().map(|message| message.get(scope).to_rust_string_lossy(scope));
            tracing::error!("runtime-js failed to dispatch: {}", message.unwrap_or_default());
            if let Some(exchange) = self.exchanges.borrow_mut().get(handle) {
                exchange.outcome.get_or_insert(Outcome::Failure(Failure::Handler));
            }
        }
        scope.reset();
        scope.perform_microtask_checkpoint();
    }

    /// Waits for what the handler makes of a request.
    async fn outcome(&self, handle: Handle) -> Outcome {
        std::future::poll_fn(|cx| {
            let mut exchanges = self.exchanges.borrow_mut();
            let Some(exchange) = exchanges.get(handle) else {
                return Poll::Ready(Outcome::Failure(Failure::Reset));
            };
            match exchange.outcome.take() {
                Some(outcome) => Poll::Ready(outcome),
                None => {
                    exchange.waiter = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Has the end of the answer noticed where somebody wants to know of it.
    fn hand_over(self: &Rc<Self>, handle: Handle, mut answer: Answer, deadline: Instant) -> Answer {
        let mut exchanges = self.exchanges.borrow_mut();
        let Some(exchange) = exchanges.get(handle) else { return answer };
        let stream = exchange.stream.clone();
        let watched = exchange.watches_end || stream.is_some();
        exchanges.set_deadline(handle, deadline);
        drop(exchanges);
        if !watched {
            self.finish(handle);
            return answer;
        }
        let timer = stream.map(|stream| {
            let isolate = Rc::downgrade(self);
            let (route, request) = (self.route_of(handle), self.request_of(handle));
            tokio::task::spawn_local(async move {
                tokio::time::sleep_until(deadline.into()).await;
                if let Some(isolate) = isolate.upgrade() {
                    let route = isolate.app.routes.get(route).map(|route| route.pattern.as_str());
                    let request = request.map(|id| id.to_string());
                    tracing::error!(route, request, limit = %Exceeded::Wall, "wall time limit passed: the stream is cut");
                    isolate.ends.push(handle, Ended::TimedOut);
                }
                stream.end(StreamEnd::Broken);
            })
            .abort_handle()
        });
        answer.body = answer.body.with_end(Sending { ends: self.ends.clone(), handle, timer });
        answer
    }

    fn route_of(&self, handle: Handle) -> usize {
        self.exchanges.borrow_mut().get(handle).map_or(usize::MAX, |exchange| exchange.head.route)
    }

    /// The request is over and JavaScript need not know.
    fn finish(&self, handle: Handle) {
        let watched = self.exchanges.borrow_mut().get(handle).is_some_and(|exchange| exchange.watches_end);
        if watched && !self.condemned.get() {
            self.ends.push(handle, Ended::Sent);
            self.wake_pump();
        } else {
            self.let_go(handle);
        }
    }

    /// Tells JavaScript how an answer ended, then lets the request go.
    pub(super) fn end(&self, handle: Handle, how: Ended) {
        let watched = how == Ended::Late || {
            let mut exchanges = self.exchanges.borrow_mut();
            let Some(exchange) = exchanges.in_flight(handle) else { return };
            if how == Ended::Left {
                exchange.left = true;
                exchange.watches_end
            } else {
                std::mem::take(&mut exchange.watches_end)
            }
        };
        if watched && !self.condemned.get() {
            let budget = self.budget(self.app.limits.cpu, Instant::now() + self.app.limits.wall);
            let _ = self.turn(budget, Some(handle), |runtime| {
                deno_core::scope!(scope, runtime);
                let undefined = v8::undefined(scope).into();
                scope.set_continuation_preserved_embedder_data(undefined);
                v8::tc_scope!(let scope, scope);
                let ended = v8::Local::new(scope, &self.functions.ended);
                let arguments = [
                    v8::Number::new(scope, handle.to_number()).into(),
                    v8::Integer::new(scope, how as i32).into(),
                ];
                ended.call(scope, undefined, &arguments);
                scope.reset();
                scope.perform_microtask_checkpoint();
            });
        }
        if !matches!(how, Ended::Left | Ended::Late) {
            self.let_go(handle);
        }
    }

    /// The id of a request, for the log.
    fn request_of(&self, handle: Handle) -> Option<RequestId> {
        self.exchanges.borrow_mut().get(handle).map(|exchange| exchange.head.id)
    }

    fn let_go(&self, handle: Handle) {
        let Retired { unread, upstreams } = self.exchanges.borrow_mut().retire(handle);
        if matches!(unread, RequestBody::Stream(_)) {
            tokio::task::spawn_local(unread.linger());
        }
        if !upstreams.is_empty() {
            tokio::task::spawn_local(close_upstreams(upstreams));
        }
    }
}

impl Drop for Isolate {
    #[allow(unsafe_code, reason = "a runtime must be dropped while its isolate is entered")]
    fn drop(&mut self) {
        let runtime = self.runtime.get_mut();
        current::enter(self.id, runtime);
        current::forget();
        // SAFETY: dropped once, here, and not used afterwards.
        unsafe { ManuallyDrop::drop(runtime) };
        if self.is_out_of_memory() {
            give_back();
        }
    }
}

/// A request whose handler has been called.
pub(crate) enum Begun {
    /// It is done.
    Done(Result<Answer, CallError>),
    /// It waits for something.
    Waiting(Waiting),
}

/// A request whose handler waits for something. Dropping it tells JavaScript that
/// the client left.
pub(crate) struct Waiting {
    isolate: Rc<Isolate>,
    handle: Handle,
    route: usize,
    started: Instant,
    client: Presence,
    over: bool,
}

impl Waiting {
    /// Waits for the head of the answer, as long as the route may take for it.
    pub(crate) async fn answer(mut self) -> Result<Answer, CallError> {
        let isolate = self.isolate.clone();
        let of_route = &isolate.app.routes[self.route];
        let leaving = async {
            self.client.left().await;
            isolate.ends.push(self.handle, Ended::Left);
            std::future::pending::<Infallible>().await
        };
        let outcome = async {
            tokio::select! {
                outcome = isolate.outcome(self.handle) => outcome,
                never = leaving => match never {},
            }
        };
        tokio::pin!(outcome);
        let mut until = self.started + of_route.first_byte;
        let outcome = loop {
            if let Ok(outcome) = tokio::time::timeout_at(until.into(), outcome.as_mut()).await {
                break Some(outcome);
            }
            // The time that the client took for its body is not the handler's.
            match isolate.exchanges.borrow_mut().deadline(self.handle) {
                Some(deadline) if deadline > Instant::now() => until = deadline,
                _ => break None,
            }
        };
        self.over = true;
        if let Some(outcome) = outcome {
            return isolate.conclude(self.handle, self.route, self.started, outcome);
        }
        let awaits_client = |exchange: &mut Exchange| exchange.awaits_client();
        if isolate.exchanges.borrow_mut().get(self.handle).is_some_and(awaits_client) {
            isolate.ends.push(self.handle, Ended::TimedOut);
            return Err(CallError::Body(BodyFault::Stalled));
        }
        isolate.ends.push(self.handle, Ended::TimedOut);
        tracing::error!(
            route = of_route.pattern,
            request = isolate.request_of(self.handle).map(|id| id.to_string()),
            limit = %Exceeded::Wall,
            allowed = ?of_route.first_byte,
            "wall time limit passed: no answer"
        );
        Err(CallError::Exceeded(Exceeded::Wall))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.over {
            self.isolate.ends.push(self.handle, Ended::Aborted);
        }
    }
}

/// Reports that an answer has been sent, or that the client left before that.
struct Sending {
    ends: Arc<Ends>,
    handle: Handle,
    timer: Option<tokio::task::AbortHandle>,
}

impl BodyEnd for Sending {
    fn ended(self: Box<Self>, complete: bool, _bytes: u64) {
        if let Some(timer) = &self.timer {
            timer.abort();
        }
        self.ends.push(self.handle, if complete { Ended::Sent } else { Ended::Aborted });
    }
}
