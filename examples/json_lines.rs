//! A line of JSON for everything that a host does, on standard output.
//!
//! Run it: `cargo run --release --example json_lines -- examples/tour | jq .`, then
//! `curl localhost:3000/hello`.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use edgehost::EdgeHost;
use edgehost::telemetry::{Event, IsolateChange, Observer};
use serde_json::{Value, json};

/// Hands lines to a thread that writes them. One that comes while too many wait is lost: who
/// serves requests waits for no disk.
#[derive(Debug)]
pub(crate) struct Lines {
    waiting: SyncSender<Value>,
    lost: Arc<AtomicU64>,
}

impl Lines {
    /// Lines to `out`. The thread ends when the last of them is written and this is gone.
    pub(crate) fn new(mut out: impl Write + Send + 'static) -> (Self, JoinHandle<()>) {
        let (waiting, lines) = sync_channel::<Value>(16 * 1024);
        let lost = Arc::<AtomicU64>::default();
        let count = lost.clone();
        let write = move || {
            for line in lines {
                if writeln!(out, "{line}").is_err() {
                    return;
                }
                let lost = count.swap(0, Ordering::Relaxed);
                if lost > 0 && writeln!(out, "{}", json!({ "event": "lost", "lines": lost })).is_err() {
                    return;
                }
            }
        };
        (Self { waiting, lost }, std::thread::spawn(write))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// What is told of an event; none of those that this program does not know.
fn line(event: &Event<'_>) -> Option<Value> {
    Some(match event {
        Event::Request(ended) => json!({
            "event": "request",
            "app": ended.app,
            "version": ended.version,
            "request": ended.request.to_string(),
            "x_request_id": ended.x_request_id,
            "method": ended.method,
            "path": ended.path,
            "route": ended.route,
            "status": ended.status,
            "error": ended.error,
            "limit": ended.limit.map(|limit| limit.to_string()),
            "us": micros(ended.took),
            "cpu_us": micros(ended.cpu),
            "memory": ended.memory,
            "sent": ended.bytes,
            "received": ended.received,
            "aborted": ended.aborted,
            "client": ended.client,
        }),
        Event::Console(printed) => json!({
            "event": "console",
            "app": printed.app,
            "level": printed.level.as_str(),
            "uncaught": printed.is_uncaught,
            "text": printed.text,
            "route": printed.route,
            "request": printed.request.map(|id| id.to_string()),
        }),
        Event::Limit(passed) => json!({
            "event": "limit",
            "app": passed.app,
            "limit": passed.limit.to_string(),
            "route": passed.route,
            "request": passed.request.map(|id| id.to_string()),
            "consequence": format!("{:?}", passed.consequence).to_lowercase(),
        }),
        Event::Isolate(isolate) => {
            let (change, more) = match isolate.change {
                IsolateChange::Started { took } => ("started", json!({ "us": micros(took) })),
                IsolateChange::Retired { in_flight } => ("retired", json!({ "in_flight": in_flight })),
                IsolateChange::Condemned { limit, route, siblings, .. } => {
                    let limit = limit.map(|limit| limit.to_string());
                    ("condemned", json!({ "limit": limit, "route": route, "siblings": siblings }))
                }
                IsolateChange::Ended { served } => ("ended", json!({ "served": served })),
                _ => return None,
            };
            let (app, runtime) = (isolate.app, isolate.runtime);
            json!({ "event": "isolate", "app": app, "runtime": runtime, "change": change, "more": more })
        }
        Event::Module(failed) => json!({
            "event": "module",
            "app": failed.app,
            "route": failed.route,
            "file": failed.file,
            "request": failed.request.map(|id| id.to_string()),
            "limit": failed.limit.map(|limit| limit.to_string()),
        }),
        Event::Version(replaced) => json!({
            "event": "version",
            "app": replaced.app,
            "version": replaced.version,
            "us": micros(replaced.took),
        }),
        Event::Thread(thread) => json!({
            "event": "thread",
            "shard": thread.shard,
            "count": thread.count,
            "replaced": thread.is_replaced,
        }),
        _ => return None,
    })
}

impl Observer for Lines {
    fn observe(&self, event: Event<'_>) {
        if let Some(line) = line(&event)
            && self.waiting.try_send(line).is_err()
        {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let project = arguments.next().unwrap_or_else(|| "examples/tour".into());
    let port = arguments.next().unwrap_or_else(|| "3000".into());

    let (lines, writer) = Lines::new(std::io::stdout());
    let host = EdgeHost::builder(project).observer(lines).build().await?;
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    #[allow(clippy::print_stderr, reason = "a program for people")]
    {
        eprintln!("Listening on http://{}", listener.local_addr()?);
    }
    let interrupted = async { _ = tokio::signal::ctrl_c().await };
    host.serve(listener, interrupted).await?;
    host.shutdown(Duration::from_secs(10)).await;
    // The observer goes with the host, and the thread writes what it has.
    drop(host);
    _ = writer.join();
    Ok(())
}
