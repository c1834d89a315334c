//! Threads that do not come back.
//!
//! JavaScript can be interrupted, functions of V8 and of native modules cannot:
//! `includes` over `{ length: 2 ** 53 }` goes on for as long as it likes. And what V8 or
//! Rust cannot recover from would end the whole process. A thread in either state is
//! *wedged*: it answers nobody any more, but others can be told, and its clients need not
//! wait for it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use deno_core::v8;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::watchdog::since_epoch;

/// For how long a look at a turn counts, in nanoseconds: the next one comes before that.
const HELD_FOR: u64 = 20_000_000;

/// The niceness of a thread that nobody waits for.
const LEAST_URGENT: libc::c_int = 19;

/// What others may know of a shard's thread without asking it.
pub(crate) struct Wedge {
    state: watch::Sender<bool>,
    /// Sockets of its clients, which are shut down in its place.
    sockets: Mutex<Table<RawFd>>,
    /// What it has of what all threads share, which is given back in its place.
    lent: Mutex<Table<Box<dyn Send>>>,
    /// The system's number for the thread.
    thread: AtomicI32,
    /// When one turn was last seen to go on and on there, in nanoseconds.
    held: AtomicU64,
}

struct Table<T> {
    held: HashMap<u64, T>,
    next: u64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { held: HashMap::new(), next: 0 }
    }
}

impl<T> Table<T> {
    fn add(&mut self, value: T) -> u64 {
        let number = self.next;
        self.next += 1;
        self.held.insert(number, value);
        number
    }
}

thread_local! {
    /// That of the calling thread, if it is a shard's.
    static OWN: RefCell<Option<Arc<Wedge>>> = const { RefCell::new(None) };
    /// Whether V8 has found its own state wrong on it.
    static IS_CORRUPT: Cell<bool> = const { Cell::new(false) };
}

impl Wedge {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: watch::Sender::new(false),
            sockets: Mutex::default(),
            lent: Mutex::default(),
            thread: AtomicI32::new(0),
            held: AtomicU64::new(0),
        })
    }

    /// The calling thread is the one that this tells of.
    #[allow(unsafe_code, reason = "gettid is a C function")]
    pub(crate) fn adopt(self: &Arc<Self>) {
        // SAFETY: it takes nothing and cannot fail.
        self.thread.store(unsafe { libc::gettid() }, Ordering::Relaxed);
        OWN.set(Some(self.clone()));
    }

    /// The thread will not come back: tells everybody, closes its connections, gives back what
    /// it was lent, and has it run when nobody else wants to.
    pub(crate) fn report(&self) {
        if self.state.send_replace(true) {
            return;
        }
        for descriptor in self.sockets.lock().held.values() {
            shut_down(*descriptor);
        }
        // Dropped without the lock: it may wake others.
        let lent = std::mem::take(&mut self.lent.lock().held);
        drop(lent);
        let thread = self.thread.load(Ordering::Relaxed);
        if thread > 0 {
            yield_to_others(thread);
        }
    }

    /// One turn goes on there, at this moment.
    pub(super) fn is_held_at(&self, now: u64) {
        self.held.store(now, Ordering::Relaxed);
    }

    /// Whether one turn has gone on there for a while, so that whatever comes has to wait.
    pub(crate) fn is_held(&self) -> bool {
        let held = self.held.load(Ordering::Relaxed);
        held != 0 && since_epoch(Instant::now()).saturating_sub(held) < HELD_FOR
    }

    pub(crate) fn is_wedged(&self) -> bool {
        *self.state.borrow()
    }

    /// Resolves when the thread is known not to come back.
    pub(crate) async fn wedged(&self) {
        let mut state = self.state.subscribe();
        // The sender is `self`.
        let _ = state.wait_for(|wedged| *wedged).await;
    }

    /// Puts a connection under the care of those who notice. What is returned must be
    /// dropped before the socket is closed.
    pub(crate) fn hold(self: &Arc<Self>, socket: &impl AsFd) -> HeldSocket {
        let number = self.sockets.lock().add(socket.as_fd().as_raw_fd());
        HeldSocket { wedge: self.clone(), number }
    }

    /// Has something given back when the thread is known not to come back, if not before.
    pub(crate) fn lend(self: &Arc<Self>, what: impl Send + 'static) -> Lent {
        let number = self.lent.lock().add(Box::new(what));
        Lent { wedge: self.clone(), number }
    }
}

#[allow(unsafe_code, reason = "a descriptor that is held open elsewhere")]
fn shut_down(descriptor: RawFd) {
    // SAFETY: it is in the table, so its `HeldSocket` lives, and with it the socket;
    // neither can go while the table is locked.
    let socket = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let _ = socket2::SockRef::from(&socket).shutdown(std::net::Shutdown::Both);
}

/// Gives a thread the least share of the processor.
#[allow(unsafe_code, reason = "setpriority is a C function")]
fn yield_to_others(thread: i32) {
    // SAFETY: it takes plain values. Should the thread be gone, it fails.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, thread.unsigned_abs(), LEAST_URGENT) };
}

/// What a thread has of what all share.
pub(crate) struct Lent {
    wedge: Arc<Wedge>,
    number: u64,
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Dropped without the lock: it may wake others.
        let lent = self.wedge.lent.lock().held.remove(&self.number);
        drop(lent);
    }
}

/// A connection of a shard's thread.
pub(crate) struct HeldSocket {
    wedge: Arc<Wedge>,
    number: u64,
}

impl Drop for HeldSocket {
    fn drop(&mut self) {
        self.wedge.sockets.lock().held.remove(&self.number);
    }
}

/// Stops the calling thread for good, where going on would end the process. Returns
/// if the thread is no shard's.
fn stop_here(why: &str) {
    let Some(own) = OWN.try_with(|own| own.try_borrow().ok()?.clone()).ok().flatten() else { return };
    tracing::error!("{why}: its thread is stopped, since nothing can bring it back");
    own.report();
    loop {
        std::thread::park();
    }
}

/// V8 would end the process after this. Other threads can go on.
#[allow(unsafe_code, reason = "V8 calls this from C++")]
pub(super) unsafe extern "C" fn on_out_of_memory(
    _location: *const std::ffi::c_char,
    details: &v8::OomDetails,
) {
    stop_here(if details.is_heap_oom {
        "an isolate needs more memory than V8 can get"
    } else {
        "an isolate asks for a piece of memory that V8 cannot make"
    });
}

/// Keeps panics inside native functions that JavaScript calls from ending the process.
///
/// Such a function cannot unwind into V8, so Rust aborts the process after such a panic.
/// With this hook the thread on which it happened is stopped instead: its clients see their connections
/// end, and [`EdgeHost::serve`](crate::EdgeHost::serve) returns
/// [`Error::Wedged`](crate::Error::Wedged) once other threads have finished their requests.
/// The hook that was there before is called first, for every panic.
///
/// Hooks belong to the process, so the library sets none by itself; `edgehost serve` does.
pub fn contain_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        before(info);
        // std's own words for the panic that comes before the abort.
        if info.payload_as_str() == Some("panic in a function that cannot unwind") {
            stop_here("a native function panicked");
        }
    }));
}

/// Keeps V8 from ending the process where it gives up on purpose, as it does where a list
/// would have more parts than a list can have.
///
/// V8 tells errors of no consequence to security from those by which it finds its own state
/// wrong. After one of the former the thread on which it happened is stopped, as by
/// [`contain_panics`]; the latter end the process as ever. V8 ends it by a trap, so
/// this sets a handler for `SIGTRAP`; traps on other threads go to the one that was there before.
///
/// Handlers of signals belong to the process, so the library sets none by itself; `edgehost
/// serve` does.
#[allow(unsafe_code, reason = "libc has no safe wrapper for this call")]
pub fn contain_fatal_errors() {
    v8::V8::set_fatal_error_handler(on_fatal_error);
    BEFORE.get_or_init(|| {
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_trap;
        // SAFETY: all zeros are a valid `sigaction`, without a handler and with an empty mask.
        let (mut action, mut before) = unsafe { std::mem::zeroed::<(libc::sigaction, libc::sigaction)>() };
        action.sa_sigaction = handler as libc::sighandler_t;
        // While it is handled, others of its kind are not held back: V8 has other threads.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
        // SAFETY: both outlive the call.
        let failed = unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, &raw mut before) };
        if failed == 0 { Before(Some(before)) } else { Before(None) }
    });
}

/// What happened at a trap before.
struct Before(Option<libc::sigaction>);

static BEFORE: OnceLock<Before> = OnceLock::new();

/// V8 is about to end the process because it finds its own state wrong. Errors without that
/// meaning do not come by here.
fn on_fatal_error(_file: &str, _line: i32, _message: &str) {
    IS_CORRUPT.set(true);
}

/// A trap is a place in the code: whatever the thread did is not in the midst of something that
/// this needs, such as an allocation.
#[allow(unsafe_code, reason = "the system calls this")]
extern "C" fn on_trap(signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the system hands over what it knows of the signal.
    let is_trap = unsafe { info.as_ref() }.is_some_and(|info| info.si_code > 0);
    if is_trap && !IS_CORRUPT.get() {
        stop_here("V8 gave up, for the reason above");
    }
    // SAFETY: what was set before is set again, and takes the same signal.
    unsafe {
        match BEFORE.get() {
            Some(Before(Some(before))) => libc::sigaction(signal, before, std::ptr::null_mut()),
            _ => libc::sigaction(signal, &std::mem::zeroed(), std::ptr::null_mut()),
        };
        libc::raise(signal);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn connections_of_a_thread_that_does_not_come_back_are_closed() {
        use std::io::Read;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut client =
            std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        client.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        let (kept, _) = listener.accept().expect("accepted");
        let (left, _) = {
            std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
            listener.accept().expect("accepted")
        };
        let wedge = Wedge::new();
        let _held = wedge.hold(&kept);
        drop(wedge.hold(&left));
        wedge.report();
        assert_eq!(client.read(&mut [0; 1]).expect("an end"), 0);
        assert_eq!(wedge.sockets.lock().held.len(), 1);
    }

    #[test]
    fn what_is_lent_comes_back_once() {
        let (wedge, lent) = (Wedge::new(), Arc::new(()));
        drop(wedge.lend(lent.clone()));
        assert_eq!(Arc::strong_count(&lent), 1);
        let held = wedge.lend(lent.clone());
        wedge.report();
        assert_eq!(Arc::strong_count(&lent), 1, "although its thread still holds it");
        drop(held);
    }
}
