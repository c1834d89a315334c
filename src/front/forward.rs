//! Apps whose isolates are on another thread.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use edgehost_ext::message::Answer;
use http::header::CONNECTION;

use super::Front;
use crate::isolate::Invocation;
use crate::shard::{Backend, BackendError, Lanes, Share};
use crate::soon::Soon;
use crate::version::AppId;

/// Hands invocations to a shard that has an instance of the app.
pub(super) struct Forward {
    lanes: Weak<Lanes<Front>>,
    app: AppId,
    shards: Arc<[usize]>,
}

impl Forward {
    pub(super) fn new(lanes: Weak<Lanes<Front>>, app: AppId, shards: Arc<[usize]>) -> Self {
        Self { lanes, app, shards }
    }
}

impl Backend for Forward {
    fn call(
        self: Rc<Self>,
        invocation: Invocation,
        share: Option<Rc<Share>>,
    ) -> Soon<Result<Answer, BackendError>> {
        static TURN: AtomicUsize = AtomicUsize::new(0);
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        let Some(lanes) = self.lanes.upgrade() else { return Soon::Now(Err(BackendError::Ended)) };
        let app = self.app;
        Soon::Later(Box::pin(async move {
            let _part = match share {
                Some(share) => share.part().await,
                None => None,
            };
            let answered = lanes.run(&self.shards, turn, move |front: Rc<Front>| async move {
                let local = front.local(app, &invocation.version);
                local.call(invocation, None).into_future().await
            });
            match answered.await.flatten() {
                Ok(mut answer) => {
                    // That shard knows nothing of this connection.
                    answer.headers.remove(CONNECTION);
                    Ok(answer)
                }
                Err(BackendError::Overloaded { .. }) => Err(BackendError::Overloaded { elsewhere: false }),
                Err(error) => Err(error),
            }
        }))
    }
}
