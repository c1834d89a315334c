//! Bodies that stream: cases T75 to T81, T86 and T87.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::harness::{PATIENCE, eventually, logged, project, serve_root};

#[tokio::test]
async fn t75_chunks_arrive_one_by_one_and_the_head_before_them() {
    let app = serve_root(
        "export const GET = () => { let n = 0; return new Response(new ReadableStream({ async pull(c) { await new Promise((r) => setTimeout(r, 400)); if (++n > 3) c.close(); else c.enqueue(`chunk ${n}`); } }), { headers: { 'x-head': 'early' } }); };",
    )
    .await;
    let mut wire = app.connect().await;
    let began = Instant::now();
    wire.write("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    wire.read_until("x-head: early").await;
    assert!(began.elapsed() < Duration::from_millis(380), "the head came after {:?}", began.elapsed());
    let mut times = Vec::new();
    for n in 1..=3 {
        wire.read_until(&format!("chunk {n}")).await;
        times.push(began.elapsed());
    }
    wire.read_until("0\r\n\r\n").await;
    assert!(
        times[1] - times[0] > Duration::from_millis(200) && times[2] - times[1] > Duration::from_millis(200),
        "{times:?}"
    );
}

#[tokio::test]
async fn t76_a_stream_that_fails_midway_cuts_the_connection() {
    let app = serve_root(
        "export const GET = () => { let n = 0; return new Response(new ReadableStream({ async pull(c) { await null; if (n++ === 0) c.enqueue('first'); else throw new Error('midway t76'); } })); };",
    )
    .await;
    let mut wire = app.connect().await;
    wire.write("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let all = wire.read_to_end().await;
    assert!(!all.contains("\r\n0\r\n\r\n"), "no clean end: {all}");
    logged(&["failed to pipe response: ", "midway t76"]).await;
}

#[tokio::test]
async fn t77_a_stream_that_fails_at_once_is_a_500() {
    let app = serve_root(
        "export const GET = () => new Response(new ReadableStream({ pull() { throw new Error('at once t77'); } })); export const PUT = () => new Response(new ReadableStream({ async pull() { await null; throw new Error('soon t77'); } }));",
    )
    .await;
    assert_eq!(app.get("/").await.code(), "HANDLER_ERROR");
    assert_eq!(app.send(Method::PUT, "/", &[], "").await.status, 500);
    logged(&["at once t77"]).await;
    logged(&["soon t77"]).await;
}

#[tokio::test]
async fn t78_a_client_that_leaves_aborts_the_signal_and_cancels_the_stream() {
    let app = serve_root(
        "export const GET = (req: Request) => {
           req.signal.addEventListener('abort', () => console.log('signal t78', req.signal.reason.name));
           return new Response(new ReadableStream({ async pull(c) { await new Promise((r) => setTimeout(r, 10)); c.enqueue('data: x\\n\\n'); }, cancel(reason) { console.log('cancel t78', reason.name); } }), { headers: { 'content-type': 'text/event-stream' } });
         };
         export const PUT = async (req: Request) => { req.signal.onabort = () => console.log('handler left t78', req.signal.aborted); await new Promise(() => {}); };",
    )
    .await;
    let mut wire = app.connect().await;
    wire.write("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    wire.read_until("data: x").await;
    drop(wire);
    logged(&["signal t78 ResponseAborted"]).await;
    logged(&["cancel t78 ResponseAborted"]).await;
    let mut wire = app.connect().await;
    wire.write("PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(wire);
    logged(&["handler left t78 true"]).await;
}

#[tokio::test]
async fn a_normal_end_does_not_abort_the_signal() {
    let app = serve_root(
        "let aborted = 0; export const GET = (req: Request) => { req.signal.onabort = () => aborted++; return new Response('x'); }; export const PUT = () => Response.json(aborted);",
    )
    .await;
    app.get("/").await.is(200, "x");
    tokio::time::sleep(Duration::from_millis(50)).await;
    app.send(Method::PUT, "/", &[], "").await.is_json(json!(0));
}

#[tokio::test]
async fn t79_a_slow_reader_makes_the_producer_wait() {
    let app = serve_root(
        "let produced = 0; let lowest = 1; export const GET = () => new Response(new ReadableStream({ pull(c) { produced += 65536; lowest = Math.min(lowest, c.desiredSize!); c.enqueue(new Uint8Array(65536)); lowest = Math.min(lowest, c.desiredSize!); } })); export const PUT = () => Response.json([produced, lowest]);",
    )
    .await;
    let mut wire = app.connect().await;
    wire.write("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    wire.read_until("transfer-encoding").await;
    let mut last = 0;
    eventually("the producer stops", async || {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = app.send(Method::PUT, "/", &[], "").await.json()[0].as_u64().expect("a number");
        std::mem::replace(&mut last, now) == now
    })
    .await;
    let state = app.send(Method::PUT, "/", &[], "").await.json();
    // What the sockets of both sides hold, and no more.
    assert!(state[0].as_u64().expect("a number") < 16 << 20, "{state}");
    assert!(state[1].as_i64().expect("a number") <= 0, "{state}");
}

#[tokio::test]
async fn t80_generators_and_strings_are_bodies_too() {
    let app = project()
        .file("app/generator/route.ts", "async function* parts() { yield new TextEncoder().encode('a'); await null; yield new TextEncoder().encode('b'); } export const GET = () => new Response(parts() as any);")
        .file("app/strings/route.ts", "export const GET = () => new Response(new ReadableStream({ start(c) { c.enqueue('é'); c.enqueue('b'); c.close(); } }));")
        .file("app/numbers/route.ts", "export const GET = () => new Response(new ReadableStream({ start(c) { c.enqueue('ok'); c.enqueue(5); c.close(); } }));")
        .file("app/tee/route.ts", "export const GET = () => { const [a, b] = new Response('teed').body!.tee(); b.cancel(); return new Response(a); };")
        .start()
        .await;
    app.get("/generator").await.is(200, "ab");
    app.get("/strings").await.is(200, "éb");
    app.get("/tee").await.is(200, "teed");
    let mut wire = app.connect().await;
    wire.write("GET /numbers HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert!(!wire.read_to_end().await.contains("\r\n0\r\n\r\n"));
    logged(&["must yield Uint8Array or string chunks, but yielded number"]).await;
}

#[tokio::test]
async fn t81_head_cancels_the_stream() {
    let app = serve_root(
        "export const GET = () => new Response(new ReadableStream({ pull(c) { c.enqueue('x'); }, cancel() { console.log('cancelled t81'); } }), { headers: { 'x-h': '1' } });",
    )
    .await;
    let head = app.send(Method::HEAD, "/", &[], "").await;
    assert_eq!((head.status.as_u16(), head.header("x-h"), head.text()), (200, Some("1"), ""));
    logged(&["cancelled t81"]).await;
}

#[tokio::test]
async fn t86_encoded_bodies_pass_unchanged() {
    let app = serve_root(
        "export const GET = async () => { const gzip = new Response('squeezed').body!.pipeThrough(new CompressionStream('gzip')); return new Response(await new Response(gzip).arrayBuffer(), { headers: { 'content-encoding': 'gzip', 'content-type': 'text/plain' } }); };
         export const PUT = async (req: Request) => new Response(await new Response(req.body!.pipeThrough(new DecompressionStream('gzip'))).text());",
    )
    .await;
    let gzipped = app.get("/").await;
    assert_eq!(gzipped.header("content-encoding"), Some("gzip"));
    assert_eq!(gzipped.header("content-length"), Some(gzipped.body.len().to_string().as_str()));
    app.send(Method::PUT, "/", &[], gzipped.body.clone()).await.is(200, "squeezed");
}

#[tokio::test]
async fn t87_fetched_responses_are_passed_on() {
    let upstream = project()
        .file("app/route.ts", "export const GET = () => new Response(new ReadableStream({ async start(c) { c.enqueue('one '); await new Promise((r) => setTimeout(r, 20)); c.enqueue('two'); c.close(); } }), { status: 203, headers: { 'x-up': '1', 'content-type': 'text/x-up' } });")
        .file("app/gzip/route.ts", "export const GET = async () => new Response(await new Response(new Response('plain text').body!.pipeThrough(new CompressionStream('gzip'))).arrayBuffer(), { headers: { 'content-encoding': 'gzip' } });")
        .file("app/echo/route.ts", "export const POST = async (r: Request) => Response.json([await r.text(), r.headers.get('user-agent'), r.headers.get('content-type')]);")
        .start()
        .await;
    let app = project()
        .file("app/pass/route.ts", format!("export const GET = () => fetch('{}');", upstream.url("/")))
        .file("app/gzip/route.ts", format!("export const GET = () => fetch('{}');", upstream.url("/gzip")))
        .file("app/post/route.ts", format!("export const GET = async () => (await fetch('{}', {{ method: 'POST', body: new ReadableStream({{ start(c) {{ c.enqueue(new TextEncoder().encode('streamed')); c.close(); }} }}), duplex: 'half' }} as any)).json().then((v) => Response.json(v));", upstream.url("/echo")))
        .file("app/fail/route.ts", "export const GET = async () => { try { await fetch('http://127.0.0.1:9/'); return new Response('never'); } catch (e: any) { return new Response(e.name); } };")
        .start()
        .await;
    let passed = app.get("/pass").await;
    passed.is(203, "one two");
    assert_eq!((passed.header("x-up"), passed.header("content-type")), (Some("1"), Some("text/x-up")));
    let plain = app.get("/gzip").await;
    plain.is(200, "plain text");
    assert_eq!(plain.header("content-encoding"), None);
    let posted = app.get("/post").await.json();
    assert_eq!(
        (&posted[0], &posted[1]),
        (&json!("streamed"), &json!(format!("edgehost/{}", env!("CARGO_PKG_VERSION"))))
    );
    app.get("/fail").await.is(200, "TypeError");
}

#[tokio::test]
async fn a_subrequest_ends_with_its_client() {
    let upstream = serve_root(
        "export const GET = (req: Request) => { req.signal.addEventListener('abort', () => console.log('upstream left')); return new Response(new ReadableStream({ async pull(c) { await new Promise((r) => setTimeout(r, 10)); c.enqueue('x'); } })); };",
    )
    .await;
    let app = project()
        .file(
            "app/route.ts",
            format!(
                "export const GET = (req: Request) => fetch('{}', {{ signal: req.signal }});",
                upstream.url("/")
            ),
        )
        .start()
        .await;
    let mut wire = app.connect().await;
    wire.write("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    wire.read_until("x\r\n").await;
    drop(wire);
    logged(&["upstream left"]).await;
}

#[tokio::test]
async fn lengths_that_a_handler_promises_are_held() {
    let app = serve_root(
        "const body = (n: number) => new ReadableStream({ start(c) { c.enqueue(new Uint8Array(n)); c.close(); } });
         export const GET = () => new Response(body(5), { headers: { 'content-length': '5' } });
         export const PUT = () => new Response(body(4), { headers: { 'content-length': '5' } });
         export const POST = () => new Response('whole', { headers: { 'content-length': '999', connection: 'x', 'transfer-encoding': 'chunked' } });",
    )
    .await;
    let right = app.get("/").await;
    assert_eq!((right.header("content-length"), right.body.len()), (Some("5"), 5));
    let whole = app.post("/", "").await;
    assert_eq!((whole.header("content-length"), whole.text()), (Some("5"), "whole"));
    let mut wire = app.connect().await;
    wire.write("PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n").await;
    let short = wire.read_to_end().await;
    assert!(short.split_once("\r\n\r\n").is_none_or(|(_, body)| body.len() < 5), "{short}");
}

#[tokio::test]
async fn uploads_stream_with_backpressure() {
    let app = project()
        .file("app/count/route.ts", "export const POST = async (req: Request) => { let n = 0; for await (const chunk of req.body as any) n += chunk.length; return Response.json(n); };")
        .file("app/hold/route.ts", "export const POST = async (req: Request) => { const reader = req.body!.getReader(); await reader.read(); await new Promise((r) => setTimeout(r, 60000)); return new Response('never'); };")
        .file("app/first/route.ts", "export const POST = async (req: Request) => { const { value } = await req.body!.getReader().read(); return new Response(value); };")
        .limits(|limits| limits.request_body = 64 << 20)
        .start()
        .await;
    let chunked = "POST /count HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n5\r\nhello\r\n";
    let mut wire = app.connect().await;
    wire.write(chunked).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    wire.write("3\r\nyou\r\n0\r\n\r\n").await;
    assert!(wire.read_to_end().await.ends_with("\r\n\r\n8"));
    app.send(Method::POST, "/count", &[], vec![7; 3 << 20]).await.is_json(json!(3 << 20));

    // An upload that nobody reads comes to a stop.
    let mut held = app.connect().await;
    held.write(format!("POST /hold HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n", 60 << 20)).await;
    let mut sent = 0_usize;
    let chunk = vec![0; 1 << 20];
    while sent < 60 << 20 {
        match tokio::time::timeout(Duration::from_millis(500), held.0.write(&chunk)).await {
            Ok(written) => sent += written.expect("written"),
            Err(_) => break,
        }
    }
    assert!(sent < 40 << 20, "{sent} bytes were taken from an upload that nobody reads");

    // A head may come while the body is still on its way.
    let mut early = app.connect().await;
    early.write("POST /first HTTP/1.1\r\nhost: h\r\ncontent-length: 1000000\r\n\r\npart").await;
    assert!(early.read_until("part").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn binary_bodies_and_many_set_cookie_lines_survive() {
    let app = serve_root(
        "export const POST = async (req: Request) => { const headers = new Headers(); headers.append('set-cookie', 'a=1'); headers.append('set-cookie', 'b=2; Path=/'); return new Response(await req.blob(), { headers }); };",
    )
    .await;
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let answer = app.send(Method::POST, "/", &[], bytes.clone()).await;
    assert_eq!(answer.body, bytes);
    assert_eq!(answer.cookies(), ["a=1", "b=2; Path=/"]);
}

#[tokio::test]
async fn an_unread_body_does_not_block_the_answer() {
    let app = serve_root("export const POST = () => new Response('unread');").await;
    app.send(Method::POST, "/", &[], vec![1; 2 << 20]).await.is(200, "unread");
    app.post("/", "again").await.is(200, "unread");
}

#[tokio::test]
async fn answers_never_reach_another_request() {
    let app = project()
        .file("app/[id]/route.ts", "export const GET = async (_: Request, { params }: any) => { const { id } = await params; if (Number(id) % 3) await new Promise((r) => setTimeout(r, Math.random() * 5)); return new Response(id.repeat(50)); };")
        .instances(2)
        .start()
        .await;
    let connections = (0..8_usize).map(|connection| {
        let address = app.address;
        async move {
            let mut stream = tokio::net::TcpStream::connect(address).await.expect("connected");
            // Pipelined: all requests first, then all answers, in order.
            let ids: Vec<String> = (0..40_usize).map(|n| format!("{}", connection * 1000 + n)).collect();
            let requests: String =
                ids.iter().map(|id| format!("GET /{id} HTTP/1.1\r\nhost: h\r\n\r\n")).collect();
            stream.write_all(requests.as_bytes()).await.expect("written");
            let expected: Vec<String> = ids.iter().map(|id| id.repeat(50)).collect();
            let mut read = String::new();
            let mut buffer = [0; 8192];
            let reading = async {
                while read.matches("HTTP/1.1 200").count() < 40 || !read.ends_with(&expected[39]) {
                    let count = stream.read(&mut buffer).await.expect("read");
                    assert!(count > 0, "closed early");
                    read.push_str(std::str::from_utf8(&buffer[..count]).expect("ASCII"));
                }
            };
            tokio::time::timeout(PATIENCE, reading).await.expect("all answers");
            let bodies: Vec<&str> = read
                .split("HTTP/1.1 200")
                .skip(1)
                .map(|answer| answer.split_once("\r\n\r\n").expect("a head").1)
                .collect();
            assert_eq!(bodies, expected);
        }
    });
    futures::future::join_all(connections).await;
}
