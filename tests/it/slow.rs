//! Clients that send or read slowly, or not at all.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::harness::{App, PATIENCE, Wire, eventually, log, logged, project};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame of HTTP/2.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// A client of HTTP/2 that does no more than it is told, but for acknowledging settings and pings.
struct H2 {
    wire: Wire,
    /// What came, in its order.
    seen: Vec<Frame>,
}

impl H2 {
    /// Connects; every stream may be sent `window` bytes.
    async fn connect(app: &App, window: u32) -> Self {
        let mut wire = app.connect().await;
        wire.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let mut h2 = Self { wire, seen: Vec::new() };
        let mut settings = vec![0, 4];
        settings.extend(window.to_be_bytes());
        h2.send(SETTINGS, 0, 0, &settings).await;
        h2
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.wire.write(frame).await;
    }

    async fn request(&mut self, stream: u32, method: &str, path: &str) {
        // RFC 7541: indexed `:method` and `:scheme`; `:path` and `:authority` without indexing.
        let mut block = vec![if method == "GET" { 0x82 } else { 0x83 }, 0x86, 0x04];
        block.push(u8::try_from(path.len()).expect("short"));
        block.extend(path.as_bytes());
        block.extend([0x01, 1, b'h']);
        let end = if method == "GET" { END_STREAM } else { 0 };
        self.send(HEADERS, END_HEADERS | end, stream, &block).await;
    }

    async fn open(&mut self, stream: u32, bytes: u32) {
        self.send(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes()).await;
    }

    /// The next frame; none when the connection is closed.
    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.wire.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.wire.0.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let frame = Frame { kind: head[3], flags: head[4], stream, payload };
        if matches!(frame.kind, SETTINGS | PING) && frame.flags & ACK == 0 {
            let mut ack = vec![0, 0, u8::try_from(frame.payload.len()).expect("short"), frame.kind, ACK];
            ack.extend([0; 4]);
            if frame.kind == PING {
                ack.extend(&frame.payload);
            } else {
                ack[2] = 0;
            }
            let _ = self.wire.0.write_all(&ack).await;
        }
        self.seen.push(frame.clone());
        Some(frame)
    }

    /// Reads until such a frame comes.
    #[track_caller]
    fn until(&mut self, kind: u8, stream: u32) -> impl Future<Output = Frame> {
        let caller = std::panic::Location::caller();
        async move {
            let reading = async {
                loop {
                    match self.next().await {
                        Some(frame) if frame.kind == kind && frame.stream == stream => return frame,
                        Some(_) => {}
                        None => panic!("closed before frame {kind} of {stream}, {caller}: {:?}", self.seen),
                    }
                }
            };
            tokio::time::timeout(PATIENCE, reading)
                .await
                .unwrap_or_else(|_| panic!("no frame {kind} of {stream}, {caller}"))
        }
    }

    /// Reads until the connection is closed.
    async fn closed(&mut self) {
        let reading = async { while self.next().await.is_some() {} };
        tokio::time::timeout(PATIENCE, reading).await.expect("closed");
    }

    /// How many bytes of a stream's answer have come.
    fn received(&self, stream: u32) -> usize {
        let of_stream = self.seen.iter().filter(|frame| frame.kind == DATA && frame.stream == stream);
        of_stream.map(|frame| frame.payload.len()).sum()
    }

    fn has(&self, kind: u8, stream: u32) -> bool {
        self.seen.iter().any(|frame| frame.kind == kind && frame.stream == stream)
    }
}

const STALL: Duration = Duration::from_millis(300);

/// Large, small, and endless answers, for clients that are given up soon.
async fn impatient(rate: u64) -> App {
    project()
        .file("app/big/route.ts", "export const GET = () => new Response('x'.repeat(5 << 20));")
        .file("app/small/route.ts", "export const GET = () => new Response('x'.repeat(10_000));")
        .file("app/endless/route.ts", "export const GET = () => new Response(new ReadableStream({ async pull(c) { c.enqueue(new Uint8Array(4096)); }, cancel() { console.log('endless answer ended'); } }));")
        .file("app/idle/route.ts", "export const GET = () => { let n = 0; return new Response(new ReadableStream({ async pull(c) { if (n++) await new Promise((r) => setTimeout(r, 900)); c.enqueue(`event ${n}`); if (n === 2) c.close(); } })); };")
        .file("app/poll/route.ts", "export const GET = async () => { await new Promise((r) => setTimeout(r, 900)); return new Response('polled'); };")
        .limits(|limits| {
            limits.write_stall = STALL;
            limits.min_rate = rate;
        })
        .start()
        .await
}

#[tokio::test]
async fn a_stream_whose_window_stays_shut_is_reset_and_others_go_on() {
    let app = impatient(1024).await;
    let mut h2 = H2::connect(&app, 0).await;
    let began = Instant::now();
    for stream in (1..40).step_by(2) {
        h2.request(stream, "GET", if stream % 4 == 1 { "/big" } else { "/small" }).await;
    }
    h2.request(41, "GET", "/small").await;
    h2.open(41, 20_000).await;
    for stream in (1..40).step_by(2) {
        if !h2.has(RST_STREAM, stream) {
            h2.until(RST_STREAM, stream).await;
        }
        assert_eq!(h2.received(stream), 0);
    }
    let took = began.elapsed();
    assert!(took >= STALL && took < Duration::from_secs(10), "{took:?}");
    // The connection, and a stream that is read, are as well as ever.
    assert_eq!(h2.received(41), 10_000);
    h2.request(43, "GET", "/small").await;
    h2.open(43, 20_000).await;
    while h2.received(43) < 10_000 {
        h2.until(DATA, 43).await;
    }
}

#[tokio::test]
async fn a_window_that_opens_byte_by_byte_is_not_enough() {
    let app = impatient(100_000).await;
    for path in ["/big", "/endless"] {
        let mut h2 = H2::connect(&app, 1).await;
        h2.request(1, "GET", path).await;
        h2.until(HEADERS, 1).await;
        let began = Instant::now();
        while !h2.has(RST_STREAM, 1) {
            h2.open(1, 1).await;
            if let Ok(None) = tokio::time::timeout(Duration::from_millis(20), h2.next()).await {
                panic!("closed");
            }
            assert!(began.elapsed() < Duration::from_secs(10), "{path} goes on");
        }
    }
    logged(&["endless answer ended"]).await;
}

#[tokio::test]
async fn the_window_of_the_connection_counts_as_well() {
    let app = impatient(1024).await;
    let mut h2 = H2::connect(&app, 1 << 20).await;
    h2.request(1, "GET", "/big").await;
    h2.until(RST_STREAM, 1).await;
    assert_eq!(h2.received(1), 65_535);
}

#[tokio::test]
async fn the_last_bytes_of_an_answer_are_not_kept_for_ever() {
    let app = impatient(1024).await;
    let mut h2 = H2::connect(&app, 1).await;
    // Its only piece is in the hands of the connection once one byte has gone.
    h2.request(1, "GET", "/small").await;
    h2.until(DATA, 1).await;
    // The connection is in use.
    h2.request(3, "GET", "/endless").await;
    let began = Instant::now();
    while !h2.has(GOAWAY, 0) {
        h2.open(3, 100_000).await;
        h2.open(0, 100_000).await;
        let _ = tokio::time::timeout(Duration::from_millis(20), h2.next()).await;
        assert!(began.elapsed() < Duration::from_secs(10), "it goes on");
    }
    h2.closed().await;
}

#[tokio::test]
async fn a_handler_that_takes_its_time_is_no_fault_of_the_client() {
    let app = impatient(1 << 20).await;
    let mut h2 = H2::connect(&app, 1000).await;
    h2.request(1, "GET", "/idle").await;
    h2.request(3, "GET", "/poll").await;
    for path in ["/idle", "/poll"] {
        assert_eq!(app.get(path).await.status, 200);
    }
    while h2.received(1) < 14 || h2.received(3) < 6 {
        h2.next().await.expect("open");
    }
    assert!(!h2.has(RST_STREAM, 1) && !h2.has(GOAWAY, 0));
}

#[tokio::test]
async fn a_reader_that_is_slow_but_steady_gets_everything() {
    let app = impatient(1024).await;
    let mut h2 = H2::connect(&app, 16_384).await;
    h2.request(1, "GET", "/endless").await;
    let began = Instant::now();
    while began.elapsed() < 5 * STALL {
        tokio::time::sleep(STALL / 3).await;
        while let Ok(frame) = tokio::time::timeout(Duration::from_millis(10), h2.next()).await {
            assert_ne!(frame.expect("open").kind, RST_STREAM);
        }
        h2.open(1, 16_384).await;
        h2.open(0, 16_384).await;
    }
    assert!(h2.received(1) > 150_000, "{}", h2.received(1));
}

/// A client of HTTP/1 whose system holds little for it.
async fn narrow(app: &App) -> Wire {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(8 * 1024).expect("set");
    Wire(socket.connect(app.address).await.expect("connected"))
}

#[tokio::test]
async fn a_reader_of_a_few_bytes_is_cut_and_a_faster_one_is_not() {
    let app = project()
        .file("app/route.ts", "let ended = 0; export const GET = () => new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(65536)); }, cancel() { ended++; } })); export const PUT = () => Response.json(ended);")
        .file("app/big/route.ts", "export const GET = () => new Response('x'.repeat(8 << 20));")
        .limits(|limits| {
            limits.write_stall = STALL;
            limits.min_rate = 64 * 1024;
        })
        .start()
        .await;
    let read = async |path: &str, bytes: usize, time: Duration| {
        let mut wire = narrow(&app).await;
        wire.write(format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n")).await;
        let began = Instant::now();
        let mut buffer = vec![0; bytes];
        while began.elapsed() < time {
            tokio::time::sleep(Duration::from_millis(20)).await;
            match wire.0.read(&mut buffer).await {
                Ok(0) | Err(_) => return false,
                Ok(_) => {}
            }
        }
        true
    };
    let long = Duration::from_secs(10);
    // 10 and 200 KB a second; between the times at which the system takes more are seconds.
    let (few, whole, more) =
        tokio::join!(read("/", 200, long), read("/big", 200, long), read("/", 4096, Duration::from_secs(2)));
    assert_eq!((few, whole, more), (false, false, true));
    eventually("both streams have ended", async || {
        app.send(http::Method::PUT, "/", &[], "").await.json() == json!(2)
    })
    .await;
}

#[tokio::test]
async fn beyond_a_limit_for_all_the_slowest_are_cut() {
    let app = project()
        .file("app/route.ts", "export const GET = () => new Response('x'.repeat(3 << 20));")
        .limits(|limits| limits.unsent = 16 << 20)
        .start()
        .await;
    let mut held = Vec::new();
    for _ in 0..12 {
        let mut h2 = H2::connect(&app, 0).await;
        h2.request(1, "GET", "/").await;
        h2.until(HEADERS, 1).await;
        held.push(h2);
    }
    let waits = held.iter_mut().map(|h2| {
        let reading = h2.until(RST_STREAM, 1);
        async move { tokio::time::timeout(Duration::from_secs(2), reading).await.is_ok() }
    });
    let reset = futures::future::join_all(waits).await.into_iter().filter(|reset| *reset).count();
    // 36 MiB were held; 15 may be.
    assert_eq!(reset, 7);
    logged(&["the slowest are cut"]).await;
    assert_eq!(app.get("/").await.body.len(), 3 << 20);
}

/// An app that reads uploads, for clients that are given up soon.
async fn uploads(rate: u64) -> App {
    project()
        .file("app/route.ts", "export const POST = async (r: Request) => { const text = await r.text(); if (text.endsWith('!')) await new Promise(() => {}); return new Response(String(text.length)); };")
        .limits(|limits| {
            limits.body_idle = STALL;
            limits.first_byte = 2 * STALL;
            limits.min_rate = rate;
        })
        .start()
        .await
}

#[tokio::test]
async fn an_upload_that_does_not_go_on_is_a_408_and_the_connection_is_closed() {
    let app = uploads(1024).await;
    for body in ["content-length: 100\r\n\r\npart", "transfer-encoding: chunked\r\n\r\n4\r\npart\r\n"] {
        let mut wire = app.connect().await;
        let began = Instant::now();
        wire.write(format!("POST / HTTP/1.1\r\nhost: h\r\n{body}")).await;
        let answer = wire.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(answer.contains("x-edgehost-error: BODY_TIMEOUT") && answer.contains("connection: close"));
        assert!(began.elapsed() >= STALL && began.elapsed() < Duration::from_secs(10));
    }
    let mut h2 = H2::connect(&app, 1000).await;
    h2.request(1, "POST", "/").await;
    h2.send(DATA, 0, 1, b"part").await;
    let head = h2.until(HEADERS, 1).await;
    // RFC 7541: the name of index 8, `:status`, with "408" in Huffman's code.
    assert!(head.payload.starts_with(&[0x48, 0x83, 0x68, 0x0f, 0x7f]), "{head:?}");
}

#[tokio::test]
async fn an_upload_byte_by_byte_is_not_enough() {
    let app = uploads(10_000).await;
    let mut wire = app.connect().await;
    wire.write("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100000\r\n\r\n").await;
    let began = Instant::now();
    let (mut reader, mut writer) = wire.0.split();
    let dripping = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if writer.write_all(b"x").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut answer = [0; 12];
    tokio::select! {
        () = dripping => {}
        read = reader.read_exact(&mut answer) => { read.expect("an answer"); }
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn the_time_of_a_steady_upload_is_not_the_handlers() {
    let app = uploads(100).await;
    let upload = async |last: &str| {
        let mut wire = app.connect().await;
        wire.write("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1000\r\nconnection: close\r\n\r\n").await;
        for _ in 0..9 {
            wire.write("x".repeat(100)).await;
            tokio::time::sleep(STALL / 3).await;
        }
        wire.write(format!("{}{last}", "x".repeat(99))).await;
        let whole = Instant::now();
        (wire.read_to_end().await, whole.elapsed())
    };
    let ((fine, _), (hung, waited)) = tokio::join!(upload("x"), upload("!"));
    assert!(fine.ends_with("1000"), "{fine}");
    // From then on it is.
    assert!(hung.starts_with("HTTP/1.1 504"), "{hung}");
    assert!(waited < 4 * STALL, "{waited:?}");
}

#[tokio::test]
async fn dripping_uploads_leave_places_to_others() {
    let app = project()
        .file("app/route.ts", "export const POST = async (r: Request) => new Response(await r.text()); export const GET = async () => { await new Promise((r) => setTimeout(r, 20)); return new Response('got'); };")
        .limits(|limits| {
            limits.concurrency = 8;
            limits.queue = 8;
        })
        .start()
        .await;
    let mut drips = Vec::new();
    for _ in 0..100 {
        let mut wire = app.connect().await;
        wire.write("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\npart").await;
        drips.push(wire);
    }
    eventually("the queue for uploads is full", async || {
        let mut wire = app.connect().await;
        wire.write("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\npart").await;
        let reading = wire.read_until("OVERLOADED");
        tokio::time::timeout(Duration::from_millis(1500), reading).await.is_ok()
    })
    .await;
    let began = Instant::now();
    let sends = (0..9).map(|n| {
        let app = &app;
        async move {
            match n % 3 {
                0 => app.get("/").await.is(200, "got"),
                1 => app.post("/", "sent at once").await.is(200, "sent at once"),
                _ => {
                    let mut wire = app.connect().await;
                    wire.write("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 12\r\n\r\nin two").await;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    wire.write(" parts").await;
                    let answer = wire.read_until("in two parts").await;
                    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                }
            }
        }
    });
    futures::future::join_all(sends).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // One that was let in gets its answer when it has come.
    let first = &mut drips[0];
    first.write("x".repeat(96)).await;
    assert!(first.read_until("partx").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_upload_that_waits_for_a_place_is_none_once_it_has_arrived() {
    let app = project()
        .file("app/route.ts", "export const POST = async (r: Request) => new Response(await r.text());")
        .limits(|limits| limits.concurrency = 4)
        .start()
        .await;
    let mut drips = Vec::new();
    for _ in 0..10 {
        let mut wire = app.connect().await;
        wire.write("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\npart").await;
        drips.push(wire);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut wire = app.connect().await;
    wire.write("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 11\r\n\r\nin two").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    wire.write(" pie!").await;
    let reading = wire.read_until("in two pie!");
    let answer = tokio::time::timeout(Duration::from_secs(5), reading).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn one_connection_cannot_take_all_places() {
    let app = project()
        .file("app/hang/route.ts", "export const GET = () => new Promise(() => {});")
        .file("app/soon/route.ts", "export const GET = async () => { await new Promise((r) => setTimeout(r, 20)); return new Response('soon'); };")
        .limits(|limits| limits.concurrency = 4)
        .start()
        .await;
    app.get("/soon").await.is(200, "soon");
    let mut h2 = H2::connect(&app, 1000).await;
    for stream in (1..40).step_by(2) {
        h2.request(stream, "GET", "/hang").await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let answer = tokio::time::timeout(Duration::from_secs(5), app.get("/soon")).await;
    answer.expect("a place for another connection").is(200, "soon");
    // Those that gave up make room for others of their own.
    for stream in (1..40).step_by(2) {
        h2.send(RST_STREAM, 0, stream, &8_u32.to_be_bytes()).await;
    }
    h2.request(41, "GET", "/soon").await;
    h2.until(DATA, 41).await;
}

#[tokio::test]
async fn peers_of_http_2_that_ask_for_nothing_are_closed() {
    let app = project()
        .file("app/route.ts", "export const GET = () => new Response('ok');")
        .limits(|limits| {
            limits.keep_alive = Duration::from_millis(500);
            limits.write_stall = STALL;
        })
        .start()
        .await;
    let quiet = async {
        let mut wire = app.connect().await;
        wire.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        wire.read_to_end().await;
    };
    let half_a_head = async {
        let mut h2 = H2::connect(&app, 1000).await;
        h2.send(HEADERS, END_STREAM, 1, &[0x82, 0x86]).await;
        h2.closed().await;
    };
    let pinging = async {
        let mut h2 = H2::connect(&app, 1000).await;
        loop {
            let _ = tokio::time::timeout(Duration::from_millis(50), h2.next()).await;
            let length = [0, 0, 8, PING, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
            if h2.wire.0.write_all(&length).await.is_err() || h2.has(GOAWAY, 0) {
                return h2.closed().await;
            }
        }
    };
    let began = Instant::now();
    tokio::join!(quiet, half_a_head, pinging);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(!log().contains("panicked"));
}
