//! What all isolates of an app share, on every shard.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use edgehost_ext::Layer;
use edgehost_ext::message::RequestId;
use parking_lot::Mutex;

use super::report::SourceLines;
use crate::bundle::{Chunk, Entry};
use crate::enforcer::{Access, Guard};
use crate::limits::{Exceeded, Limits};
use crate::project::{MethodSet, Route, Runtime};
use crate::telemetry::Observer;

/// A route, as far as an isolate needs to know it.
#[derive(Debug)]
pub(crate) struct AppRoute {
    /// The pattern, for logs.
    pub(crate) pattern: String,
    /// The route file as shown to people.
    pub(crate) file: String,
    /// Which isolate of a shard it runs in.
    pub(crate) runtime: Runtime,
    /// Whether the pattern captures parameters.
    pub(crate) captures: bool,
    /// Wall limit of an invocation.
    pub(crate) wall: Duration,
    /// Limit on the time to the head of the answer.
    pub(crate) first_byte: Duration,
    /// `maxDuration`, in seconds.
    pub(crate) max_duration: Option<u32>,
    /// The entry module; empty if the route cannot be bundled.
    pub(crate) entry: String,
    /// Why the route cannot be bundled.
    pub(crate) bundle_error: Option<String>,
    /// Whether the log has that.
    bundle_error_logged: AtomicBool,
    /// Exported methods: what the bundler saw, then what the module really has.
    methods: AtomicU8,
    setback: Mutex<Setback>,
    /// What loading the module threw last, hashed.
    failure: AtomicU64,
}

/// First pause after which a module that failed to load is tried again; each is twice as
/// long as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often loading a module has failed in a row.
#[derive(Debug, Default)]
struct Setback {
    failures: u32,
    /// The limit that it ran into.
    limit: Option<Exceeded>,
    /// When it may be tried again; none before it has failed, and while it is tried.
    again: Option<Instant>,
}

impl Setback {
    fn another(&mut self, limit: Option<Exceeded>, now: Instant) -> Duration {
        self.limit = limit.or(self.limit);
        // Isolates that fail beside each other are one failure.
        if self.again.is_none() {
            let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST_PAUSE);
            self.failures += 1;
            self.again = Some(now + pause);
        }
        self.again.map_or(Duration::ZERO, |again| again.saturating_duration_since(now))
    }
}

impl AppRoute {
    /// The route of `found`, with the entry that was bundled for it, or why there is none.
    pub(crate) fn new(found: &Route, entry: Result<Entry, String>, limits: &Limits) -> Self {
        let max_duration = found.segment.max_duration;
        let (entry, bundle_error) = match entry {
            Ok(entry) => (entry, None),
            Err(error) => (Entry::default(), Some(error)),
        };
        Self {
            pattern: found.pattern.clone(),
            file: found.shown.clone(),
            runtime: found.segment.runtime,
            captures: found.pattern.contains('['),
            wall: limits.wall_of(max_duration),
            first_byte: limits.first_byte_of(max_duration),
            max_duration,
            entry: entry.specifier,
            bundle_error,
            bundle_error_logged: AtomicBool::new(false),
            methods: AtomicU8::new(entry.methods.bits()),
            setback: Mutex::default(),
            failure: AtomicU64::new(0),
        }
    }

    /// The methods that are known to be exported.
    pub(crate) fn methods(&self) -> MethodSet {
        MethodSet::from_bits(self.methods.load(Ordering::Relaxed))
    }

    /// Says in the log, once, why the route cannot be bundled.
    pub(crate) fn log_bundle_error(&self, request: RequestId) {
        let Some(error) = &self.bundle_error else { return };
        if !self.bundle_error_logged.swap(true, Ordering::Relaxed) {
            tracing::error!(
                route = self.pattern,
                file = self.file,
                %request,
                "the route cannot be bundled and answers 500: {error}"
            );
        }
    }

    pub(super) fn set_methods(&self, methods: MethodSet) {
        self.methods.store(methods.bits(), Ordering::Relaxed);
    }

    /// The limit that loading the module ran into.
    pub(super) fn startup_failed(&self) -> Option<Exceeded> {
        self.setback.lock().limit
    }

    /// Whether loading the module has not thrown just that before.
    pub(super) fn is_news(&self, error: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        error.hash(&mut hasher);
        let hash = hasher.finish();
        self.failure.swap(hash, Ordering::Relaxed) != hash
    }

    /// The module failed to load, perhaps at a limit. Tells when it may be tried again.
    pub(crate) fn load_failed(&self, limit: Option<Exceeded>, now: Instant) -> Duration {
        self.setback.lock().another(limit, now)
    }

    /// The module is there after all.
    pub(super) fn load_succeeded(&self) {
        *self.setback.lock() = Setback::default();
    }

    /// Whether it is time to try again to load the module: true once for each pause.
    pub(crate) fn begin_retry(&self, now: Instant) -> bool {
        self.setback.lock().again.take_if(|again| *again <= now).is_some()
    }
}

/// An app as its isolates see it.
#[derive(Debug)]
pub(crate) struct App {
    /// The project folder.
    pub(crate) root: PathBuf,
    /// The same as a URL with a slash at its end, cut from stack traces.
    pub(crate) root_url: String,
    /// Lines of code for reports of errors.
    pub(crate) sources: SourceLines,
    /// Routes in the order of the route table.
    pub(crate) routes: Vec<AppRoute>,
    /// Modules by specifier.
    pub(crate) chunks: HashMap<String, Chunk>,
    /// The runtimes whose isolates have the Node layer.
    pub(crate) node: Vec<Runtime>,
    /// `process.env`.
    pub(crate) env: Vec<(String, String)>,
    /// Whether `NODE_ENV` is `production`.
    pub(crate) production: bool,
    /// Whether `params`, `cookies()` and their like come without a promise.
    pub(crate) sync_params: bool,
    /// What `draftMode()` compares its cookie with.
    pub(crate) draft_secret: String,
    /// Ceilings.
    pub(crate) limits: Limits,
    /// Whether the log has that loaded modules nearly fill the memory.
    pub(crate) nearly_full_told: AtomicBool,
    /// What its code may reach.
    pub(crate) access: Access,
    /// Is told what happens.
    pub(crate) observer: Arc<dyn Observer>,
    /// Looks after the memory of its isolates together.
    pub(crate) guard: Arc<Guard>,
}

impl App {
    /// What the isolates of a runtime start from.
    pub(super) fn layer(&self, kind: Runtime) -> Layer {
        if self.node.contains(&kind) { Layer::Node } else { Layer::Web }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute() {
        let mut setback = Setback::default();
        let mut now = Instant::now();
        let pauses: Vec<u64> = (0..9)
            .map(|_| {
                let pause = setback.another(None, now);
                assert_eq!(setback.another(None, now), pause, "one failure for all isolates");
                now += pause;
                setback.again = None;
                pause.as_secs()
            })
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }
}
