//! SIGHUP: configuration and apps are read again, and new versions take over.

use std::convert::Infallible;
use std::path::PathBuf;

use anyhow::Context;
use edgehost::{App, EdgeHost, Error, Update};
use tokio::signal::unix::{SignalKind, signal};

use super::apps::{Plan, Planned};
use super::args::Options;
use super::listeners::Listeners;
use super::output;
use super::serve::{Terminal, threads};

/// Reloads at every SIGHUP; the server was started as `first` says.
pub(super) fn on_hangup(
    host: EdgeHost,
    dirs: Vec<PathBuf>,
    set: Options,
    first: Plan,
    mut listeners: Listeners,
    terminal: Terminal,
) -> anyhow::Result<impl Future<Output = Infallible>> {
    let mut hangups = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    Ok(async move {
        loop {
            if hangups.recv().await.is_none() {
                // The runtime ends.
                return std::future::pending().await;
            }
            if terminal.is_closed() {
                continue;
            }
            tracing::info!("SIGHUP: reading configuration and apps again");
            match Plan::new(&dirs, &set).and_then(|plan| sound(&plan).map(|()| plan)) {
                Ok(plan) => {
                    apply(&host, &plan).await;
                    listeners.follow(&host, &plan).await;
                    tell_what_stays(&host, &first, &plan);
                }
                Err(error) => tracing::error!("nothing is changed: {}", output::causes(&error)),
            }
        }
    })
}

/// Whether all settings can work.
fn sound(plan: &Plan) -> anyhow::Result<()> {
    for planned in &plan.apps {
        if let Ok(app) = planned.app() {
            app.validate()?;
        }
    }
    Ok(())
}

/// Has new versions take over where something has changed, brings apps that are new, and takes
/// away those that are gone. One that cannot take over leaves what there was.
async fn apply(host: &EdgeHost, plan: &Plan) {
    let mut again = Vec::new();
    for planned in &plan.apps {
        match renew(host, planned).await {
            // Another app may be about to give away what this one wants.
            Err(error) if matches!(error.downcast_ref(), Some(Error::Settings(_))) => again.push(planned),
            renewed => tell(host, planned, renewed),
        }
    }
    for old in host.apps() {
        if !plan.apps.iter().any(|app| app.name.as_deref() == old.name()) {
            old.remove().await;
            tracing::info!(app = old.name(), "{} is removed", old.name().unwrap_or("the app"));
        }
    }
    for planned in again {
        tell(host, planned, renew(host, planned).await);
    }
}

async fn renew(host: &EdgeHost, planned: &Planned) -> anyhow::Result<&'static str> {
    let app: App = planned.app()?;
    let current = host.apps().into_iter().find(|app| app.name() == planned.name.as_deref());
    let Some(current) = current else {
        host.deploy(app).await?;
        return Ok("is new");
    };
    Ok(match current.update(app).await? {
        Update::Unchanged => "is unchanged: its version goes on",
        Update::Hosts => "has other hosts: its version goes on",
        _ => "has a new version",
    })
}

fn tell(host: &EdgeHost, planned: &Planned, renewed: anyhow::Result<&'static str>) {
    let (app, label) = (planned.name.as_deref(), planned.label());
    match renewed {
        Ok(what) => tracing::info!(app, "{label} {what}"),
        Err(error) => {
            let text = output::causes(&error);
            let is_there = host.apps().iter().any(|there| there.name() == app);
            let then = if is_there { "goes on as it was" } else { "is not served" };
            tracing::error!(app, "{label} {then}: {text}");
        }
    }
}

/// Names the settings that a running server does not change.
fn tell_what_stays(host: &EdgeHost, first: &Plan, plan: &Plan) {
    let changed: Vec<&str> = first
        .options
        .of_server()
        .into_iter()
        .zip(plan.options.of_server())
        .filter(|(before, now)| before != now)
        .map(|((name, _), _)| name)
        .collect();
    if !changed.is_empty() {
        let names = changed.join(", ");
        tracing::warn!("{names} changed, which takes effect when the server is started anew");
    }
    let (has, wants) = (host.instances(), threads(plan));
    if wants > has && !changed.contains(&"shards") {
        tracing::warn!(
            "the apps could use {wants} threads, and the server has {has}: as many as it was started with"
        );
    }
}
