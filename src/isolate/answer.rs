//! From what a handler made of a request to an answer, and the end of both.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use atomic_waker::AtomicWaker;
use deno_core::v8;
use edgehost_ext::close_upstreams;
use edgehost_ext::message::{
    Answer, BodyEnd, BodyFault, Cost, Exchange, Failure, Handle, Presence, RequestBody, RequestId, Retired,
    StreamEnd,
};
use parking_lot::Mutex;

use super::{CallError, Isolate, Unanswered};
use crate::enforcer::Cause;
use crate::limits::Exceeded;
use crate::telemetry::Consequence;

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

impl Isolate {
    /// The answer that the handler gave, on its way; or why there is none.
    pub(super) fn conclude(
        self: &Rc<Self>,
        handle: Handle,
        route: usize,
        started: Instant,
        result: Result<Answer, Failure>,
    ) -> Result<Answer, Unanswered> {
        let of_route = &self.version.routes[route];
        let cost = self.cost_of(handle);
        match result {
            Ok(mut answer) => {
                answer.body.set_cost(cost);
                Ok(self.hand_over(handle, answer, started + of_route.wall))
            }
            Err(failure) => {
                self.finish(handle);
                let error = match failure {
                    Failure::Handler => CallError::Handler,
                    Failure::Body(fault) => CallError::Body(fault),
                    Failure::MethodNotAllowed => CallError::MethodNotAllowed(of_route.methods()),
                    Failure::Exceeded => match self.verdict.get().map(|verdict| verdict.cause) {
                        Some(Cause::Exceeded(exceeded)) => CallError::Exceeded(exceeded),
                        Some(Cause::Panicked) | None => CallError::Panicked,
                    },
                    Failure::Reset => CallError::Reset,
                };
                Err(Unanswered { error, cost })
            }
        }
    }

    /// What a request has taken up to now.
    fn cost_of(&self, handle: Handle) -> Cost {
        let cpu = self.exchanges.borrow_mut().get(handle).map(|exchange| exchange.used);
        Cost { cpu: cpu.unwrap_or_default(), memory: self.slot.holds() }
    }

    /// Waits for what the handler makes of a request.
    async fn result_of(&self, handle: Handle) -> Result<Answer, Failure> {
        std::future::poll_fn(|cx| {
            let mut exchanges = self.exchanges.borrow_mut();
            let Some(exchange) = exchanges.get(handle) else {
                return Poll::Ready(Err(Failure::Reset));
            };
            match exchange.result.take() {
                Some(result) => Poll::Ready(result),
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
                    let route = isolate.version.routes.get(route).map(|route| route.pattern.as_str());
                    isolate.tell_limit(Exceeded::Wall, route, request, Consequence::Stream);
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
            let budget = self.budget(self.version.limits.cpu, Instant::now() + self.version.limits.wall);
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
    pub(super) fn new(
        isolate: Rc<Isolate>,
        handle: Handle,
        route: usize,
        started: Instant,
        client: Presence,
    ) -> Self {
        Self { isolate, handle, route, started, client, over: false }
    }

    /// Waits for the head of the answer, as long as the route may take for it.
    pub(crate) async fn answer(mut self) -> Result<Answer, Unanswered> {
        let isolate = self.isolate.clone();
        let of_route = &isolate.version.routes[self.route];
        let leaving = async {
            self.client.left().await;
            isolate.ends.push(self.handle, Ended::Left);
            std::future::pending::<Infallible>().await
        };
        let result = async {
            tokio::select! {
                result = isolate.result_of(self.handle) => result,
                never = leaving => match never {},
            }
        };
        tokio::pin!(result);
        let mut until = self.started + of_route.first_byte;
        let result = loop {
            if let Ok(result) = tokio::time::timeout_at(until.into(), result.as_mut()).await {
                break Some(result);
            }
            // The time that the client took for its body is not the handler's.
            match isolate.exchanges.borrow_mut().deadline(self.handle) {
                Some(deadline) if deadline > Instant::now() => until = deadline,
                _ => break None,
            }
        };
        self.over = true;
        if let Some(result) = result {
            return isolate.conclude(self.handle, self.route, self.started, result);
        }
        let cost = isolate.cost_of(self.handle);
        let awaits_client = |exchange: &mut Exchange| exchange.awaits_client();
        if isolate.exchanges.borrow_mut().get(self.handle).is_some_and(awaits_client) {
            isolate.ends.push(self.handle, Ended::TimedOut);
            return Err(Unanswered { error: CallError::Body(BodyFault::Stalled), cost });
        }
        isolate.ends.push(self.handle, Ended::TimedOut);
        let request = isolate.request_of(self.handle);
        isolate.tell_limit(Exceeded::Wall, Some(&of_route.pattern), request, Consequence::Answer);
        tracing::error!(
            route = of_route.pattern,
            request = request.map(|id| id.to_string()),
            limit = %Exceeded::Wall,
            allowed = ?of_route.first_byte,
            "wall time limit passed: no answer"
        );
        Err(Unanswered { error: CallError::Exceeded(Exceeded::Wall), cost })
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
    fn ended(self: Box<Self>, complete: bool, _bytes: u64, _cost: Cost) {
        if let Some(timer) = &self.timer {
            timer.abort();
        }
        self.ends.push(self.handle, if complete { Ended::Sent } else { Ended::Aborted });
    }
}
