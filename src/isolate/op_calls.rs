//! How JavaScript calls ops, for the test that what runs for each request is called fast.

use std::collections::BTreeMap;
use std::rc::Rc;

use deno_core::{OpMetricsFactoryFn, OpMetricsFn, OpMetricsSource};
use parking_lot::Mutex;

/// How each op was called last.
static LATEST: Mutex<BTreeMap<&'static str, OpMetricsSource>> = Mutex::new(BTreeMap::new());

/// Whether an op was called the fast way when it was called last.
pub(crate) fn is_fast(op: &str) -> bool {
    LATEST.lock().get(op) == Some(&OpMetricsSource::Fast)
}

/// Takes down how the ops of an isolate are called that are the host's.
pub(super) fn watch() -> OpMetricsFactoryFn {
    Box::new(|_, _, op| {
        let name = op.name;
        let take_down: OpMetricsFn = Rc::new(move |_, _, source| {
            LATEST.lock().insert(name, source);
        });
        (name.starts_with("op_edgehost_") || name == "op_is_promise").then_some(take_down)
    })
}
