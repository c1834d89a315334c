//! The way of a request, from its head to its answer.

use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use edgehost_ext::message::{
    Answer, BodyFault, RequestBody, ResponseBody, Upload, settle_authority, settled_host,
};
use http::{Request, Response};
use ipnet::IpNet;

use super::access::{self, Access};
use super::apps::{Apps, Served};
use super::exchange::{Exchange, Peer};
use super::respond::{self, Refusal};
use super::stages::{self, Answered};
use crate::ending::{CutOff, ShutdownReport};
use crate::registry::Registry;
use crate::shard::{BackendError, Lanes, Local, Shard, Share};
use crate::soon::Soon;
use crate::telemetry::Observer;
use crate::version::{AppId, Version};

/// What the pipeline needs to know of its host.
pub(crate) struct FrontSettings {
    /// Which apps there are.
    pub(crate) registry: Arc<Registry>,
    /// All shards.
    pub(crate) lanes: Weak<Lanes<Front>>,
    /// The number of this one among them.
    pub(crate) index: usize,
    /// Proxies whose `x-forwarded-*` is believed.
    pub(crate) trusted: Arc<[IpNet]>,
    /// How many handlers may run at once in an isolate.
    pub(crate) concurrency: usize,
    /// Is told of requests that mean no app.
    pub(crate) observer: Arc<dyn Observer>,
}

/// Serves requests on one shard's thread.
pub(crate) struct Front {
    apps: Apps,
    shard: Rc<Shard>,
    trusted: Arc<[IpNet]>,
    concurrency: usize,
    observer: Arc<dyn Observer>,
    logs_access: bool,
}

impl Front {
    pub(crate) fn new(settings: FrontSettings, shard: &Rc<Shard>) -> Self {
        let FrontSettings { registry, lanes, index, trusted, concurrency, observer } = settings;
        let logs_access = observer.wants_requests();
        let apps = Apps::new(index, shard.clone(), lanes, registry);
        Self { apps, shard: shard.clone(), trusted, concurrency, observer, logs_access }
    }

    /// Starts an isolate of the only app, if there is one app.
    pub(crate) fn warm(&self) {
        self.apps.warm();
    }

    /// The shard behind it.
    pub(crate) fn shard(&self) -> &Shard {
        &self.shard
    }

    /// What a new connection may take of the permits for handlers.
    pub(crate) fn share(&self) -> Rc<Share> {
        Share::new(self.concurrency)
    }

    /// Makes a version ready to take over from the current one: its isolates are started, and
    /// what that has loaded is loaded.
    ///
    /// # Errors
    ///
    /// Why it cannot take over.
    pub(crate) async fn prepare(&self, next: &Arc<Version>, current: &Arc<Version>) -> Result<(), String> {
        let local = self.apps.local(next);
        let patterns = self.apps.local(current).loaded();
        local.prepare(&patterns).await?;
        self.apps.prepared(local);
        Ok(())
    }

    /// Lets a version go that was made ready and will not take over.
    pub(crate) fn give_up(&self, version: &Arc<Version>) {
        self.apps.give_up(version);
    }

    /// Notices that apps have come, gone, or got another version.
    pub(crate) fn refresh(&self) {
        self.apps.refresh();
    }

    /// Whether no request waits for its answer.
    pub(crate) fn is_idle(&self) -> bool {
        self.apps.unanswered().iter().all(CutOff::is_empty)
    }

    /// Ends what still runs. Tells what that was, of each app.
    pub(crate) fn cut(&self) -> Vec<CutOff> {
        let mut report = ShutdownReport::default();
        report.add(self.shard.left());
        report.add(self.apps.unanswered());
        self.shard.cut();
        report.cut_off
    }

    /// The isolates of an app's version on this thread.
    pub(super) fn local(&self, app: AppId, version: &Arc<Version>) -> Rc<Local> {
        self.apps.of_app(app, version)
    }

    /// Answers one request, for `app` or for the one that its host means. Never fails: every
    /// failure is a response. What waits for nothing is answered before this returns.
    pub(crate) fn serve(
        &self,
        request: Request<Upload>,
        peer: Peer,
        app: Option<AppId>,
    ) -> Soon<Response<ResponseBody>> {
        let is_trusted = peer.address.is_some_and(|ip| self.trusted.iter().any(|net| net.contains(&ip)));
        let mut exchange = Exchange::new(request, peer, is_trusted);
        if is_trusted {
            let peer = exchange.origin.peer;
            exchange.origin.client = access::client(peer, &exchange.parts.headers, &self.trusted);
        }
        exchange.unsettled = settle_authority(&exchange.parts, &mut exchange.origin).err().map(Refusal::from);
        let host = || match exchange.unsettled {
            Some(_) => None,
            None => settled_host(&exchange.parts, &exchange.origin),
        };
        let served = self.apps.find(app, host);
        let access = self
            .logs_access
            .then(|| Access::new(&exchange, served.as_ref().map(|served| &served.version), &self.observer));
        let (id, x_request_id) = (exchange.id, exchange.x_request_id.clone());
        let finish = move |answered: Answered, access: Option<Access>| {
            let mut response = answered.unwrap_or_else(|refusal| refusal.response(id));
            respond::name_request(&mut response, id, x_request_id);
            match access {
                Some(access) => access.follow(response),
                None => response,
            }
        };
        match served {
            Some(served) => answer(exchange, &served, access, finish),
            None => {
                exchange.linger();
                Soon::Now(finish(Err(exchange.unsettled.unwrap_or(Refusal::UnknownHost)), access))
            }
        }
    }
}

/// Takes an exchange through the stages and to the backend. What `finish` makes of the outcome
/// is the answer.
fn answer(
    mut exchange: Exchange,
    served: &Served,
    mut access: Option<Access>,
    finish: impl FnOnce(Answered, Option<Access>) -> Response<ResponseBody> + 'static,
) -> Soon<Response<ResponseBody>> {
    if let ControlFlow::Break(early) = stages::run(&mut exchange, &served.version) {
        exchange.linger();
        return Soon::Now(finish(early, access));
    }
    if let (Some(access), Some(route)) = (&mut access, exchange.route) {
        access.found(route);
    }
    let (backend, reads_ahead) = (served.backend.clone(), exchange.reads_ahead());
    let share = exchange.share.take();
    let Some(mut invocation) = exchange.into_invocation(served.version.clone()) else {
        return Soon::Now(finish(Err(Refusal::NotFound), access));
    };
    let refused = |error| BodyFault::of(&error).unwrap_or(BodyFault::Malformed);
    if reads_ahead {
        match invocation.body.settle_now() {
            Ok(body) => invocation.body = body,
            Err(error) => return Soon::Now(finish(Err(refused(error).into()), access)),
        }
    }
    if !matches!(invocation.body, RequestBody::Stream(_)) || !reads_ahead {
        return backend.call(invocation, share).map(move |result| finish(answered(result), access));
    }
    Soon::Later(Box::pin(async move {
        let outcome = async move {
            invocation.body = invocation.body.settle().await.map_err(refused)?;
            match backend.call(invocation, share) {
                Soon::Now(result) => answered(result),
                Soon::Later(result) => answered(result.await),
            }
        };
        finish(outcome.await, access)
    }))
}

fn answered(result: Result<Answer, BackendError>) -> Answered {
    Ok(respond::answer(result?))
}
