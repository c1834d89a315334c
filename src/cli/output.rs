//! What people see on a terminal; plain text where there is none.

use std::fmt::Write as _;
use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use edgehost::RouteSummary;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const CYAN: Style = AnsiColor::Cyan.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default().bold();

/// Prints a line for people; colours go only where a terminal is. That nobody can read
/// it (a full disk, a closed pipe) ends no server.
pub(super) fn line(text: &str) {
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// Says what failed, once, with its causes.
pub(super) fn error(error: &anyhow::Error) {
    let _ = writeln!(anstream::stderr(), "{RED}error{RED:#}: {error:#}");
}

/// A remark that stops nobody.
pub(super) fn warning(text: &str) {
    let _ = writeln!(anstream::stderr(), "{YELLOW}warning{YELLOW:#}: {text}");
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

pub(super) fn address(text: &str) -> String {
    format!("{CYAN}{text}{CYAN:#}")
}

/// The route table: pattern, methods, file, runtime, time limit.
pub(super) fn table(routes: &[RouteSummary]) -> String {
    let methods = |route: &RouteSummary| {
        if route.methods.is_empty() { "-".to_owned() } else { route.methods.join(" ") }
    };
    let duration =
        |route: &RouteSummary| route.max_duration.map_or("-".to_owned(), |limit| format!("{limit:?}"));
    let width = |header: &str, cell: &dyn Fn(&RouteSummary) -> usize| {
        routes.iter().map(cell).chain([header.len()]).max().unwrap_or_default()
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
            "  {BOLD}{:patterns$}{BOLD:#}  {GREEN}{:verbs$}{GREEN:#}  {:files$}  {:7}  {}",
            route.pattern,
            methods(route),
            route.file,
            route.runtime,
            duration(route),
        );
    }
    text
}
