//! The ceiling: hyper on one thread, giving the bytes of the benchmark's routes
//! without any JavaScript. `cargo xtask bench` compares edgehost with it.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// The answers of `benches/app`, byte for byte.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = match (request.method(), request.uri().path()) {
        (&Method::GET, "/json") => Bytes::from_static(b"{\"ok\":true,\"message\":\"hello\"}"),
        (&Method::POST, "/echo") => {
            let body = request
                .into_body()
                .collect()
                .await
                .map(http_body_util::Collected::to_bytes)
                .unwrap_or_default();
            let value: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            serde_json::to_vec(&serde_json::json!({ "got": value })).unwrap_or_default().into()
        }
        (_, path) => {
            let id = path.rsplit('/').next().unwrap_or_default();
            let agent =
                request.headers().get("x-client").and_then(|value| value.to_str().ok()).unwrap_or_default();
            format!("{{\"id\":\"{id}\",\"client\":\"{agent}\"}}").into()
        }
    };
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
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
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .await;
        });
    }
}
