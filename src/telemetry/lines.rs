//! How lines of the log look.
//!
//! A text line begins with the time. Whatever clients and user code put into it stays
//! inside: further lines of a text are indented, other control characters are spelt out,
//! so that nobody can write a line of somebody else's. In JSON a line is one object.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anstyle::{AnsiColor, Style};
use tracing::Level;

use super::log::{LogFormat, target};
use super::{ACCESS, Printed, RequestEnded, millis};

const DIM: Style = Style::new().dimmed();
const PLAIN: Style = Style::new();

/// Before the second and further lines of a text.
const INDENT: &str = "\n    ";

/// What the host itself has to say.
pub(super) struct Message<'a> {
    pub(super) level: Level,
    pub(super) target: &'a str,
    pub(super) text: &'a str,
    /// Bytes of the text that were cut off.
    pub(super) cut: usize,
    pub(super) fields: &'a [(&'static str, Value)],
}

/// The value of a field.
#[derive(Debug)]
pub(super) enum Value {
    Text(String),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Bool(bool),
}

/// Makes lines of one format.
pub(super) struct Lines {
    format: LogFormat,
    clock: Clock,
}

impl Lines {
    pub(super) fn new(format: LogFormat) -> Self {
        Self { format, clock: Clock { second: u64::MAX, text: String::new() } }
    }

    /// A request that is over.
    pub(super) fn request(&mut self, out: &mut Vec<u8>, at: SystemTime, ended: &RequestEnded<'_>) {
        if self.format == LogFormat::Json {
            self.json_head(out, at, Level::INFO, ACCESS);
            key(out, "message");
            quoted(out, &[ended.method, " ", ended.path, " "], ended.status);
            optional(out, "app", ended.app);
            string(out, "method", ended.method);
            string(out, "path", ended.path);
            optional(out, "route", ended.route);
            key(out, "status");
            let _ = write!(out, "{}", ended.status);
            optional(out, "error", ended.error);
            key(out, "ms");
            let _ = write!(out, "{}", millis(ended.took));
            key(out, "cpu_ms");
            let _ = write!(out, "{}", millis(ended.cpu));
            key(out, "memory");
            let _ = write!(out, "{}", ended.memory);
            key(out, "bytes");
            let _ = write!(out, "{}", ended.bytes);
            key(out, "received");
            let _ = write!(out, "{}", ended.received);
            key(out, "aborted");
            out.extend_from_slice(if ended.aborted { b"true" } else { b"false" });
            if let Some(client) = ended.client {
                key(out, "client");
                let _ = write!(out, "\"{client}\"");
            }
            key(out, "request");
            let _ = write!(out, "\"{}\"", ended.request);
            optional(out, "x_request_id", ended.x_request_id);
            optional(out, "user_agent", ended.user_agent);
            out.extend_from_slice(b"}\n");
            return;
        }
        self.time(out, at);
        self.app(out, ended.app);
        // One in small letters would look like the level of another kind of line.
        if ended.method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            out.extend_from_slice(ended.method.as_bytes());
        } else {
            quote(out, ended.method);
        }
        out.push(b' ');
        escaped(out, ended.path, "\\n");
        out.push(b' ');
        let colour = match ended.status {
            500.. => AnsiColor::Red.on_default(),
            400.. => AnsiColor::Yellow.on_default(),
            300.. => AnsiColor::Cyan.on_default(),
            _ => AnsiColor::Green.on_default(),
        };
        self.styled(out, colour, |out| {
            let _ = write!(out, "{}", ended.status);
        });
        let _ = write!(out, " {} ms", whole_millis(ended.took));
        if ended.aborted {
            out.extend_from_slice(b" aborted");
        }
        if let Some(error) = ended.error {
            out.push(b' ');
            escaped(out, error, "\\n");
        }
        self.styled(out, DIM, |out| {
            let bare = ended.path.split('?').next();
            if let Some(route) = ended.route.filter(|route| bare != Some(*route)) {
                out.push(b' ');
                escaped(out, route, "\\n");
            }
            if let Some(client) = ended.client {
                let _ = write!(out, " {client}");
            }
            let _ = write!(out, " {}", ended.request);
            if let Some(id) = ended.x_request_id {
                out.push(b' ');
                escaped(out, id, "\\n");
            }
        });
        out.push(b'\n');
    }

    /// What user code printed.
    pub(super) fn console(&mut self, out: &mut Vec<u8>, at: SystemTime, printed: &Printed<'_>, cut: usize) {
        if self.format == LogFormat::Json {
            self.json_head(out, at, printed.level, target(printed));
            json_message(out, printed.text, cut);
            optional(out, "app", printed.app);
            optional(out, "route", printed.route);
            if let Some(request) = printed.request {
                key(out, "request");
                let _ = write!(out, "\"{request}\"");
            }
            optional(out, "x_request_id", printed.x_request_id);
            out.extend_from_slice(b"}\n");
            return;
        }
        self.time(out, at);
        self.level(out, printed.level);
        self.app(out, printed.app);
        self.styled(out, DIM, |out| match printed.request {
            Some(request) => {
                escaped(out, printed.route.unwrap_or("-"), "\\n");
                let _ = write!(out, " {request} ");
            }
            // A text could otherwise begin with the name of a request.
            None => out.extend_from_slice(b"- "),
        });
        escaped(out, printed.text, INDENT);
        ellipsis(out, cut);
        out.push(b'\n');
    }

    /// Which of several apps it is about. Names are words.
    fn app(&self, out: &mut Vec<u8>, app: Option<&str>) {
        let Some(app) = app else { return };
        self.styled(out, DIM, |out| {
            escaped(out, app, "\\n");
            out.push(b' ');
        });
    }

    /// What the host says.
    pub(super) fn message(&mut self, out: &mut Vec<u8>, at: SystemTime, message: &Message<'_>) {
        let Message { level, target, text, cut, fields } = *message;
        if self.format == LogFormat::Json {
            self.json_head(out, at, level, target);
            json_message(out, text, cut);
            for (name, value) in fields {
                key(out, name);
                match value {
                    Value::Text(text) => json(out, text),
                    Value::Signed(number) => json(out, number),
                    Value::Unsigned(number) => json(out, number),
                    Value::Float(number) => json(out, number),
                    Value::Bool(is) => json(out, is),
                }
            }
            out.extend_from_slice(b"}\n");
            return;
        }
        self.time(out, at);
        self.level(out, level);
        let is_context = |name: &str| matches!(name, "route" | "request");
        self.styled(out, DIM, |out| {
            for (_, value) in fields.iter().filter(|(name, _)| is_context(name)) {
                if let Value::Text(text) = value
                    && !text.is_empty()
                {
                    word(out, text);
                    out.push(b' ');
                }
            }
        });
        let (first, rest) = text.split_once('\n').map_or((text, None), |(first, rest)| (first, Some(rest)));
        escaped(out, first, INDENT);
        self.styled(out, DIM, |out| {
            for (name, value) in fields.iter().filter(|(name, _)| !is_context(name)) {
                match value {
                    // The text says it already.
                    Value::Text(value) if value.len() > 2 && text.contains(value.as_str()) => {}
                    Value::Text(value) => {
                        let _ = write!(out, " {name}=");
                        word(out, value);
                    }
                    Value::Signed(number) => {
                        let _ = write!(out, " {name}={number}");
                    }
                    Value::Unsigned(number) => {
                        let _ = write!(out, " {name}={number}");
                    }
                    Value::Float(number) => {
                        let _ = write!(out, " {name}={number}");
                    }
                    Value::Bool(is) => {
                        let _ = write!(out, " {name}={is}");
                    }
                }
            }
        });
        if let Some(rest) = rest {
            out.extend_from_slice(INDENT.as_bytes());
            escaped(out, rest, INDENT);
        }
        ellipsis(out, cut);
        out.push(b'\n');
    }

    fn json_head(&mut self, out: &mut Vec<u8>, at: SystemTime, level: Level, target: &str) {
        out.extend_from_slice(b"{\"timestamp\":\"");
        self.clock.write(out, at, false);
        let _ = write!(out, "\",\"level\":\"{level}\",\"target\":");
        json(out, target);
    }

    fn time(&mut self, out: &mut Vec<u8>, at: SystemTime) {
        let is_short = self.format == LogFormat::Terminal;
        let clock = &mut self.clock;
        let mut time = |out: &mut Vec<u8>| clock.write(out, at, is_short);
        if is_short {
            let _ = write!(out, "{DIM}");
            time(out);
            let _ = write!(out, "{DIM:#}");
        } else {
            time(out);
        }
        out.push(b' ');
    }

    fn level(&self, out: &mut Vec<u8>, level: Level) {
        let (name, style) = match level {
            Level::ERROR => ("error", AnsiColor::Red.on_default().bold()),
            Level::WARN => ("warn ", AnsiColor::Yellow.on_default()),
            Level::INFO => ("info ", PLAIN),
            Level::DEBUG => ("debug", DIM),
            Level::TRACE => ("trace", DIM),
        };
        self.styled(out, style, |out| out.extend_from_slice(name.as_bytes()));
        out.push(b' ');
    }

    fn styled(&self, out: &mut Vec<u8>, style: Style, write: impl FnOnce(&mut Vec<u8>)) {
        if self.format != LogFormat::Terminal {
            return write(out);
        }
        let _ = write!(out, "{style}");
        write(out);
        let _ = write!(out, "{style:#}");
    }
}

/// Times in UTC; the digits of a second are made once.
struct Clock {
    second: u64,
    text: String,
}

impl Clock {
    fn write(&mut self, out: &mut Vec<u8>, at: SystemTime, is_short: bool) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        if since.as_secs() != self.second {
            self.second = since.as_secs();
            let second = UNIX_EPOCH + Duration::from_secs(self.second);
            self.text = humantime::format_rfc3339_seconds(second).to_string();
        }
        // 2026-11-28T08:12:19Z
        let digits = self.text.trim_end_matches('Z');
        let digits = if is_short { digits.split('T').next_back().unwrap_or(digits) } else { digits };
        let _ = write!(out, "{digits}.{:03}Z", since.subsec_millis());
    }
}

fn whole_millis(took: Duration) -> u128 {
    (took.as_micros() + 500) / 1000
}

fn ellipsis(out: &mut Vec<u8>, cut: usize) {
    if cut > 0 {
        let _ = write!(out, " ... {cut} more bytes");
    }
}

/// A value that reads as one word: quoted where it would not.
fn word(out: &mut Vec<u8>, text: &str) {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '=');
    let is_word = |c: char| is_plain(c) || (c.is_alphanumeric() && !c.is_ascii());
    if !text.is_empty() && text.chars().all(is_word) {
        out.extend_from_slice(text.as_bytes());
    } else {
        quote(out, text);
    }
}

fn quote(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escaped(out, text, "\\n");
    out.push(b'"');
}

/// A text of somebody else: `newline` in the place of each line break, and what could
/// move the cursor, colour the terminal or turn the direction of writing spelt out.
fn escaped(out: &mut Vec<u8>, text: &str, newline: &str) {
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        let is_harmless = match c {
            ' '..='~' | '\t' => true,
            '\u{0}'..='\u{9f}' => false,
            // Breaks of lines and paragraphs, and marks of direction.
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' => false,
            '\u{2066}'..='\u{2069}' => false,
            _ => true,
        };
        if is_harmless {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[plain..at]);
        plain = at + c.len_utf8();
        match c {
            '\n' => out.extend_from_slice(newline.as_bytes()),
            // Half of a line break.
            '\r' if text[plain..].starts_with('\n') => {}
            '\r' => out.extend_from_slice(b"\\r"),
            '\u{0}'..='\u{7f}' => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            _ => {
                let _ = write!(out, "{}", c.escape_unicode());
            }
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
}

fn key(out: &mut Vec<u8>, name: &str) {
    // Names of fields are identifiers of this program.
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn json<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Writing into memory does not fail.
    let _ = serde_json::to_writer(out, value);
}

fn string(out: &mut Vec<u8>, name: &str, value: &str) {
    key(out, name);
    json(out, value);
}

fn optional(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        string(out, name, value);
    }
}

fn json_message(out: &mut Vec<u8>, text: &str, cut: usize) {
    key(out, "message");
    json(out, text);
    if cut > 0 {
        out.pop();
        ellipsis(out, cut);
        out.push(b'"');
    }
}

/// Parts and a number as one JSON string.
fn quoted(out: &mut Vec<u8>, parts: &[&str], number: u16) {
    out.push(b'"');
    for part in parts {
        let start = out.len();
        json(out, *part);
        // Without the quotes of its own.
        out.pop();
        out.remove(start);
    }
    let _ = write!(out, "{number}\"");
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgehost_ext::message::RequestId;

    fn at() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_795_853_539_123)
    }

    fn ended() -> RequestEnded<'static> {
        RequestEnded {
            app: None,
            request: RequestId::next(),
            x_request_id: Some("abc-1"),
            method: "GET",
            path: "/items/2",
            route: Some("/items/[id]"),
            status: 200,
            error: None,
            version: Some(3),
            limit: None,
            took: Duration::from_micros(2_600),
            cpu: Duration::from_micros(400),
            memory: 7 << 20,
            bytes: 5,
            received: 9,
            aborted: false,
            client: Some([127, 0, 0, 1].into()),
            user_agent: Some("curl \"8\"\n"),
        }
    }

    fn printed(text: &str) -> Printed<'_> {
        Printed {
            app: None,
            level: Level::INFO,
            is_uncaught: false,
            text,
            route: Some("/a"),
            request: None,
            x_request_id: None,
        }
    }

    fn text(format: LogFormat, write: impl FnOnce(&mut Lines, &mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut Lines::new(format), &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn lines_of_one_of_several_apps_say_which() {
        let ended = RequestEnded { app: Some("shop"), ..ended() };
        let line = text(LogFormat::Text, |lines, out| lines.request(out, at(), &ended));
        assert!(line.contains("Z shop GET /items/2 200 3 ms"), "{line}");
        let line = text(LogFormat::Json, |lines, out| lines.request(out, at(), &ended));
        assert!(line.contains(r#""app":"shop""#), "{line}");
        let printed = Printed { app: Some("shop"), ..printed("hello") };
        let line = text(LogFormat::Text, |lines, out| lines.console(out, at(), &printed, 0));
        assert!(line.ends_with(" shop - hello\n"), "{line}");
    }

    #[test]
    fn an_access_line_is_short_for_people_and_complete_for_programs() {
        let ended = ended();
        let line = text(LogFormat::Text, |lines, out| lines.request(out, at(), &ended));
        let id = ended.request;
        assert_eq!(
            line,
            format!("2026-11-28T08:12:19.123Z GET /items/2 200 3 ms /items/[id] 127.0.0.1 {id} abc-1\n")
        );
        let line = text(LogFormat::Terminal, |lines, out| lines.request(out, at(), &ended));
        assert!(
            line.starts_with("\u{1b}[2m08:12:19.123Z\u{1b}[0m GET /items/2 \u{1b}[32m200\u{1b}[0m 3 ms"),
            "{line}"
        );
        let line = text(LogFormat::Json, |lines, out| lines.request(out, at(), &ended));
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let expected = serde_json::json!({
            "timestamp": "2026-11-28T08:12:19.123Z", "level": "INFO", "target": "edgehost::access",
            "message": "GET /items/2 200", "method": "GET", "path": "/items/2", "route": "/items/[id]",
            "status": 200, "ms": 2.6, "cpu_ms": 0.4, "memory": 7_340_032, "bytes": 5, "received": 9,
            "aborted": false, "client": "127.0.0.1",
            "request": id.to_string(), "x_request_id": "abc-1", "user_agent": "curl \"8\"\n",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn what_went_wrong_is_told_behind_the_time() {
        let mut ended = ended();
        (ended.status, ended.aborted, ended.error) = (499, true, Some("CODE"));
        let line = text(LogFormat::Text, |lines, out| lines.request(out, at(), &ended));
        assert!(line.contains("GET /items/2 499 3 ms aborted CODE /items/[id]"), "{line}");
        (ended.method, ended.path, ended.route) = ("info", "/x?a", Some("/x"));
        let line = text(LogFormat::Text, |lines, out| lines.request(out, at(), &ended));
        assert!(line.contains("Z \"info\" /x?a 499 3 ms aborted CODE 127.0.0.1"), "{line}");
    }

    #[test]
    fn no_text_looks_like_a_line_of_its_own() {
        let forged = "said\nGET /admin 200 1 ms\r\nx\ry\u{1b}[31m\u{85}\u{9b}\u{2028}\u{202e}z\u{7f}\tä";
        let line = text(LogFormat::Text, |lines, out| lines.console(out, at(), &printed(forged), 7));
        assert_eq!(
            line,
            "2026-11-28T08:12:19.123Z info  - said\n    GET /admin 200 1 ms\n    x\\ry\\x1b[31m\\u{85}\\u{9b}\\u{2028}\\u{202e}z\\x7f\tä ... 7 more bytes\n"
        );
        let line = text(LogFormat::Json, |lines, out| lines.console(out, at(), &printed(forged), 7));
        assert_eq!(line.matches('\n').count(), 1);
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(line["message"], format!("{forged} ... 7 more bytes"));
    }

    #[test]
    fn a_message_tells_nothing_twice() {
        let fields = [
            ("route", Value::Text("/hostile".into())),
            ("request", Value::Text("94ab01c2".into())),
            ("limit", Value::Text("CPU time".into())),
            ("allowed", Value::Text("10 s".into())),
            ("siblings", Value::Unsigned(2)),
        ];
        let message = Message {
            level: Level::ERROR,
            target: "edgehost",
            text: "CPU time limit passed\nmore",
            cut: 0,
            fields: &fields,
        };
        let line = text(LogFormat::Text, |lines, out| lines.message(out, at(), &message));
        assert_eq!(
            line,
            "2026-11-28T08:12:19.123Z error /hostile 94ab01c2 CPU time limit passed allowed=\"10 s\" siblings=2\n    more\n"
        );
        let line = text(LogFormat::Json, |lines, out| lines.message(out, at(), &message));
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((&line["limit"], &line["siblings"]), (&"CPU time".into(), &2.into()));
    }
}
