//! `edgehost dev`.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use edgehost::dev::{Dev, Told};
use edgehost::telemetry::{self, Filter, Log, LogFormat, Observer};
use edgehost::{App, EdgeHost, Environment, MemoryBudget, Problem, Progress, ProjectTypes};
use futures::FutureExt as _;
use tokio::sync::Notify;

use super::apps::Plan;
use super::args::{DevArgs, Format, Options};
use super::dev_log::Lines;
use super::listeners;
use super::serve::{Terminal, filter, speak_through, stop_signal};
use super::{BadInput, config, output};

/// How often the log says what came again and again.
const TELL_AGAIN: Duration = Duration::from_secs(2);

pub(super) async fn run(args: DevArgs) -> anyhow::Result<()> {
    let began = Instant::now();
    let DevArgs { dir, poll, options } = args;
    let set = options.or_of_next(&Environment::of_process(), config::machine_name().as_deref())?;
    // What is wrong with the file is said when the app is described.
    let first = planned(&dir, &set).map_or_else(|_| set.clone(), |(options, _)| options);
    let lines = Lines::new(first.no_access_log != Some(true));
    let observer = start_log(&first, &lines)?;
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "cannot raise the number of file descriptors");
    }
    output::line(&format!(
        "{} {}",
        output::heading("edgehost dev"),
        output::faint(env!("CARGO_PKG_VERSION"))
    ));
    let (listeners, address) = listeners::of_only_app(&first)?;
    let dev = Dev::new(&dir, observer);
    let dev = dev.polling(poll).any_host(first.host.is_some());
    let builder = EdgeHost::for_apps()
        .limits(first.limits())
        .memory_budget(MemoryBudget::of_process(
            first.memory_budget.map_or_else(MemoryBudget::half, |size| size.as_u64()),
        ))
        .trust_proxies(first.trust_proxy.iter().map(|network| network.0))
        .shards(first.shards.unwrap_or(1));
    let host = dev.prepare(builder).build()?;

    let is_first = Cell::new(true);
    let describe = || {
        let (options, app) = planned(&dir, &set).map_err(|error| format!("{error:#}"))?;
        if (options.port, &options.host) != (first.port, &first.host) {
            output::warning("another port or host in edgehost.toml counts from the next start on");
        }
        if !is_first.replace(false) {
            return Ok(app);
        }
        Ok(app.on_progress(|progress| {
            if let Progress::Bundling { .. } = progress {
                output::progress(progress);
            }
        }))
    };
    let mut known: Vec<String> = Vec::new();
    let ready = Notify::new();
    let mut shown = Shown::default();
    let tell = |told: Told<'_>| {
        match told {
            Told::Built { is_first, took, files, errors, warnings, .. } => {
                lines.begin_anew();
                shown.problems(errors, warnings);
                if is_first {
                    let routes = host.routes().len();
                    let url = format!("http://{address}");
                    let ready_ms = began.elapsed().as_millis();
                    let ready =
                        output::faint(&format!("{}, ready in {ready_ms} ms", output::count(routes, "route")));
                    output::say(
                        &format!("Listening on {}  {ready}", output::address(&url)),
                        &serde_json::json!({
                            "url": url, "ready_ms": u64::try_from(ready_ms).unwrap_or(u64::MAX),
                        }),
                    );
                } else {
                    let what = if files.is_empty() { String::new() } else { format!(": {}", names(files)) };
                    output::line(&format!("{} in {} ms{what}", output::good("rebuilt"), took.as_millis()));
                }
                let patterns: Vec<String> = host.routes().into_iter().map(|route| route.pattern).collect();
                if patterns != known {
                    known = patterns;
                    if let Err(error) = ProjectTypes::write(&dir) {
                        output::warning(&format!("no types for TypeScript: {error}"));
                    }
                }
            }
            Told::Failed { error } => {
                output::failure(error);
                output::line(&output::faint("what was there before goes on; save a change to try again"));
            }
            Told::Remark(text) => output::warning(text),
            _ => {}
        }
        ready.notify_one();
    };

    let stop = stop_signal(&first.limits(), Terminal::find())?;
    let stop = async {
        stop.await;
        dev.close();
    };
    let stop = stop.shared();
    let serving = async {
        ready.notified().await;
        if host.routes().is_empty() {
            output::line(&format!("Listening on {}", output::address(&format!("http://{address}"))));
        }
        let serving = listeners.into_iter().map(|listener| host.serve(listener, stop.clone()));
        futures::future::try_join_all(serving).await
    };
    let telling_again = async {
        loop {
            tokio::time::sleep(TELL_AGAIN).await;
            lines.tell_again();
        }
    };
    tokio::select! {
        served = serving => { served?; }
        failed = dev.run(&host, describe, tell) => match failed? {},
        () = telling_again => {}
        // Before anything listens.
        () = stop.clone() => {}
    }
    host.shutdown(first.limits().grace).await;
    Ok(())
}

/// Starts the log: lines for people, wherever they go, unless JSON was asked for.
fn start_log(options: &Options, lines: &Lines) -> anyhow::Result<Arc<dyn Observer>> {
    let is_json = options.log_format == Some(Format::Json);
    let (format, filter) = (if is_json { LogFormat::Json } else { LogFormat::text() }, filter(options)?);
    if is_json {
        output::use_json();
        let log = telemetry::init(format, filter).context("cannot start the log")?;
        speak_through(&log)?;
        return Ok(Arc::new(log));
    }
    let log = Log::to_stderr(format, Filter::default()).context("cannot start the log")?;
    speak_through(&log)?;
    lines.listen(options.log.as_deref())?;
    Ok(Arc::new(lines.clone()))
}

/// The settings and the app of a folder.
fn planned(dir: &Path, set: &Options) -> anyhow::Result<(Options, App)> {
    let plan = Plan::new(&[dir.to_owned()], set)?;
    let mut apps = plan.apps.into_iter();
    let (Some(mut planned), None) = (apps.next(), apps.next()) else {
        let text = "edgehost.toml names several apps: `edgehost dev` works on one, so give it the folder of that one";
        return Err(BadInput(text.to_owned()).into());
    };
    planned.is_in_work = true;
    let app = planned.app().context("the app cannot be described")?.default(true).on_progress(|_| {});
    Ok((plan.options, app))
}

/// Most files that a line names.
const NAMED: usize = 3;

fn names(files: &[String]) -> String {
    match files.len() {
        0..=NAMED => files.join(", "),
        more => format!("{} and {} more", files[..NAMED].join(", "), more - NAMED),
    }
}

/// Problems that have been told, so that they are told once.
#[derive(Default)]
struct Shown {
    told: Vec<Problem>,
}

impl Shown {
    fn problems(&mut self, errors: &[Problem], warnings: &[Problem]) {
        let is_news = |problem: &&Problem| !self.told.contains(problem);
        warnings.iter().filter(is_news).for_each(|problem| output::warning(&problem.to_string()));
        errors.iter().filter(is_news).for_each(|problem| output::failure(&problem.to_string()));
        let left = errors.iter().filter(|problem| self.told.contains(problem)).count();
        if left > 0 {
            output::line(&output::faint(&format!("{} as before", output::count(left, "mistake"))));
        }
        self.told = errors.iter().chain(warnings).cloned().collect();
    }
}
