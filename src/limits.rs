//! Ceilings, their defaults and bounds, and which of them an invocation ran into.
//!
//! Values only. Flags, configuration and the table of the README are compared with
//! [`Limits::entries`], so that they cannot differ.

use std::fmt;
use std::time::Duration;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// Every ceiling of a host.
///
/// ```
/// use std::time::Duration;
/// use edgehost::Limits;
///
/// let mut limits = Limits::default().with_wall(Duration::from_secs(30)).with_memory(256 << 20);
/// limits.cpu = Duration::from_secs(1);
/// let builder = edgehost::EdgeHost::builder("./my-project").limits(limits);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Longest time from the request's head to the end of its answer. A route's
    /// `maxDuration` takes its place, be it shorter or longer. Default 5 minutes.
    pub wall: Duration,
    /// Most that `maxDuration` may ask for. Default 800 s.
    pub max_wall: Duration,
    /// Longest time to the head of the answer. A route that exports `maxDuration` has
    /// all of that time for its head. Default 25 s.
    pub first_byte: Duration,
    /// CPU time of one invocation, and once more of its work after the answer. Default 10 s.
    pub cpu: Duration,
    /// Longest time of work after the answer: `after()`, `waitUntil()`, timers, what is still
    /// fetched. Default 30 s.
    pub after: Duration,
    /// CPU time of loading one route module. Default 10 s.
    pub startup_cpu: Duration,
    /// Longest time of loading one route module, with its top-level `await`. Default 30 s.
    pub startup_wall: Duration,
    /// Heap, buffers and WebAssembly memory of one isolate, in bytes. Default 512 MiB.
    pub memory: u64,
    /// Request body, in bytes. Default 4.5 MiB.
    pub request_body: u64,
    /// Longest silence of a client whose request body a handler waits for. Default 30 s.
    pub body_idle: Duration,
    /// Bytes a second that a client has to send of a request body, and to take of an answer,
    /// on average while it is waited for. One that is slower is given less and less of
    /// [`Self::body_idle`] and [`Self::write_stall`]. With 0, one byte is enough. Default 1 KiB.
    pub min_rate: u64,
    /// Path and query, in bytes. Default 16 KiB.
    pub url: usize,
    /// Head of a request, in bytes. Default 64 KiB.
    pub headers: usize,
    /// Header lines of a request. Default 100.
    pub header_count: usize,
    /// Longest time until the head of a request is complete once it has begun. Default 10 s.
    pub header_read: Duration,
    /// How long a connection may be open without a request. Default 75 s: longer than the
    /// 60 s that load balancers keep theirs, so that they are not closed under a request.
    pub keep_alive: Duration,
    /// Longest time that a client may leave an answer unread that is there to be read. Default 60 s.
    pub write_stall: Duration,
    /// Bytes of answers that clients have not taken yet, of all connections. Beyond it, those
    /// with the slowest clients are cut. At most half of the memory budget. Default 256 MiB.
    pub unsent: u64,
    /// Handlers that run at the same time in one isolate, until their answer begins. Default 256.
    pub concurrency: usize,
    /// Requests that wait until one more may run, per isolate. Default 1024.
    pub queue: usize,
    /// Sockets that one isolate may have open, of `fetch`, WebSockets, `node:net` and what is
    /// built on it. More fail with `EMFILE`. Default 1024.
    pub sockets: usize,
    /// Open connections of the host. Default 16384.
    pub connections: usize,
    /// How long requests may finish after a shutdown began. Default 10 s.
    pub grace: Duration,
    /// Requests after which an isolate is replaced; 0 for never. Default 0.
    pub recycle_after: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(300),
            max_wall: Duration::from_secs(800),
            first_byte: Duration::from_secs(25),
            cpu: Duration::from_secs(10),
            after: Duration::from_secs(30),
            startup_cpu: Duration::from_secs(10),
            startup_wall: Duration::from_secs(30),
            memory: 512 * MIB,
            request_body: 4 * MIB + 512 * KIB,
            body_idle: Duration::from_secs(30),
            min_rate: KIB,
            url: 16 * 1024,
            headers: 64 * 1024,
            header_count: 100,
            header_read: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            write_stall: Duration::from_secs(60),
            unsent: 256 * MIB,
            concurrency: 256,
            queue: 1024,
            sockets: 1024,
            connections: 16 * 1024,
            grace: Duration::from_secs(10),
            recycle_after: 0,
        }
    }
}

/// A setter for each limit.
macro_rules! setters {
    ($($setter:ident: $field:ident, $kind:ty;)*) => {
        /// Each limit can be set by its field, or one after the other.
        impl Limits {
            $(
                #[doc = concat!("Sets [`Limits::", stringify!($field), "`].")]
                #[must_use]
                pub fn $setter(mut self, $field: $kind) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}

setters! {
    with_wall: wall, Duration;
    with_max_wall: max_wall, Duration;
    with_first_byte: first_byte, Duration;
    with_cpu: cpu, Duration;
    with_after: after, Duration;
    with_startup_cpu: startup_cpu, Duration;
    with_startup_wall: startup_wall, Duration;
    with_memory: memory, u64;
    with_request_body: request_body, u64;
    with_body_idle: body_idle, Duration;
    with_min_rate: min_rate, u64;
    with_url: url, usize;
    with_headers: headers, usize;
    with_header_count: header_count, usize;
    with_header_read: header_read, Duration;
    with_keep_alive: keep_alive, Duration;
    with_write_stall: write_stall, Duration;
    with_unsent: unsent, u64;
    with_concurrency: concurrency, usize;
    with_queue: queue, usize;
    with_sockets: sockets, usize;
    with_connections: connections, usize;
    with_grace: grace, Duration;
    with_recycle_after: recycle_after, u64;
}

/// Least time that a limit may be: the watchdog looks every few milliseconds.
const LEAST_TIME: Duration = Duration::from_millis(1);
/// Most: beyond it, points in time cannot be reckoned with on every system.
const MOST_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Least memory in which V8 starts an isolate of the Node layer and loads something
/// into it. With less it ends the process.
pub(crate) const LEAST_MEMORY: u64 = 32 * MIB;
/// Most: V8 takes no larger heap.
const MOST_MEMORY: u64 = 1024 * GIB;
/// Most bytes a second: about what a gigabit line carries.
const MOST_RATE: u64 = 128 * MIB;
/// Most of what is counted; queues and semaphores hold no more.
const MOST: u64 = u32::MAX as u64;
/// Most bytes and lines of a head: the map that holds its lines panics beyond 24,576 of
/// them, and each takes 32 bytes in HTTP/2.
const MOST_HEADERS: u64 = 512 * KIB;
const MOST_HEADER_COUNT: u64 = 16 * 1024;

/// A limit as it is written.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Value {
    Time(Duration),
    Size(u64),
    Count(u64),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Time(time) => {
                let seconds = time.as_secs();
                let whole =
                    |unit| time.subsec_nanos() == 0 && seconds >= unit && seconds.is_multiple_of(unit);
                let units = [(24 * 60 * 60, "d"), (60 * 60, "h"), (60, "m")];
                match units.into_iter().find(|(unit, _)| whole(*unit)) {
                    Some((unit, name)) => write!(f, "{}{name}", seconds / unit),
                    None => write!(f, "{time:?}"),
                }
            }
            Self::Size(bytes) => {
                let units = [(GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")];
                let halves = |unit: u64| bytes >= unit && bytes.is_multiple_of(unit / 2);
                match units.into_iter().find(|(unit, _)| halves(*unit)) {
                    Some((unit, name)) if bytes.is_multiple_of(unit) => write!(f, "{}{name}", bytes / unit),
                    Some((unit, name)) => write!(f, "{}.5{name}", bytes / unit),
                    None => write!(f, "{bytes}B"),
                }
            }
            Self::Count(count) => write!(f, "{count}"),
        }
    }
}

/// A limit, its flag, and between what it works.
struct Entry {
    flag: &'static str,
    value: Value,
    least: Value,
    most: Value,
}

impl Limits {
    /// Every limit by the name of its flag, with its value as it is written there.
    pub fn entries(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.table().into_iter().map(|entry| (entry.flag, entry.value.to_string()))
    }

    /// A sentence for each limit that cannot work, with the flag and the nearest value that does.
    pub(crate) fn problems(&self) -> Vec<String> {
        let problem = |Entry { flag, value, least, most }: Entry| {
            if value < least {
                Some(format!("--{flag} is {value}: it must be at least {least}"))
            } else if value > most {
                Some(format!("--{flag} is {value}: it must be at most {most}"))
            } else {
                None
            }
        };
        self.table().into_iter().filter_map(problem).collect()
    }

    fn table(&self) -> [Entry; 24] {
        use Value::{Count, Size, Time};
        let entry = |flag, value, least, most| Entry { flag, value, least, most };
        let time = |flag, value| entry(flag, Time(value), Time(LEAST_TIME), Time(MOST_TIME));
        let count = |flag, value: usize, least| entry(flag, Count(value as u64), Count(least), Count(MOST));
        [
            time("limit-wall", self.wall),
            time("limit-max-wall", self.max_wall),
            time("limit-first-byte", self.first_byte),
            time("limit-cpu", self.cpu),
            time("limit-after", self.after),
            time("limit-startup-cpu", self.startup_cpu),
            time("limit-startup-wall", self.startup_wall),
            entry("limit-memory", Size(self.memory), Size(LEAST_MEMORY), Size(MOST_MEMORY)),
            entry("limit-request-body", Size(self.request_body), Size(0), Size(u64::MAX)),
            time("limit-body-idle", self.body_idle),
            entry("limit-min-rate", Size(self.min_rate), Size(0), Size(MOST_RATE)),
            entry("limit-url", Size(self.url as u64), Size(1), Size(u64::MAX)),
            entry("limit-headers", Size(self.headers as u64), Size(KIB), Size(MOST_HEADERS)),
            entry("limit-header-count", Count(self.header_count as u64), Count(1), Count(MOST_HEADER_COUNT)),
            time("limit-header-read", self.header_read),
            time("limit-keep-alive", self.keep_alive),
            time("limit-write-stall", self.write_stall),
            entry("limit-unsent", Size(self.unsent), Size(MIB), Size(u64::MAX)),
            count("limit-concurrency", self.concurrency, 1),
            count("limit-queue", self.queue, 0),
            count("limit-sockets", self.sockets, 0),
            count("limit-connections", self.connections, 1),
            entry("limit-grace", Time(self.grace), Time(Duration::ZERO), Time(MOST_TIME)),
            entry("recycle-after", Count(self.recycle_after), Count(0), Count(u64::MAX)),
        ]
    }

    /// The wall limit of a route that asks for `max_duration` seconds, or for none.
    pub fn wall_of(&self, max_duration: Option<u32>) -> Duration {
        match max_duration {
            Some(seconds) => Duration::from_secs(u64::from(seconds)).min(self.max_wall),
            None => self.wall,
        }
    }

    /// The limit on the time to the head of the answer for such a route.
    pub fn first_byte_of(&self, max_duration: Option<u32>) -> Duration {
        match max_duration {
            Some(_) => self.wall_of(max_duration),
            None => self.first_byte.min(self.wall),
        }
    }
}

/// Which limit an invocation ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exceeded {
    /// [`Limits::cpu`], or [`Limits::startup_cpu`] while a module loads.
    Cpu,
    /// [`Limits::wall`], [`Limits::first_byte`] or the route's `maxDuration`.
    Wall,
    /// [`Limits::memory`].
    Memory,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "CPU time",
            Self::Wall => "wall time",
            Self::Memory => "memory",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_flags_take_them() {
        for (value, written) in [
            (Value::Time(Duration::from_secs(300)), "5m"),
            (Value::Time(Duration::from_secs(7200)), "2h"),
            (Value::Time(Duration::from_secs(75)), "75s"),
            (Value::Time(Duration::from_millis(1500)), "1.5s"),
            (Value::Time(Duration::from_millis(20)), "20ms"),
            (Value::Size(4 * MIB + 512 * KIB), "4.5MiB"),
            (Value::Size(512 * MIB), "512MiB"),
            (Value::Size(64), "64B"),
            (Value::Size(512), "512B"),
            (Value::Size(1000), "1000B"),
            (Value::Size(0), "0B"),
            (Value::Count(7), "7"),
        ] {
            assert_eq!(value.to_string(), written);
        }
    }

    #[test]
    fn the_defaults_work_and_every_limit_beyond_its_bounds_is_named() {
        assert_eq!(Limits::default().problems(), Vec::<String>::new());
        let none = Limits {
            wall: Duration::ZERO,
            cpu: Duration::ZERO,
            memory: 64,
            headers: 0,
            header_count: 1_000_000,
            keep_alive: Duration::MAX,
            min_rate: u64::MAX,
            concurrency: 0,
            queue: usize::MAX,
            connections: 0,
            ..Limits::default()
        };
        assert_eq!(
            none.problems(),
            [
                "--limit-wall is 0ns: it must be at least 1ms",
                "--limit-cpu is 0ns: it must be at least 1ms",
                "--limit-memory is 64B: it must be at least 32MiB",
                "--limit-min-rate is 18446744073709551615B: it must be at most 128MiB",
                "--limit-headers is 0B: it must be at least 1KiB",
                "--limit-header-count is 1000000: it must be at most 16384",
                "--limit-keep-alive is 18446744073709551615.999999999s: it must be at most 365d",
                "--limit-concurrency is 0: it must be at least 1",
                "--limit-queue is 18446744073709551615: it must be at most 4294967295",
                "--limit-connections is 0: it must be at least 1",
            ]
        );
    }
}
