//! A host on a listener.

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use edgehost_ext::message::{Patience, Presence, ResponseBody};
use http::{Request, Response};
use tokio::sync::oneshot;

use super::{Deployed, EdgeHost, Shared};
use crate::error::Error;
use crate::front::{Front, Peer};
use crate::server::{Acceptor, Drain, HttpService, ServerSettings};
use crate::shard::Share;
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
        request: Request<hyper::body::Incoming>,
        peer: SocketAddr,
        presence: Presence,
        share: &Rc<Share>,
    ) -> Self::Serving {
        let share = (request.version() == http::Version::HTTP_2).then(|| share.clone());
        let address = Some(peer.ip().to_canonical());
        let peer = Peer { address, secure: false, presence, share };
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
    /// [`Error::System`] when the listener cannot be used; [`Error::Wedged`] when a thread
    /// does not come back from native code: its connections were closed, the requests on
    /// other threads have been answered, and nobody listens any more.
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
            None => Ok(()),
        }
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
            headers: limits.headers,
            header_count: limits.header_count,
            header_read: limits.header_read,
            keep_alive: limits.keep_alive,
            taking: Patience { silence: limits.write_stall, rate: limits.min_rate },
            unsent: self.unsent.clone(),
            connections: self.connections.clone(),
        };
        let (drain, watch) = Drain::new();
        let lanes = self.lanes.all();
        let mut ended = Vec::with_capacity(lanes.len());
        for lane in &lanes {
            let acceptor = Acceptor::new(&listener, settings.clone(), lane.wedge().clone(), watch.clone())
                .map_err(failed)?;
            let mut drain = watch.clone();
            let (end, wait) = oneshot::channel();
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
            let wedge = lane.wedge();
            ended.push(async move {
                tokio::select! {
                    result = wait => Some(result.unwrap_or(Ok(()))),
                    () = wedge.wedged() => None,
                }
            });
        }
        drop(listener);
        let all_ended = futures::future::join_all(ended);
        tokio::pin!(all_ended);
        let stop = async {
            tokio::select! {
                () = shutdown => {}
                () = self.any_wedged() => {}
            }
        };
        let results = tokio::select! {
            results = &mut all_ended => Some(results),
            () = stop => {
                drain.begin();
                match tokio::time::timeout(limits.grace, &mut all_ended).await {
                    Ok(results) => Some(results),
                    Err(_elapsed) => {
                        tracing::warn!(grace = ?limits.grace, "grace period is over: cutting what still runs");
                        drain.cut();
                        tokio::time::timeout(CUT_PATIENCE, &mut all_ended).await.ok()
                    }
                }
            }
        };
        let of = lanes.len();
        let Some(results) = results else { return Err(Error::Wedged { threads: self.wedged().max(1), of }) };
        let results: Vec<_> = results.into_iter().flatten().collect();
        match of - results.len() {
            0 => results.into_iter().collect::<Result<(), _>>().map_err(failed),
            threads => Err(Error::Wedged { threads, of }),
        }
    }

    /// How many threads are known not to come back.
    fn wedged(&self) -> usize {
        self.lanes.all().iter().filter(|lane| lane.wedge().is_wedged()).count()
    }

    async fn any_wedged(&self) {
        let lanes = self.lanes.all();
        let all = lanes.iter().map(|lane| Box::pin(lane.wedge().wedged()));
        futures::future::select_all(all).await;
    }
}
