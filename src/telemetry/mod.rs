//! What a host tells of its work, and the log made of it.
//!
//! Purpose: one typed [`Event`] for what happens often, [`Observer`] for whoever wants to
//! know, and a [`Log`] that formats and writes on a thread of its own.
//! Where to look: `log` for the queue and its thread, `lines` for how a line looks, `filter`
//! for what gets into it. These are compiled with the feature `log` alone.
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
//! The last row comes by `tracing` in either case; an observer gets the values of what is in
//! it about isolates, modules, versions and threads besides.

#[cfg(feature = "log")]
mod filter;
#[cfg(feature = "log")]
mod lines;
#[cfg(feature = "log")]
mod log;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use tracing::Level;

pub use edgehost_ext::message::RequestId;
#[cfg(feature = "log")]
pub use filter::{Filter, FilterError};
#[cfg(feature = "log")]
pub use log::{Log, LogFormat, init};

use crate::limits::Exceeded;

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
    /// A limit was passed.
    Limit(LimitExceeded<'a>),
    /// An isolate was started, retired or condemned, or is gone.
    Isolate(IsolateChanged<'a>),
    /// The module of a route did not load.
    Module(ModuleFailed<'a>),
    /// Another version of an app has taken over.
    Version(VersionReplaced<'a>),
    /// A thread does not come back from native code.
    Thread(ThreadWrittenOff),
}

/// A request that is over: answered, or given up by its client.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RequestEnded<'a> {
    /// The name of the app, where it has one.
    pub app: Option<&'a str>,
    /// The number of the version that it was for, as [`Outcome::version`](crate::Outcome::version).
    pub version: Option<u64>,
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
    /// The limit that it passed before its answer began.
    pub limit: Option<Exceeded>,
    /// From the arrival of the head to the end of the answer.
    pub took: Duration,
    /// CPU time up to the end of the answer, as far as it can be told from that of others: the
    /// elapsed time for what took less than some milliseconds. Work after the answer is not in it.
    pub cpu: Duration,
    /// What its isolate held, in bytes, when that was measured last: heap, buffers, and what native
    /// code holds for it. 0 where none was asked.
    pub memory: u64,
    /// Bytes of the answer's body that were sent.
    pub bytes: u64,
    /// Bytes of the request's body that were read.
    pub received: u64,
    /// Whether the answer was not sent to its end.
    pub aborted: bool,
    /// Address of the client: of the peer, where that is known, or whom trusted proxies name.
    pub client: Option<IpAddr>,
    /// `user-agent`.
    pub user_agent: Option<&'a str>,
}

/// A text of user code.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Printed<'a> {
    /// The name of the app, where it has one.
    pub app: Option<&'a str>,
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

/// A limit that was passed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct LimitExceeded<'a> {
    /// The name of the app, where it has one.
    pub app: Option<&'a str>,
    /// Which.
    pub limit: Exceeded,
    /// The route of the request that is to blame, or whose module it was, where that is known.
    pub route: Option<&'a str>,
    /// That request.
    pub request: Option<RequestId>,
    /// What came of it.
    pub consequence: Consequence,
}

/// What comes of a limit that was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Consequence {
    /// The request is answered with an error; its isolate goes on.
    Answer,
    /// The answer, a stream, is cut.
    Stream,
    /// Nobody waits any more for a task of `after()` or `waitUntil()`.
    Task,
    /// The module does not load, see [`Event::Module`].
    Module,
    /// The isolate is replaced, see [`Event::Isolate`].
    Isolate,
}

/// What became of an isolate.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct IsolateChanged<'a> {
    /// The name of the app, where it has one.
    pub app: Option<&'a str>,
    /// `nodejs` or `edge`: the routes that it runs.
    pub runtime: &'static str,
    /// What.
    pub change: IsolateChange<'a>,
}

/// A moment of an isolate's life.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum IsolateChange<'a> {
    /// It is ready.
    Started {
        /// How long that took.
        took: Duration,
    },
    /// It takes no more requests, and ends when those in it are done: a successor, or another version, has
    /// taken over, or nobody has used it for long.
    Retired {
        /// How many requests are in it.
        in_flight: usize,
    },
    /// It passed a limit, or native code panicked in it: it is replaced, and the requests in
    /// it fail.
    Condemned {
        /// The limit; none after a panic.
        limit: Option<Exceeded>,
        /// The route of the request that is to blame, where that is known.
        route: Option<&'a str>,
        /// That request.
        request: Option<RequestId>,
        /// How many other requests failed with it.
        siblings: usize,
    },
    /// It is gone.
    Ended {
        /// How many requests it has answered.
        served: u64,
    },
}

/// A module that did not load.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ModuleFailed<'a> {
    /// The name of the app, where it has one.
    pub app: Option<&'a str>,
    /// The pattern of the route.
    pub route: &'a str,
    /// Its file, relative to the project.
    pub file: &'a str,
    /// The request that asked for it first.
    pub request: Option<RequestId>,
    /// The limit that it passed; none where it threw.
    pub limit: Option<Exceeded>,
    /// What it threw, with the lines of code; none where it passed a limit.
    pub error: Option<&'a str>,
}

/// A version that has taken over.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct VersionReplaced<'a> {
    /// The name of the app, where it has one.
    pub app: Option<&'a str>,
    /// Its number, as [`Outcome::version`](crate::Outcome::version).
    pub version: u64,
    /// From the wish to the moment from which on it gets all requests.
    pub took: Duration,
}

/// A thread that does not come back from native code: its clients' connections were closed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ThreadWrittenOff {
    /// The shard whose thread it was, counted from 0.
    pub shard: usize,
    /// How many threads of the host have been written off by now.
    pub count: usize,
    /// How many may be.
    pub most: usize,
    /// Whether a fresh thread has taken its place.
    pub is_replaced: bool,
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
                app = ended.app,
                method = ended.method,
                path = ended.path,
                route = ended.route,
                status = ended.status,
                error = ended.error,
                ms = millis(ended.took),
                cpu_ms = millis(ended.cpu),
                memory = ended.memory,
                bytes = ended.bytes,
                received = ended.received,
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
            Event::Console(Printed { app, level, is_uncaught, text, route, request, x_request_id }) => {
                let route = route.unwrap_or_default();
                let request = request.map(|id| id.to_string()).unwrap_or_default();
                macro_rules! emit {
                    ($target:expr, $level:expr) => {
                        tracing::event!(target: $target, $level, app, route, request, x_request_id, "{text}")
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
            // Told by the host itself, with more words.
            Event::Limit(_) | Event::Isolate(_) | Event::Module(_) | Event::Version(_) | Event::Thread(_) => {
            }
        }
    }
}

/// Milliseconds with three digits after the point.
fn millis(took: Duration) -> f64 {
    (took.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
