//! Route modules: loaded and evaluated once, under limits of their own.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use deno_core::{JsRuntime, ModuleSpecifier, v8};
use edgehost_ext::message::RequestId;
use futures::FutureExt;
use tokio::sync::Notify;

use super::Isolate;
use super::report::text_of;
use crate::build::Role;
use crate::enforcer::{Budget, Cause, Verdict};
use crate::limits::Exceeded;
use crate::project::MethodSet;
use crate::telemetry::{Consequence, Event, ModuleFailed, Printed};

/// What runtime-js is told of a route.
#[derive(serde::Serialize)]
struct RouteFacts<'a> {
    index: usize,
    file: &'a str,
    pattern: &'a str,
    runtime: &'static str,
    role: &'static str,
    /// What a configuration is run for; elsewhere nothing.
    phase: &'static str,
    /// What a middleware may be exported as.
    exported: &'a str,
    #[serde(rename = "nextConfig")]
    next_config: Option<PathFacts<'a>>,
    names: Vec<&'a str>,
    sync: bool,
}

/// What `NextURL` has to know of paths that are not plain.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct PathFacts<'a> {
    base_path: &'a str,
    trailing_slash: bool,
}

/// How far a route module is.
pub(super) enum ModuleState {
    Unloaded,
    Loading(Loading),
    Ready,
    Failed,
}

/// A module that waits in a top-level `await`.
pub(super) struct Loading {
    done: Rc<Notify>,
    /// Who asked for it first.
    request: Option<RequestId>,
}

/// Why a route module is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadError {
    Failed,
    Exceeded(Exceeded),
    IsolateOver,
}

/// How many reports are held back at most.
const MOST_HELD: usize = 64;

/// A value of JavaScript, by its identity.
type Thrown = v8::Global<v8::Value>;

/// Tells rejections of modules that failed to load from others. deno_core reports such an
/// error twice: to who loads the module, and as a promise that nobody caught. Whatever its
/// text, it is the same value both times.
#[derive(Default)]
pub(super) struct Rejections {
    /// Modules that wait in a top-level `await`; a rejection may be that of one of them.
    waiting: Cell<usize>,
    /// Reports that came meanwhile.
    held: RefCell<Vec<(Thrown, String)>>,
    /// What modules threw that failed, whose rejection has not come yet.
    failed: RefCell<Vec<Thrown>>,
    /// Set while a module is asked for its exports, or for what it threw.
    asks: Cell<bool>,
    /// What it threw: of an error with causes, the outermost comes first.
    thrown: RefCell<Option<Thrown>>,
}

impl Rejections {
    /// Whether a report of a rejection, outside of any request, belongs into the log now.
    pub(super) fn is_news(&self, reason: &Thrown, report: &str) -> bool {
        let mut failed = self.failed.borrow_mut();
        if let Some(at) = failed.iter().position(|thrown| thrown == reason) {
            failed.swap_remove(at);
            return false;
        }
        if self.waiting.get() > 0 && self.held.borrow().len() < MOST_HELD {
            self.held.borrow_mut().push((reason.clone(), report.to_owned()));
            return false;
        }
        true
    }

    /// A value becomes an error.
    pub(super) fn saw(&self, value: Thrown) {
        if self.asks.get() {
            self.thrown.borrow_mut().get_or_insert(value);
        }
    }

    /// Asks a module for its exports. Its rejection is expected where it failed.
    fn ask<T, E>(&self, exports: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.asks.set(true);
        let result = exports();
        self.asks.set(false);
        let thrown = self.thrown.take();
        if let (Err(_), Some(thrown)) = (&result, thrown) {
            let mut held = self.held.borrow_mut();
            match held.iter().position(|(reason, _)| *reason == thrown) {
                Some(at) => {
                    held.remove(at);
                }
                None => self.failed.borrow_mut().push(thrown),
            }
        }
        result
    }

    fn wait(&self) {
        self.waiting.set(self.waiting.get() + 1);
    }

    /// What was held back, once no module waits any more.
    fn waited(&self) -> Vec<String> {
        self.waiting.set(self.waiting.get() - 1);
        if self.waiting.get() > 0 {
            return Vec::new();
        }
        self.held.take().into_iter().map(|(_, report)| report).collect()
    }
}

impl Isolate {
    /// Loads and evaluates a route module, once. What goes wrong is told with the request
    /// that asked for it first.
    pub(crate) async fn load(
        self: &Rc<Self>,
        route: usize,
        request: Option<RequestId>,
    ) -> Result<(), LoadError> {
        loop {
            let loading = match &self.modules.borrow()[route] {
                ModuleState::Ready => return Ok(()),
                ModuleState::Failed => {
                    let limit = self.version.routes[route].startup_failed();
                    return Err(limit.map_or(LoadError::Failed, LoadError::Exceeded));
                }
                ModuleState::Loading(loading) => Some(loading.done.clone()),
                ModuleState::Unloaded => self.in_the_way_of(route),
            };
            if self.condemned.get() {
                return Err(LoadError::IsolateOver);
            }
            match loading {
                None => self.begin_load(route, request),
                Some(notify) => {
                    // The isolate may end while the module loads; nobody notifies then.
                    let _ = tokio::time::timeout(Duration::from_millis(50), notify.notified()).await;
                }
            }
        }
    }

    /// What has to be done before this module may begin to load: where one of two is
    /// suspect, they load one after the other.
    fn in_the_way_of(&self, route: usize) -> Option<Rc<Notify>> {
        let is_suspect = |route: usize| self.version.routes[route].is_suspect();
        self.modules.borrow().iter().enumerate().find_map(|(other, state)| match state {
            ModuleState::Loading(loading) if is_suspect(route) || is_suspect(other) => {
                Some(loading.done.clone())
            }
            _ => None,
        })
    }

    /// The isolate ends, and it is not known on whose behalf code ran: perhaps it was that of
    /// a module that waits in a top-level `await`. One that is alone in that is to blame,
    /// unless requests were in flight as well; then it has a second attempt.
    pub(super) fn suspect_modules(&self, cause: Cause) {
        let loading = |(route, state): (usize, &ModuleState)| match state {
            ModuleState::Loading(loading) => Some((route, loading.request)),
            _ => None,
        };
        let suspects: Vec<_> = self.modules.borrow().iter().enumerate().filter_map(loading).collect();
        let are_many = suspects.len() > 1;
        let are_asked = self.exchanges.borrow().live() > 0;
        for (route, request) in suspects {
            let was_suspect = self.version.routes[route].suspect();
            if !are_many && (was_suspect || !are_asked) {
                self.load_ended(route, request, cause);
            }
        }
    }

    /// Whether loading a route module has failed here.
    pub(crate) fn has_failed(&self, route: usize) -> bool {
        matches!(self.modules.borrow()[route], ModuleState::Failed)
    }

    /// Loads a route module although that has failed elsewhere.
    pub(crate) async fn load_again(
        self: &Rc<Self>,
        route: usize,
        request: Option<RequestId>,
    ) -> Result<(), LoadError> {
        self.is_trial.set(true);
        let result = self.load(route, request).await;
        self.is_trial.set(false);
        if result == Err(LoadError::IsolateOver) {
            // With what limit, it has told already.
            self.version.routes[route].load_failed(None, Instant::now());
        }
        result
    }

    /// A turn of a module that loads: no request is to blame for what happens in it.
    fn load_turn<R>(&self, budget: Budget, run: impl FnOnce(&mut JsRuntime) -> R) -> Result<R, Verdict> {
        self.is_load.set(true);
        let result = self.turn(budget, None, run);
        self.is_load.set(false);
        result
    }

    fn begin_load(self: &Rc<Self>, route: usize, request: Option<RequestId>) {
        let of_route = &self.version.routes[route];
        if of_route.startup_failed().is_some() && !self.is_trial.get() {
            self.modules.borrow_mut()[route] = ModuleState::Failed;
            return;
        }
        let limits = &self.version.limits;
        let until = Instant::now() + limits.startup_wall;
        let budget = Budget { cpu: limits.startup_cpu, due: until, until, shared: false };
        let evaluation = self.load_turn(budget, |runtime| {
            {
                // A dynamic `import()` that ended leaves its request's scope behind.
                deno_core::scope!(scope, runtime);
                let undefined = v8::undefined(scope).into();
                scope.set_continuation_preserved_embedder_data(undefined);
            }
            let specifier = ModuleSpecifier::parse(&of_route.entry).ok()?;
            let loaded = runtime.load_side_es_module(&specifier).now_or_never()?;
            Some(loaded.map(|module| (module, Box::pin(runtime.mod_evaluate(module)))))
        });
        let (module, mut evaluation) = match evaluation {
            Err(verdict) => return self.load_ended(route, request, verdict.cause),
            Ok(Some(Ok(evaluation))) => evaluation,
            Ok(Some(Err(error))) => return self.load_failed(route, request, &text_of(&error)),
            Ok(None) => return self.load_failed(route, request, "the module is not in the bundle"),
        };
        self.wake_pump();
        if let Some(evaluated) = evaluation.as_mut().now_or_never() {
            return self.loaded(route, request, module, evaluated.err().map(|error| text_of(&error)));
        }
        // Top-level `await`: goes on while others are served.
        let done = Rc::new(Notify::new());
        self.modules.borrow_mut()[route] = ModuleState::Loading(Loading { done: done.clone(), request });
        self.loading.set(self.loading.get() + 1);
        let isolate = self.clone();
        self.rejections.wait();
        tokio::task::spawn_local(async move {
            let evaluated = tokio::time::timeout_at(until.into(), Pin::new(&mut evaluation)).await;
            isolate.loading.set(isolate.loading.get() - 1);
            match evaluated {
                Ok(evaluated) => {
                    isolate.loaded(route, request, module, evaluated.err().map(|error| text_of(&error)))
                }
                Err(_elapsed) => {
                    let of_route = &isolate.version.routes[route];
                    let pause = of_route.load_failed(Some(Exceeded::Wall), Instant::now());
                    tracing::error!(
                        route = of_route.pattern,
                        file = of_route.file,
                        request = request.map(|id| id.to_string()),
                        allowed = ?isolate.version.limits.startup_wall,
                        again_in = ?pause,
                        "the module did not finish loading: does a top-level `await` wait for something that never comes?"
                    );
                    isolate.modules.borrow_mut()[route] = ModuleState::Failed;
                    isolate.tell_failed(route, request, Some(Exceeded::Wall), None);
                }
            }
            for report in isolate.rejections.waited() {
                isolate.version.observer.observe(Event::Console(Printed {
                    app: isolate.version.name.as_deref(),
                    level: tracing::Level::ERROR,
                    is_uncaught: true,
                    text: &isolate.version.report(&report),
                    route: None,
                    request: None,
                    x_request_id: None,
                }));
            }
            done.notify_waiters();
        });
    }

    /// Tells the observer that a module did not load.
    fn tell_failed(
        &self,
        route: usize,
        request: Option<RequestId>,
        limit: Option<Exceeded>,
        error: Option<&str>,
    ) {
        let of_route = &self.version.routes[route];
        if let Some(limit) = limit {
            self.tell_limit(limit, Some(&of_route.pattern), request, Consequence::Module);
        }
        self.version.observer.observe(Event::Module(ModuleFailed {
            app: self.version.name.as_deref(),
            route: &of_route.pattern,
            file: &of_route.file,
            request,
            limit,
            error,
        }));
    }

    /// The isolate ended while the module loaded.
    fn load_ended(&self, route: usize, request: Option<RequestId>, cause: Cause) {
        match cause {
            Cause::Exceeded(exceeded) => self.load_exceeded(route, request, exceeded),
            Cause::Panicked => self.load_failed(route, request, "native code panicked"),
        }
    }

    /// Loading a module ran into a limit. Where others have filled the memory before,
    /// it is tried again in the successor.
    fn load_exceeded(&self, route: usize, request: Option<RequestId>, exceeded: Exceeded) {
        let of_route = &self.version.routes[route];
        let is_first = self.loaded.get() == 0;
        let is_own = exceeded != Exceeded::Memory || is_first;
        let pause = is_own.then(|| of_route.load_failed(Some(exceeded), Instant::now()));
        let limits = &self.version.limits;
        let (allowed, flag) = match exceeded {
            Exceeded::Cpu => (format!("{:?}", limits.startup_cpu), "--limit-startup-cpu"),
            Exceeded::Wall => (format!("{:?}", limits.startup_wall), "--limit-startup-wall"),
            Exceeded::Memory => (format!("{} MiB", limits.memory / (1024 * 1024)), "--limit-memory"),
        };
        tracing::error!(
            route = of_route.pattern,
            file = of_route.file,
            request = request.map(|id| id.to_string()),
            limit = %exceeded,
            allowed,
            "{exceeded} limit passed while the module loaded{}",
            match pause {
                None => ", beside others: it is tried again without them".to_owned(),
                Some(pause) => format!(": it is tried again in {} s; {flag} allows more", pause.as_secs()),
            }
        );
        self.tell_failed(route, request, Some(exceeded), None);
    }

    fn load_failed(&self, route: usize, request: Option<RequestId>, error: &str) {
        let of_route = &self.version.routes[route];
        // Other isolates of the app have met it before, perhaps.
        let report = self.version.report(error);
        if of_route.is_news(error) && of_route.role != Role::Config {
            tracing::error!(
                route = of_route.pattern,
                file = of_route.file,
                request = request.map(|id| id.to_string()),
                "the module failed to load: {report}"
            );
        }
        of_route.load_failed(None, Instant::now());
        self.modules.borrow_mut()[route] = ModuleState::Failed;
        self.tell_failed(route, request, None, Some(&report));
    }

    fn loaded(
        &self,
        route: usize,
        request: Option<RequestId>,
        module: deno_core::ModuleId,
        error: Option<String>,
    ) {
        if self.condemned.get() {
            return;
        }
        if let Some(error) = error {
            return self.load_failed(route, request, &error);
        }
        let of_route = &self.version.routes[route];
        let limits = &self.version.limits;
        let until = Instant::now() + limits.startup_wall;
        let budget = Budget { cpu: limits.startup_cpu, due: until, until, shared: false };
        let methods = self.load_turn(budget, |runtime| {
            let namespace = self.rejections.ask(|| runtime.get_module_namespace(module));
            let namespace = namespace.map_err(|error| text_of(&error))?;
            deno_core::scope!(scope, runtime);
            v8::tc_scope!(let scope, scope);
            let register = v8::Local::new(scope, &self.functions.register);
            let namespace = v8::Local::new(scope, namespace);
            let facts = RouteFacts {
                index: route,
                file: &of_route.file,
                pattern: &of_route.pattern,
                runtime: of_route.runtime.name(),
                role: of_route.role.name(),
                phase: match of_route.role {
                    Role::Config => self.version.phase(),
                    Role::Handler | Role::Middleware | Role::Forward => "",
                },
                exported: self.version.middleware.as_ref().map_or("", |guarding| &guarding.export),
                next_config: self.version.has_own_paths().then_some(PathFacts {
                    base_path: &self.version.paths.base,
                    trailing_slash: self.version.paths.trailing_slash,
                }),
                names: of_route.params.iter().map(|name| &**name).collect(),
                sync: self.version.sync_params,
            };
            let facts = serde_v8::to_v8(scope, facts).map_err(|error| error.to_string())?;
            let undefined = v8::undefined(scope).into();
            let bits = register.call(scope, undefined, &[facts, namespace.into()]);
            let Some(bits) = bits else {
                let thrown = scope.exception().map(|thrown| thrown.to_rust_string_lossy(scope));
                return Err(thrown.unwrap_or_else(|| "its exports cannot be read".to_owned()));
            };
            serde_v8::from_v8::<u8>(scope, bits).map_err(|error| error.to_string())
        });
        match methods {
            Ok(Ok(bits)) => {
                self.loaded.set(self.loaded.get() + 1);
                of_route.load_succeeded();
                of_route.set_methods(MethodSet::from_bits(bits));
                self.modules.borrow_mut()[route] = ModuleState::Ready;
                self.weigh();
            }
            Ok(Err(error)) => self.load_failed(route, request, &error),
            Err(verdict) => self.load_ended(route, request, verdict.cause),
        }
    }

    /// Says, once for the app, that its modules leave little memory to requests.
    fn weigh(&self) {
        if self.version.nearly_full_told.load(Ordering::Relaxed) {
            return;
        }
        let limits = &self.version.limits;
        let until = Instant::now() + limits.startup_wall;
        let budget = Budget { cpu: limits.startup_cpu, due: until, until, shared: false };
        let held = self.load_turn(budget, |runtime| self.slot.nearly_full(runtime.v8_isolate()));
        if let Ok(Some(held)) = held
            && !self.version.nearly_full_told.swap(true, Ordering::Relaxed)
        {
            const MIB: u64 = 1024 * 1024;
            tracing::warn!(
                "{} loaded route modules ({}) hold {} MiB of the {} MiB that an isolate may have: \
                 --limit-memory allows more",
                self.loaded.get(),
                self.kind().name(),
                held / MIB,
                limits.memory / MIB,
            );
        }
    }
}
