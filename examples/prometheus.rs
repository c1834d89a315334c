//! Metrics of a host for Prometheus, at `/metrics` beside the handlers.
//!
//! Run it: `cargo run --release --example prometheus -- examples/tour`, then
//! `curl localhost:3000/hello` and `curl localhost:3000/metrics`.

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use edgehost::EdgeHost;
use edgehost::telemetry::{Event, IsolateChange, Observer};
use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Patterns of routes, never paths: those are the client's to choose, and without number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRoute {
    app: String,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    app: String,
    route: String,
    status: u32,
    /// The code of `x-edgehost-error`, where the answer is the host's.
    error: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Passed {
    app: String,
    route: String,
    limit: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfApp {
    app: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Direction {
    Received,
    Sent,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Moved {
    app: String,
    direction: Direction,
}

/// Counts what happens. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    registry: Arc<Mutex<Registry>>,
    requests: Family<Answered, Counter>,
    seconds: Family<OfRoute, Histogram>,
    cpu_seconds: Family<OfRoute, Counter<f64>>,
    body_bytes: Family<Moved, Counter>,
    isolate_memory: Family<OfApp, Gauge>,
    limits: Family<Passed, Counter>,
    isolates: Family<OfApp, Gauge>,
    condemned: Family<OfApp, Counter>,
    module_failures: Family<OfRoute, Counter>,
    versions: Family<OfApp, Gauge>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.001, 4.0, 9));
        let metrics = Self {
            registry: Arc::new(Mutex::new(Registry::with_prefix("edgehost"))),
            requests: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            cpu_seconds: Family::default(),
            body_bytes: Family::default(),
            isolate_memory: Family::default(),
            limits: Family::default(),
            isolates: Family::default(),
            condemned: Family::default(),
            module_failures: Family::default(),
            versions: Family::default(),
        };
        let mut registry = metrics.registry.lock();
        registry.register("requests", "Requests that are over", metrics.requests.clone());
        registry.register_with_unit(
            "request_duration",
            "From the head of a request to the end of its answer",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register_with_unit(
            "request_cpu",
            "CPU time of handlers",
            Unit::Seconds,
            metrics.cpu_seconds.clone(),
        );
        registry.register_with_unit(
            "body",
            "Bodies of requests and answers",
            Unit::Bytes,
            metrics.body_bytes.clone(),
        );
        registry.register_with_unit(
            "isolate_memory",
            "What the isolate held that answered last",
            Unit::Bytes,
            metrics.isolate_memory.clone(),
        );
        registry.register("limits_exceeded", "Limits that were passed", metrics.limits.clone());
        registry.register("isolates", "Isolates that there are", metrics.isolates.clone());
        registry.register(
            "isolates_condemned",
            "Isolates that passed a limit or panicked",
            metrics.condemned.clone(),
        );
        registry.register("module_failures", "Modules that did not load", metrics.module_failures.clone());
        registry.register("version", "The number of the current version", metrics.versions.clone());
        drop(registry);
        metrics
    }

    /// All of them, as Prometheus reads them.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a text does not fail.
        let _ = encode(&mut text, &self.registry.lock());
        text
    }
}

fn label(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

impl Observer for Metrics {
    fn observe(&self, event: Event<'_>) {
        match event {
            Event::Request(ended) => {
                let (app, route) = (label(ended.app), label(ended.route));
                let of_route = OfRoute { app: app.clone(), route: route.clone() };
                self.seconds.get_or_create(&of_route).observe(ended.took.as_secs_f64());
                self.cpu_seconds.get_or_create(&of_route).inc_by(ended.cpu.as_secs_f64());
                let moved = [(Direction::Received, ended.received), (Direction::Sent, ended.bytes)];
                for (direction, bytes) in moved {
                    self.body_bytes.get_or_create(&Moved { app: app.clone(), direction }).inc_by(bytes);
                }
                if ended.memory > 0 {
                    let memory = i64::try_from(ended.memory).unwrap_or(i64::MAX);
                    self.isolate_memory.get_or_create(&OfApp { app: app.clone() }).set(memory);
                }
                let (status, error) = (ended.status.into(), label(ended.error));
                self.requests.get_or_create(&Answered { app, route, status, error }).inc();
            }
            Event::Limit(passed) => {
                let (app, route, limit) = (label(passed.app), label(passed.route), passed.limit.to_string());
                self.limits.get_or_create(&Passed { app, route, limit }).inc();
            }
            Event::Isolate(isolate) => {
                let of_app = OfApp { app: label(isolate.app) };
                match isolate.change {
                    IsolateChange::Started { .. } => _ = self.isolates.get_or_create(&of_app).inc(),
                    IsolateChange::Ended { .. } => _ = self.isolates.get_or_create(&of_app).dec(),
                    IsolateChange::Condemned { .. } => _ = self.condemned.get_or_create(&of_app).inc(),
                    _ => {}
                }
            }
            Event::Module(failed) => {
                let of_route = OfRoute { app: label(failed.app), route: failed.route.to_owned() };
                self.module_failures.get_or_create(&of_route).inc();
            }
            Event::Version(replaced) => {
                let number = i64::try_from(replaced.version).unwrap_or(i64::MAX);
                self.versions.get_or_create(&OfApp { app: label(replaced.app) }).set(number);
            }
            // Lines of handlers are no numbers.
            _ => {}
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let project = arguments.next().unwrap_or_else(|| "examples/tour".into());
    let port = arguments.next().unwrap_or_else(|| "3000".into());

    let metrics = Metrics::new();
    let host = EdgeHost::builder(project).observer(metrics.clone()).build().await?;
    let scrape = move || {
        let text = metrics.text();
        async { ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text) }
    };
    let app = Router::new().route("/metrics", get(scrape)).fallback_service(host);

    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    #[allow(clippy::print_stdout, reason = "a program for people")]
    {
        println!("Listening on http://{}", listener.local_addr()?);
    }
    axum::serve(listener, app).await?;
    Ok(())
}
