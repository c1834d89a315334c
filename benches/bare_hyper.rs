//! The ceiling: hyper on one thread, giving the answers of the benchmark's routes
//! without any JavaScript. `cargo xtask bench` compares edgehost with it.
//!
//! Takes the port to listen on (0 for a free one), and what the row with a subrequest
//! asks.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Either, Empty, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

type Answer = Response<Either<Full<Bytes>, Chunks>>;
type Error = Box<dyn std::error::Error + Send + Sync>;

static BLOCK: [u8; 1024 * 1024] = [b'a'; 1024 * 1024];

/// The 800 routes of the row with many of them, by their first segment.
static MANY: LazyLock<HashMap<String, usize>> =
    LazyLock::new(|| (0..800).map(|n| (format!("r{n}"), n)).collect());

static UPSTREAM: LazyLock<Option<Uri>> = LazyLock::new(|| std::env::args().nth(2)?.parse().ok());

static CLIENT: LazyLock<Client<HttpConnector, Empty<Bytes>>> =
    LazyLock::new(|| Client::builder(TokioExecutor::new()).build_http());

/// What the rows with a body send. As types, as people write it in Rust: a tree of values
/// would take several times as long, and be no ceiling.
#[derive(Deserialize, Serialize)]
struct Order {
    order: String,
    customer: Customer,
    items: Vec<Item>,
    note: String,
}

#[derive(Deserialize, Serialize)]
struct Customer {
    id: u32,
    name: String,
}

#[derive(Deserialize, Serialize)]
struct Item {
    sku: String,
    quantity: u32,
    price: f64,
    gift: bool,
}

#[derive(Serialize)]
struct Got {
    got: Order,
}

/// A stream of so many chunks of 1 KiB, of unknown length.
struct Chunks(usize);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.checked_sub(1) {
            None => Poll::Ready(None),
            Some(left) => {
                self.0 = left;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&BLOCK[..1024])))))
            }
        }
    }
}

fn whole(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Either::Left(Full::new(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn of_json(status: StatusCode, value: &impl Serialize) -> Answer {
    whole(status, "application/json", serde_json::to_vec(value).unwrap_or_default())
}

/// The answers of `benches/app`, `benches/node` and the app of many routes.
async fn answer(request: Request<Incoming>) -> Result<Answer, Error> {
    let path = request.uri().path();
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    Ok(match (request.method(), path) {
        (&Method::GET, "/json") => of_json(StatusCode::OK, &json!({ "ok": true, "message": "hello" })),
        (&Method::POST, "/echo") => {
            let body = request.into_body().collect().await?.to_bytes();
            of_json(StatusCode::OK, &Got { got: serde_json::from_slice(&body)? })
        }
        (&Method::GET, "/headers") => {
            let mut response = of_json(StatusCode::CREATED, &json!({ "created": true }));
            for (name, value) in [
                ("location", "/items/42"),
                ("etag", "\"5d8c72a5edda8d6a\""),
                ("cache-control", "private, max-age=60"),
                ("x-served-by", "bench"),
                ("set-cookie", "session=2f1c9a7e; Path=/; HttpOnly; SameSite=Lax"),
                ("set-cookie", "theme=dark; Path=/; Max-Age=31536000"),
            ] {
                response.headers_mut().append(name, HeaderValue::from_static(value));
            }
            response
        }
        (&Method::GET, "/timer") => {
            tokio::time::sleep(Duration::from_millis(1)).await;
            of_json(StatusCode::OK, &json!({ "ok": true, "message": "hello" }))
        }
        (&Method::GET, "/fetch") => {
            let upstream = UPSTREAM.clone().ok_or("no upstream was named")?;
            let body = CLIENT.get(upstream).await?.into_body().collect().await?.to_bytes();
            let value: Value = serde_json::from_slice(&body)?;
            of_json(StatusCode::OK, &json!({ "upstream": value["message"] }))
        }
        (&Method::GET, "/download") => {
            whole(StatusCode::OK, "application/octet-stream", Bytes::from_static(&BLOCK))
        }
        (&Method::POST, "/upload") => {
            let mut body = request.into_body();
            let mut received = 0;
            while let Some(frame) = body.frame().await {
                received += frame?.data_ref().map_or(0, Bytes::len);
            }
            of_json(StatusCode::OK, &json!({ "received": received }))
        }
        (&Method::GET, "/chunks") => {
            let mut response = Response::new(Either::Right(Chunks(100)));
            let kind = HeaderValue::from_static("application/octet-stream");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        (&Method::GET, "/hash") => {
            use std::fmt::Write as _;
            let mut digest = String::new();
            for byte in Sha256::digest(header("x-client").unwrap_or_default()) {
                write!(digest, "{byte:02x}")?;
            }
            of_json(StatusCode::OK, &json!({ "digest": digest }))
        }
        (&Method::GET, path) => match path.trim_start_matches('/').split_once('/') {
            Some(("items", id)) => {
                let query = request.uri().query().unwrap_or_default();
                let page = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "page");
                let page = page.map(|(_, value)| value);
                of_json(StatusCode::OK, &json!({ "id": id, "page": page, "client": header("x-client") }))
            }
            Some((first, id)) if MANY.contains_key(first) => {
                of_json(StatusCode::OK, &json!({ "route": MANY[first], "id": id }))
            }
            _ => whole(StatusCode::NOT_FOUND, "text/plain", "Not Found"),
        },
        _ => whole(StatusCode::METHOD_NOT_ALLOWED, "text/plain", ""),
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(0);
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    #[allow(clippy::print_stdout, reason = "a program for people")]
    {
        println!("Listening on http://{}", listener.local_addr()?);
    }
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new());
            builder.http2().timer(TokioTimer::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}
