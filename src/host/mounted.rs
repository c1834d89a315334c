//! A host or an app under a path of somebody else's router.

use std::convert::Infallible;
use std::task::{Context, Poll};

use edgehost_ext::message::ResponseBody;
use http::{Request, Response};
use tower_service::Service;

use super::{Deployed, EdgeHost};
use crate::calling::Mount;
use crate::error::Error;

/// A service whose requests come with a path that a router has cut a prefix off; see
/// [`EdgeHost::at`].
#[derive(Debug, Clone)]
pub struct Mounted<S> {
    service: S,
    mount: Mount,
}

impl<S> Mounted<S> {
    fn new(service: S, path: &str) -> Result<Self, Error> {
        let mount = Mount::new(path).map_err(|problem| Error::Settings(vec![problem]))?;
        Ok(Self { service, mount })
    }
}

impl EdgeHost {
    /// The host as a service for requests that a router has cut `path` off, such as axum's
    /// `nest_service` does.
    ///
    /// Routes are found by the path that is left. The handler sees the whole:
    /// with `/api` in front of `/items/2?x=1` its `request.url` is `http://host/api/items/2?x=1`,
    /// and in the words of Next.js the prefix is a base path: `nextUrl.basePath` is `/api`,
    /// `nextUrl.pathname` is `/items/2`, and `nextUrl.href` again the whole. Redirects of the
    /// router itself (`//`, a slash at the end) and paths in the log have the prefix;
    /// what a handler passes to `redirect()` and `cookies().set()` goes out as it is,
    /// with the path `/` for cookies that name none.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] where `path` is no path, or not written as a URL has it.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let host = edgehost::EdgeHost::builder("./my-project").build().await?;
    /// let router: axum::Router = axum::Router::new().nest_service("/api", host.at("/api")?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn at(&self, path: &str) -> Result<Mounted<Self>, Error> {
        Mounted::new(self.clone(), path)
    }
}

impl Deployed {
    /// The app under `path`, as [`EdgeHost::at`].
    ///
    /// # Errors
    ///
    /// As [`EdgeHost::at`].
    pub fn at(&self, path: &str) -> Result<Mounted<Self>, Error> {
        Mounted::new(self.clone(), path)
    }
}

impl<S, B> Service<Request<B>> for Mounted<S>
where
    S: Service<Request<B>, Response = Response<ResponseBody>, Error = Infallible>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        request.extensions_mut().insert(self.mount.clone());
        self.service.call(request)
    }
}
