//! The log: a bounded queue, and the thread that formats and writes what is in it.
//!
//! A thread that serves requests copies values into memory that is there already, under a
//! lock that is held for some dozen nanoseconds, and wakes the writer only where it
//! sleeps for want of lines. Whatever becomes of the output (a pipe that nobody reads, a
//! full disk), the price is lines, never an answer: what does not fit is counted, and the
//! count is written as soon as that is possible.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::{Condvar, Mutex};
use tracing::Level;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::lines::{Lines, Message, Value};
use super::{CONSOLE, ERROR, Event, Filter, Observer, Printed, RequestEnded, RequestId};

/// Most lines that wait to be written.
const MOST_LINES: usize = 16 * 1024;
/// Most bytes of text in them.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Share of both that access lines and user code may fill: one in so many parts is left
/// to what the host has to say.
const KEPT: usize = 8;
/// Longest text of one line; what is beyond is cut off and counted.
const MOST_TEXT: usize = 256 * 1024;
/// Longest path, and longest name of a client's program.
const MOST_PATH: usize = 4 * 1024;
const MOST_AGENT: usize = 512;

/// Memory for waiting lines that is kept from one burst to the next.
const IDLE_LINES: usize = 4 * 1024;
const IDLE_BYTES: usize = 512 * 1024;

/// How long the writer collects lines after it has written some.
const PAUSE: Duration = Duration::from_millis(10);
/// Bytes that are handed to the system at once.
const CHUNK: usize = 64 * 1024;

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

/// A log that is written by a thread of its own.
///
/// It is an [`Observer`] for hosts and a [`Layer`] for `tracing`. Cheap to clone; the
/// thread ends when the last clone is gone and all is written.
#[derive(Clone)]
pub struct Log(Arc<Handle>);

struct Handle {
    queue: Arc<Queue>,
    filter: Filter,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("filter", &self.0.filter).finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.state.lock().is_closing = true;
        self.queue.arrived.notify_one();
    }
}

impl Log {
    /// A log on standard error.
    ///
    /// # Errors
    ///
    /// When standard error cannot be used or no thread can be had.
    pub fn to_stderr(format: LogFormat, filter: Filter) -> io::Result<Self> {
        Self::to(io::stderr().as_fd(), format, filter)
    }

    /// A log on standard output.
    ///
    /// # Errors
    ///
    /// When standard output cannot be used or no thread can be had.
    pub fn to_stdout(format: LogFormat, filter: Filter) -> io::Result<Self> {
        Self::to(io::stdout().as_fd(), format, filter)
    }

    fn to(out: BorrowedFd<'_>, format: LogFormat, filter: Filter) -> io::Result<Self> {
        // A descriptor of its own: whoever holds the lock of the standard library's stream
        // would hold back everybody who prints while the output does not move.
        Self::new(File::from(out.try_clone_to_owned()?), format, filter)
    }

    fn new(out: impl Write + Send + 'static, format: LogFormat, filter: Filter) -> io::Result<Self> {
        let queue = Arc::<Queue>::default();
        let writer = Writer {
            queue: queue.clone(),
            out,
            lines: Lines::new(format),
            buffer: Vec::new(),
            is_torn: false,
        };
        std::thread::Builder::new().name("edgehost-log".to_owned()).spawn(move || writer.run())?;
        Ok(Self(Arc::new(Handle { queue, filter })))
    }

    /// Puts a text of the program's own among the lines, as it is.
    pub fn write(&self, text: &str) {
        self.0.queue.push(false, |batch| Kind::Plain(batch.keep(text)));
    }

    /// Waits until everything that is in the log by now is written, or given up because it
    /// cannot be; no longer than `patience`. Tells whether it came to that.
    pub fn flush(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let queue = &self.0.queue;
        let mut state = queue.state.lock();
        let goal = state.pushed;
        state.flushing += 1;
        queue.arrived.notify_one();
        while state.done < goal {
            if queue.written.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        state.flushing -= 1;
        state.done >= goal
    }
}

impl Observer for Log {
    fn wants_requests(&self) -> bool {
        self.0.filter.lets_pass(super::ACCESS, Level::INFO)
    }

    fn observe(&self, event: Event<'_>) {
        let Handle { queue, filter } = &*self.0;
        match event {
            Event::Request(ended) => queue.push(true, |batch| Kind::Request(Request::of(&ended, batch))),
            Event::Console(printed) => {
                if filter.lets_pass(target(&printed), printed.level) {
                    queue.push(true, |batch| Kind::Console(Console::of(&printed, batch)));
                }
            }
            // These come by `tracing`.
            Event::Limit(_) | Event::Isolate(_) | Event::Module(_) | Event::Version(_) | Event::Thread(_) => {
            }
        }
    }
}

/// What a text of user code is filtered by.
pub(super) fn target(printed: &Printed<'_>) -> &'static str {
    if printed.is_uncaught { ERROR } else { CONSOLE }
}

impl<S: tracing::Subscriber> Layer<S> for Log {
    fn register_callsite(
        &self,
        metadata: &'static tracing::Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        if self.0.filter.lets_pass(metadata.target(), *metadata.level()) {
            tracing::subscriber::Interest::always()
        } else {
            tracing::subscriber::Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0.filter.highest())
    }

    fn enabled(&self, metadata: &tracing::Metadata<'_>, _context: Context<'_, S>) -> bool {
        self.0.filter.lets_pass(metadata.target(), *metadata.level())
    }

    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.0.queue.push(false, |batch| Kind::Message {
            level: *metadata.level(),
            target: fields.target.map_or(Cow::Borrowed(metadata.target()), Cow::Owned),
            text: batch.keep_text(&fields.message),
            fields: fields.others,
        });
    }
}

/// The fields of a `tracing` event.
#[derive(Default)]
struct Fields {
    message: String,
    /// That of a record of the `log` crate.
    target: Option<String>,
    others: Vec<(&'static str, Value)>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            "log.target" => self.target = Some(value.to_owned()),
            "log.module_path" | "log.file" | "log.line" => {}
            name => self.others.push((name, Value::Text(value.to_owned()))),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.others.push((field.name(), Value::Float(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.others.push((field.name(), Value::Signed(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "log.line" {
            return;
        }
        self.others.push((field.name(), Value::Unsigned(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.others.push((field.name(), Value::Bool(value)));
    }
}

/// Lines on their way to the writer.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    /// The writer waits for lines.
    arrived: Condvar,
    /// Others wait for the writer.
    written: Condvar,
}

#[derive(Default)]
struct State {
    batch: Batch,
    /// Lines that were ever taken, and those that the writer is done with.
    pushed: u64,
    done: u64,
    /// The writer sleeps until it is woken.
    is_parked: bool,
    /// How many wait until all is written.
    flushing: usize,
    is_closing: bool,
}

impl Queue {
    /// Takes a line, unless there is no room. `make` copies its texts.
    fn push(&self, is_of_users: bool, make: impl FnOnce(&mut Batch) -> Kind) {
        let at = SystemTime::now();
        let mut state = self.state.lock();
        let kept = if is_of_users { KEPT } else { usize::MAX };
        if state.batch.lines.len() >= MOST_LINES - MOST_LINES / kept
            || state.batch.text.len() >= MOST_BYTES - MOST_BYTES / kept
        {
            state.batch.lost += 1;
            return;
        }
        let kind = make(&mut state.batch);
        state.batch.lines.push(Line { at, kind });
        state.pushed += 1;
        let wake = std::mem::take(&mut state.is_parked);
        drop(state);
        if wake {
            self.arrived.notify_one();
        }
    }
}

/// Lines, with all of their texts in one piece of memory.
#[derive(Default)]
struct Batch {
    lines: Vec<Line>,
    text: String,
    /// Lines for which there was no room.
    lost: u64,
}

struct Line {
    at: SystemTime,
    kind: Kind,
}

enum Kind {
    Request(Request),
    Console(Console),
    Message { level: Level, target: Cow<'static, str>, text: Text, fields: Vec<(&'static str, Value)> },
    Plain(Span),
}

/// A piece of a batch's text.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    length: u32,
}

/// A text that may have been cut.
#[derive(Clone, Copy)]
struct Text {
    kept: Span,
    cut: usize,
}

/// The values of a [`RequestEnded`].
struct Request {
    app: Option<Span>,
    request: RequestId,
    x_request_id: Option<Span>,
    method: Span,
    path: Span,
    route: Option<Span>,
    status: u16,
    error: Option<Span>,
    took: Duration,
    cpu: Duration,
    memory: u64,
    bytes: u64,
    received: u64,
    aborted: bool,
    client: Option<IpAddr>,
    user_agent: Option<Span>,
}

impl Request {
    fn of(ended: &RequestEnded<'_>, batch: &mut Batch) -> Self {
        Self {
            app: ended.app.map(|app| batch.keep(start(app, MOST_AGENT))),
            request: ended.request,
            x_request_id: ended.x_request_id.map(|id| batch.keep(id)),
            method: batch.keep(ended.method),
            path: batch.keep(start(ended.path, MOST_PATH)),
            route: ended.route.map(|route| batch.keep(start(route, MOST_PATH))),
            status: ended.status,
            error: ended.error.map(|code| batch.keep(code)),
            took: ended.took,
            cpu: ended.cpu,
            memory: ended.memory,
            bytes: ended.bytes,
            received: ended.received,
            aborted: ended.aborted,
            client: ended.client,
            user_agent: ended.user_agent.map(|agent| batch.keep(start(agent, MOST_AGENT))),
        }
    }
}

/// The values of a [`Printed`].
struct Console {
    app: Option<Span>,
    level: Level,
    is_uncaught: bool,
    text: Text,
    route: Option<Span>,
    request: Option<RequestId>,
    x_request_id: Option<Span>,
}

impl Console {
    fn of(printed: &Printed<'_>, batch: &mut Batch) -> Self {
        Self {
            app: printed.app.map(|app| batch.keep(start(app, MOST_AGENT))),
            level: printed.level,
            is_uncaught: printed.is_uncaught,
            text: batch.keep_text(printed.text),
            route: printed.route.map(|route| batch.keep(start(route, MOST_PATH))),
            request: printed.request,
            x_request_id: printed.x_request_id.map(|id| batch.keep(id)),
        }
    }
}

/// The first bytes of a text, whole characters.
fn start(text: &str, most: usize) -> &str {
    if text.len() <= most { text } else { &text[..text.floor_char_boundary(most)] }
}

impl Batch {
    fn keep(&mut self, text: &str) -> Span {
        // Neither passes 4 GiB: `MOST_BYTES` and the bounds of single texts.
        let place = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let span = Span { start: place(self.text.len()), length: place(text.len()) };
        self.text.push_str(text);
        span
    }

    fn keep_text(&mut self, text: &str) -> Text {
        let kept = start(text, MOST_TEXT);
        Text { kept: self.keep(kept), cut: text.len() - kept.len() }
    }

    fn get(&self, span: Span) -> &str {
        let start = span.start as usize;
        self.text.get(start..start + span.length as usize).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.lost == 0
    }

    fn clear(&mut self) {
        self.lines.clear();
        self.text.clear();
        self.lost = 0;
        self.lines.shrink_to(IDLE_LINES);
        self.text.shrink_to(IDLE_BYTES);
    }

    /// Appends a line as people or programs read it.
    fn format(&self, line: &Line, lines: &mut Lines, out: &mut Vec<u8>) {
        let Line { at, kind } = line;
        let text = |text: &Text| (self.get(text.kept), text.cut);
        match kind {
            Kind::Request(request) => {
                let ended = RequestEnded {
                    app: request.app.map(|span| self.get(span)),
                    request: request.request,
                    x_request_id: request.x_request_id.map(|span| self.get(span)),
                    method: self.get(request.method),
                    path: self.get(request.path),
                    route: request.route.map(|span| self.get(span)),
                    status: request.status,
                    error: request.error.map(|span| self.get(span)),
                    limit: None,
                    version: None,
                    took: request.took,
                    cpu: request.cpu,
                    memory: request.memory,
                    bytes: request.bytes,
                    received: request.received,
                    aborted: request.aborted,
                    client: request.client,
                    user_agent: request.user_agent.map(|span| self.get(span)),
                };
                lines.request(out, *at, &ended);
            }
            Kind::Console(console) => {
                let (text, cut) = text(&console.text);
                let printed = Printed {
                    app: console.app.map(|span| self.get(span)),
                    level: console.level,
                    is_uncaught: console.is_uncaught,
                    text,
                    route: console.route.map(|span| self.get(span)),
                    request: console.request,
                    x_request_id: console.x_request_id.map(|span| self.get(span)),
                };
                lines.console(out, *at, &printed, cut);
            }
            Kind::Message { level, target, text: message, fields } => {
                let (text, cut) = text(message);
                lines.message(out, *at, &Message { level: *level, target, text, cut, fields });
            }
            Kind::Plain(span) => {
                out.extend_from_slice(self.get(*span).as_bytes());
                if out.last() != Some(&b'\n') {
                    out.push(b'\n');
                }
            }
        }
    }
}

/// The thread's own things.
struct Writer<W> {
    queue: Arc<Queue>,
    out: W,
    lines: Lines,
    buffer: Vec<u8>,
    /// The output ends in the middle of a line.
    is_torn: bool,
}

impl<W: Write> Writer<W> {
    fn run(mut self) {
        let queue = self.queue.clone();
        let mut batch = Batch::default();
        let mut lost = 0;
        let mut state = queue.state.lock();
        loop {
            while state.batch.is_empty() {
                if state.is_closing {
                    return;
                }
                state.is_parked = true;
                queue.arrived.wait(&mut state);
            }
            state.is_parked = false;
            std::mem::swap(&mut state.batch, &mut batch);
            drop(state);
            lost = self.write(&batch, lost + batch.lost);
            let written = batch.lines.len() as u64;
            batch.clear();
            state = queue.state.lock();
            state.done += written;
            if state.flushing > 0 {
                queue.written.notify_all();
            } else if !state.is_closing {
                // Whoever comes now finds the writer awake and need not wake it.
                queue.arrived.wait_for(&mut state, PAUSE);
            }
        }
    }

    /// Writes a batch; tells how many lines are lost by now and not told of.
    fn write(&mut self, batch: &Batch, mut lost: u64) -> u64 {
        let mut lines = batch.lines.iter();
        // Where the lines in the buffer end, and how many each stands for.
        let mut ends = Vec::new();
        loop {
            self.buffer.clear();
            ends.clear();
            if self.is_torn {
                self.buffer.push(b'\n');
            }
            if lost > 0 {
                let text = format!(
                    "{lost} lines of the log are lost: nobody read them in time, or they could not be written"
                );
                let fields = [("lost", Value::Unsigned(lost))];
                let message = Message {
                    level: Level::WARN,
                    target: "edgehost::log",
                    text: &text,
                    cut: 0,
                    fields: &fields,
                };
                self.lines.message(&mut self.buffer, SystemTime::now(), &message);
                ends.push((self.buffer.len(), lost));
            }
            while self.buffer.len() < CHUNK
                && let Some(line) = lines.next()
            {
                batch.format(line, &mut self.lines, &mut self.buffer);
                ends.push((self.buffer.len(), 1));
            }
            if ends.is_empty() {
                return lost;
            }
            let written = self.put();
            lost = ends.iter().filter(|(end, _)| *end > written).map(|(_, count)| count).sum();
            if self.buffer.capacity() > 4 * CHUNK {
                self.buffer = Vec::new();
            }
            if lines.len() == 0 {
                return lost;
            }
        }
    }

    /// Hands the buffer to the system; tells how much of it was taken.
    fn put(&mut self) -> usize {
        let mut written = 0;
        while written < self.buffer.len() {
            match self.out.write(&self.buffer[written..]) {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Somebody has made the descriptor non-blocking.
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
                Err(_) => break,
            }
        }
        if written > 0 {
            self.is_torn = self.buffer[written - 1] != b'\n';
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output that tests open, close and look at.
    #[derive(Clone, Default)]
    struct Pipe {
        taken: Arc<Mutex<Vec<u8>>>,
        failure: Arc<Mutex<Option<ErrorKind>>>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut taken = self.taken.lock();
            if let Some(kind) = *self.failure.lock() {
                // Half a line, then nothing.
                if taken.last() != Some(&b'~') {
                    taken.extend_from_slice(b"half~");
                    return Ok(5.min(bytes.len()));
                }
                return Err(kind.into());
            }
            taken.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Pipe {
        fn text(&self) -> String {
            String::from_utf8_lossy(&self.taken.lock()).into_owned()
        }
    }

    const PATIENCE: Duration = Duration::from_secs(10);

    fn say(log: &Log, text: &str) {
        log.observe(Event::Console(Printed {
            app: None,
            level: Level::INFO,
            is_uncaught: false,
            text,
            route: None,
            request: None,
            x_request_id: None,
        }));
    }

    #[test]
    fn lines_come_out_in_order_and_whole() {
        let pipe = Pipe::default();
        let log = Log::new(pipe.clone(), LogFormat::Text, Filter::default()).expect("a thread");
        for number in 0..20_000 {
            say(&log, &format!("line {number}."));
            if number % 5000 == 0 {
                assert!(log.flush(PATIENCE));
            }
        }
        assert!(log.flush(PATIENCE));
        let text = pipe.text();
        let numbers: Vec<&str> =
            text.lines().filter_map(|line| line.split_once("line ")).map(|(_, n)| n).collect();
        assert_eq!(numbers.len() as u64 + lost(&text), 20_000);
        assert!(
            numbers.is_sorted_by_key(|number| number.trim_end_matches('.').parse::<u32>().expect("a number"))
        );
    }

    fn lost(text: &str) -> u64 {
        let lines = text
            .lines()
            .filter_map(|line| line.split_once(" lines of the log are lost")?.0.rsplit(' ').next());
        lines.map(|count| count.parse::<u64>().expect("a number")).sum()
    }

    #[test]
    fn a_full_disk_costs_lines_that_are_counted_once_there_is_room() {
        let pipe = Pipe::default();
        let log = Log::new(pipe.clone(), LogFormat::Text, Filter::default()).expect("a thread");
        *pipe.failure.lock() = Some(ErrorKind::StorageFull);
        for _ in 0..3 {
            say(&log, "gone");
            assert!(log.flush(PATIENCE), "given up counts as done");
        }
        *pipe.failure.lock() = None;
        say(&log, "back");
        assert!(log.flush(PATIENCE));
        let text = pipe.text();
        assert!(text.starts_with("half~\n"), "the torn line ends: {text}");
        assert_eq!(lost(&text), 3, "{text}");
        assert!(text.ends_with("back\n") && !text.contains("gone"), "{text}");
    }

    #[test]
    fn an_output_that_does_not_move_holds_nobody_up() {
        struct Stuck(Arc<Mutex<()>>, Pipe);
        impl Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _moves = self.0.lock();
                self.1.write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (gate, pipe) = (Arc::new(Mutex::new(())), Pipe::default());
        let log = Log::new(Stuck(gate.clone(), pipe.clone()), LogFormat::Json, Filter::default())
            .expect("a thread");
        let closed = gate.lock();
        for _ in 0..3 * MOST_LINES {
            say(&log, "x");
        }
        assert!(!log.flush(Duration::from_millis(50)));
        let bound = log.0.queue.state.lock().batch.lines.len();
        assert!(bound <= MOST_LINES - MOST_LINES / KEPT, "{bound}");
        log.write("{\"room\":\"for the host\"}");
        let huge = "y".repeat(MOST_BYTES + 1);
        say(&log, &huge);
        drop(closed);
        assert!(log.flush(PATIENCE));
        say(&log, "after");
        assert!(log.flush(PATIENCE));
        let text = pipe.text();
        assert!(text.contains("for the host") && text.contains("\"message\":\"after\""));
        // The huge one is kept if the writer came for the others only after they were refused.
        let kept = ["\"message\":\"x\"", "\"message\":\"yyy"].map(|start| text.matches(start).count() as u64);
        let kept: u64 = kept.iter().sum();
        let lost = text.lines().filter_map(|line| line.split_once("\"lost\":")?.1.split(['}', ',']).next());
        let lost: u64 = lost.map(|count| count.parse::<u64>().expect("a number")).sum();
        assert_eq!(kept + lost, 3 * MOST_LINES as u64 + 1, "every line is written or counted");
    }

    #[test]
    fn the_thread_ends_with_the_log() {
        let pipe = Pipe::default();
        let log = Log::new(pipe.clone(), LogFormat::Text, Filter::default()).expect("a thread");
        say(&log, "last");
        drop(log);
        let until = Instant::now() + PATIENCE;
        while Arc::strong_count(&pipe.taken) > 1 {
            assert!(Instant::now() < until, "the thread has not ended");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(pipe.text().ends_with("last\n"));
    }
}
