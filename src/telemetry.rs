//! The log: what goes where, for those who want edgehost to set it up.
//!
//! The library only emits [`tracing`] events; an embedder subscribes as it likes.
//! Targets: `edgehost::access` (one line a request), `edgehost::console`
//! (`console.*` of user code), `edgehost::error` (errors that nobody caught).

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; coloured where standard error is a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Text on a terminal, JSON elsewhere.
    pub fn detect() -> Self {
        if std::io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

/// Logs to standard error. `filter` is that of `tracing_subscriber`, such as
/// `info,edgehost::access=off`; one that cannot be read counts as `info`.
///
/// Does nothing if the process has a subscriber already.
pub fn init(format: LogFormat, filter: &str) {
    let filter = EnvFilter::try_new(format!("{filter},rolldown=warn,oxc_resolver=warn,hyper=warn"))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match format {
        LogFormat::Text => {
            builder.with_ansi(std::io::stderr().is_terminal()).with_timer(SystemTime).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
