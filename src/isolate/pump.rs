//! Keeps the event loop of an isolate going.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use deno_core::PollEventLoopOptions;
use edgehost_ext::message::{Overdue, Spent};

use super::Isolate;
use super::answer::Ended;
use super::report::text_of;
use crate::limits::Exceeded;
use crate::telemetry::Consequence;

impl Isolate {
    /// Polls until the isolate is over.
    pub(super) async fn pump(self: Rc<Self>) {
        std::future::poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.ends.waker.register(cx.waker());
        *self.pump_waker.borrow_mut() = Some(cx.waker().clone());
        self.pump_awake.set(false);
        let ended = std::mem::take(&mut *self.ends.queue.lock());
        for (handle, how) in ended {
            self.end(handle, how);
        }
        if self.is_over() {
            return Poll::Ready(());
        }
        if self.slot.is_unwanted() && self.is_done() {
            self.is_given_up.set(true);
            self.begin_to_retire();
            return Poll::Ready(());
        }
        self.end_late_tasks(cx);
        let limits = &self.version.limits;
        let is_loading = self.loading.get() > 0;
        let (alone, used) = {
            let mut exchanges = self.exchanges.borrow_mut();
            // What a module does while it loads is charged to none of them.
            let alone = exchanges.alone(Instant::now()).filter(|_| !is_loading);
            let exchange = alone.and_then(|handle| exchanges.get(handle));
            (alone, exchange.map_or(Duration::ZERO, |exchange| exchange.used))
        };
        let is_module_alone = is_loading && self.exchanges.borrow().live() == 0;
        let cpu = if is_module_alone { limits.startup_cpu } else { limits.cpu };
        let mut budget = self.budget(cpu.saturating_sub(used), Instant::now() + limits.wall);
        budget.shared = true;
        let polled = self.turn(budget, alone, |runtime| {
            {
                // What comes from outside of JavaScript belongs to nobody: not to the
                // request that ran last.
                deno_core::scope!(scope, runtime);
                let undefined = deno_core::v8::undefined(scope).into();
                scope.set_continuation_preserved_embedder_data(undefined);
            }
            runtime.poll_event_loop(cx, PollEventLoopOptions::default())
        });
        match polled {
            Ok(Poll::Ready(Err(error))) => {
                tracing::error!(
                    "uncaught error in the event loop: {}",
                    self.version.report(&text_of(&error))
                );
            }
            Ok(_) => {}
            Err(_verdict) => {
                self.settled.notify_waiters();
                return Poll::Ready(());
            }
        }
        self.end_overdue_work();
        // The poll may have promised tasks, or seen some end.
        self.end_late_tasks(cx);
        self.settled.notify_waiters();
        if self.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Has what tasks still fetch ended once their time is up, and nobody wait for them;
    /// else has this poll repeated then.
    fn end_late_tasks(&self, cx: &mut Context<'_>) {
        loop {
            let Some(next) = self.exchanges.borrow().behind.next_end() else { return };
            let mut timer = self.after_timer.borrow_mut();
            let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next.into())));
            if timer.deadline().into_std() != next {
                timer.as_mut().reset(next.into());
            }
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
            let late = self.exchanges.borrow_mut().behind.late_tasks(Instant::now());
            for work in late {
                self.log_overdue(work, "nobody waits for it any more", Consequence::Task);
                self.ends.push(work.handle, Ended::Late);
            }
        }
    }

    /// Work that goes on for ever after its answer ends with its isolate, which takes no
    /// more requests; those in flight are finished.
    fn end_overdue_work(&self) {
        let overdue = self.exchanges.borrow_mut().behind.take_overdue();
        if let Some(work) = overdue
            && self.begin_to_retire()
        {
            self.log_overdue(work, "it ends with its isolate, which is replaced", Consequence::Isolate);
        }
    }

    fn log_overdue(&self, work: Overdue, what: &str, consequence: Consequence) {
        let route = work.request.and_then(|(route, _)| self.version.routes.get(route));
        let limits = &self.version.limits;
        let (limit, allowed) = match work.spent {
            Spent::Cpu => (Exceeded::Cpu, limits.cpu),
            Spent::Time => (Exceeded::Wall, limits.after),
        };
        tracing::error!(
            route = route.map_or("", |route| route.pattern.as_str()),
            request = work.request.map(|(_, id)| id.to_string()).unwrap_or_default(),
            limit = %limit,
            ?allowed,
            "{limit} limit passed by work after the answer: {what}"
        );
        let (pattern, request) = (route.map(|route| &*route.pattern), work.request.map(|(_, id)| id));
        self.tell_limit(limit, pattern, request, consequence);
    }
}
