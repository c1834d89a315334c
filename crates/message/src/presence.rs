//! Whether a client still has its side of the connection open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// The client at the other end of a connection. It has left when it has said that it will
/// send no more: from then on it is probably gone, though it may still read an answer.
///
/// The default is a client that stays.
#[derive(Debug, Clone, Default)]
pub struct Presence(Arc<State>);

#[derive(Debug, Default)]
struct State {
    left: AtomicBool,
    leaving: Notify,
}

impl Presence {
    /// The client has left.
    pub fn leave(&self) {
        self.0.left.store(true, Ordering::Release);
        self.0.leaving.notify_waiters();
    }

    /// Whether it has left.
    pub fn has_left(&self) -> bool {
        self.0.left.load(Ordering::Acquire)
    }

    /// Waits until it leaves.
    pub async fn left(&self) {
        let leaving = self.0.leaving.notified();
        tokio::pin!(leaving);
        // Before the look, so that no leaving is missed.
        leaving.as_mut().enable();
        if !self.has_left() {
            leaving.await;
        }
    }
}
