//! Where a server listens: one address for all apps, and one more for each app with a port of
//! its own. Both may be others after a reload.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use anyhow::Context;
use edgehost::{EdgeHost, Error};
use futures::FutureExt;
use futures::future::{BoxFuture, LocalBoxFuture, Shared};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::{mpsc, oneshot};

use super::BadInput;
use super::apps::Plan;
use super::args::Options;

const DEFAULT_PORT: u16 = 3000;
const DEFAULT_HOST: &str = "127.0.0.1";

/// Connections that the system holds until they are accepted.
const BACKLOG: i32 = 1024;

/// How often, and how far apart, an address is tried that another listener is about to leave.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_millis(50);

/// What resolves when the server is to end.
pub(super) type Stop = Shared<BoxFuture<'static, ()>>;

/// What serves a listener.
pub(super) type Serving = LocalBoxFuture<'static, Result<(), Error>>;

/// Where to listen, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    host: String,
    port: u16,
}

/// The name of the app that has the listener to itself; none for that of all others.
type Of = Option<String>;

/// An address on which somebody listens until this is dropped.
struct Open {
    address: Address,
    _close: oneshot::Sender<()>,
}

/// Every address of a server.
pub(super) struct Listeners {
    open: HashMap<Of, Open>,
    stop: Stop,
    serving: mpsc::UnboundedSender<Serving>,
}

/// Listeners that are bound: one for each address of a host.
pub(super) struct Bound {
    of: Of,
    address: Address,
    listeners: Vec<TcpListener>,
    /// What stands in a URL for them.
    pub(super) shown: String,
}

impl Bound {
    /// The app that has them to itself.
    pub(super) fn app(&self) -> Option<&str> {
        self.of.as_deref()
    }
}

/// The addresses that a plan asks for, those of apps with one of their own first.
pub(super) fn wanted(plan: &Plan) -> Vec<(Of, Address)> {
    let host = plan.options.host.as_deref().map_or(DEFAULT_HOST, |host| host.trim_matches(['[', ']']));
    let address = |port| Address { host: host.to_owned(), port };
    let own = plan.apps.iter().filter_map(|app| Some((app.name.clone(), address(app.port?))));
    let is_shared = plan.apps.iter().any(|app| app.port.is_none());
    let shared = is_shared.then(|| (None, address(plan.options.port.unwrap_or(DEFAULT_PORT))));
    own.chain(shared).collect()
}

/// Binds the listeners of a server with one app, with what stands in a URL for them.
pub(super) fn of_only_app(options: &Options) -> anyhow::Result<(Vec<TcpListener>, String)> {
    let host = options.host.as_deref().map_or(DEFAULT_HOST, |host| host.trim_matches(['[', ']']));
    let port = options.port.unwrap_or(DEFAULT_PORT);
    let Bound { listeners, shown, .. } = bind(None, Address { host: host.to_owned(), port })?;
    Ok((listeners, shown))
}

/// Binds the listeners on an address.
pub(super) fn bind(of: Of, address: Address) -> anyhow::Result<Bound> {
    let Address { host, mut port } = address.clone();
    let mut addresses: Vec<SocketAddr> = (host.as_str(), port)
        .to_socket_addrs()
        .map_err(|error| {
            BadInput(format!("--host is '{host}', which is no address and no known name: {error}"))
        })?
        .collect();
    addresses.sort();
    addresses.dedup();
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut absent = None;
    for mut address in addresses {
        address.set_port(port);
        match open(address) {
            Ok(listener) => {
                // Where any port will do, it is the same one for all addresses.
                port = listener.local_addr().context("the listener has no address")?.port();
                listeners.push(listener);
            }
            Err(error) if is_absent(&error) => absent = Some((address, error)),
            Err(error) => return Err(error).with_context(|| cannot_listen(address)),
        }
    }
    if let (true, Some((address, error))) = (listeners.is_empty(), absent) {
        return Err(error).with_context(|| cannot_listen(address));
    }
    let is_name = host.parse::<IpAddr>().is_err();
    let shown = match listeners.first().map(TcpListener::local_addr) {
        Some(Ok(address)) if !is_name => address.to_string(),
        _ => format!("{host}:{port}"),
    };
    Ok(Bound { of, address, listeners, shown })
}

fn cannot_listen(address: SocketAddr) -> String {
    format!("cannot listen on {address}: choose another address with --port or --host")
}

/// Whether the machine has no such address, as one without IPv6 has no `::1`.
fn is_absent(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

fn open(address: SocketAddr) -> std::io::Result<TcpListener> {
    let bind = |address: SocketAddr| -> std::io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            // As Node.js does: `::` takes IPv4 as well, whatever the system's default.
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    match bind(address) {
        // Every address of a machine without IPv6.
        Err(error) if is_absent(&error) && address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()))
        }
        opened => opened,
    }
}

impl Listeners {
    /// None yet. What serves them comes out of the channel, to be polled until it is over.
    pub(super) fn new(stop: Stop) -> (Self, mpsc::UnboundedReceiver<Serving>) {
        let (serving, servings) = mpsc::unbounded_channel();
        (Self { open: HashMap::new(), stop, serving }, servings)
    }

    /// Has bound listeners served, by the app that has them to itself or by all; false where
    /// that app is not there.
    pub(super) fn serve(&mut self, host: &EdgeHost, bound: Bound) -> bool {
        let Bound { of, address, listeners, shown: _ } = bound;
        let app = match &of {
            Some(name) => match host.app(name) {
                Some(app) => Some(app),
                None => return false,
            },
            None => None,
        };
        let (close, closed) = oneshot::channel::<()>();
        let closed = closed.map(drop).shared();
        for listener in listeners {
            let (stop, closed) = (self.stop.clone(), closed.clone());
            let until = async move {
                tokio::select! {
                    () = stop => {}
                    () = closed => {}
                }
            };
            let (host, app) = (host.clone(), app.clone());
            let serving: Serving = Box::pin(async move {
                match app {
                    Some(app) => app.serve(listener, until).await,
                    None => host.serve(listener, until).await,
                }
            });
            // Nobody takes it where the server has ended.
            let _ = self.serving.send(serving);
        }
        self.open.insert(of, Open { address, _close: close });
        true
    }

    /// Leaves the addresses that nobody wants any more, and takes those that are new. Where
    /// one cannot be had, whoever has another one keeps it.
    pub(super) async fn follow(&mut self, host: &EdgeHost, plan: &Plan) {
        let wanted = wanted(plan);
        let gone: Vec<Of> =
            self.open.keys().filter(|of| !wanted.iter().any(|(wanted, _)| wanted == *of)).cloned().collect();
        for of in gone {
            if let Some(open) = self.open.remove(&of) {
                tracing::info!(
                    app = of,
                    "no longer listening on {}:{}",
                    open.address.host,
                    open.address.port
                );
            }
        }
        for (of, address) in wanted {
            let is_there = self.open.get(&of).is_some_and(|open| open.address == address);
            let is_served = of.as_ref().is_none_or(|name| host.app(name).is_some());
            if is_there || !is_served {
                continue;
            }
            match self.take(of.clone(), address).await {
                Ok(bound) => {
                    tracing::info!(app = of, "listening on http://{}", bound.shown);
                    self.serve(host, bound);
                }
                Err(error) => {
                    let text = super::output::causes(&error);
                    tracing::error!(app = of, "listeners stay as they were: {text}");
                }
            }
        }
    }

    /// Binds an address, which another listener may be about to leave.
    async fn take(&self, of: Of, address: Address) -> anyhow::Result<Bound> {
        for _ in 1..TRIES {
            match bind(of.clone(), address.clone()) {
                Err(error)
                    if is_in_use(&error) && !self.open.values().any(|open| open.address == address) =>
                {
                    tokio::time::sleep(PAUSE).await;
                }
                result => return result,
            }
        }
        bind(of, address)
    }
}

fn is_in_use(error: &anyhow::Error) -> bool {
    let io = error.root_cause().downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}
