//! Ceilings, their defaults, and which of them an invocation ran into.
//!
//! Values only. The same table serves flags, configuration and the reference
//! page in the README, so that they cannot differ.

use std::fmt;
use std::time::Duration;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Every ceiling of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Longest time from the request's head to the end of its answer, unless the
    /// route exports `maxDuration`. Default 30 s.
    pub wall: Duration,
    /// Most that `maxDuration` may ask for. Default 300 s.
    pub max_wall: Duration,
    /// Longest time to the head of the answer, for routes without `maxDuration`. Default 25 s.
    pub first_byte: Duration,
    /// CPU time of one invocation. Default 10 s.
    pub cpu: Duration,
    /// CPU time of loading one route module. Default 5 s.
    pub startup_cpu: Duration,
    /// Longest time of loading one route module, with its top-level `await`. Default 10 s.
    pub startup_wall: Duration,
    /// Heap, buffers and WebAssembly memory of one isolate, in bytes. Default 128 MiB.
    pub memory: u64,
    /// Request body, in bytes. Default 4.5 MiB.
    pub request_body: u64,
    /// Longest silence while a request body arrives. Default 30 s.
    pub body_idle: Duration,
    /// Path and query, in bytes. Default 16 KiB.
    pub url: usize,
    /// Head of a request, in bytes. Default 64 KiB.
    pub headers: usize,
    /// Header lines of a request. Default 100.
    pub header_count: usize,
    /// Longest time until the head of a request is complete; also how long a
    /// connection may idle between requests. Default 10 s.
    pub header_read: Duration,
    /// Longest time that a client may leave an answer unread. Default 60 s.
    pub write_stall: Duration,
    /// Handlers that run at the same time in one isolate, until their answer begins. Default 256.
    pub concurrency: usize,
    /// Requests that wait for such a place, per isolate. Default 1024.
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
            wall: Duration::from_secs(30),
            max_wall: Duration::from_secs(300),
            first_byte: Duration::from_secs(25),
            cpu: Duration::from_secs(10),
            startup_cpu: Duration::from_secs(5),
            startup_wall: Duration::from_secs(10),
            memory: 128 * MIB,
            request_body: 4 * MIB + 512 * KIB,
            body_idle: Duration::from_secs(30),
            url: 16 * 1024,
            headers: 64 * 1024,
            header_count: 100,
            header_read: Duration::from_secs(10),
            write_stall: Duration::from_secs(60),
            concurrency: 256,
            queue: 1024,
            sockets: 1024,
            connections: 16 * 1024,
            grace: Duration::from_secs(10),
            recycle_after: 0,
        }
    }
}

impl Limits {
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

impl Exceeded {
    pub(crate) const ALL: [Self; 3] = [Self::Cpu, Self::Wall, Self::Memory];
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
