//! How many requests wait for a permit, in each of the shards.
//!
//! A connection stays with the shard that has accepted it. Where requests wait in one shard
//! and in another none do, connections had better go there: the crowded one lets others
//! accept, and ends connections of HTTP/1 with the answers to requests that had to wait.
//! Only those look at it: a request that finds a permit costs nothing more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;

/// What is known of all shards.
#[derive(Clone, Default)]
pub(crate) struct Loads(Arc<RwLock<Vec<Arc<AtomicUsize>>>>);

impl Loads {
    /// The view of a thread that begins on the shard `index`: nobody waits there yet, whoever
    /// waited for a thread before it.
    pub(crate) fn begin(&self, index: usize) -> Load {
        let own: Arc<AtomicUsize> = Arc::default();
        let mut all = self.0.write();
        match all.get_mut(index) {
            Some(before) => *before = own.clone(),
            None => all.push(own.clone()),
        }
        Load { all: self.clone(), own }
    }
}

/// One shard's view of all.
pub(crate) struct Load {
    all: Loads,
    own: Arc<AtomicUsize>,
}

impl Load {
    /// A request waits from now on.
    pub(super) fn joins(&self) {
        self.own.fetch_add(1, Ordering::Relaxed);
    }

    /// It waits no more.
    pub(super) fn leaves(&self) {
        self.own.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether requests wait here, and none in some other shard.
    pub(crate) fn is_uneven(&self) -> bool {
        self.own.load(Ordering::Relaxed) > 0
            && self.all.0.read().iter().any(|waiting| waiting.load(Ordering::Relaxed) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_crowded_shard_beside_a_free_one_sends_connections_away() {
        let alone = Loads::default().begin(0);
        alone.joins();
        assert!(!alone.is_uneven(), "there is nowhere to go");
        let loads = Loads::default();
        let both = [0, 1].map(|index| loads.begin(index));
        assert!(!both[0].is_uneven());
        both[0].joins();
        assert_eq!((both[0].is_uneven(), both[1].is_uneven()), (true, false));
        both[1].joins();
        assert!(!both[0].is_uneven());
        both[0].leaves();
        assert_eq!((both[0].is_uneven(), both[1].is_uneven()), (false, true));
        // Who waits for a thread that was written off is none of its successor's.
        let fresh = loads.begin(1);
        assert!(!fresh.is_uneven());
        both[0].joins();
        assert!(both[0].is_uneven());
    }
}
