//! What people see on a terminal; plain text where there is none, and JSON on request.

use std::fmt::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use edgehost::telemetry::{Filter, Log, LogFormat};
use edgehost::{ModuleVariable, Progress, RouteSummary};
use serde_json::json;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const CYAN: Style = AnsiColor::Cyan.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default().bold();

/// Widest column of a table.
const WIDEST: usize = 200;

/// Longest wait for outputs that do not move, when the program ends.
const PATIENCE: Duration = Duration::from_secs(1);

/// Every line is JSON, whatever it goes to.
static JSON: AtomicBool = AtomicBool::new(false);

/// What a server says goes through these, so that an output which nobody reads does not
/// hold it up. Other commands print and wait, as programs do.
static LOGS: OnceLock<Logs> = OnceLock::new();

struct Logs {
    out: Log,
    err: Log,
}

#[derive(Clone, Copy)]
enum To {
    Out,
    Err,
}

/// Whether `--log-format json` or its variable is there: mistakes among the flags are told
/// in that form too.
pub(super) fn asks_for_json() -> bool {
    let asked = |value: &std::ffi::OsStr| value.eq_ignore_ascii_case("json");
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    arguments.iter().any(|argument| argument == "--log-format=json")
        || arguments.windows(2).any(|pair| pair[0] == "--log-format" && asked(&pair[1]))
        || std::env::var_os("EDGEHOST_LOG_FORMAT").is_some_and(|value| asked(&value))
}

/// Makes every line JSON from now on.
pub(super) fn use_json() {
    JSON.store(true, Ordering::Relaxed);
}

/// Sends every further line through the logs.
pub(super) fn use_logs(err: Log) -> std::io::Result<()> {
    let out = Log::to_stdout(LogFormat::Text, Filter::default())?;
    let _ = LOGS.set(Logs { out, err });
    Ok(())
}

/// Waits until what was said is written, for a moment where an output does not move.
pub(super) fn flush() {
    flush_within(PATIENCE);
}

/// As [`flush`].
pub(super) fn flush_within(patience: Duration) {
    if let Some(logs) = LOGS.get() {
        logs.err.flush(patience);
        logs.out.flush(patience);
    }
}

/// Writes a line that may have colours. An output that fails is no reason to end.
fn emit(to: To, text: &str) {
    use std::io::Write;
    let colours = match to {
        To::Out => AutoStream::choice(&std::io::stdout()),
        To::Err => AutoStream::choice(&std::io::stderr()),
    };
    let text = match colours {
        ColorChoice::Never => format!("{}\n", strip_str(text)),
        _ => format!("{text}\n"),
    };
    match (LOGS.get(), to) {
        (Some(logs), To::Out) => logs.out.write(&text),
        (Some(logs), To::Err) => logs.err.write(&text),
        (None, To::Out) => drop(std::io::stdout().write_all(text.as_bytes())),
        (None, To::Err) => drop(std::io::stderr().write_all(text.as_bytes())),
    }
}

fn emit_json(to: To, level: &str, message: &str, facts: &serde_json::Value) {
    let mut line = json!({
        "timestamp": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        "level": level,
        "target": "edgehost",
        "message": strip_str(message).to_string(),
    });
    if let (Some(line), Some(facts)) = (line.as_object_mut(), facts.as_object()) {
        line.extend(facts.clone());
    }
    emit(to, &line.to_string());
}

/// Prints a line of the log of `dev`, with colours where a terminal is.
pub(super) fn log_line(text: &str) {
    emit(To::Err, text);
}

pub(super) fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Prints a text for people; colours go only where a terminal is.
pub(super) fn line(text: &str) {
    say(text, &serde_json::Value::Null);
}

/// Prints a text for people, or the same for programs with its facts.
pub(super) fn say(text: &str, facts: &serde_json::Value) {
    if !is_json() {
        emit(To::Out, text);
    } else if !text.is_empty() {
        emit_json(To::Out, "INFO", text, facts);
    }
}

/// Says what failed, once, with its causes.
pub(super) fn error(error: &anyhow::Error) {
    failure(&causes(error));
}

/// Says what failed.
pub(super) fn failure(text: &str) {
    if is_json() {
        emit_json(To::Err, "ERROR", text, &serde_json::Value::Null);
    } else {
        emit(To::Err, &format!("{RED}error{RED:#}: {text}"));
    }
}

/// An error and its causes, but for those that it tells itself.
pub(super) fn causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            let _ = write!(text, ": {cause}");
        }
    }
    text
}

/// A remark that stops nobody.
pub(super) fn warning(text: &str) {
    if is_json() {
        emit_json(To::Err, "WARN", text, &serde_json::Value::Null);
    } else {
        emit(To::Err, &format!("{YELLOW}warning{YELLOW:#}: {text}"));
    }
}

/// "1 route", "2 routes".
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

pub(super) fn heading(text: &str) -> String {
    format!("{BOLD}{text}{BOLD:#}")
}

pub(super) fn faint(text: &str) -> String {
    format!("{DIM}{text}{DIM:#}")
}

pub(super) fn good(text: &str) -> String {
    format!("{GREEN}{text}{GREEN:#}")
}

pub(super) fn address(text: &str) -> String {
    format!("{CYAN}{text}{CYAN:#}")
}

/// Most variables that one line names.
const NAMED: usize = 5;

/// Says that instances do not share what modules keep. It may be meant so.
fn module_state(instances: usize, variables: &[ModuleVariable]) {
    let named: Vec<String> = variables.iter().take(NAMED).map(ToString::to_string).collect();
    let more = match variables.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    warning(&format!(
        "{instances} instances do not share what handlers change in modules: {}{more}. Of no matter where it can be made again, such as a cache (docs/instances.md)",
        named.join(", "),
    ));
}

/// Shows what happens while an app is read and bundled.
#[allow(clippy::needless_pass_by_value, reason = "it is a callback")]
pub(super) fn progress(progress: Progress<'_>) {
    match progress {
        Progress::Found { hints, .. } => hints.iter().for_each(|hint| warning(hint)),
        Progress::Bundling { routes } => line(&faint(&format!("bundling {} ...", count(routes, "route")))),
        Progress::Bundled { routes, packages, cached, took, warnings, errors, .. } => {
            warnings.iter().for_each(|problem| warning(&problem.to_string()));
            errors.iter().for_each(|error| failure(&error.to_string()));
            let how = if cached { "unchanged since the last bundle" } else { "bundled" };
            line(&faint(&format!(
                "{}, {}: {how}, {} ms",
                count(routes, "route"),
                count(packages, "package"),
                took.as_millis()
            )));
        }
        Progress::ModuleState { instances, variables } => module_state(instances, variables),
        _ => {}
    }
}

/// Says which of several apps the next lines are about.
pub(super) fn app(name: &str, hosts: &[String]) {
    let text = format!("{} {}", heading(name), faint(&hosts.join(" ")));
    say(text.trim_end(), &json!({ "app": name, "hosts": hosts }));
}

/// Prints the routes: a table, or a line for each.
pub(super) fn routes(routes: &[RouteSummary]) {
    if !is_json() {
        return line(table(routes).trim_end());
    }
    for route in routes {
        let facts = json!({
            "route": route.pattern,
            "methods": route.methods,
            "file": route.file,
            "runtime": route.runtime,
            "max_duration": route.max_duration.map(|limit| limit.as_secs_f64()),
            "error": route.error,
        });
        say(&format!("route {}", route.pattern), &facts);
    }
}

/// The route table: pattern, methods, file, runtime, time limit; a mark where a route
/// cannot be served.
fn table(routes: &[RouteSummary]) -> String {
    let methods = |route: &RouteSummary| {
        if route.methods.is_empty() { "-".to_owned() } else { route.methods.join(" ") }
    };
    let duration =
        |route: &RouteSummary| route.max_duration.map_or("-".to_owned(), |limit| format!("{limit:?}"));
    let width = |header: &str, cell: &dyn Fn(&RouteSummary) -> usize| {
        // A build may say anything of its routes, and formatting takes no width beyond 65,535.
        routes.iter().map(cell).chain([header.len()]).max().unwrap_or_default().min(WIDEST)
    };
    let patterns = width("ROUTE", &|route| route.pattern.chars().count());
    let verbs = width("METHODS", &|route| methods(route).len());
    let files = width("FILE", &|route| route.file.chars().count());
    let mut text = format!(
        "  {DIM}{:patterns$}  {:verbs$}  {:files$}  {:7}  {}{DIM:#}\n",
        "ROUTE", "METHODS", "FILE", "RUNTIME", "MAXDURATION"
    );
    for route in routes {
        let _ = writeln!(
            text,
            "  {BOLD}{:patterns$}{BOLD:#}  {GREEN}{:verbs$}{GREEN:#}  {:files$}  {:7}  {}{}",
            route.pattern,
            methods(route),
            route.file,
            route.runtime,
            duration(route),
            if route.error.is_some() { format!("  {RED}cannot be bundled{RED:#}") } else { String::new() },
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn no_cause_is_told_twice() {
        let inner = anyhow::anyhow!("permission denied");
        let outer = inner.context("cannot read x: permission denied");
        assert_eq!(causes(&outer), "cannot read x: permission denied");
        let plain =
            Err::<(), _>(std::io::Error::other("no space")).context("cannot write").expect_err("fails");
        assert_eq!(causes(&plain.context("cannot start")), "cannot start: cannot write: no space");
    }
}
