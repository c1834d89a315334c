//! A host on a listener.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use edgehost_ext::message::{Patience, Presence, ResponseBody, Upload};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::{Request, Response};
use tokio::sync::oneshot;

use super::{Deployed, EdgeHost, Shared};
use crate::error::Error;
use crate::front::{Front, Peer};
use crate::server::{Acceptor, Drain, DrainWatch, HttpService, ServerSettings};
use crate::shard::{Lane, Share};
use crate::soon::Soon;
use crate::version::AppId;

/// How long a thread may take to end what was cut, before it counts as wedged.
const CUT_PATIENCE: Duration = Duration::from_secs(1);

/// The front of a shard as connections see it.
struct Service {
    front: Rc<Front>,
    /// Set where every request on the listener is for one app.
    app: Option<AppId>,
}

impl HttpService for Service {
    type Serving = <Soon<Response<ResponseBody>> as IntoFuture>::IntoFuture;
    type Common = Rc<Share>;

    fn is_crowded(&self) -> bool {
        self.front.shard().is_crowded()
    }

    fn connected(&self) -> Rc<Share> {
        self.front.share()
    }

    fn serve(
        &self,
        request: Request<Upload>,
        peer: SocketAddr,
        presence: Presence,
        share: &Rc<Share>,
    ) -> Self::Serving {
        let share = (request.version() == http::Version::HTTP_2).then(|| share.clone());
        let address = Some(peer.ip().to_canonical());
        let peer = Peer { address, secure: false, wire: true, presence, share, given: None };
        self.front.serve(request, peer, self.app).into_future()
    }
}

impl EdgeHost {
    /// Serves HTTP/1.1 and h2c on `listener` until `shutdown` resolves, then lets
    /// requests, and tasks of `after()` and `waitUntil()`, finish for [`Limits::grace`](crate::Limits::grace). May be
    /// called for several listeners.
    ///
    /// # Errors
    ///
    /// [`Error::System`] when the listener cannot be used; [`Error::Wedged`] when threads do
    /// not come back from native code. Their connections were closed, and fresh threads took
    /// their places, up to [`HostBuilder::max_wedged`](super::HostBuilder::max_wedged): the
    /// last one ends this before `shutdown` does. The requests on other threads have been
    /// answered, and nobody listens any more.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), Error> {
        self.0.serve(listener, shutdown, None).await
    }
}

impl Deployed {
    /// As [`EdgeHost::serve`], on a listener of the app's own: whatever host a request names.
    ///
    /// # Errors
    ///
    /// As [`EdgeHost::serve`].
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), Error> {
        match self.host() {
            Some(host) => host.serve(listener, shutdown, Some(self.id())).await,
            None => Err(Error::Ended),
        }
    }
}

/// What connections of a listener have in common on all threads.
struct Common {
    settings: ServerSettings,
    drain: DrainWatch,
    app: Option<AppId>,
}

/// What became of a thread's share of a listener.
enum Part {
    /// It was served to its end.
    Over(io::Result<()>),
    /// The thread does not come back.
    Wedged(Arc<Lane<Front>>),
}

impl Common {
    /// Gives a thread a share of the listener, and tells what becomes of it.
    fn begin(
        &self,
        listener: &TcpListener,
        lane: Arc<Lane<Front>>,
    ) -> io::Result<impl Future<Output = Part> + use<>> {
        let (app, mut drain) = (self.app, self.drain.clone());
        let wedge = lane.wedge().clone();
        let acceptor = Acceptor::new(listener, self.settings.clone(), wedge.clone(), drain.clone())?;
        Ok(async move {
            let (end, ended) = oneshot::channel();
            lane.start(move |front: Rc<Front>| async move {
                front.warm();
                let result = acceptor.run(Rc::new(Service { front: front.clone(), app })).await;
                // What answers have left to do has the rest of the grace period.
                tokio::select! {
                    () = front.shard().settled() => {}
                    () = drain.cutting() => {}
                }
                if drain.has_cut() {
                    front.shard().give_up();
                }
                let _ = end.send(result);
            })
            .await;
            tokio::select! {
                biased;
                () = wedge.wedged() => Part::Wedged(lane),
                result = ended => Part::Over(result.unwrap_or(Ok(()))),
            }
        })
    }
}

impl Shared {
    async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
        app: Option<AppId>,
    ) -> Result<(), Error> {
        let failed = |source| Error::System { what: "cannot use the listener", source };
        listener.set_nonblocking(true).map_err(failed)?;
        let limits = &self.limits;
        let settings = ServerSettings {
            http1: self.http1,
            headers: limits.headers,
            header_count: limits.header_count,
            header_read: limits.header_read,
            keep_alive: limits.keep_alive,
            taking: Patience { silence: limits.write_stall, rate: limits.min_rate },
            unsent: self.unsent.clone(),
            connections: self.connections.clone(),
        };
        let (drain, watch) = Drain::new();
        let common = Common { settings, drain: watch, app };
        let mut parts = FuturesUnordered::new();
        let lanes = self.lanes.all();
        if lanes.is_empty() {
            return Err(Error::Ended);
        }
        for lane in lanes {
            parts.push(common.begin(&listener, lane).map_err(failed)?);
        }
        let mut served = Ok(());
        let mut may_go_on = true;
        let (mut host, mut until) = (self.ending.watch(), None);
        tokio::pin!(shutdown);
        while may_go_on {
            let part = tokio::select! {
                part = parts.next() => part,
                () = &mut shutdown => break,
                ends = host.begun() => {
                    until = Some(ends);
                    break;
                }
            };
            match part {
                None => break,
                Some(Part::Over(result)) => served = served.and(result),
                // Who waits to be accepted is now the fresh thread's.
                Some(Part::Wedged(lane)) => match self.lanes.replace(&lane) {
                    Some(fresh) => parts.push(common.begin(&listener, fresh).map_err(failed)?),
                    None => may_go_on = false,
                },
            }
        }
        drop(listener);
        drain.begin();
        let ending = async {
            while let Some(part) = parts.next().await {
                match part {
                    Part::Over(result) => served = std::mem::replace(&mut served, Ok(())).and(result),
                    Part::Wedged(lane) => self.lanes.lose(&lane),
                }
            }
        };
        tokio::pin!(ending);
        if let Some(until) = until {
            // The threads cut off what is not done by then, and the host tells what that was.
            let _ = tokio::time::timeout_at((until + CUT_PATIENCE).into(), &mut ending).await;
            return served.map_err(failed);
        }
        if tokio::time::timeout(limits.grace, &mut ending).await.is_err() {
            tracing::warn!(grace = ?limits.grace, "grace period is over: cutting what still runs");
            drain.cut();
            let _ = tokio::time::timeout(CUT_PATIENCE, &mut ending).await;
        }
        // Those that have not ended by now, and those known before not to come back.
        let lost = if may_go_on { self.lanes.stuck() } else { self.lanes.written_off() };
        match parts.len() + lost {
            0 => served.map_err(failed),
            threads => Err(Error::Wedged { threads, of: self.lanes.threads() }),
        }
    }
}
