//! `edgehost serve`.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use anyhow::Context;
use edgehost::telemetry::{self, Filter, Log, LogFormat};
use edgehost::{App, EdgeHost, Environment, Error, Instances, Limits, MemoryBudget};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use super::apps::{Plan, Planned};
use super::args::{Format, Options, ServeArgs};
use super::listeners::{self, Bound, Listeners, Serving, Stop};
use super::{BadInput, config, output, reload};

/// Longest wait for the log where the program ends at once.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How long a signal may be heard of again: npm and shells pass on one that the terminal has
/// sent to the whole group already.
const ECHO: Duration = Duration::from_millis(500);

pub(super) async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let began = Instant::now();
    let ServeArgs { dirs, options } = args;
    let set = options.or_of_next(&Environment::of_process(), config::machine_name().as_deref())?;
    let plan = Plan::new(&dirs, &set)?;
    let options = &plan.options;
    let log = start_log(options)?;

    // Clients, sockets and files of all isolates share the descriptors of the process.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "cannot raise the number of file descriptors");
    }

    let threads = threads(&plan);
    let mut builder = EdgeHost::for_apps()
        .limits(options.limits())
        .memory_budget(MemoryBudget::of_process(
            options.memory_budget.map_or_else(MemoryBudget::half, |size| size.as_u64()),
        ))
        .trust_proxies(options.trust_proxy.iter().map(|network| network.0))
        .shards(threads)
        .http1(options.http1.map(Into::into).unwrap_or_default())
        .observer(log);
    if let Some(threads) = options.max_wedged {
        builder = builder.max_wedged(threads);
    }
    builder.validate()?;
    let described: Vec<App> = plan.apps.iter().map(Planned::app).collect::<anyhow::Result<_>>()?;
    described.iter().try_for_each(App::validate)?;
    output::line(&format!("{} {}", output::heading("edgehost"), output::faint(env!("CARGO_PKG_VERSION"))));
    // Taken before bundling: a port in use is known at once.
    let bound: Vec<Bound> = listeners::wanted(&plan)
        .into_iter()
        .map(|(of, address)| listeners::bind(of, address))
        .collect::<anyhow::Result<_>>()?;
    let host = builder.build()?;
    for (planned, app) in plan.apps.iter().zip(described) {
        if plan.apps.len() > 1 {
            output::line("");
            output::app(planned.label(), &planned.hosts);
        }
        let deployed = host.deploy(app).await?;
        output::line("");
        output::routes(&deployed.routes());
    }
    output::line("");
    output::line(&instances(threads, &plan));
    let ready = began.elapsed().as_millis();
    let ready = u64::try_from(ready).unwrap_or(u64::MAX);
    for bound in &bound {
        let (app, url) = (bound.app(), format!("http://{}", bound.shown));
        let of_app = app.map(|app| format!(" for {app}")).unwrap_or_default();
        let after = output::faint(&format!("ready in {ready} ms"));
        output::say(
            &format!("Listening on {}{of_app}  {after}", output::address(&url)),
            &serde_json::json!({ "url": url, "app": app, "ready_ms": ready }),
        );
    }
    let terminal = Terminal::find();
    let grace = options.limits().grace;
    let stop = stop_signal(&options.limits(), terminal)?.boxed().shared();
    let (mut listeners, mut servings) = Listeners::new(stop.clone());
    for bound in bound {
        listeners.serve(&host, bound);
    }
    let reloading = reload::on_hangup(host.clone(), dirs, set, plan, listeners, terminal)?;
    serve_all(&mut servings, stop, reloading).await?;
    host.shutdown(grace).await;
    Ok(())
}

/// Has all listeners served, those that come with a reload included, until the server is to
/// end and none is left. Where threads are wedged, the other listeners are served to their
/// end as well.
async fn serve_all(
    servings: &mut UnboundedReceiver<Serving>,
    stop: Stop,
    reloading: impl Future<Output = Infallible>,
) -> anyhow::Result<()> {
    let mut serving = FuturesUnordered::new();
    let mut result = Ok(());
    tokio::pin!(reloading);
    loop {
        while let Ok(new) = servings.try_recv() {
            serving.push(new);
        }
        tokio::select! {
            biased;
            Some(new) = servings.recv() => serving.push(new),
            Some(served) = serving.next() => match served {
                Err(error @ Error::Wedged { .. }) => result = Err(error),
                served => served?,
            },
            // A reload may have left one address, and be about to take another.
            () = stop.clone(), if serving.is_empty() => return Ok(result?),
            () = std::future::ready(()), if serving.is_empty() && result.is_err() => return Ok(result?),
            never = &mut reloading => match never {},
        }
    }
}

/// How many threads serve: as many as there are instances, unless fewer are allowed.
pub(super) fn threads(plan: &Plan) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let most = plan.options.shards;
    let of_app = |app: &Planned| match app.options.instances.unwrap_or_default() {
        Instances::Count(count) => count,
        _ => most.unwrap_or(cores),
    };
    let wanted = plan.apps.iter().map(of_app).fold(0, usize::saturating_add);
    match plan.apps.len() {
        1 => wanted.min(most.unwrap_or(wanted)),
        _ => wanted.min(most.unwrap_or(cores)),
    }
}

/// What people have to know about module memory.
fn instances(running: usize, plan: &Plan) -> String {
    let [app] = plan.apps.as_slice() else {
        let apps = output::count(plan.apps.len(), "app");
        return format!(
            "{apps} on {}; module memory is shared by all requests to an instance",
            output::count(running, "thread")
        );
    };
    let options = &app.options;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let remark = match (options.instances, options.shards) {
        (Some(Instances::Count(asked)), _) if asked > running => {
            format!(" ({asked} were asked for, --shards allows {running})")
        }
        _ if running > 1 => String::new(),
        (_, None) if cores > 1 => format!(" (--instances auto for all {cores} cores)"),
        (_, Some(threads)) if threads > 1 => format!(" (--instances auto for {threads} threads)"),
        _ => String::new(),
    };
    match running {
        1 => format!("1 instance; module memory is shared by all requests{remark}"),
        _ => format!("{running} instances, each with module memory of its own{remark}"),
    }
}

/// Starts the log; what the program prints goes through it from then on.
fn start_log(options: &Options) -> anyhow::Result<Log> {
    let format = match options.log_format {
        Some(Format::Text) => LogFormat::text(),
        Some(Format::Json) => LogFormat::Json,
        None => LogFormat::detect(),
    };
    if options.log_format == Some(Format::Json) {
        output::use_json();
    }
    let log = telemetry::init(format, filter(options)?).context("cannot start the log")?;
    speak_through(&log)?;
    Ok(log)
}

/// What gets into the log.
pub(super) fn filter(options: &Options) -> anyhow::Result<Filter> {
    let filter = match &options.log {
        Some(text) => text.parse().map_err(|error| BadInput(format!("--log: {error}")))?,
        None => Filter::default(),
    };
    Ok(if options.no_access_log == Some(true) { filter.without_access() } else { filter })
}

/// Has everything that the program prints go through a log, and what would end the process
/// there as well.
pub(super) fn speak_through(log: &Log) -> anyhow::Result<()> {
    output::use_logs(log.clone()).context("cannot use standard output")?;
    log_panics();
    edgehost::contain_panics();
    edgehost::contain_fatal_errors();
    Ok(())
}

/// Has panics told by the log, in its format. The process may end right after one, so that
/// is waited for.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("a value that is no text");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        let backtrace = std::backtrace::Backtrace::capture();
        let backtrace = (backtrace.status() == std::backtrace::BacktraceStatus::Captured)
            .then(|| tracing::field::display(backtrace));
        tracing::error!(thread, place, backtrace, "panicked: {text}");
        output::flush_within(LAST_WORDS);
    }));
}

/// Resolves on the first SIGTERM or SIGINT, or when the terminal is closed; the second, unless
/// it is an echo of the first, ends the process at once.
pub(super) fn stop_signal(
    limits: &Limits,
    terminal: Terminal,
) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let grace = limits.grace;
    Ok(async move {
        let mut next = async move || {
            loop {
                tokio::select! {
                    _ = terminate.recv() => return,
                    _ = interrupt.recv() => return,
                    _ = hangup.recv() => {
                        if terminal.is_closed() {
                            return;
                        }
                    }
                }
            }
        };
        next().await;
        tracing::info!(?grace, "stopping: no new connections, running requests may finish");
        let echo = Instant::now() + ECHO;
        tokio::spawn(async move {
            loop {
                next().await;
                if Instant::now() >= echo {
                    break;
                }
            }
            output::flush_within(LAST_WORDS);
            #[allow(clippy::exit, reason = "asked twice, the user wants no orderly end")]
            std::process::exit(1);
        });
    })
}

/// The terminal that the program was started from, if it was: SIGHUP means that it was
/// closed, and otherwise that somebody wants a reload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terminal {
    was_there: bool,
}

impl Terminal {
    pub(super) fn find() -> Self {
        Self { was_there: Self::is_there() }
    }

    /// Whether it was there once.
    pub(super) fn is_closed(self) -> bool {
        self.was_there && !Self::is_there()
    }

    fn is_there() -> bool {
        std::fs::File::open("/dev/tty").is_ok()
    }
}
