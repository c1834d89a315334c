//! SIGHUP: configuration and apps are read again, and new versions take over.

use std::convert::Infallible;
use std::path::PathBuf;

use anyhow::Context;
use edgehost::EdgeHost;
use tokio::signal::unix::{SignalKind, signal};

use super::apps::{Plan, Planned};
use super::args::Options;
use super::output;
use super::serve::Terminal;

/// Reloads at every SIGHUP.
pub(super) fn on_hangup(
    host: EdgeHost,
    dirs: Vec<PathBuf>,
    set: Options,
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
            match Plan::new(&dirs, &set) {
                Ok(plan) => apply(&host, &plan).await,
                Err(error) => tracing::error!("nothing is changed: {error:#}"),
            }
        }
    })
}

/// Has new versions of all apps take over, brings apps that are new, and takes away those
/// that are gone. One that cannot take over leaves what there was.
async fn apply(host: &EdgeHost, plan: &Plan) {
    for old in host.apps() {
        let is_planned = plan.apps.iter().any(|app| app.name.as_deref() == old.name());
        if let (false, Some(name)) = (is_planned, old.name()) {
            host.remove(name).await;
            tracing::info!(app = name, "removed");
        }
    }
    for planned in &plan.apps {
        if let Err(error) = renew(host, planned).await {
            let app = planned.name.as_deref();
            let text = output::causes(&error);
            tracing::error!(app, "{} goes on as it was: {text}", planned.label());
        }
    }
}

async fn renew(host: &EdgeHost, planned: &Planned) -> anyhow::Result<()> {
    let app = planned.app()?;
    let current = host.apps().into_iter().find(|app| app.name() == planned.name.as_deref());
    match current {
        Some(current) => current.replace(app).await?,
        None => {
            host.deploy(app).await?;
        }
    }
    tracing::info!(app = planned.name.as_deref(), "{} has a new version", planned.label());
    Ok(())
}
