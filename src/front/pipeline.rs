//! The way of a request, from its head to its answer.

use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use edgehost_ext::message::{
    Answer, BodyFault, RequestBody, RequestId, ResponseBody, Upload, settle_authority, settled_host,
};
use http::{HeaderValue, Request, Response};
use ipnet::IpNet;

use super::access::{self, Access};
use super::apps::{Apps, Served};
use super::asker::Asker;
use super::exchange::{Exchange, Peer};
use super::guard;
use super::pages::{Pages, Shown};
use super::respond::{self, Refusal, Refused};
use super::rules::Added;
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
    /// Shows something in the place of plain answers, where somebody works on the app.
    pub(crate) pages: Option<Arc<dyn Pages>>,
}

/// Serves requests on one shard's thread.
pub(crate) struct Front {
    apps: Apps,
    shard: Rc<Shard>,
    trusted: Arc<[IpNet]>,
    concurrency: usize,
    observer: Arc<dyn Observer>,
    logs_access: bool,
    pages: Option<Arc<dyn Pages>>,
}

impl Front {
    pub(crate) fn new(settings: FrontSettings, shard: &Rc<Shard>) -> Self {
        let FrontSettings { registry, lanes, index, trusted, concurrency, observer, pages } = settings;
        let logs_access = observer.wants_requests();
        let apps = Apps::new(index, shard.clone(), lanes, registry);
        Self { apps, shard: shard.clone(), trusted, concurrency, observer, logs_access, pages }
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

    /// Makes a version ready to take over: its isolates are started, and what `current` has
    /// loaded is loaded.
    ///
    /// # Errors
    ///
    /// Why it cannot take over.
    pub(crate) async fn prepare(
        &self,
        next: &Arc<Version>,
        current: Option<&Arc<Version>>,
    ) -> Result<(), String> {
        let local = self.apps.local(next);
        let patterns = current.map_or(Vec::new(), |current| self.apps.local(current).loaded());
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
        let mut exchange = Exchange::new(request, peer, is_trusted, self.logs_access);
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
        let shown = self.pages.as_ref().map(|pages| {
            Box::new(Shown::new(pages, &exchange, served.as_ref().map(|served| &served.version)))
        });
        let early = shown.as_ref().and_then(|shown| shown.before());
        let asker = (!exchange.origin.wire)
            .then(|| Box::new(Asker::new(&exchange, served.as_ref().map(|served| served.version.clone()))));
        let ending = Ending { access, asker, id, x_request_id, shown };
        if let Some(early) = early {
            exchange.linger();
            return Soon::Now(ending.with(Ok(early)));
        }
        match served {
            Some(served) if served.version.rules.is_some() || served.version.middleware.is_some() => {
                by_rules(exchange, served, ending)
            }
            Some(served) => plainly(exchange, &served, ending),
            None => {
                exchange.linger();
                Soon::Now(ending.with(Err(exchange.unsettled.unwrap_or(Refusal::UnknownHost))))
            }
        }
    }
}

/// What is left to do with a request once there is an answer.
struct Ending {
    /// The observer, where it wants to know.
    access: Option<Access>,
    /// The program, if it has handed the request over.
    asker: Option<Box<Asker>>,
    id: RequestId,
    x_request_id: Option<HeaderValue>,
    /// Who shows something in the place of a refusal.
    shown: Option<Box<Shown>>,
}

impl Ending {
    /// Takes down which route answers.
    fn found(&mut self, route: Option<usize>) {
        if let Some(access) = &mut self.access {
            access.found(route);
        }
        if let Some(asker) = &mut self.asker {
            asker.found(route);
        }
    }

    /// The response.
    fn with(self, answered: Answered) -> Response<ResponseBody> {
        self.finish(None, answered.map_err(Refused::from))
    }

    /// The response with headers beside those of the answer.
    fn with_added(self, added: Option<Box<Added>>, answered: Answered) -> Response<ResponseBody> {
        self.finish(added, answered.map_err(Refused::from))
    }

    /// The same where it is known what it took.
    fn finish(self, added: Option<Box<Added>>, finished: Finished) -> Response<ResponseBody> {
        let refused = finished.as_ref().err().copied();
        let answered = finished.map_err(|refused| refused.refusal);
        let answered = match (answered, &self.shown) {
            (Err(refusal), Some(shown)) => Ok(shown.instead(refusal, self.id)),
            (answered, _) => answered,
        };
        let answered = match added {
            Some(added) => Ok(added.to(answered, self.id)),
            None => answered,
        };
        let mut response = answered.unwrap_or_else(|refusal| refusal.response(self.id));
        respond::name_request(&mut response, self.id, self.x_request_id);
        if let Some(refused) = refused {
            response.body_mut().set_cost(refused.cost);
        }
        let refusal = refused.map(|refused| refused.refusal);
        if let Some(asker) = self.asker {
            asker.tell(&mut response, refusal);
        }
        match self.access {
            Some(access) => access.follow(response, refusal.and_then(Refusal::limit)),
            None => response,
        }
    }
}

/// A response, or why there is none and what it took to find out.
type Finished = Result<Response<ResponseBody>, Refused>;

/// Takes an exchange through the stages and to the backend.
fn plainly(mut exchange: Exchange, served: &Served, mut ending: Ending) -> Soon<Response<ResponseBody>> {
    let early = stages::run(&mut exchange, &served.version);
    ending.found(exchange.route);
    if let ControlFlow::Break(early) = early {
        exchange.linger();
        return Soon::Now(ending.with(early));
    }
    call(exchange, served, move |finished| ending.finish(None, finished))
}

/// The same where there are rules or a middleware.
fn by_rules(mut exchange: Exchange, served: Rc<Served>, mut ending: Ending) -> Soon<Response<ResponseBody>> {
    if let ControlFlow::Break(early) = stages::before(&mut exchange, &served.version) {
        exchange.linger();
        return Soon::Now(ending.with_added(exchange.added.take(), early));
    }
    if !guard::concerns(&mut exchange, &served.version) {
        return routed(exchange, &served, ending);
    }
    let share = exchange.share.clone();
    let Some(invocation) = guard::invocation(&mut exchange, &served.version) else {
        return routed(exchange, &served, ending);
    };
    ending.found(Some(invocation.head.route));
    match served.backend.clone().call(invocation, share) {
        Soon::Now(result) => guarded(exchange, &served, ending, result),
        Soon::Later(result) => Soon::Later(Box::pin(async move {
            let result = result.await;
            guarded(exchange, &served, ending, result).into_future().await
        })),
    }
}

/// Goes on as the middleware says. A body that it has not read is its isolate's.
fn guarded(
    mut exchange: Exchange,
    served: &Served,
    ending: Ending,
    result: Result<Answer, BackendError>,
) -> Soon<Response<ResponseBody>> {
    let answer = match result {
        Ok(answer) => answer,
        Err(error) => return Soon::Now(ending.finish(None, Err(error.into()))),
    };
    match guard::follow(answer, &mut exchange, &served.version) {
        ControlFlow::Continue(()) => routed(exchange, served, ending),
        ControlFlow::Break(answered) => Soon::Now(ending.with_added(exchange.added.take(), answered)),
    }
}

/// Finds the route behind rules and middleware, and calls it.
fn routed(mut exchange: Exchange, served: &Served, mut ending: Ending) -> Soon<Response<ResponseBody>> {
    let early = stages::after(&mut exchange, &served.version);
    // Not the middleware, which has let it go on.
    ending.found(exchange.route);
    if let ControlFlow::Break(early) = early {
        exchange.linger();
        return Soon::Now(ending.with_added(exchange.added.take(), early));
    }
    let added = exchange.added.take();
    call(exchange, served, move |finished| ending.finish(added, finished))
}

/// Hands an exchange whose route is known to the backend. What `finish` makes of the outcome is
/// the answer.
fn call(
    mut exchange: Exchange,
    served: &Served,
    finish: impl FnOnce(Finished) -> Response<ResponseBody> + 'static,
) -> Soon<Response<ResponseBody>> {
    let (backend, reads_ahead) = (served.backend.clone(), exchange.reads_ahead());
    let share = exchange.share.take();
    let Some(mut invocation) = exchange.into_invocation(served.version.clone()) else {
        return Soon::Now(finish(Err(Refusal::NotFound.into())));
    };
    let refused = |error| Refusal::from(BodyFault::of(&error).unwrap_or(BodyFault::Malformed));
    if reads_ahead {
        match invocation.body.settle_now() {
            Ok(body) => invocation.body = body,
            Err(error) => return Soon::Now(finish(Err(refused(error).into()))),
        }
    }
    if !matches!(invocation.body, RequestBody::Stream(_)) || !reads_ahead {
        return backend.call(invocation, share).map(move |result| finish(answered(result)));
    }
    Soon::Later(Box::pin(async move {
        let outcome = async move {
            invocation.body = invocation.body.settle().await.map_err(refused)?;
            match backend.call(invocation, share) {
                Soon::Now(result) => answered(result),
                Soon::Later(result) => answered(result.await),
            }
        };
        finish(outcome.await)
    }))
}

fn answered(result: Result<Answer, BackendError>) -> Finished {
    Ok(respond::answer(result?))
}
