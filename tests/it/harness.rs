//! An app in a temporary folder, served on a real socket, and a client for it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use edgehost::{EdgeHost, EdgeHostBuilder, Environment, Error, Http1, Limits, Permissions};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tracing_subscriber::fmt::MakeWriter;

/// Longest time that anything in a test may take before it counts as stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long a host may take to finish what it has begun.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// A project that is being written.
pub(crate) struct Project {
    pub(crate) dir: TempDir,
    limits: Limits,
    instances: usize,
    environment: Environment,
    permissions: Permissions,
    http1: Http1,
}

/// A project without files.
pub(crate) fn project() -> Project {
    capture_log();
    let mut limits = Limits::default();
    // Many apps run beside each other here, and some fill their memory.
    limits.memory = 128 << 20;
    Project {
        dir: tempfile::tempdir().expect("a temporary folder"),
        limits,
        instances: 1,
        environment: Environment::empty(),
        permissions: Permissions::default(),
        http1: HTTP1,
    }
}

/// Who speaks HTTP/1.1 where nothing else is said; the tests of `with_hyper` say something else.
pub(crate) const HTTP1: Http1 = Http1::Own;

/// A project with one route at `/`.
pub(crate) async fn serve_root(source: &str) -> App {
    project().file("app/route.ts", source).start().await
}

impl Project {
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().canonicalize().expect("it exists")
    }

    pub(crate) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, content).expect("written");
        self
    }

    /// Another project with the same files but one.
    pub(crate) fn clone_of(other: &Self, path: &str, content: &str) -> Self {
        let copy = project();
        for entry in walkdir::WalkDir::new(other.path().join("app")).into_iter().flatten() {
            let inside = entry.path().strip_prefix(other.path()).expect("inside");
            if entry.file_type().is_file() {
                let to = copy.dir.path().join(inside);
                std::fs::create_dir_all(to.parent().expect("a parent")).expect("folders");
                std::fs::copy(entry.path(), to).expect("copied");
            }
        }
        copy.file(path, content)
    }

    pub(crate) fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    pub(crate) fn permissions(
        mut self,
        profile: impl Into<Permissions>,
        change: impl FnOnce(&mut Permissions),
    ) -> Self {
        self.permissions = profile.into();
        change(&mut self.permissions);
        self
    }

    pub(crate) fn instances(mut self, instances: usize) -> Self {
        self.instances = instances;
        self
    }

    pub(crate) fn http1(mut self, http1: Http1) -> Self {
        self.http1 = http1;
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.set(name, value);
        self
    }

    pub(crate) fn builder(&self) -> EdgeHostBuilder {
        EdgeHost::builder(self.dir.path())
            .limits(self.limits.clone())
            .instances(self.instances)
            .permissions(self.permissions.clone())
            .environment(self.environment.clone())
            .http1(self.http1)
            .keep_in_project(true)
    }

    pub(crate) async fn start(self) -> App {
        let host =
            self.builder().build().await.unwrap_or_else(|error| panic!("the project is in order: {error}"));
        App::serve(host, Some(self.dir)).await
    }

    /// What is wrong with the project.
    pub(crate) async fn refusal(self) -> String {
        match self.builder().build().await {
            Ok(_) => panic!("the project should be refused"),
            Err(error @ (Error::Project(_) | Error::Bundle(_) | Error::Settings(_))) => error.to_string(),
            Err(error) => panic!("refused for another reason: {error}"),
        }
    }
}

/// An app that is being served.
pub(crate) struct App {
    pub(crate) host: EdgeHost,
    pub(crate) address: std::net::SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<Result<(), Error>>,
    pub(crate) dir: Option<TempDir>,
}

impl App {
    pub(crate) async fn serve(host: EdgeHost, dir: Option<TempDir>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = host.clone();
        let served = tokio::spawn(async move {
            serving
                .serve(listener, async {
                    let _ = stopped.await;
                })
                .await
        });
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { host, address, client, stop: Some(stop), served, dir }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(Method::POST, path, &[], body.to_owned()).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let answer = async {
            let (parts, body) = self.client.request(request).await.expect("an answer").into_parts();
            let body = body.collect().await.expect("a whole body").to_bytes();
            Answer { status: parts.status, headers: parts.headers, body }
        };
        tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time")
    }

    /// A connection to write bytes on.
    pub(crate) async fn connect(&self) -> Wire {
        Wire(tokio::net::TcpStream::connect(self.address).await.expect("connected"))
    }

    /// Begins the shutdown.
    pub(crate) fn stop(&mut self) {
        self.stop.take();
    }

    /// Shuts down and waits until everything is gone.
    pub(crate) async fn shut_down(mut self) {
        self.stop();
        tokio::time::timeout(PATIENCE, self.served)
            .await
            .expect("in time")
            .expect("no panic")
            .expect("served");
        self.host.shutdown(GRACE).await;
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}\nthe log so far:\n{}", self.body, log()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("ASCII"))
    }

    pub(crate) fn cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|value| value.to_str().expect("ASCII")).collect()
    }

    pub(crate) fn code(&self) -> &str {
        self.header("x-edgehost-error").unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn is(&self, status: u16, body: &str) {
        assert_eq!((self.status.as_u16(), self.text()), (status, body));
    }

    #[track_caller]
    pub(crate) fn is_json(&self, value: Value) {
        assert_eq!((self.status.as_u16(), self.json()), (200, value));
    }
}

/// A raw connection.
pub(crate) struct Wire(pub(crate) tokio::net::TcpStream);

impl Wire {
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        use tokio::io::AsyncWriteExt;
        self.0.write_all(bytes.as_ref()).await.expect("written");
    }

    /// Reads until what was read contains `end`, or the peer closes.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        use tokio::io::AsyncReadExt;
        let mut read = Vec::new();
        let mut buffer = [0; 4096];
        let reading = async {
            while !String::from_utf8_lossy(&read).contains(end) {
                match self.0.read(&mut buffer).await {
                    Ok(0) | Err(_) => break,
                    Ok(count) => read.extend_from_slice(&buffer[..count]),
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("never came: {end}"));
        String::from_utf8_lossy(&read).into_owned()
    }

    /// Reads until the peer closes.
    pub(crate) async fn read_to_end(&mut self) -> String {
        self.read_until("\u{0}never sent").await
    }
}

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

fn capture_log() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let filter =
            tracing_subscriber::EnvFilter::new("info,edgehost=debug,edgehost::console=trace,rolldown=warn");
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Log).init();
    });
}

/// All that was logged so far, by every test of this process.
pub(crate) fn log() -> String {
    String::from_utf8_lossy(&LOG.lock().expect("not poisoned")).into_owned()
}

/// Waits until the log has a line that contains all of `parts`.
#[track_caller]
pub(crate) fn logged(parts: &[&str]) -> impl Future<Output = String> {
    let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
    async move {
        let looking = async {
            loop {
                let log = log();
                // Stack traces go over several lines: look at the text from the first part on.
                let found = log.match_indices(&parts[0]).find_map(|(at, _)| {
                    let start = log[..at].rfind('\n').map_or(0, |newline| newline + 1);
                    let end = log.len().min(at + 4000);
                    let text = log.get(start..end).unwrap_or(&log[start..]);
                    parts.iter().all(|part| text.contains(part)).then(|| text.to_owned())
                });
                if let Some(found) = found {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(10), looking).await {
            Ok(found) => found,
            Err(_) => panic!("not in the log: {parts:?}"),
        }
    }
}

/// Waits until `check` holds.
pub(crate) async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !check().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never happened: {what}"));
}

/// The program under test, as cargo built it.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_edgehost"))
}
