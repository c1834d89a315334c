//! What a host tells of its work, and the log made of it.
//!
//! Purpose: one typed [`Event`] for what happens often, [`Observer`] for whoever wants to
//! know, and a [`Log`] that formats and writes on a thread of its own.
//! Where to look: `log` for the queue and its thread, `lines` for how a line looks.
//! Never: anything of requests or isolates but their words.
//!
//! An embedder has two ways to listen. It gives the builder an [`Observer`], which gets
//! events as values on the thread where they happen; or it does not, and the host emits
//! [`tracing`] events, to which it subscribes as it likes. Their targets:
//!
//! | target | level | what |
//! |---|---|---|
//! | `edgehost::access` | info | a request is over, also one whose client left |
//! | `edgehost::console` | debug to error | `console.*` of user code |
//! | `edgehost::error` | error | errors of user code that nobody caught |
//! | `edgehost` and its modules | | what the host itself has to say: limits, modules that fail |
//!
//! The last row comes by `tracing` in either case.

mod lines;
mod log;

use std::fmt;
use std::io::IsTerminal;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

pub use edgehost_ext::message::RequestId;
pub use log::Log;

const ACCESS: &str = "edgehost::access";
const CONSOLE: &str = "edgehost::console";
const ERROR: &str = "edgehost::error";

/// Status of a request whose client left before it was answered, as nginx has it.
pub const CLIENT_LEFT: u16 = 499;

/// Something that happened.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A request is over.
    Request(RequestEnded<'a>),
    /// User code printed something, or threw what nobody caught.
    Console(Printed<'a>),
}

/// A request that is over: answered, or given up by its client.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RequestEnded<'a> {
    /// The host's name for it.
    pub request: RequestId,
    /// `x-request-id` as the client sent it, where that is well-formed.
    pub x_request_id: Option<&'a str>,
    /// The method.
    pub method: &'a str,
    /// Path and query, as they were sent.
    pub path: &'a str,
    /// The pattern of the route.
    pub route: Option<&'a str>,
    /// The status of the answer; [`CLIENT_LEFT`] where there was none.
    pub status: u16,
    /// Why there is no answer of a handler: what `x-edgehost-error` says.
    pub error: Option<&'a str>,
    /// From the arrival of the head to the end of the answer.
    pub took: Duration,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// Whether the answer was not sent to its end.
    pub aborted: bool,
    /// Address of the peer, unless the request came through the library.
    pub client: Option<IpAddr>,
    /// `user-agent`.
    pub user_agent: Option<&'a str>,
}

/// A text of user code.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Printed<'a> {
    /// How severe.
    pub level: Level,
    /// Whether it is an error that nobody caught, and not `console.*`.
    pub is_uncaught: bool,
    /// The text; may have several lines.
    pub text: &'a str,
    /// The route of the request during which it was printed.
    pub route: Option<&'a str>,
    /// That request.
    pub request: Option<RequestId>,
    /// Its `x-request-id`, where well-formed.
    pub x_request_id: Option<&'a str>,
}

impl Printed<'_> {
    fn target(&self) -> &'static str {
        if self.is_uncaught { ERROR } else { CONSOLE }
    }
}

/// Whoever wants to know what happens. Called on the threads that serve requests:
/// whatever takes time belongs elsewhere.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Whether [`Event::Request`] is wanted; asked once, when a host starts.
    fn wants_requests(&self) -> bool {
        true
    }

    /// Is told.
    fn observe(&self, event: Event<'_>);
}

/// Emits [`tracing`] events: what a host does unless it is given another observer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tracing;

impl Observer for Tracing {
    fn wants_requests(&self) -> bool {
        tracing::enabled!(target: ACCESS, Level::INFO)
    }

    fn observe(&self, event: Event<'_>) {
        match event {
            Event::Request(ended) => tracing::info!(
                target: ACCESS,
                method = ended.method,
                path = ended.path,
                route = ended.route,
                status = ended.status,
                error = ended.error,
                ms = millis(ended.took),
                bytes = ended.bytes,
                aborted = ended.aborted,
                client = ended.client.map(tracing::field::display),
                request = %ended.request,
                x_request_id = ended.x_request_id,
                user_agent = ended.user_agent,
                "{} {} {}",
                ended.method,
                ended.path,
                ended.status,
            ),
            Event::Console(Printed { level, is_uncaught, text, route, request, x_request_id }) => {
                let route = route.unwrap_or_default();
                let request = request.map(|id| id.to_string()).unwrap_or_default();
                macro_rules! emit {
                    ($target:expr, $level:expr) => {
                        tracing::event!(target: $target, $level, route, request, x_request_id, "{text}")
                    };
                }
                match level {
                    _ if is_uncaught => emit!(ERROR, Level::ERROR),
                    Level::ERROR => emit!(CONSOLE, Level::ERROR),
                    Level::WARN => emit!(CONSOLE, Level::WARN),
                    Level::INFO => emit!(CONSOLE, Level::INFO),
                    _ => emit!(CONSOLE, Level::DEBUG),
                }
            }
        }
    }
}

/// Milliseconds with three digits after the point.
fn millis(took: Duration) -> f64 {
    (took.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For people at a terminal: the time alone, in colours.
    Terminal,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// JSON, unless standard error is a terminal.
    pub fn detect() -> Self {
        if std::io::stderr().is_terminal() { Self::text() } else { Self::Json }
    }

    /// For people, as it suits standard error.
    pub fn text() -> Self {
        let stderr = std::io::stderr();
        match anstream::AutoStream::choice(&stderr) {
            anstream::ColorChoice::Never => Self::Text,
            _ if stderr.is_terminal() => Self::Terminal,
            _ => Self::Text,
        }
    }
}

/// What is logged: a level (`off`, `error`, `warn`, `info`, `debug`, `trace`), or a list
/// that has levels for single targets too, such as `info,edgehost::access=off`.
#[derive(Debug, Clone)]
pub struct Filter(Targets);

/// A filter cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is neither a level (off, error, warn, info, debug, trace) nor TARGET=LEVEL, such as edgehost::access=off"
)]
pub struct FilterError(String);

impl Default for Filter {
    /// `info`, and of the libraries underneath what is of use.
    fn default() -> Self {
        let noisy = ["rolldown", "oxc_resolver", "hyper"].map(|target| (target, LevelFilter::WARN));
        Self(Targets::new().with_default(LevelFilter::INFO).with_targets(noisy))
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let mut filter = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let level = |level: &str| {
                let named = !level.is_empty() && level.bytes().all(|byte| byte.is_ascii_alphabetic());
                named.then(|| level.parse::<LevelFilter>().ok()).flatten()
            };
            filter.0 = match part.split_once('=') {
                Some((target, of_target)) => match level(of_target.trim()) {
                    Some(level) if !target.trim().is_empty() => filter.0.with_target(target.trim(), level),
                    _ => return Err(FilterError(part.to_owned())),
                },
                None => match level(part) {
                    Some(level) => filter.0.with_default(level),
                    None => return Err(FilterError(part.to_owned())),
                },
            };
        }
        Ok(filter)
    }
}

impl Filter {
    /// The same without a line for each request.
    #[must_use]
    pub fn without_access(self) -> Self {
        Self(self.0.with_target(ACCESS, LevelFilter::OFF))
    }

    /// The level that no target goes beyond.
    fn highest(&self) -> LevelFilter {
        let levels = self.0.iter().map(|(_, level)| level).chain(self.0.default_level());
        levels.max().unwrap_or(LevelFilter::OFF)
    }

    fn lets_pass(&self, target: &str, level: Level) -> bool {
        self.0.would_enable(target, &level)
    }
}

/// Logs to standard error: what the process emits by [`tracing`] from now on, and what a
/// host tells that gets the log as its observer.
///
/// Where the process has a subscriber already, that one stays.
///
/// # Errors
///
/// When standard error cannot be used or no thread can be had.
pub fn init(format: LogFormat, filter: Filter) -> std::io::Result<Log> {
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    let log = Log::to_stderr(format, filter)?;
    let _ = tracing_subscriber::registry().with(log.clone()).try_init();
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_name_levels_and_targets() {
        let filter: Filter = "warn, edgehost::console=debug".parse().expect("a filter");
        assert!(filter.lets_pass("edgehost::console", Level::DEBUG));
        assert!(!filter.lets_pass("edgehost::console", Level::TRACE));
        assert!(!filter.lets_pass("edgehost::access", Level::INFO));
        assert!(filter.lets_pass("edgehost::shard", Level::WARN));
        let filter = Filter::default().without_access();
        assert!(!filter.lets_pass("edgehost::access", Level::ERROR));
        assert!(
            filter.lets_pass("edgehost::console", Level::INFO) && !filter.lets_pass("hyper", Level::INFO)
        );
        assert_eq!(filter.highest(), LevelFilter::INFO);
        let filter: Filter = "off,edgehost::console=trace".parse().expect("a filter");
        assert_eq!(filter.highest(), LevelFilter::TRACE);
        let filter: Filter = "debug,hyper=info".parse().expect("a filter");
        assert!(filter.lets_pass("hyper", Level::INFO) && !filter.lets_pass("rolldown", Level::INFO));
    }

    #[test]
    fn filters_with_mistakes_are_refused() {
        for wrong in ["inof", "info,edgehost::access", "edgehost=loud", "=info", "edgehost=", "info,7"] {
            let error = wrong.parse::<Filter>().expect_err(wrong).to_string();
            assert!(error.contains("TARGET=LEVEL"), "{error}");
        }
    }
}
