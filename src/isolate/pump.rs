//! Keeps the event loop of an isolate going.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use deno_core::PollEventLoopOptions;

use super::Isolate;
use super::report::text_of;

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
        let limits = &self.app.limits;
        let (only, used) = {
            let mut exchanges = self.exchanges.borrow_mut();
            let only = exchanges.only();
            (
                only,
                only.and_then(|handle| exchanges.get(handle))
                    .map_or(std::time::Duration::ZERO, |exchange| exchange.used),
            )
        };
        let budget = self.budget(limits.cpu.saturating_sub(used), Instant::now() + limits.wall);
        let polled = self.turn(budget, only, |runtime| {
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
                tracing::error!("uncaught error in the event loop: {}", self.app.report(&text_of(&error)));
            }
            Ok(_) => {}
            Err(_verdict) => return Poll::Ready(()),
        }
        if self.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }
}
