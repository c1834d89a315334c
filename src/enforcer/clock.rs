//! CPU clocks of threads, readable from other threads, and the memory of the process.

use std::time::Duration;

/// The CPU clock of one thread, and its count of page faults.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ThreadClock {
    #[cfg(target_os = "linux")]
    id: libc::clockid_t,
    #[cfg(target_os = "linux")]
    thread: libc::pid_t,
    #[cfg(not(target_os = "linux"))]
    start: std::time::Instant,
}

impl ThreadClock {
    /// The clock of the calling thread.
    #[cfg(target_os = "linux")]
    #[allow(unsafe_code, reason = "libc has no safe wrapper for this call")]
    pub(crate) fn current() -> Self {
        let mut id = 0;
        // SAFETY: `pthread_self` is always a live thread, and `id` outlives the call.
        let failed = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut id) };
        // SAFETY: no pointers are involved.
        let thread = unsafe { libc::gettid() };
        Self { id: if failed == 0 { id } else { libc::CLOCK_MONOTONIC }, thread }
    }

    /// Memory that the thread has touched for the first time since it began, in
    /// bytes: page faults times the size of a page.
    #[cfg(target_os = "linux")]
    pub(crate) fn touched(self) -> u64 {
        // proc(5): minflt is the tenth field, the eighth after the name in parentheses.
        let faults = || {
            let stat = std::fs::read_to_string(format!("/proc/self/task/{}/stat", self.thread)).ok()?;
            stat.rsplit_once(") ")?.1.split(' ').nth(7)?.parse::<u64>().ok()
        };
        faults().unwrap_or(0) * page_size()
    }

    /// Not known elsewhere.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn touched(self) -> u64 {
        0
    }

    /// The CPU time that the thread has used; zero once it has ended.
    #[cfg(target_os = "linux")]
    #[allow(unsafe_code, reason = "libc has no safe wrapper for this call")]
    pub(crate) fn read(self) -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` outlives the call; an id of a dead thread makes it fail, no more.
        if unsafe { libc::clock_gettime(self.id, &raw mut time) } != 0 {
            return Duration::ZERO;
        }
        Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
    }

    /// Elsewhere wall time stands in for CPU time, which is never less.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn current() -> Self {
        Self { start: std::time::Instant::now() }
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn read(self) -> Duration {
        self.start.elapsed()
    }
}

/// Memory of this process that is in RAM, in bytes; 0 where it cannot be told.
#[cfg(target_os = "linux")]
#[allow(clippy::disallowed_methods, reason = "/proc is not the user's file system")]
pub(crate) fn resident_memory() -> u64 {
    // proc(5): the second number of statm is the resident set in pages.
    let pages = || std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse::<u64>().ok();
    pages().unwrap_or(0) * page_size()
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "libc has no safe wrapper for this call")]
fn page_size() -> u64 {
    // SAFETY: no pointers are involved.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Not known elsewhere.
#[cfg(not(target_os = "linux"))]
pub(crate) fn resident_memory() -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Duration = Duration::from_millis(50);

    #[test]
    fn another_thread_reads_the_cpu_time_of_a_busy_one() {
        let (send, receive) = std::sync::mpsc::channel();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let busy = std::thread::spawn(move || {
            // Other tests may have the core for most of a while.
            let (own, start) = (ThreadClock::current(), std::time::Instant::now());
            while own.read() < BUSY && start.elapsed() < Duration::from_secs(10) {
                std::hint::black_box(0);
            }
            send.send(ThreadClock::current()).expect("sent");
            let _ = stopped.recv();
        });
        let clock = receive.recv().expect("a clock");
        let (here, read) = (ThreadClock::current().read(), clock.read());
        assert!(read >= BUSY && here < BUSY, "{read:?} of the busy thread, {here:?} of this one");
        drop(stop);
        busy.join().expect("joined");
    }
}
