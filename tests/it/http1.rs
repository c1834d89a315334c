//! Requests of HTTP/1.1 as clients may write them, and as they may not.

use std::time::{Duration, Instant};

use edgehost::Http1;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::harness::{App, HTTP1, Wire, logged, project};

/// Says what came of a request.
const ECHO: &str = "const said = async (req: Request, { params }: any) => Response.json([req.method, req.url, await req.text(), (await params).path ?? null]);
export const GET = said, POST = said, PUT = said;";

async fn echo() -> App {
    project().file("app/[[...path]]/route.ts", ECHO).start().await
}

/// Everything that comes for these bytes, until the connection is closed.
async fn ask(app: &App, bytes: &[u8]) -> String {
    let mut wire = app.connect().await;
    // What is refused may be closed before everything has been written.
    let _ = wire.0.write_all(bytes).await;
    wire.read_to_end().await
}

fn body(answer: &str) -> serde_json::Value {
    let (_, body) = answer.rsplit_once("\r\n\r\n").expect("a head");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

fn answers(all: &str) -> usize {
    all.matches("HTTP/1.1 ").count()
}

/// Behind each of these is a second request, which nobody may take for one.
#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_answered() {
    let app = echo().await;
    let refused = [
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nabcde",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3, 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: +3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0x3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 18446744073709551616\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length : 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: identity\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: h\r\nx-a: 1\r\n 2\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: h\r\nx-a: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: h\r\nx-a: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: h\r\n: x\r\n\r\n",
        "GET  / HTTP/1.1\r\nhost: h\r\n\r\n",
        "GET / HTTP/1.1 \r\nhost: h\r\n\r\n",
        "GET / HTTP/2.0\r\nhost: h\r\n\r\n",
        "GET /\r\n\r\n",
        "GET /a\tb HTTP/1.1\r\nhost: h\r\n\r\n",
        "\u{16}\u{3}\u{1}\0\u{5}\u{1}\0\0\u{1}\u{3}",
    ];
    // hyper takes these, or closes the connection without a word.
    let strict = [
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\nhost: h\n\n",
        "GET / HTTP/1.1\r\nhost: h\r\nx-a: 1\n\r\n",
    ];
    let strict = if HTTP1 == Http1::Own { &strict[..] } else { &[] };
    for request in refused.iter().chain(strict) {
        let answer = ask(&app, format!("{request}GET /hidden HTTP/1.1\r\nhost: h\r\n\r\n").as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 400") && answer.contains("\r\nx-request-id: "),
            "{request:?}: {answer}"
        );
        assert_eq!(answers(&answer), 1, "{request:?}: {answer}");
    }
    for chunks in [
        "ffffffffffffffffff\r\n",
        "xyz\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3;a\nb\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
    ] {
        let head = "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
        let answer =
            ask(&app, format!("{head}{chunks}GET /hidden HTTP/1.1\r\nhost: h\r\n\r\n").as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 400") && answer.contains("MALFORMED_BODY"),
            "{chunks:?}: {answer}"
        );
        assert_eq!(answers(&answer), 1, "{chunks:?}: {answer}");
    }
}

#[tokio::test]
async fn targets_are_taken_as_browsers_and_scripts_send_them() {
    if HTTP1 != Http1::Own {
        return;
    }
    let app = echo().await;
    let asked = async |target: &[u8]| {
        let request = [b"GET ", target, b" HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"].concat();
        body(&ask(&app, &request).await)
    };
    for (target, url, path) in [
        ("/a^b`c{d}|e", "http://h/a%5Eb%60c%7Bd%7D|e", json!(["a^b`c{d}|e"])),
        ("/<b>/\"c\"", "http://h/%3Cb%3E/%22c%22", json!(["<b>", "\"c\""])),
        ("/x?q=\"<a>\"", "http://h/x?q=%22%3Ca%3E%22", json!(["x"])),
        ("/x?q={a|b}^`'", "http://h/x?q={a|b}^`%27", json!(["x"])),
        ("/é?ü=<", "http://h/%C3%A9?%C3%BC=%3C", json!(["é"])),
        ("http://other/<", "http://other/%3C", json!(["<"])),
        ("/x?a#<frag>", "http://h/x?a", json!(["x"])),
    ] {
        assert_eq!(asked(target.as_bytes()).await, json!(["GET", url, "", path]), "{target}");
    }
    // Bytes that are no text stand for themselves.
    assert_eq!(asked(b"/x?\xff<").await[1], "http://h/x?%FF%3C");
    let answer = ask(&app, b"GET /\xff HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    assert!(answer.contains("MALFORMED_PATH"), "{answer}");
    // No further than an address goes.
    let long = format!("GET /{} HTTP/1.1\r\nhost: h\r\n\r\n", "<".repeat(30_000));
    assert!(ask(&app, long.as_bytes()).await.starts_with("HTTP/1.1 414"));
}

#[tokio::test]
async fn requests_are_the_same_in_whatever_pieces_they_come() {
    let app = echo().await;
    let requests = "POST /1 HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello\r\n\
                    POST /2 HTTP/1.1\r\nhost: h\r\ntransfer-encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n00A \r\n0123456789\r\n0\r\nx-t: 1\r\n\r\n\
                    GET /3 HTTP/1.1\r\nhost: h\r\n\r\n\
                    PUT /4 HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    for size in [1, 2, 3, 7, 50, 400] {
        let mut wire = app.connect().await;
        wire.0.set_nodelay(true).expect("set");
        for piece in requests.as_bytes().chunks(size) {
            wire.write(piece).await;
            tokio::task::yield_now().await;
        }
        let all = wire.read_to_end().await;
        let bodies: Vec<_> = all.split("HTTP/1.1 200").skip(1).map(body).collect();
        let said = |method, path: &str, text| json!([method, format!("http://h/{path}"), text, [path]]);
        let expected = [
            said("POST", "1", "hello"),
            said("POST", "2", "abc0123456789"),
            said("GET", "3", ""),
            said("PUT", "4", "ok"),
        ];
        assert_eq!(bodies, expected, "in pieces of {size}: {all}");
    }
}

#[tokio::test]
async fn many_small_chunks_and_large_bodies_arrive_whole() {
    let app = echo().await;
    let mut wire = app.connect().await;
    wire.write("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n").await;
    for _ in 0..2000 {
        wire.write("1\r\nx\r\n").await;
    }
    wire.write("0\r\n\r\n").await;
    let answer = wire.read_until(",null]").await;
    assert_eq!(body(&answer)[2].as_str().map(str::len), Some(2000));
    let large = "y".repeat(1_000_000);
    wire.write(format!("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1000000\r\n\r\n{large}")).await;
    let answer = wire.read_until(",null]").await;
    assert_eq!(body(&answer)[2].as_str(), Some(large.as_str()));
}

#[tokio::test]
async fn the_end_of_an_answer_is_what_its_request_expects() {
    let app = project()
        .file("app/whole/route.ts", "export const GET = () => new Response('whole');")
        .file("app/stream/route.ts", "export const GET = () => new Response(new ReadableStream({ start(c) { c.enqueue('str'); setTimeout(() => { c.enqueue('eam'); c.close(); }, 20); } }));")
        .file("app/none/route.ts", "export const GET = () => new Response(null, { status: 204 });")
        .file("app/same/route.ts", "export const GET = () => new Response(null, { status: 304 });")
        .start()
        .await;
    let mut wire = app.connect().await;
    wire.write("HEAD /whole HTTP/1.1\r\nhost: h\r\n\r\nHEAD /stream HTTP/1.1\r\nhost: h\r\n\r\nGET /none HTTP/1.1\r\nhost: h\r\n\r\nGET /same HTTP/1.1\r\nhost: h\r\n\r\nGET /stream HTTP/1.1\r\nhost: h\r\n\r\nGET /whole HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    let all = wire.read_to_end().await;
    let all: Vec<&str> = all.split("HTTP/1.1 ").skip(1).collect();
    assert_eq!(all.len(), 6, "{all:?}");
    for (answer, end) in all.iter().zip([
        "\r\n\r\n",
        "\r\n\r\n",
        "\r\n\r\n",
        "\r\n\r\n",
        "\r\n\r\n3\r\nstr\r\n3\r\neam\r\n0\r\n\r\n",
        "\r\n\r\nwhole",
    ]) {
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert_eq!(format!("\r\n\r\n{body}"), end, "{answer}");
        assert_eq!(head.matches("\r\ndate: ").count(), 1, "{answer}");
        assert!(!head.contains("content-length") || head.contains("content-length: 5"), "{answer}");
        assert_eq!(head.contains("connection: close"), body == "whole", "{answer}");
    }
    // Without chunks the connection's end is the body's.
    let old = ask(&app, b"GET /stream HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200") && old.ends_with("\r\n\r\nstream"), "{old}");
    let mut old = app.connect().await;
    for _ in 0..2 {
        old.write("GET /whole HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await;
        let answer = old.read_until("\r\n\r\nwhole").await;
        assert!(answer.contains("\r\nconnection: keep-alive\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn heads_have_limits_and_whoever_passes_them_is_told() {
    let app = project()
        .file("app/route.ts", "export const GET = () => new Response('ok');")
        .limits(|limits| {
            limits.headers = 16 * 1024;
            limits.header_count = 60;
        })
        .start()
        .await;
    let head = |lines: &str| format!("GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{lines}\r\n");
    let fine = ask(&app, head(&"x-a: 1\r\n".repeat(58)).as_bytes()).await;
    assert!(fine.starts_with("HTTP/1.1 200"), "{fine}");
    for lines in
        ["x-a: 1\r\n".repeat(59), "x-a: 1\r\n".repeat(500), format!("x-a: {}\r\n", "x".repeat(20_000))]
    {
        let answer = ask(&app, head(&lines).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431") && answer.contains("x-request-id"), "{answer}");
    }
    // Even where the client goes on sending for longer than anybody reads.
    let mut wire = app.connect().await;
    let (mut reading, mut writing) = wire.0.split();
    let sending = async {
        let _ = writing.write_all(head("").trim_end().as_bytes()).await;
        for _ in 0..100 {
            let _ = writing.write_all(&[b'x'; 10_000]).await;
        }
    };
    let mut answer = String::new();
    let ((), read) =
        tokio::join!(sending, tokio::io::AsyncReadExt::read_to_string(&mut reading, &mut answer));
    if HTTP1 == Http1::Own {
        read.expect("the connection is not cut before the answer has been read");
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

#[tokio::test]
async fn who_was_not_asked_for_a_body_may_not_go_on() {
    let app = project()
        .file("app/route.ts", "export const POST = (req: Request) => new Response('no', { status: 403 }); export const PUT = async (req: Request) => new Response(await req.text()); export const GET = () => new Response('got');")
        .start()
        .await;
    let head = "HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    if HTTP1 == Http1::Own {
        // Nobody is asked for what has come already.
        let mut wire = app.connect().await;
        wire.write(format!("PUT / {head}hello")).await;
        let answer = wire.read_until("hello").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let mut wire = app.connect().await;
        wire.write(format!("POST / {head}")).await;
        let answer = wire.read_until("no").await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("connection: close"), "{answer}");
        // Nor who has sent half of what nobody wants.
        let mut half = app.connect().await;
        half.write("GET / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nha").await;
        let answer = half.read_until("got").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
        half.write("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
        assert_eq!(half.read_to_end().await, "");
        // Whatever comes now cannot be a request.
        wire.write("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
        assert_eq!(wire.read_to_end().await, "");
    }
    let mut wire = app.connect().await;
    wire.write(format!("PUT / {head}")).await;
    let asked = wire.read_until("\r\n\r\n").await;
    assert_eq!(asked, "HTTP/1.1 100 Continue\r\n\r\n");
    wire.write("again").await;
    assert!(wire.read_until("again").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn the_preface_of_http_2_may_come_in_pieces() {
    let app = echo().await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for cut in [1, 5, 16, 23, 24] {
        let mut wire: Wire = app.connect().await;
        wire.0.set_nodelay(true).expect("set");
        let (first, second) = preface.split_at(cut);
        wire.write(first).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        wire.write(second).await;
        // An empty frame of settings.
        wire.write([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
        let mut head = [0; 9];
        tokio::io::AsyncReadExt::read_exact(&mut wire.0, &mut head).await.expect("settings");
        assert_eq!(head[3], 4, "cut after {cut}");
    }
    if HTTP1 == Http1::Hyper {
        return;
    }
    // Only at the beginning of a connection.
    let answer = ask(&app, format!("GET / HTTP/1.1\r\nhost: h\r\n\r\n{preface}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_connection_goes_on_after_a_refusal_of_the_host_and_not_after_one_of_the_body() {
    let app = project()
        .file("app/route.ts", "export const POST = async (req: Request) => new Response(await req.text());")
        .limits(|limits| limits.request_body = 1000)
        .start()
        .await;
    let mut wire = app.connect().await;
    wire.write("POST /nowhere HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello").await;
    assert!(wire.read_until("Not Found").await.starts_with("HTTP/1.1 404"));
    wire.write("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").await;
    assert!(wire.read_until("abc").await.starts_with("HTTP/1.1 200"));
    let began = Instant::now();
    for framing in ["content-length: 300000\r\n\r\n", "transfer-encoding: chunked\r\n\r\n493e0\r\n"] {
        let request = format!("POST / HTTP/1.1\r\nhost: h\r\n{framing}{}", "x".repeat(300_000));
        let answer = ask(&app, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("connection: close"), "{answer}");
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn refusals_are_in_the_log() {
    let app = echo().await;
    let answer = ask(&app, b"GET / HTTP/1.1\r\nno line\r\n\r\n").await;
    let id = answer.rsplit_once("x-request-id: ").expect("an id").1.trim_end();
    logged(&["refused what is no request", id, "127.0.0.1", "400"]).await;
}
