//! A turn: one stretch of JavaScript, and what becomes of an isolate that a limit ended.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use deno_core::JsRuntime;
use edgehost_ext::message::{Failure, Handle, StreamEnd};
use futures::FutureExt;

use super::{Isolate, current};
use crate::enforcer::{Behalf, Budget, Cause, Verdict};
use crate::limits::Exceeded;
use crate::telemetry::{Consequence, IsolateChange};

/// What a turn may take at least, whoever's deadline is near or has passed.
const LAST_STEP: Duration = Duration::from_millis(50);

impl Isolate {
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
            exchange.spend(end.used);
        }
        let spent = || {
            // Many short turns, none of which the watchdog has seen twice.
            let handle = on_behalf_of?;
            let used = self.exchanges.borrow_mut().get(handle)?.used;
            let culprit = Some(handle);
            let cause = Cause::Exceeded(Exceeded::Cpu);
            (used >= self.version.limits.cpu).then_some(Verdict { cause, culprit })
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
        // Code of requests is known by its scope; that of modules has none.
        let is_of_module = self.is_load.get() || self.loading.get() > 0;
        let alone = || self.exchanges.borrow().alone(Instant::now()).filter(|_| !is_of_module);
        verdict.culprit = verdict.culprit.or(on_behalf_of).or_else(alone);
        self.condemn(verdict, end.used);
        Err(verdict)
    }

    /// Polls the event loop until the isolate is over, and ends it if that panics.
    pub(super) async fn keep_going(self: Rc<Self>) {
        if AssertUnwindSafe(self.clone().pump()).catch_unwind().await.is_err() && !self.condemned.get() {
            self.condemn(Verdict { cause: Cause::Panicked, culprit: None }, Duration::ZERO);
        }
        let told = self.when_given_up.take();
        if let Some(told) = told.filter(|_| self.is_given_up.get()) {
            told();
        }
    }

    /// Fails everything in flight; the shard starts a successor.
    fn condemn(&self, verdict: Verdict, used: Duration) {
        self.condemned.set(true);
        self.verdict.set(Some(verdict));
        let for_all = self.slot.is_condemned();
        if verdict.culprit.is_none() && !for_all && !self.is_load.get() {
            self.suspect_modules(verdict.cause);
        }
        let mut exchanges = self.exchanges.borrow_mut();
        let handles = exchanges.handles();
        let siblings = handles.iter().filter(|handle| Some(**handle) != verdict.culprit).count();
        let culprit = verdict.culprit.and_then(|handle| exchanges.get(handle));
        let (route, id) = culprit.map_or((None, None), |exchange| {
            (self.version.routes.get(exchange.head.route), Some(exchange.head.id))
        });
        let request = id.map(|id| id.to_string()).unwrap_or_default();
        let limits = &self.version.limits;
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
            let is_to_blame = Some(handle) == verdict.culprit;
            // What it threw because it was to end is not what went wrong.
            let threw = matches!(exchange.result, Some(Err(Failure::Handler)));
            if exchange.result.is_none() || (is_to_blame && threw) {
                let failure = if is_to_blame || for_all { Failure::Exceeded } else { Failure::Reset };
                exchange.result = Some(Err(failure));
            }
            if let Some(waiter) = exchange.waiter.take() {
                waiter.wake();
            }
        }
        drop(exchanges);
        self.wake_pump();
        let limit = match verdict.cause {
            Cause::Exceeded(exceeded) => Some(exceeded),
            Cause::Panicked => None,
        };
        if let Some(limit) = limit.filter(|_| !self.is_load.get()) {
            self.tell_limit(limit, route.map(|route| &*route.pattern), id, Consequence::Isolate);
        }
        self.tell(IsolateChange::Condemned {
            limit,
            route: route.map(|route| route.pattern.as_str()),
            request: id,
            siblings,
        });
    }
}
