//! Whom a request is for: `Host`, `:authority`, the target of the request line, and proxies.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};

use super::harness::{App, project, serve_root};

/// What a handler sees of the address.
const SEEN: &str = "export const GET = (req: any) => Response.json([req.url, req.nextUrl.href, req.headers.get('host'), req.headers.get('x-forwarded-host'), req.headers.get('x-forwarded-port')]);";

async fn raw(app: &App, head: impl AsRef<[u8]>) -> (u16, String) {
    let mut wire = app.connect().await;
    wire.write(head).await;
    let answer = wire.read_to_end().await;
    let status = answer.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_default();
    (status, answer)
}

async fn with_host(app: &App, host: &[u8]) -> (u16, String) {
    let head = [b"GET /x?q=1 HTTP/1.1\r\nHost: ", host, b"\r\nConnection: close\r\n\r\n"].concat();
    raw(app, head).await
}

fn body(answer: &str) -> Value {
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

async fn app() -> App {
    project().file("app/[...path]/route.ts", SEEN).start().await
}

#[tokio::test]
async fn an_authority_that_could_be_read_in_two_ways_is_refused() {
    let app = app().await;
    for host in [
        "a/admin?",
        "a?b",
        "a#b",
        "a\\b",
        "user@a",
        "user:pw@evil.example",
        "a b",
        "a\tb",
        "a:99999",
        "a:port",
        "a:-1",
        "a:80:80",
        "<x>",
        "",
        "[::1",
        "::1",
        "[::1]x",
        "a..b",
        ".a",
        "a, b",
        "a,b",
        "1.2.3.256",
        "a%2fb",
        "a%40b",
        "xn--",
        "a|b",
        "a^b",
    ] {
        let (status, answer) = with_host(&app, host.as_bytes()).await;
        assert_eq!(status, 400, "{host:?}: {answer}");
        assert!(answer.contains("x-edgehost-error: MALFORMED_HOST\r\n"), "{host:?}: {answer}");
    }
    assert_eq!(with_host(&app, b"a\xff").await.0, 400);
    let (status, _) = raw(&app, "GET /x HTTP/1.1\r\nHost: a\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status, 400, "two lines");
    let (status, _) = raw(&app, "GET /x HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status, 400, "no line");
    let (status, _) = raw(&app, "GET /x HTTP/1.0\r\nHost: a/b\r\n\r\n").await;
    assert_eq!(status, 400, "HTTP/1.0");
    // The redirect of a path is an answer as well.
    let (status, answer) = raw(&app, "GET /x/ HTTP/1.1\r\nHost: a@b\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status, 400, "{answer}");
}

#[tokio::test]
async fn an_authority_is_shown_as_the_url_standard_writes_it() {
    let app = app().await;
    for (host, shown, port) in [
        ("app.example:8443", "app.example:8443", "8443"),
        ("APP.Example", "app.example", "80"),
        ("app.example:80", "app.example", "80"),
        ("app.example.", "app.example.", "80"),
        ("[2001:DB8::1]:81", "[2001:db8::1]:81", "81"),
        ("[2001:db8:0::1]", "[2001:db8::1]", "80"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", "80"),
        ("B\u{fc}cher.example", "xn--bcher-kva.example", "80"),
        ("0x7f.1:8080", "127.0.0.1:8080", "8080"),
        ("my_service:3000", "my_service:3000", "3000"),
    ] {
        let (status, answer) = with_host(&app, host.as_bytes()).await;
        assert_eq!(status, 200, "{host}: {answer}");
        let seen = body(&answer);
        assert_eq!(seen[0], format!("http://{shown}/x?q=1"), "{host}");
        assert_eq!((&seen[3], &seen[4]), (&json!(shown), &json!(port)), "{host}");
        // As the client sent it: signatures of requests cover it.
        if host.is_ascii() {
            assert_eq!(seen[2], host);
        }
    }
    let (status, answer) = raw(&app, "GET /x HTTP/1.0\r\n\r\n").await;
    assert_eq!((status, &body(&answer)[0]), (200, &json!("http://localhost/x")));
}

#[tokio::test]
async fn a_target_that_names_a_host_counts_more_than_the_header() {
    let app = app().await;
    let head =
        "GET http://Other.example:99/abs?x=1 HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n";
    let (status, answer) = raw(&app, head).await;
    assert_eq!(status, 200, "{answer}");
    let seen = body(&answer);
    assert_eq!((&seen[0], &seen[2]), (&json!("http://other.example:99/abs?x=1"), &json!("Other.example:99")));
    for head in [
        "GET http://user@other.example/abs HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n",
        "GET http://a:99999/abs HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET http://a/abs HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n",
        "GET ftp://a/abs HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ] {
        let (status, answer) = raw(&app, head).await;
        assert_eq!(status, 400, "{head}: {answer}");
    }
}

#[tokio::test]
async fn both_names_of_http_2_name_the_same() {
    let app = app().await;
    let stream = tokio::net::TcpStream::connect(app.address).await.expect("connected");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("h2");
    tokio::spawn(connection);
    for (authority, host, status) in [
        ("a.example", None, 200),
        ("a.example", Some("a.example"), 200),
        ("A.example:80", Some("a.example"), 200),
        ("a.example", Some("b.example"), 400),
        ("a.example", Some("a.example:81"), 400),
        ("user@a.example", None, 400),
    ] {
        let mut request = Request::get(format!("http://{authority}/x"));
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let request = request.body(Full::new(Bytes::new())).expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{authority} {host:?}");
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        if status == 200 {
            let seen: Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(seen[0], "http://a.example/x");
        }
    }
}

#[tokio::test]
async fn what_proxies_say_is_looked_at_in_the_same_way() {
    let project = project().file("app/[...path]/route.ts", SEEN);
    let trusting = project.builder().trust_proxies(["127.0.0.0/8".parse().expect("a network")]);
    let app = App::serve(trusting.build().await.expect("built"), None).await;
    let ask = async |headers: &[(&str, &str)]| {
        let answer = app.send(Method::GET, "/x", headers, "").await;
        (answer.status.as_u16(), answer.status.is_success().then(|| answer.json()[0].clone()))
    };
    let url = |text: &str| (200, Some(json!(text)));
    assert_eq!(
        ask(&[
            ("host", "in"),
            ("x-forwarded-host", "OUT.example:443, in"),
            ("x-forwarded-proto", "HTTPS, http")
        ])
        .await,
        url("https://out.example/x")
    );
    assert_eq!(ask(&[("host", "in:443"), ("x-forwarded-proto", "https")]).await, url("https://in/x"));
    for bad in ["evil/admin?", "user@evil", "a b", "a:port"] {
        assert_eq!(ask(&[("host", "in"), ("x-forwarded-host", bad)]).await, (400, None), "{bad}");
    }
    assert_eq!(ask(&[("host", "in"), ("x-forwarded-proto", "javascript")]).await, (400, None));
    assert_eq!(ask(&[("host", "in/x?"), ("x-forwarded-host", "out")]).await, (400, None));
    // Of others it means nothing.
    let app = project.start().await;
    let sent = [("host", "in"), ("x-forwarded-host", "evil/admin?"), ("x-forwarded-proto", "javascript")];
    let answer = app.send(Method::GET, "/x", &sent, "").await.json();
    assert_eq!((&answer[0], &answer[3]), (&json!("http://in/x"), &json!("in")));
}

#[tokio::test]
async fn programs_that_call_the_library_may_leave_it_out() {
    let app = serve_root("export const GET = (r: Request) => new Response(r.url);").await;
    let ask = async |request: http::request::Builder| {
        let answer = app.host.call(request.body(String::new()).expect("a request")).await;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    };
    assert_eq!(ask(Request::get("/?1")).await, (200, "http://localhost/?1".into()));
    assert_eq!(ask(Request::get("/").header("host", "a/b?")).await.0, 400);
    assert_eq!(ask(Request::get("http://u@a/")).await.0, 400);
}
