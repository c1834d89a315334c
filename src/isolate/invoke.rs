//! An isolate, and one request running in it.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use deno_core::{JsRuntime, v8};
use edgehost_ext::SharedExchanges;
use edgehost_ext::message::{
    Answer, BodyFault, Cost, Failure, Handle, Presence, RequestBody, RequestHead, RequestId, StreamEnd,
};
use tokio::sync::Notify;
use tokio::time::Sleep;

use super::answer::{Ends, Waiting};
use super::boot::{BootError, Booted, boot};
use super::current;
use super::load::{LoadError, ModuleState, Rejections};
use crate::enforcer::{Cause, Slot, Verdict, Wedge};
use crate::limits::Exceeded;
use crate::memory::give_back;
use crate::project::{Method, MethodSet, Runtime};
use crate::soon::Soon;
use crate::telemetry::{Consequence, Event, IsolateChange, IsolateChanged, LimitExceeded};
use crate::version::{ServedRoute, Version};

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
    /// What answers it; the route in `head` is one of its routes.
    pub(crate) version: Arc<Version>,
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

impl Invocation {
    /// The route that answers.
    pub(crate) fn route(&self) -> &ServedRoute {
        &self.version.routes[self.head.route]
    }
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

/// The same, with what was spent until that was known.
#[derive(Debug)]
pub(crate) struct Unanswered {
    /// Why.
    pub(crate) error: CallError,
    /// What it took.
    pub(crate) cost: Cost,
}

impl From<CallError> for Unanswered {
    /// Before anything ran.
    fn from(error: CallError) -> Self {
        Self { error, cost: Cost::default() }
    }
}

/// One V8 heap of a version. Belongs to the thread that made it.
pub(crate) struct Isolate {
    pub(super) version: Arc<Version>,
    pub(super) id: current::IsolateId,
    kind: Runtime,
    pub(super) runtime: RefCell<ManuallyDrop<JsRuntime>>,
    pub(super) functions: Functions,
    pub(super) exchanges: SharedExchanges,
    pub(super) slot: Arc<Slot>,
    pub(super) rejections: Rc<Rejections>,
    pub(super) ends: Arc<Ends>,
    pub(super) modules: RefCell<Vec<ModuleState>>,
    /// How many of them are loaded, and how many wait in a top-level `await`.
    pub(super) loaded: Cell<usize>,
    pub(super) loading: Cell<usize>,
    /// Whether the turn that runs is that of a module that loads.
    pub(super) is_load: Cell<bool>,
    pub(super) verdict: Cell<Option<Verdict>>,
    pub(super) condemned: Cell<bool>,
    pub(super) retiring: Cell<bool>,
    served: Cell<u64>,
    pub(super) settled: Notify,
    /// Whether a module is loaded that failed elsewhere.
    pub(super) is_trial: Cell<bool>,
    pub(super) after_timer: RefCell<Option<Pin<Box<Sleep>>>>,
    pub(super) is_given_up: Cell<bool>,
    pub(super) when_given_up: RefCell<Option<Box<dyn FnOnce()>>>,
    pub(super) pump_awake: Cell<bool>,
    pub(super) pump_waker: RefCell<Option<Waker>>,
}

impl Isolate {
    /// Starts an isolate and the task that keeps its event loop going.
    ///
    /// Call inside a `LocalSet` of the thread that is to own it.
    pub(crate) fn start(
        version: &Arc<Version>,
        kind: Runtime,
        wedge: &Arc<Wedge>,
    ) -> Result<Rc<Self>, BootError> {
        let began = Instant::now();
        let Booted { id, runtime, functions, exchanges, slot, rejections } = boot(version, kind, wedge)?;
        let isolate = Rc::new(Self {
            version: version.clone(),
            id,
            kind,
            runtime: RefCell::new(ManuallyDrop::new(runtime)),
            functions,
            exchanges,
            slot,
            rejections,
            ends: Arc::default(),
            modules: RefCell::new(version.routes.iter().map(|_| ModuleState::Unloaded).collect()),
            loaded: Cell::new(0),
            loading: Cell::new(0),
            is_load: Cell::new(false),
            verdict: Cell::new(None),
            condemned: Cell::new(false),
            retiring: Cell::new(false),
            served: Cell::new(0),
            settled: Notify::new(),
            is_trial: Cell::new(false),
            after_timer: RefCell::new(None),
            is_given_up: Cell::new(false),
            when_given_up: RefCell::default(),
            pump_awake: Cell::new(true),
            pump_waker: RefCell::new(None),
        });
        if version.name.is_some() {
            isolate.slot.may_rest();
        }
        let ends = isolate.ends.clone();
        isolate.slot.wake_with(move || ends.waker.wake());
        tokio::task::spawn_local(isolate.clone().keep_going());
        let took = began.elapsed();
        tracing::debug!(app = version.name.as_deref(), runtime = kind.name(), ?took, "isolate ready");
        isolate.tell(IsolateChange::Started { took });
        Ok(isolate)
    }

    /// Tells the observer what became of it.
    pub(super) fn tell(&self, change: IsolateChange<'_>) {
        let (app, runtime) = (self.version.name.as_deref(), self.kind.name());
        self.version.observer.observe(Event::Isolate(IsolateChanged { app, runtime, change }));
    }

    /// Tells the observer of a limit that was passed.
    pub(super) fn tell_limit(
        &self,
        limit: Exceeded,
        route: Option<&str>,
        request: Option<RequestId>,
        consequence: Consequence,
    ) {
        let app = self.version.name.as_deref();
        self.version.observer.observe(Event::Limit(LimitExceeded {
            app,
            limit,
            route,
            request,
            consequence,
        }));
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
        self.condemned.get() || (self.retiring.get() && self.is_done())
    }

    /// Whether nothing is in flight, and nothing promised.
    pub(super) fn is_done(&self) -> bool {
        let exchanges = self.exchanges.borrow();
        exchanges.live() == 0 && !exchanges.behind.has_tasks()
    }

    /// Has `told` called when it is given up because nobody used it.
    pub(crate) fn when_given_up(&self, told: impl FnOnce() + 'static) {
        *self.when_given_up.borrow_mut() = Some(Box::new(told));
    }

    /// No new requests; it ends when those in flight are done.
    pub(crate) fn retire(&self) {
        self.begin_to_retire();
        self.wake_pump();
    }

    /// It takes no more requests. Tells whether it did before.
    pub(super) fn begin_to_retire(&self) -> bool {
        let is_first = !self.retiring.replace(true);
        if is_first && !self.condemned.get() {
            self.tell(IsolateChange::Retired { in_flight: self.exchanges.borrow().live() });
        }
        is_first
    }

    /// What is not done yet: answers that are streams and have not ended, and promised tasks.
    pub(crate) fn left(&self) -> (usize, usize) {
        if self.condemned.get() {
            return (0, 0);
        }
        let exchanges = self.exchanges.borrow();
        (exchanges.streams(), exchanges.behind.waited_for())
    }

    /// Ends streams with an error: what would go on with them will not.
    pub(crate) fn cut(&self) {
        let streams = self.exchanges.borrow_mut().take_streams();
        streams.into_iter().for_each(|stream| stream.end(StreamEnd::Broken));
    }

    /// The version that it belongs to.
    pub(crate) fn version(&self) -> &Arc<Version> {
        &self.version
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
            if self.condemned.get() || self.is_done() {
                return;
            }
            changed.await;
        }
    }

    /// Whether it has served as many requests as it may.
    pub(crate) fn is_worn(&self) -> bool {
        let most = self.version.limits.recycle_after;
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

    /// Runs one request to the head of its answer.
    pub(crate) async fn call(self: &Rc<Self>, invocation: Invocation) -> Result<Answer, Unanswered> {
        let route = invocation.head.route;
        match self.load(route, Some(invocation.head.id)).await {
            Ok(()) => {}
            Err(LoadError::Failed) => return Err(CallError::ModuleInit.into()),
            Err(LoadError::Exceeded(limit)) => return Err(CallError::Startup(limit).into()),
            Err(LoadError::IsolateOver) => return Err(CallError::NotStarted(Box::new(invocation)).into()),
        }
        match self.begin(invocation) {
            Soon::Now(result) => result,
            Soon::Later(waiting) => waiting.answer().await,
        }
    }

    /// Whether a request to this route can be begun at once.
    pub(crate) fn is_ready_for(&self, route: usize) -> bool {
        self.is_fit() && matches!(self.modules.borrow()[route], ModuleState::Ready)
    }

    /// Calls the handler of a route whose module is loaded. Most handlers are done
    /// when this returns.
    pub(crate) fn begin(
        self: &Rc<Self>,
        invocation: Invocation,
    ) -> Soon<Result<Answer, Unanswered>, Waiting> {
        if self.condemned.get() {
            return Soon::Now(Err(CallError::NotStarted(Box::new(invocation)).into()));
        }
        let Invocation { version: _, head, body, method, started, client } = invocation;
        let route = head.route;
        self.served.set(self.served.get() + 1);
        let handle = self.exchanges.borrow_mut().insert(head, body);
        let until = started + self.version.routes[route].first_byte;
        let latest = started + self.version.routes[route].wall;
        {
            let mut exchanges = self.exchanges.borrow_mut();
            exchanges.set_deadline(handle, until);
            exchanges.put_off_until(handle, latest);
        }
        let budget = self.budget(self.version.limits.cpu, until);
        let ran = self.turn(budget, Some(handle), |runtime| self.dispatch(runtime, route, method, handle));
        self.wake_pump();
        let result = match ran {
            Ok(()) => self.exchanges.borrow_mut().get(handle).and_then(|exchange| exchange.result.take()),
            Err(_) => None,
        };
        match result {
            Some(result) => Soon::Now(self.conclude(handle, route, started, result)),
            None => Soon::Later(Waiting::new(self.clone(), handle, route, started, client)),
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
        let names = self.version.routes[route].params.len();
        let params = match names {
            0 => undefined,
            _ => edgehost_ext::params(scope, &self.exchanges, handle, names == 1),
        };
        let arguments = [
            v8::Integer::new_from_unsigned(scope, u32::try_from(route).unwrap_or(u32::MAX)).into(),
            v8::Integer::new_from_unsigned(scope, u32::from(method as u8)).into(),
            v8::Number::new(scope, handle.to_number()).into(),
            params,
        ];
        if dispatch.call(scope, undefined, &arguments).is_none() && !scope.has_terminated() {
            let message = scope.message().map(|message| message.get(scope).to_rust_string_lossy(scope));
            tracing::error!("runtime-js failed to dispatch: {}", message.unwrap_or_default());
            if let Some(exchange) = self.exchanges.borrow_mut().get(handle) {
                exchange.result.get_or_insert(Err(Failure::Handler));
            }
        }
        scope.reset();
        scope.perform_microtask_checkpoint();
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
        let served = self.served.get();
        tracing::debug!(
            app = self.version.name.as_deref(),
            runtime = self.kind.name(),
            served,
            "isolate ended"
        );
        self.tell(IsolateChange::Ended { served });
        if self.is_out_of_memory() {
            give_back();
        }
    }
}
