//! `edgehost serve`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::time::Instant;

use anyhow::Context;
use edgehost::telemetry::{self, LogFormat};
use edgehost::{EdgeHost, Limits, Progress};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::signal::unix::{SignalKind, signal};

use super::args::{Format, Options, ServeArgs};
use super::{config, output};

const DEFAULT_PORT: u16 = 3000;

/// Connections that the system holds until they are accepted.
const BACKLOG: i32 = 1024;

pub(super) async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let began = Instant::now();
    let ServeArgs { dir, options } = args;
    let options = options.or(config::read(&dir)?);
    start_log(&options);

    // Clients, sockets and files of all isolates share the descriptors of the process.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "cannot raise the number of file descriptors");
    }

    output::line(&format!("{} {}", output::heading("edgehost"), output::faint(env!("CARGO_PKG_VERSION"))));
    let mut builder = EdgeHost::builder(&dir)
        .limits(options.limits())
        .permissions(options.permissions())
        .trust_proxies(options.trust_proxy.iter().copied())
        .on_progress(show);
    if let Some(shards) = options.shards {
        builder = builder.shards(shards);
    }
    if let Some(origin) = &options.public_origin {
        builder = builder.public_origin(origin);
    }
    if let Some(names) = &options.conditions {
        builder = builder.conditions(names);
    }
    if let Some(names) = &options.edge_conditions {
        builder = builder.edge_conditions(names);
    }
    // Taken before bundling: a port in use is known at once.
    let listener = listen(&options)?;
    let address = listener.local_addr().context("the listener has no address")?;
    let host = builder.build().await?;
    output::line("");
    output::line(output::table(&host.routes()).trim_end());
    output::line("");
    output::line(&format!(
        "Listening on {}  {}",
        output::address(&format!("http://{address}")),
        output::faint(&format!("ready in {} ms", began.elapsed().as_millis())),
    ));
    let stop = stop_signal(&options.limits())?;
    host.serve(listener, stop).await?;
    host.shutdown().await;
    Ok(())
}

fn start_log(options: &Options) {
    let format = match options.log_format {
        Some(Format::Text) => LogFormat::Text,
        Some(Format::Json) => LogFormat::Json,
        None => LogFormat::detect(),
    };
    let mut filter = options.log.clone().unwrap_or_else(|| "info".to_owned());
    if options.no_access_log {
        filter.push_str(",edgehost::access=off");
    }
    telemetry::init(format, &filter);
}

#[allow(clippy::needless_pass_by_value, reason = "it is a callback")]
fn show(progress: Progress<'_>) {
    match progress {
        Progress::Found { hints, .. } => hints.iter().for_each(|hint| output::warning(hint)),
        Progress::Bundling { routes } => {
            output::line(&output::faint(&format!("bundling {} ...", output::count(routes, "route"))))
        }
        Progress::Bundled { routes, packages, cached, took, warnings } => {
            warnings.iter().for_each(|warning| output::warning(&warning.to_string()));
            let how = if cached { "unchanged since the last bundle" } else { "bundled" };
            output::line(&output::faint(&format!(
                "{}, {}: {how}, {} ms",
                output::count(routes, "route"),
                output::count(packages, "package"),
                took.as_millis()
            )));
        }
        _ => {}
    }
}

fn listen(options: &Options) -> anyhow::Result<TcpListener> {
    let host = options.host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let address = SocketAddr::new(host, options.port.unwrap_or(DEFAULT_PORT));
    let open = || -> std::io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    open()
        .with_context(|| format!("cannot listen on {address}: choose another address with --port or --host"))
}

/// Resolves on the first SIGTERM or SIGINT; the second ends the process at once.
fn stop_signal(limits: &Limits) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let grace = limits.grace;
    Ok(async move {
        let mut next = async move || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        next().await;
        tracing::info!(?grace, "stopping: no new connections, running requests may finish");
        tokio::spawn(async move {
            next().await;
            #[allow(clippy::exit, reason = "asked twice, the user wants no orderly end")]
            std::process::exit(1);
        });
    })
}
