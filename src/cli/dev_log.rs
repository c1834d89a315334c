//! The lines of `edgehost dev`: requests, and what user code prints, with its route.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use edgehost::telemetry::{Event, Observer, Printed, RequestEnded};
use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::{BadInput, output};

const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const CYAN: Style = AnsiColor::Cyan.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default();

/// Most texts that are remembered in order not to be told again.
const MOST_TEXTS: usize = 64;
/// Longest part of one that tells it from others, and that is shown of it again.
const LONGEST: usize = 4 * 1024;
const BRIEF: usize = 100;

/// Paths of dev mode itself.
const OWN: &str = "/_edgehost/";

/// Writes the lines.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    told: Arc<Mutex<Vec<Repeated>>>,
    has_requests: bool,
}

/// A warning or an error that was told, and how often it has come again since.
#[derive(Debug)]
struct Repeated {
    route: String,
    text: String,
    times: u64,
}

impl Lines {
    /// With or without requests.
    pub(super) fn new(has_requests: bool) -> Self {
        Self { told: Arc::default(), has_requests }
    }

    /// Has what the host itself says written as well, from the levels on that a filter names.
    pub(super) fn listen(&self, filter: Option<&str>) -> anyhow::Result<()> {
        let filter = filter.unwrap_or("warn,edgehost=info");
        let filter: Targets = filter.parse().map_err(|error| BadInput(format!("--log: {error}")))?;
        let _ = tracing_subscriber::registry().with(self.clone().with_filter(filter)).try_init();
        Ok(())
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Vec<Repeated>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is a new version, whose warnings are told anew.
    pub(super) fn begin_anew(&self) {
        self.tell_again();
        self.told().clear();
    }

    /// Says how often texts have come again.
    pub(super) fn tell_again(&self) {
        for repeated in self.told().iter_mut().filter(|repeated| repeated.times > 0) {
            output::log_line(&again(repeated));
            repeated.times = 0;
        }
    }

    /// Whether a text has been told; it is counted then.
    fn is_repeated(&self, route: &str, text: &str) -> bool {
        let text = &text[..text.floor_char_boundary(LONGEST)];
        let mut told = self.told();
        if let Some(known) = told.iter_mut().find(|known| known.route == route && known.text == text) {
            known.times += 1;
            return true;
        }
        if told.len() >= MOST_TEXTS {
            let oldest = told.remove(0);
            if oldest.times > 0 {
                output::log_line(&again(&oldest));
            }
        }
        told.push(Repeated { route: route.to_owned(), text: text.to_owned(), times: 0 });
        false
    }
}

impl Observer for Lines {
    fn wants_requests(&self) -> bool {
        true
    }

    fn observe(&self, event: Event<'_>) {
        match event {
            Event::Request(ended) if self.has_requests && !ended.path.starts_with(OWN) => {
                output::log_line(&request(&ended));
            }
            Event::Console(printed) => {
                let is_plain = printed.level > tracing::Level::WARN;
                if is_plain || !self.is_repeated(printed.route.unwrap_or_default(), printed.text) {
                    output::log_line(&console(&printed));
                }
            }
            _ => {}
        }
    }
}

/// What is told elsewhere: of mistakes the build says more.
const TOLD_ELSEWHERE: [&str; 1] = ["the route cannot be bundled"];

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        let level = *event.metadata().level();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields { message, route, others } = fields;
        if TOLD_ELSEWHERE.iter().any(|known| message.starts_with(known)) {
            return;
        }
        if level <= tracing::Level::WARN && self.is_repeated(&route, &message) {
            return;
        }
        output::log_line(&host(level, &route, &message, &others));
    }
}

/// What the host says, with the route that it is about.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    route: String,
    others: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            "route" => self.route.push_str(value),
            // The message, and the lines of the request, say as much.
            "request" | "file" | "app" => {}
            name if name.starts_with("log.") => {}
            name => {
                let _ = write!(self.others, " {name}={value}");
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

fn host(level: tracing::Level, route: &str, message: &str, others: &str) -> String {
    let (mark, style) = match level {
        tracing::Level::ERROR => ("error ", RED),
        tracing::Level::WARN => ("warn ", YELLOW),
        _ => ("", DIM),
    };
    let route = if route.is_empty() { String::new() } else { format!("{DIM}{}{DIM:#} ", plain(route)) };
    let (first, rest) = message.split_once('\n').map_or((message, None), |(first, rest)| (first, Some(rest)));
    let mut line = format!("{route}{style}{mark}{style:#}{}{DIM}{}{DIM:#}", plain(first), plain(others));
    if let Some(rest) = rest {
        let _ = write!(line, "\n    {}", plain(rest).replace('\n', "\n    "));
    }
    line
}

fn again(repeated: &Repeated) -> String {
    let first = repeated.text.lines().next().unwrap_or_default();
    let brief = &first[..first.floor_char_boundary(BRIEF)];
    let more = if brief.len() < repeated.text.len() { " ..." } else { "" };
    let times = if repeated.times == 1 { "once".to_owned() } else { format!("{} times", repeated.times) };
    let route =
        if repeated.route.is_empty() { String::new() } else { format!("{} ", plain(&repeated.route)) };
    format!("{DIM}{times} more: {route}{}{more}{DIM:#}", plain(brief))
}

fn request(ended: &RequestEnded<'_>) -> String {
    let style = match ended.status {
        ..300 => GREEN,
        300..400 => CYAN,
        400..500 => YELLOW,
        _ => RED,
    };
    let mut line = format!(
        "{} {} {style}{}{style:#} in {}",
        plain(ended.method),
        plain(ended.path),
        ended.status,
        millis(ended.took)
    );
    if !ended.cpu.is_zero() {
        let _ = write!(line, " {DIM}(cpu {}){DIM:#}", millis(ended.cpu));
    }
    if ended.aborted {
        let _ = write!(line, " {YELLOW}aborted{YELLOW:#}");
    }
    if let Some(code) = ended.error {
        let _ = write!(line, " {DIM}{code}{DIM:#}");
    }
    line
}

fn console(printed: &Printed<'_>) -> String {
    let (mark, style) = match printed.level {
        tracing::Level::ERROR => ("error ", RED),
        tracing::Level::WARN => ("warn ", YELLOW),
        _ => ("", Style::new()),
    };
    let route = printed.route.map_or_else(String::new, |route| format!("{DIM}{}{DIM:#} ", plain(route)));
    let text = plain(printed.text).replace('\n', "\n    ");
    format!("{route}{style}{mark}{style:#}{text}")
}

/// A time as it is read: tenths where it is short.
fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    if millis < 1.0 { format!("{millis:.1} ms") } else { format!("{millis:.0} ms") }
}

/// A text of somebody else, with what could move the cursor or colour the terminal spelt out.
fn plain(text: &str) -> String {
    let is_harmless = |c: char| {
        matches!(c, '\n' | '\t')
            || !(c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}')
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmless(c) {
            shown.push(c);
        } else if c != '\r' {
            let _ = write!(shown, "{}", c.escape_default());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_code_prints_moves_the_cursor() {
        assert_eq!(plain("a\u{1b}[31mb\r\n\u{202e}c\tä"), "a\\u{1b}[31mb\n\\u{202e}c\tä");
    }

    #[test]
    fn what_comes_again_is_counted() {
        let lines = Lines::new(true);
        assert!(!lines.is_repeated("/a", "careful"));
        assert!(lines.is_repeated("/a", "careful"));
        assert!(!lines.is_repeated("/b", "careful"), "of another route");
        assert!(lines.is_repeated("/a", "careful"));
        let line = again(&lines.told()[0]);
        assert!(line.contains("2 times more: /a careful"), "{line}");
        lines.begin_anew();
        assert!(!lines.is_repeated("/a", "careful"), "of another version");
    }

    #[test]
    fn short_times_have_tenths() {
        assert_eq!(millis(Duration::from_micros(430)), "0.4 ms");
        assert_eq!(millis(Duration::from_micros(2_600)), "3 ms");
    }
}
