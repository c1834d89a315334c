//! What stands between the front and whatever answers.

use std::rc::Rc;

use edgehost_ext::message::Answer;

use super::local::Share;
use crate::isolate::{Invocation, Unanswered};
use crate::soon::Soon;

/// Answers invocations of one version. The front does not know how: by an isolate of this
/// thread, by another thread, or somewhere else.
pub(crate) trait Backend {
    /// Runs one request to the head of its answer: at once, where that is possible.
    ///
    /// `share` is that of the connection, if it carries other requests at the same time.
    fn call(
        self: Rc<Self>,
        invocation: Invocation,
        share: Option<Rc<Share>>,
    ) -> Soon<Result<Answer, BackendError>>;
}

/// Why a backend has no answer.
#[derive(Debug)]
pub(crate) enum BackendError {
    /// From the isolate.
    Call(Unanswered),
    /// Too many requests wait already, or this one waited too long.
    Overloaded {
        /// Whether other shards have permits left.
        elsewhere: bool,
    },
    /// No isolate could be started; it is in the log.
    NoIsolate,
    /// The thread that would answer has ended.
    Ended,
    /// The thread that would answer does not come back from another request.
    Wedged,
}
