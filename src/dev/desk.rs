//! What is known of an app while somebody works on it: what is wrong with it, and how its
//! routes do.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use edgehost_ext::message::{RequestId, StreamEnd, StreamWriter};
use parking_lot::Mutex;

use crate::bundle::Problem;
use crate::telemetry::{Event, Observer, RequestEnded};

/// Reports that are remembered until their answer is made, and the longest of them.
const MOST_REPORTS: usize = 64;
const LONGEST_REPORT: usize = 64 * 1024;
/// Routes whose requests are remembered, and requests of each.
const MOST_ROUTES: usize = 2048;
const SAMPLES: usize = 128;
/// Pages that are told of changes.
const MOST_LISTENERS: usize = 32;

/// All that is known.
#[derive(Debug)]
pub(super) struct Desk {
    /// Is told as well.
    next: Arc<dyn Observer>,
    /// Tells this process from one before it.
    began: u128,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    number: u64,
    has_built: bool,
    is_closed: bool,
    /// Why there is no version of the files as they are.
    failure: Option<Failure>,
    /// What is wrong with routes of the current version.
    problems: Vec<Problem>,
    reports: VecDeque<(RequestId, String)>,
    /// What the modules of routes threw when they were loaded.
    modules: HashMap<String, String>,
    routes: HashMap<String, Samples>,
    listeners: VecDeque<StreamWriter>,
    /// Names and values of variables that are nobody's business.
    secrets: Arc<[(String, String)]>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Why there is no version of an app.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// In words.
    pub(super) text: String,
    /// The mistakes behind it, where they are known one by one.
    pub(super) problems: Vec<Problem>,
}

/// The last requests to a route.
#[derive(Debug, Clone, Default)]
struct Samples {
    took: VecDeque<Duration>,
    cpu: VecDeque<Duration>,
    count: u64,
    status: u16,
    memory: u64,
}

/// How the last requests to a route went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) count: u64,
    pub(super) status: u16,
    pub(super) median: Duration,
    pub(super) p99: Duration,
    /// The median of CPU times.
    pub(super) cpu: Duration,
    /// What the isolate held after the last one, in bytes; 0 where that was not measured.
    pub(super) memory: u64,
}

impl Samples {
    fn add(&mut self, ended: &RequestEnded<'_>) {
        for (times, time) in [(&mut self.took, ended.took), (&mut self.cpu, ended.cpu)] {
            if times.len() >= SAMPLES {
                times.pop_front();
            }
            times.push_back(time);
        }
        self.count += 1;
        self.status = ended.status;
        if ended.memory > 0 {
            self.memory = ended.memory;
        }
    }

    fn record(&self) -> Record {
        let at = |times: &VecDeque<Duration>, part: usize| {
            let mut times: Vec<Duration> = times.iter().copied().collect();
            times.sort_unstable();
            let index = (times.len() * part).div_ceil(100).saturating_sub(1);
            times.get(index).copied().unwrap_or_default()
        };
        Record {
            count: self.count,
            status: self.status,
            median: at(&self.took, 50),
            p99: at(&self.took, 99),
            cpu: at(&self.cpu, 50),
            memory: self.memory,
        }
    }
}

impl Desk {
    pub(super) fn new(next: Arc<dyn Observer>) -> Self {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Self { next, began, state: Mutex::default() }
    }

    /// The name of what is shown now: another one when something changed.
    pub(super) fn moment(&self) -> String {
        self.name_of(self.state.lock().number)
    }

    fn name_of(&self, number: u64) -> String {
        format!("{}-{number}", self.began)
    }

    /// There is a version, with these problems.
    pub(super) fn built(&self, problems: Vec<Problem>, secrets: Vec<(String, String)>) {
        let mut state = self.state.lock();
        state.has_built = true;
        state.failure = None;
        state.problems = problems;
        state.modules.clear();
        state.secrets = secrets.into();
        self.tell(&mut state);
    }

    /// Whether there has been a version.
    pub(super) fn has_built(&self) -> bool {
        self.state.lock().has_built
    }

    /// There is none.
    pub(super) fn failed(&self, failure: Failure) {
        let mut state = self.state.lock();
        state.failure = Some(failure);
        self.tell(&mut state);
    }

    fn tell(&self, state: &mut State) {
        state.number += 1;
        let event = event(&self.name_of(state.number));
        state.listeners.retain(|listener| listener.write(event.clone()));
    }

    /// Has a page told what is shown now, and when that changes.
    pub(super) fn listen(&self, listener: StreamWriter) {
        let mut state = self.state.lock();
        if state.is_closed {
            return listener.end(StreamEnd::Complete);
        }
        if state.listeners.len() >= MOST_LISTENERS
            && let Some(oldest) = state.listeners.pop_front()
        {
            oldest.end(StreamEnd::Complete);
        }
        listener.write(event(&self.name_of(state.number)));
        state.listeners.push_back(listener);
    }

    /// Lets all pages go.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        for listener in state.listeners.drain(..) {
            listener.end(StreamEnd::Complete);
        }
    }

    /// Why there is no version of the files as they are.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.state.lock().failure.clone()
    }

    /// What keeps a route from being bundled.
    pub(super) fn problems_of(&self, pattern: &str) -> Vec<Problem> {
        let state = self.state.lock();
        let breaks = |problem: &&Problem| problem.breaks.iter().any(|broken| broken == pattern);
        state.problems.iter().filter(breaks).cloned().collect()
    }

    /// What was reported during a request.
    pub(super) fn report_of(&self, request: RequestId) -> Option<String> {
        let state = self.state.lock();
        state.reports.iter().rev().find(|(of, _)| *of == request).map(|(_, text)| text.clone())
    }

    /// What the module of a route threw.
    pub(super) fn report_of_module(&self, pattern: &str) -> Option<String> {
        self.state.lock().modules.get(pattern).cloned()
    }

    /// How the last requests to a route went.
    pub(super) fn record_of(&self, pattern: &str) -> Option<Record> {
        self.state.lock().routes.get(pattern).map(Samples::record)
    }

    /// A text without the values of secret variables.
    pub(super) fn without_secrets(&self, text: &str) -> String {
        let secrets = self.state.lock().secrets.clone();
        let mut text = text.to_owned();
        for (name, value) in &*secrets {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), &format!("[{name}]"));
            }
        }
        text
    }
}

fn event(moment: &str) -> Bytes {
    Bytes::from(format!("data: {moment}\n\n"))
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(LONGEST_REPORT)].to_owned()
}

impl Observer for Desk {
    fn observe(&self, event: Event<'_>) {
        match &event {
            Event::Request(ended) => {
                if let Some(route) = ended.route {
                    let mut state = self.state.lock();
                    if state.routes.len() < MOST_ROUTES || state.routes.contains_key(route) {
                        state.routes.entry(route.to_owned()).or_default().add(ended);
                    }
                }
            }
            Event::Console(printed) => {
                if let Some(request) = printed.request.filter(|_| printed.is_uncaught) {
                    let mut state = self.state.lock();
                    if state.reports.len() >= MOST_REPORTS {
                        state.reports.pop_front();
                    }
                    state.reports.push_back((request, cut(printed.text)));
                }
            }
            Event::Module(failed) => {
                if let Some(error) = failed.error {
                    let mut state = self.state.lock();
                    if state.modules.len() < MOST_ROUTES {
                        state.modules.insert(failed.route.to_owned(), cut(error));
                    }
                }
            }
            _ => {}
        }
        self.next.observe(event);
    }
}

/// The values that no page shows: of `variables`, those that look like something only some
/// may know. Longer ones first, which may hold others.
pub(super) fn secrets<'a>(variables: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    const SHORTEST: usize = 5;
    let is_plain = |value: &str| {
        value.len() < SHORTEST
            || value.bytes().all(|byte| byte.is_ascii_digit())
            || matches!(value, "false" | "production" | "development" | "localhost" | "127.0.0.1")
    };
    let mut secrets: Vec<(String, String)> = Vec::new();
    for (name, value) in variables {
        let password = url::Url::parse(value).ok().and_then(|url| url.password().map(str::to_owned));
        let decoded = password
            .as_deref()
            .map(|text| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned());
        for value in [Some(value.to_owned()), password, decoded].into_iter().flatten() {
            // Lines of a value may be quoted one by one.
            let lines = value.lines().filter(|_| value.contains('\n')).map(str::to_owned).collect::<Vec<_>>();
            for value in lines.into_iter().chain([value]).filter(|value| !is_plain(value)) {
                secrets.push((name.to_owned(), value));
            }
        }
    }
    secrets.sort_by(|(_, one), (_, other)| other.len().cmp(&one.len()).then(one.cmp(other)));
    secrets.dedup_by(|one, other| one.1 == other.1);
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_inside_of_values_are_secret_too() {
        let variables = [("DB", "postgres://me:pa%2Fss99@host/x"), ("PORT", "30000"), ("A", "hunter2")];
        let found = secrets(variables.into_iter());
        let values: Vec<&str> = found.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["postgres://me:pa%2Fss99@host/x", "pa%2Fss99", "hunter2", "pa/ss99"]);
    }

    #[test]
    fn the_slowest_of_a_hundred_shows() {
        let mut samples = Samples::default();
        samples.took.extend((1..=100).map(Duration::from_millis));
        let record = samples.record();
        assert_eq!((record.median, record.p99), (Duration::from_millis(50), Duration::from_millis(99)));
    }
}
