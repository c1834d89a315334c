//! What a program is told of a request that it handed over, along with the answer.

use std::sync::Arc;
use std::time::Instant;

use edgehost_ext::message::{RequestId, ResponseBody};
use http::Response;

use super::exchange::Exchange;
use super::respond::Refusal;
use crate::calling::Outcome;
use crate::version::Version;

/// Whoever has handed a request over.
pub(super) struct Asker {
    id: RequestId,
    started: Instant,
    version: Option<Arc<Version>>,
    route: Option<usize>,
}

impl Asker {
    /// The one of this request, which is for `version`, or for no app.
    pub(super) fn new(exchange: &Exchange, version: Option<Arc<Version>>) -> Self {
        Self { id: exchange.id, started: exchange.started, version, route: None }
    }

    /// The route that answers.
    pub(super) fn found(&mut self, route: Option<usize>) {
        self.route = route;
    }

    /// Leaves the outcome in the extensions of the answer.
    pub(super) fn tell(self, response: &mut Response<ResponseBody>, refusal: Option<Refusal>) {
        let cost = response.body().cost();
        let version = self.version.as_ref();
        let outcome = Outcome {
            request: self.id,
            app: version.and_then(|version| version.name.clone()),
            version: version.map(|version| version.id.number()),
            route: version
                .zip(self.route)
                .map(|(version, route)| version.routes[route].pattern.as_str().into()),
            error: refusal.map(Refusal::code),
            limit: refusal.and_then(Refusal::limit),
            cpu: cost.cpu,
            wall: self.started.elapsed(),
            memory: cost.memory,
            length: response.body().len(),
        };
        response.extensions_mut().insert(outcome);
    }
}
