//! HTTP itself: versions, pipelining, timeouts, shutdown.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::harness::{App, Wire, eventually, logged, project, serve_root};

const OK: &str = "export const GET = (r: Request) => new Response(r.url);";

#[tokio::test]
async fn keep_alive_pipelining_and_http_1_0() {
    let app = serve_root(OK).await;
    let mut wire = app.connect().await;
    wire.write("GET /?1 HTTP/1.1\r\nhost: h\r\n\r\nGET /?2 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
        .await;
    let both = wire.read_to_end().await;
    assert_eq!(both.matches("HTTP/1.1 200").count(), 2);
    assert!(both.find("http://h/?1").expect("first") < both.find("http://h/?2").expect("second"));
    let mut old = app.connect().await;
    old.write("GET /?old HTTP/1.0\r\n\r\n").await;
    let answer = old.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("http://localhost/?old"), "{answer}");
}

#[tokio::test]
async fn http_2_without_tls() {
    let app =
        serve_root("export const GET = (r: Request) => Response.json([r.url, r.headers.get('cookie')]);")
            .await;
    let stream = tokio::net::TcpStream::connect(app.address).await.expect("connected");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("h2");
    tokio::spawn(connection);
    let requests = (0..10).map(|n| {
        let request = Request::get(format!("http://example.com/?{n}"))
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .body(Full::new(Bytes::new()))
            .expect("a request");
        let answer = sender.send_request(request);
        async move {
            let answer = answer.await.expect("an answer");
            assert_eq!((answer.version(), answer.status().as_u16()), (http::Version::HTTP_2, 200));
            let body = answer.into_body().collect().await.expect("a body").to_bytes();
            assert_eq!(body, format!("[\"http://example.com/?{n}\",\"a=1; b=2\"]"));
        }
    });
    futures::future::join_all(requests).await;
}

#[tokio::test]
async fn expect_100_continue_is_answered_when_the_handler_reads() {
    let app = serve_root(
        "export const POST = async (req: Request) => new URL(req.url).search ? new Response('refused', { status: 403 }) : new Response(await req.text());",
    )
    .await;
    let mut wire = app.connect().await;
    wire.write("POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 5\r\nconnection: close\r\n\r\n").await;
    assert!(wire.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 100 Continue"));
    wire.write("hello").await;
    assert!(wire.read_to_end().await.ends_with("\r\n\r\nhello"));
    let mut refused = app.connect().await;
    refused.write("POST /?no HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n").await;
    let answer = refused.read_until("refused").await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

const SLOW_HEAD: Duration = Duration::from_millis(200);
const KEEP_ALIVE: Duration = Duration::from_millis(900);

/// An app that closes silent connections soon, later if they are idle.
async fn impatient() -> App {
    project()
        .file("app/route.ts", OK)
        .file("app/slow/route.ts", "export const GET = async () => { await new Promise((r) => setTimeout(r, 1200)); return new Response('slow'); };")
        .limits(|limits| {
            limits.header_read = SLOW_HEAD;
            limits.keep_alive = KEEP_ALIVE;
        })
        .start()
        .await
}

/// How long it takes until the server closes a connection.
async fn closed_after(wire: &mut Wire) -> Duration {
    let began = Instant::now();
    wire.read_to_end().await;
    began.elapsed()
}

fn is_about(measured: Duration, expected: Duration) -> bool {
    measured + Duration::from_millis(50) > expected && measured < expected + Duration::from_millis(500)
}

#[tokio::test]
async fn a_head_that_has_begun_has_to_go_on_and_an_idle_connection_may_wait_longer() {
    let app = impatient().await;
    for begun in ["G", "GET / HTTP/1.1\r\nhost: h\r\nx-slow: ", "PRI * HT"] {
        let mut slow = app.connect().await;
        slow.write(begun).await;
        let took = closed_after(&mut slow).await;
        assert!(is_about(took, SLOW_HEAD), "{begun:?}: {took:?}");
    }
    // One that says nothing at all is as idle as one between requests.
    let mut silent = app.connect().await;
    let took = closed_after(&mut silent).await;
    assert!(is_about(took, KEEP_ALIVE), "{took:?}");
    let mut idle = app.connect().await;
    idle.write("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    idle.read_until("http://h/").await;
    let took = closed_after(&mut idle).await;
    assert!(is_about(took, KEEP_ALIVE), "{took:?}");
    // The next head has its own time, and begins a new wait.
    let mut second = app.connect().await;
    for _ in 0..3 {
        second.write("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
        second.read_until("http://h/").await;
        tokio::time::sleep(KEEP_ALIVE * 2 / 3).await;
    }
    second.write("GET / HT").await;
    let took = closed_after(&mut second).await;
    assert!(is_about(took, SLOW_HEAD), "{took:?}");
}

#[tokio::test]
async fn neither_a_slow_handler_nor_a_slow_upload_counts_as_silence() {
    let app = impatient().await;
    let mut wire = app.connect().await;
    wire.write("GET /slow HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert!(wire.read_until("slow").await.ends_with("slow"));
    let upload = project()
        .file("app/route.ts", "export const POST = async (r: Request) => new Response(await r.text());")
        .limits(|limits| {
            limits.header_read = SLOW_HEAD;
            limits.keep_alive = SLOW_HEAD;
        })
        .start()
        .await;
    let mut wire = upload.connect().await;
    wire.write("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\n").await;
    for piece in ["01", "23", "45", "67", "89"] {
        tokio::time::sleep(Duration::from_millis(150)).await;
        wire.write(piece).await;
    }
    assert!(wire.read_until("0123456789").await.ends_with("0123456789"));
}

#[tokio::test]
async fn idle_http_2_connections_are_closed_and_busy_ones_are_not() {
    let app = impatient().await;
    let stream = tokio::net::TcpStream::connect(app.address).await.expect("connected");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("h2");
    let closed = tokio::spawn(async move {
        let _ = connection.await;
        Instant::now()
    });
    // Longer than a head of HTTP/1 may take, shorter than a connection may idle.
    tokio::time::sleep(Duration::from_millis(500)).await;
    for path in ["/", "/slow"] {
        let request =
            Request::get(format!("http://h{path}")).body(Full::new(Bytes::new())).expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        answer.into_body().collect().await.expect("a body");
    }
    let idle = Instant::now();
    let took = closed.await.expect("joined").duration_since(idle);
    assert!(is_about(took, KEEP_ALIVE), "{took:?}");
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let app = project()
        .file("app/route.ts", "export const POST = async (r: Request) => { try { await r.text(); return new Response('never'); } catch (e: any) { return new Response(e.message, { status: 408 }); } };")
        .limits(|limits| limits.body_idle = Duration::from_millis(200))
        .start()
        .await;
    let mut wire = app.connect().await;
    wire.write("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\npart").await;
    let answer = wire.read_until("stalled").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let app = project()
        .file("app/route.ts", "export const GET = () => new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(1 << 20)); }, cancel() { console.log('write stall cancelled'); } }));")
        .limits(|limits| limits.write_stall = Duration::from_millis(300))
        .start()
        .await;
    let mut wire = app.connect().await;
    wire.write("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    logged(&["write stall cancelled"]).await;
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    let app = serve_root(OK).await;
    for bytes in [
        "NONSENSE\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\ntransfer-encoding: chunked, x\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        "GET / HTTP/1.1\r\nbad header\r\n\r\n",
    ] {
        let mut wire = app.connect().await;
        wire.write(bytes).await;
        let answer = wire.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{bytes:?}: {answer}");
    }
}

#[tokio::test]
async fn answers_to_what_is_no_request_have_a_name_too() {
    let app = project()
        .file("app/route.ts", "export const GET = () => new Response('HTTP/1.1 400 Bad Request\\r\\n\\r\\n'); export const POST = async (r: Request) => new Response(r.body);")
        .start()
        .await;
    let id = |answer: &str| {
        let at = answer.rfind("x-request-id: ").unwrap_or_else(|| panic!("no name: {answer}"));
        answer[at + 14..].split("\r\n").next().expect("a line").to_owned()
    };
    let mut wire = app.connect().await;
    wire.write("NONSENSE\r\n\r\n").await;
    let answer = wire.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.ends_with("\r\n\r\n"), "{answer}");
    logged(&["refused what is no request", &id(&answer), "127.0.0.1", "400"]).await;
    let mut wire = app.connect().await;
    wire.write(format!("GET / HTTP/1.1\r\nhost: h\r\nx-long: {}\r\n\r\n", "x".repeat(200_000))).await;
    let answer = wire.read_until("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    logged(&["refused what is no request", &id(&answer), "431"]).await;

    // After other requests as well; and bodies that look like one are left alone.
    let mut wire = app.connect().await;
    let body = "HTTP/1.1 400 Bad Request\r\n\r\n";
    wire.write("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let whole = wire.read_until(body).await;
    assert!(whole.ends_with(&format!("\r\n\r\n{body}")), "{whole}");
    wire.write(format!("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n1c\r\n{body}\r\n"))
        .await;
    let echoed = wire.read_until(body).await;
    assert!(echoed.contains(&format!("\r\n{body}")), "{echoed}");
    wire.write("0\r\n\r\n").await;
    wire.read_until("0\r\n\r\n").await;
    wire.write("NONSENSE\r\n\r\n").await;
    let answer = wire.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    id(&answer);
}

#[tokio::test]
async fn shutting_down_lets_requests_finish() {
    let mut app = serve_root("export const GET = async () => { await new Promise((r) => setTimeout(r, 300)); return new Response('finished'); };").await;
    let mut wire = app.connect().await;
    wire.write("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    app.stop();
    let address = app.address;
    eventually("new connections are refused", async || {
        tokio::net::TcpStream::connect(address).await.is_err()
    })
    .await;
    let answer = wire.read_to_end().await;
    assert!(answer.ends_with("finished"), "{answer}");
    app.shut_down().await;
}

#[tokio::test]
async fn shutting_down_cuts_what_outlives_the_grace_period() {
    let app = project()
        .file("app/route.ts", "export const GET = () => new Response(new ReadableStream({ async pull(c) { await new Promise((r) => setTimeout(r, 10)); c.enqueue('x'); } }));")
        .limits(|limits| limits.grace = Duration::from_millis(300))
        .start()
        .await;
    let mut wire = app.connect().await;
    wire.write("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    wire.read_until("x\r\n").await;
    let began = Instant::now();
    app.shut_down().await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(!wire.read_to_end().await.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn connections_are_capped() {
    let app = project().file("app/route.ts", OK).limits(|limits| limits.connections = 2).start().await;
    let (mut first, mut second) = (app.connect().await, app.connect().await);
    for wire in [&mut first, &mut second] {
        wire.write("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
        wire.read_until("http://h/").await;
    }
    let mut third = app.connect().await;
    third.write("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let early = tokio::time::timeout(Duration::from_millis(200), third.read_until("http://h/")).await;
    assert!(early.is_err(), "a third connection was served");
    drop(first);
    third.read_until("http://h/").await;
}

#[tokio::test]
async fn a_public_origin_and_trusted_proxies() {
    let project = project().file("app/route.ts", OK);
    let host = project.builder().public_origin("https://public.example/").build().await.expect("built");
    let app = super::harness::App::serve(host, None).await;
    app.get("/?a").await.is(200, "https://public.example/?a");
    let host = project
        .builder()
        .trust_proxies(["127.0.0.0/8".parse().expect("a network")])
        .build()
        .await
        .expect("built");
    let app = super::harness::App::serve(host, None).await;
    let headers = [("host", "inner"), ("x-forwarded-host", "outer.example"), ("x-forwarded-proto", "https")];
    app.send(http::Method::GET, "/", &headers, "").await.is(200, "https://outer.example/");
}
