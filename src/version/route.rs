//! A route as its version serves it: what the build says of it, and what loading it has shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use edgehost_ext::message::RequestId;
use parking_lot::Mutex;

use crate::build::{BuiltRoute, Entry, Role};
use crate::limits::{Exceeded, Limits};
use crate::project::{MethodSet, Runtime, param_names};

/// A route of a version.
#[derive(Debug)]
pub(crate) struct ServedRoute {
    /// The pattern, for logs.
    pub(crate) pattern: String,
    /// The route file as shown to people.
    pub(crate) file: String,
    /// What it is to the host.
    pub(crate) role: Role,
    /// Which isolate of a shard it runs in.
    pub(crate) runtime: Runtime,
    /// What its parameters are called, in the order of the pattern.
    pub(crate) params: Vec<Arc<str>>,
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
    /// Whether an isolate ended while the module loaded, perhaps because of it.
    suspect: AtomicBool,
    /// What loading the module threw last.
    failure: Mutex<String>,
}

/// First pause after which a module that failed to load is tried again; each is twice as
/// long as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Bytes of an error that are remembered.
const MOST_FAILURE: usize = 4 * 1024;

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

impl ServedRoute {
    pub(super) fn new(built: BuiltRoute, limits: &Limits) -> Self {
        let BuiltRoute { pattern, file, role, runtime, max_duration, entry } = built;
        let (entry, bundle_error) = match entry {
            Ok(entry) => (entry, None),
            Err(error) => (Entry::default(), Some(error)),
        };
        Self {
            params: param_names(&pattern),
            pattern,
            file,
            role,
            runtime,
            wall: limits.wall_of(max_duration),
            first_byte: limits.first_byte_of(max_duration),
            max_duration,
            entry: entry.specifier,
            bundle_error,
            bundle_error_logged: AtomicBool::new(false),
            methods: AtomicU8::new(entry.methods.bits()),
            setback: Mutex::default(),
            suspect: AtomicBool::new(false),
            failure: Mutex::default(),
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

    pub(crate) fn set_methods(&self, methods: MethodSet) {
        self.methods.store(methods.bits(), Ordering::Relaxed);
    }

    /// The limit that loading the module ran into.
    pub(crate) fn startup_failed(&self) -> Option<Exceeded> {
        self.setback.lock().limit
    }

    /// Notes what loading the module threw, and tells whether it has not thrown just that
    /// before.
    pub(crate) fn is_news(&self, error: &str) -> bool {
        let error = &error[..error.floor_char_boundary(MOST_FAILURE)];
        let mut failure = self.failure.lock();
        let is_news = *failure != error;
        if is_news {
            error.clone_into(&mut failure);
        }
        is_news
    }

    /// What loading the module threw last.
    pub(crate) fn failure(&self) -> String {
        self.failure.lock().clone()
    }

    /// The module failed to load, perhaps at a limit. Tells when it may be tried again.
    pub(crate) fn load_failed(&self, limit: Option<Exceeded>, now: Instant) -> Duration {
        self.suspect.store(false, Ordering::Relaxed);
        self.setback.lock().another(limit, now)
    }

    /// The module is there after all.
    pub(crate) fn load_succeeded(&self) {
        self.suspect.store(false, Ordering::Relaxed);
        *self.setback.lock() = Setback::default();
    }

    /// Whether the module is to be loaded while no other one is, so that it shows whether
    /// isolates end because of it.
    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    /// An isolate ended while the module loaded. Whether that is not the first time.
    pub(crate) fn suspect(&self) -> bool {
        self.suspect.swap(true, Ordering::Relaxed)
    }

    /// Whether it is time to try again to load the module: true once for each pause.
    pub(crate) fn begin_retry(&self, now: Instant) -> bool {
        self.setback.lock().again.take_if(|again| *again <= now).is_some()
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
