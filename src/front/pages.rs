//! What is shown in the place of plain answers, where somebody works on the app.
//!
//! A server has no [`Pages`], and clients get what `respond` says.

use std::fmt;
use std::sync::Arc;

use edgehost_ext::message::{RequestId, ResponseBody, settled_host};
use http::header::ACCEPT;
use http::{HeaderValue, Method, Response, StatusCode};

use super::exchange::Exchange;
use super::path::{Path, normalise};
use super::respond::Refusal;
use crate::project::Match;
use crate::version::{ServedRoute, Version};

/// Shows something in the place of plain answers. Answers of handlers are none of its business.
pub(crate) trait Pages: fmt::Debug + Send + Sync {
    /// Answers what is not meant for the app, or may not come to it.
    fn before(&self, asked: &Asked) -> Option<Response<ResponseBody>>;

    /// What a client gets in the place of `plain`.
    fn instead(
        &self,
        asked: &Asked,
        failed: &Failed<'_>,
        plain: Response<ResponseBody>,
    ) -> Response<ResponseBody>;
}

/// What was asked for.
#[cfg_attr(not(feature = "dev"), allow(dead_code, reason = "there are no pages"))]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// The path as it was sent.
    pub(crate) path: String,
    /// The host without its port; none where it makes no sense.
    pub(crate) host: Option<String>,
    pub(crate) accept: Option<HeaderValue>,
    /// The version of the app that is meant.
    pub(crate) version: Option<Arc<Version>>,
}

/// Why there is no answer of a handler.
#[cfg_attr(not(feature = "dev"), allow(dead_code, reason = "there are no pages"))]
pub(crate) struct Failed<'a> {
    pub(crate) status: StatusCode,
    /// The public code.
    pub(crate) code: &'static str,
    /// The phrase that a client would read.
    pub(crate) text: &'static str,
    pub(crate) request: RequestId,
    /// The route whose pattern the path has.
    pub(crate) route: Option<&'a ServedRoute>,
}

/// A request, and whoever may show something in the place of its answer.
pub(super) struct Shown {
    pages: Arc<dyn Pages>,
    asked: Asked,
}

impl Shown {
    pub(super) fn new(pages: &Arc<dyn Pages>, exchange: &Exchange, version: Option<&Arc<Version>>) -> Self {
        let host = match exchange.unsettled {
            Some(_) => None,
            None => settled_host(&exchange.parts, &exchange.origin).map(str::to_owned),
        };
        let asked = Asked {
            method: exchange.parts.method.clone(),
            path: exchange.parts.uri.path().to_owned(),
            host,
            accept: exchange.parts.headers.get(ACCEPT).cloned(),
            version: version.cloned(),
        };
        Self { pages: pages.clone(), asked }
    }

    pub(super) fn before(&self) -> Option<Response<ResponseBody>> {
        self.pages.before(&self.asked)
    }

    pub(super) fn instead(&self, refusal: Refusal, request: RequestId) -> Response<ResponseBody> {
        let route = self.asked.version.as_deref().and_then(|version| {
            let Path::Match(path) = normalise(&self.asked.path, &version.paths) else { return None };
            let Match::Found { route, .. } = version.table.find(&path) else { return None };
            version.routes.get(route)
        });
        let (status, code, text) = refusal.row();
        let failed = Failed { status, code, text, request, route };
        self.pages.instead(&self.asked, &failed, refusal.response(request))
    }
}
