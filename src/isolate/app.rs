//! What all isolates of an app share, on every shard.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use edgehost_ext::Layer;
use edgehost_ext::message::RequestId;

use super::report::SourceLines;
use crate::bundle::{Chunk, Entry};
use crate::enforcer::Access;
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
    /// The limit that loading the module ran into, by its place in [`Exceeded::ALL`]
    /// counted from one: it is not tried again.
    startup_failed: AtomicU8,
    /// What loading the module threw last, hashed.
    failure: AtomicU64,
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
            startup_failed: AtomicU8::new(0),
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

    pub(super) fn startup_failed(&self) -> Option<Exceeded> {
        let stored = usize::from(self.startup_failed.load(Ordering::Relaxed));
        stored.checked_sub(1).and_then(|index| Exceeded::ALL.get(index)).copied()
    }

    /// Whether loading the module has not thrown just that before.
    pub(super) fn is_news(&self, error: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        error.hash(&mut hasher);
        let hash = hasher.finish();
        self.failure.swap(hash, Ordering::Relaxed) != hash
    }

    pub(super) fn mark_startup_failed(&self, limit: Exceeded) {
        let index = Exceeded::ALL.iter().position(|known| *known == limit).unwrap_or_default();
        self.startup_failed.store(u8::try_from(index + 1).unwrap_or(u8::MAX), Ordering::Relaxed);
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
}

impl App {
    /// What the isolates of a runtime start from.
    pub(super) fn layer(&self, kind: Runtime) -> Layer {
        if self.node.contains(&kind) { Layer::Node } else { Layer::Web }
    }
}
