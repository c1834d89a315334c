//! How many requests wait for a permit, in each of the shards.
//!
//! A connection stays with the shard that has accepted it. Where requests wait in one shard
//! and in another none do, connections had better go there: the crowded one lets others
//! accept, and ends connections of HTTP/1 with the answers to requests that had to wait.
//! Only those look at it: a request that finds a permit costs nothing more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One shard's view of all.
pub(crate) struct Load {
    waiting: Arc<[AtomicUsize]>,
    own: usize,
}

impl Load {
    /// A view for each of so many shards.
    pub(crate) fn of(shards: usize) -> impl Iterator<Item = Self> {
        let waiting: Arc<[AtomicUsize]> = (0..shards).map(|_| AtomicUsize::new(0)).collect();
        (0..shards).map(move |own| Self { waiting: waiting.clone(), own })
    }

    fn own(&self) -> &AtomicUsize {
        &self.waiting[self.own]
    }

    /// A request waits from now on.
    pub(super) fn joins(&self) {
        self.own().fetch_add(1, Ordering::Relaxed);
    }

    /// It waits no more.
    pub(super) fn leaves(&self) {
        self.own().fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether requests wait here, and none in some other shard.
    pub(crate) fn is_uneven(&self) -> bool {
        self.own().load(Ordering::Relaxed) > 0
            && self.waiting.iter().any(|waiting| waiting.load(Ordering::Relaxed) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_crowded_shard_beside_a_free_one_sends_connections_away() {
        let alone = Load::of(1).next().expect("one");
        alone.joins();
        assert!(!alone.is_uneven(), "there is nowhere to go");
        let both: Vec<_> = Load::of(2).collect();
        assert!(!both[0].is_uneven());
        both[0].joins();
        assert_eq!((both[0].is_uneven(), both[1].is_uneven()), (true, false));
        both[1].joins();
        assert!(!both[0].is_uneven());
        both[0].leaves();
        assert_eq!((both[0].is_uneven(), both[1].is_uneven()), (false, true));
    }
}
