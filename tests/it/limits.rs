//! Hostile handlers: cases T82 to T85, and what they may not do to others.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;

use super::harness::{App, Project, eventually, log, logged, project};

const OK: &str = "export const GET = () => new Response('ok');";

/// A hostile route beside a good one, with short limits.
fn hostile(source: &str) -> Project {
    project().file("app/hostile/route.ts", source).file("app/ok/route.ts", OK).limits(|limits| {
        limits.cpu = Duration::from_millis(300);
        limits.wall = Duration::from_secs(5);
        limits.first_byte = Duration::from_secs(5);
        limits.memory = 64 << 20;
    })
}

/// The offender gets `status` and `code`; afterwards everything works as before.
async fn is_stopped(source: &str, status: u16, code: &str, limit: &str) -> App {
    let app = hostile(source)
        .limits(|limits| {
            if code == "MEMORY_LIMIT" {
                limits.cpu = Duration::from_secs(20);
                limits.wall = Duration::from_secs(30);
                limits.first_byte = Duration::from_secs(30);
            }
        })
        .start()
        .await;
    for _ in 0..2 {
        let answer = app.get("/hostile").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{}", answer.text());
        let id = answer.header("x-request-id").expect("an id").to_owned();
        assert!(answer.text().contains(&id));
        logged(&["limit passed", &format!("request=\"{id}\""), "route=\"/hostile\"", limit]).await;
        app.get("/ok").await.is(200, "ok");
    }
    app
}

#[tokio::test]
async fn t82_an_endless_loop() {
    let app = hostile("export const GET = () => { while (true) {} };").start().await;
    let began = Instant::now();
    let answer = app.get("/hostile").await;
    assert_eq!((answer.status.as_u16(), answer.code()), (503, "CPU_LIMIT"));
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(250) && took < Duration::from_millis(4500), "{took:?}");
    app.get("/ok").await.is(200, "ok");
}

#[tokio::test]
async fn an_endless_loop_after_an_await() {
    is_stopped(
        "export const GET = async () => { await new Promise((r) => setTimeout(r, 5)); while (true) {} };",
        503,
        "CPU_LIMIT",
        "CPU time",
    )
    .await;
}

#[tokio::test]
async fn an_endless_loop_in_a_finally_and_a_getter() {
    is_stopped(
        "export const GET = () => { try { while (true) {} } finally { while (true) {} } };",
        503,
        "CPU_LIMIT",
        "CPU time",
    )
    .await;
    is_stopped("export const GET = () => ({ get status() { while (true) {} }, headers: {}, arrayBuffer() {} } as any);", 503, "CPU_LIMIT", "CPU time").await;
}

#[tokio::test]
async fn endless_microtasks() {
    let app = hostile("export const GET = async () => { const again = (): Promise<void> => Promise.resolve().then(() => {}).then(again); let n = 0; while (true) { await null; n++; } };").start().await;
    let answer = app.get("/hostile").await;
    assert_eq!((answer.status.as_u16(), answer.code()), (503, "CPU_LIMIT"));
    app.get("/ok").await.is(200, "ok");
}

#[tokio::test]
async fn a_catastrophic_regular_expression() {
    is_stopped(
        "export const GET = () => new Response(String(/^(a+)+$/.test('a'.repeat(60) + 'b')));",
        503,
        "CPU_LIMIT",
        "CPU time",
    )
    .await;
}

#[tokio::test]
async fn cpu_time_is_counted_over_many_turns() {
    let app = hostile(
        "export const GET = async () => { while (true) { const until = performance.now() + 2; while (performance.now() < until); await new Promise((r) => setTimeout(r, 0)); } };",
    )
    .start()
    .await;
    let began = Instant::now();
    let answer = app.get("/hostile").await;
    assert_eq!(answer.code(), "CPU_LIMIT");
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "stopped by CPU time, not by wall time: {:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn t83_a_growing_array() {
    is_stopped("export const GET = () => { const all: unknown[] = []; while (true) all.push({ n: all.length, more: [1, 2, 3] }); };", 503, "MEMORY_LIMIT", "memory").await;
}

#[tokio::test]
async fn growing_buffers() {
    is_stopped("export const GET = () => { const all: unknown[] = []; while (true) all.push(new Uint8Array(1 << 20)); };", 503, "MEMORY_LIMIT", "memory").await;
}

#[tokio::test]
async fn growing_buffers_whose_refusal_is_caught() {
    is_stopped("export const GET = () => { const all: unknown[] = []; while (true) { try { all.push(new ArrayBuffer(8 << 20)); } catch {} } };", 503, "MEMORY_LIMIT", "memory").await;
}

#[tokio::test]
async fn growing_strings_and_resizable_buffers() {
    is_stopped("export const GET = () => { const all: string[] = []; while (true) all.push(JSON.stringify(new Array(10000).fill(all.length))); };", 503, "MEMORY_LIMIT", "memory").await;
    is_stopped("export const GET = () => { const all: unknown[] = []; while (true) { const b: any = new (ArrayBuffer as any)(1 << 20, { maxByteLength: 1 << 26 }); b.resize(1 << 26); new Uint8Array(b).fill(1); all.push(b); } };", 503, "MEMORY_LIMIT", "memory").await;
}

#[tokio::test]
async fn growing_wasm_memory() {
    let app = hostile("export const GET = () => { const all: unknown[] = []; while (true) { const m = new WebAssembly.Memory({ initial: 1, maximum: 4096 }); m.grow(1000); new Uint8Array(m.buffer).fill(1); all.push(m); } };")
        .limits(|limits| limits.cpu = Duration::from_secs(20))
        .start()
        .await;
    let answer = app.get("/hostile").await;
    assert_eq!((answer.status.as_u16(), answer.code()), (503, "MEMORY_LIMIT"));
    app.get("/ok").await.is(200, "ok");
}

#[tokio::test]
async fn one_huge_array() {
    let app =
        hostile("export const GET = () => new Response(String(new Array(60_000_000).fill(1.5).length));")
            .limits(|limits| {
                limits.cpu = Duration::from_secs(20);
                limits.wall = Duration::from_secs(60);
                limits.first_byte = Duration::from_secs(60);
            })
            .start()
            .await;
    assert_eq!(app.get("/hostile").await.status, 503);
    app.get("/ok").await.is(200, "ok");
}

#[tokio::test]
async fn json_of_something_huge() {
    let app = hostile("export const GET = () => { const text = '[' + '[1,2,3],'.repeat(1_000_000) + '0]'; return new Response(String(JSON.parse(text).length)); };").start().await;
    assert_eq!(app.get("/hostile").await.status, 503);
    app.get("/ok").await.is(200, "ok");
}

#[tokio::test]
async fn garbage_is_collected_before_buffers_are_refused() {
    let app = hostile("export const GET = () => { let n = 0; for (let i = 0; i < 400; i++) n += new Uint8Array(1 << 20).length; return Response.json(n); };")
        .limits(|limits| limits.cpu = Duration::from_secs(5))
        .start()
        .await;
    app.get("/hostile").await.is_json(json!(400 << 20));
}

#[tokio::test]
async fn a_promise_that_never_settles() {
    let app = hostile("export const GET = (req: Request) => { req.signal.onabort = () => console.log('signal never', req.signal.reason.name); return new Promise<Response>(() => {}); };")
        .limits(|limits| limits.first_byte = Duration::from_millis(200))
        .start()
        .await;
    let answer = app.get("/hostile").await;
    assert_eq!((answer.status.as_u16(), answer.code()), (504, "HANDLER_TIMEOUT"));
    logged(&["signal never TimeoutError"]).await;
    app.get("/ok").await.is(200, "ok");
}

#[tokio::test]
async fn max_duration_is_the_wall_limit() {
    let app = project()
        .file("app/short/route.ts", "export const maxDuration = 1; export const GET = () => new Promise(() => {});")
        .file("app/long/route.ts", "export const maxDuration = 5; export const GET = async () => { await new Promise((r) => setTimeout(r, 400)); return new Response('made it'); };")
        .limits(|limits| {
            limits.wall = Duration::from_millis(100);
            limits.first_byte = Duration::from_millis(100);
        })
        .start()
        .await;
    let began = Instant::now();
    assert_eq!(app.get("/short").await.code(), "HANDLER_TIMEOUT");
    assert!(began.elapsed() >= Duration::from_secs(1) && began.elapsed() < Duration::from_secs(2));
    app.get("/long").await.is(200, "made it");
}

#[tokio::test]
async fn an_endless_stream_is_cut() {
    let app = hostile("export const GET = () => new Response(new ReadableStream({ async pull(c) { await new Promise((r) => setTimeout(r, 5)); c.enqueue('x'); }, cancel(reason) { console.log('cut', reason.name); } }));")
        .limits(|limits| limits.wall = Duration::from_millis(300))
        .start()
        .await;
    let mut wire = app.connect().await;
    let began = Instant::now();
    wire.write("GET /hostile HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let all = wire.read_to_end().await;
    assert!(all.starts_with("HTTP/1.1 200") && !all.ends_with("0\r\n\r\n"));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    logged(&["cut TimeoutError"]).await;
    app.get("/ok").await.is(200, "ok");
}

#[tokio::test]
async fn recursion_is_an_ordinary_error() {
    let app = hostile("const f = (): unknown => [f()]; export const GET = () => new Response(f() as any);")
        .start()
        .await;
    let answer = app.get("/hostile").await;
    assert_eq!((answer.status.as_u16(), answer.code()), (500, "HANDLER_ERROR"));
    logged(&["RangeError: Maximum call stack size exceeded"]).await;
}

#[tokio::test]
async fn waiting_on_an_atomic_is_refused() {
    let app = hostile("export const GET = () => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); return new Response('never'); };").start().await;
    assert_eq!(app.get("/hostile").await.code(), "HANDLER_ERROR");
}

#[tokio::test]
async fn a_neighbour_on_another_shard_is_not_disturbed() {
    let app = hostile("export const GET = () => { while (true) {} };")
        .file("app/slow/route.ts", "export const GET = async () => { await new Promise((r) => setTimeout(r, 150)); return new Response('neighbour'); };")
        .instances(2)
        .limits(|limits| limits.cpu = Duration::from_millis(600))
        .start()
        .await;
    // The library hands requests to the shards in turn.
    let get = |path: &str| {
        http::Request::get(path).body(http_body_util::Empty::<bytes::Bytes>::new()).expect("a request")
    };
    let began = Instant::now();
    let (hostile, neighbour) = tokio::join!(app.host.call(get("/hostile")), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let answer = app.host.call(get("/slow")).await;
        (answer.status(), began.elapsed())
    });
    assert_eq!((hostile.status().as_u16(), neighbour.0.as_u16()), (503, 200));
    assert!(neighbour.1 < Duration::from_millis(450), "{:?}", neighbour.1);
}

#[tokio::test]
async fn siblings_are_told_apart_from_the_offender() {
    let app = hostile("export const GET = async () => { await new Promise((r) => setTimeout(r, 60)); while (true) {} };")
        .file("app/sibling/route.ts", "export const GET = async () => { await new Promise((r) => setTimeout(r, 10000)); return new Response('never'); };")
        .start()
        .await;
    let (first, second, offender) =
        tokio::join!(app.get("/sibling"), app.get("/sibling"), app.get("/hostile"));
    assert_eq!(offender.code(), "CPU_LIMIT");
    for sibling in [first, second] {
        assert_eq!(
            (sibling.status.as_u16(), sibling.code(), sibling.header("retry-after")),
            (503, "ISOLATE_RESET", Some("1"))
        );
    }
    app.get("/ok").await.is(200, "ok");
}

#[tokio::test]
async fn requests_that_were_not_started_go_to_the_successor() {
    let app = hostile("export const GET = () => { while (true) {} };")
        .limits(|limits| limits.concurrency = 1)
        .start()
        .await;
    let offender = app.get("/hostile");
    let waiting = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        futures::future::join_all((0..5).map(|_| app.get("/ok"))).await
    };
    let (offender, waiting) = tokio::join!(offender, waiting);
    assert_eq!(offender.code(), "CPU_LIMIT");
    for answer in waiting {
        answer.is(200, "ok");
    }
}

#[tokio::test]
async fn a_full_queue_is_refused_at_once() {
    let app = project()
        .file("app/route.ts", "export const GET = async () => { await new Promise((r) => setTimeout(r, 300)); return new Response('x'); };")
        .limits(|limits| {
            limits.concurrency = 1;
            limits.queue = 1;
        })
        .start()
        .await;
    let answers = futures::future::join_all((0..4).map(|_| app.get("/"))).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert_eq!(refused.len(), 2);
    for answer in refused {
        assert_eq!((answer.code(), answer.header("retry-after")), ("OVERLOADED", Some("1")));
    }
}

#[tokio::test]
async fn loading_a_module_has_limits_of_its_own() {
    let app = project()
        .file(
            "app/loop/route.ts",
            "while (true) { (globalThis as any).spins = 1; } export const GET = () => new Response('never');",
        )
        .file(
            "app/never/route.ts",
            "await new Promise(() => {}); export const GET = () => new Response('never');",
        )
        .file("app/ok/route.ts", OK)
        .limits(|limits| {
            limits.startup_cpu = Duration::from_millis(200);
            limits.startup_wall = Duration::from_millis(300);
        })
        .start()
        .await;
    for path in ["/loop", "/never"] {
        for _ in 0..2 {
            let answer = app.get(path).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (500, "STARTUP_TIMEOUT"), "{path}");
        }
        app.get("/ok").await.is(200, "ok");
    }
}

#[tokio::test]
async fn t84_request_bodies_are_capped() {
    let app = project()
        .file("app/route.ts", "let calls = 0; export const POST = async (req: Request) => { calls++; return Response.json([calls, (await req.text()).length]); }; export const PUT = async () => Response.json(calls);")
        .limits(|limits| limits.request_body = 1000)
        .start()
        .await;
    app.post("/", &"x".repeat(1000)).await.is_json(json!([1, 1000]));
    let declared = app.post("/", &"x".repeat(1001)).await;
    assert_eq!(
        (declared.status.as_u16(), declared.code(), declared.header("connection")),
        (413, "BODY_TOO_LARGE", Some("close"))
    );
    app.send(Method::PUT, "/", &[], "").await.is_json(json!(1));
    let mut wire = app.connect().await;
    wire.write("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    wire.write(format!("400\r\n{}\r\n0\r\n\r\n", "x".repeat(1024))).await;
    assert!(wire.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn t85_edge_routes_cannot_make_code_from_strings() {
    let app = project()
        .file("app/edge/[how]/route.ts", "export const runtime = 'edge'; export const GET = async (_: Request, { params }: any) => { const { how } = await params; try { return new Response(String(how === 'eval' ? (0, eval)('1+1') : new Function('return 1+1')())); } catch (e: any) { return new Response(e.name); } };")
        .file("app/node/route.ts", "export const GET = () => new Response(String((0, eval)('1+1') + new Function('return 1')()));")
        .start()
        .await;
    app.get("/edge/eval").await.is(200, "EvalError");
    app.get("/edge/function").await.is(200, "EvalError");
    app.get("/node").await.is(200, "3");
}

#[tokio::test]
async fn urls_and_heads_are_capped() {
    let app = project().file("app/route.ts", OK).start().await;
    let long = app.get(&format!("/?{}", "x".repeat(16 * 1024))).await;
    assert_eq!((long.status.as_u16(), long.code()), (414, "URL_TOO_LONG"));
    let mut large = app.connect().await;
    large.write(format!("GET / HTTP/1.1\r\nhost: h\r\nx-a: {}\r\n", "v".repeat(66 * 1024))).await;
    assert!(large.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 431"));
    let mut wire = app.connect().await;
    let lines: String = (0..101).map(|n| format!("x-{n}: v\r\n")).collect();
    wire.write(format!("GET / HTTP/1.1\r\nhost: h\r\n{lines}\r\n")).await;
    assert!(wire.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 431"));
    app.get("/").await.is(200, "ok");
}

#[tokio::test]
async fn isolates_are_replaced_after_as_many_requests_as_asked() {
    let app = project()
        .file("app/route.ts", "let served = 0; export const GET = () => Response.json(++served);")
        .limits(|limits| limits.recycle_after = 5)
        .start()
        .await;
    let mut highest = 0;
    let mut restarts = 0;
    for _ in 0..40 {
        let answer = app.get("/").await;
        assert_eq!(answer.status, 200);
        let served = answer.json().as_u64().expect("a number");
        restarts += u64::from(served == 1);
        highest = highest.max(served);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(restarts >= 3 && highest < 20, "{restarts} restarts, {highest} requests in one isolate");
}

#[tokio::test]
async fn a_burst_of_hostile_requests_leaves_the_server_well() {
    let app = hostile("export const GET = async () => { await null; const all: unknown[] = []; while (true) all.push(new Array(1000).fill({})); };")
        .instances(2)
        .start()
        .await;
    let answers = futures::future::join_all((0..8).map(|_| app.get("/hostile"))).await;
    assert!(answers.iter().all(|answer| answer.status == 503 && answer.code() != ""), "{answers:?}");
    eventually("the server is well", async || app.get("/ok").await.status == 200).await;
}

#[tokio::test]
async fn requests_while_a_successor_loads_go_to_that_successor() {
    let app = hostile("export const GET = () => { while (true) {} };")
        .file("app/count/route.ts", "let served = 0; export const GET = () => Response.json(++served);")
        .file(
            "app/slow/route.ts",
            "await new Promise((r) => setTimeout(r, 400)); export const GET = () => new Response('slow');",
        )
        .start()
        .await;
    app.get("/slow").await.is(200, "slow");
    app.get("/count").await.is_json(json!(1));
    assert_eq!(app.get("/hostile").await.code(), "CPU_LIMIT");
    app.get("/count").await.is_json(json!(1));
    app.get("/slow").await.is(200, "slow");
    tokio::time::sleep(Duration::from_millis(600)).await;
    app.get("/count").await.is_json(json!(2));
}

#[tokio::test]
async fn modules_that_nearly_fill_the_memory_are_reported_once() {
    let holds = |count: usize| {
        format!(
            "const held = new Array({count}).fill(1.5); export const GET = () => new Response(String(held.length));"
        )
    };
    let app = project()
        .limits(|limits| limits.memory = 67 << 20)
        .file("app/small/route.ts", holds(1000))
        .file("app/large/route.ts", holds(6_800_000))
        .file("app/more/route.ts", holds(2000))
        .start()
        .await;
    app.get("/small").await.is(200, "1000");
    assert!(!log().contains("of the 67 MiB"), "a small module is nothing to report");
    app.get("/large").await.is(200, "6800000");
    app.get("/more").await.is(200, "2000");
    logged(&["2 loaded route modules (nodejs) hold", "of the 67 MiB", "--limit-memory allows more"]).await;
    assert_eq!(log().matches("of the 67 MiB").count(), 1);
}

#[tokio::test]
async fn a_module_that_finds_the_memory_full_loads_in_the_successor() {
    let app = project()
        .file("app/fill/route.ts", "globalThis.kept = []; export const GET = () => { globalThis.kept.push(new Array(6_000_000).fill(1.5)); return new Response('filled'); };")
        .file("app/big/route.ts", "const kept = new Array(4_000_000).fill(2.5); export const GET = () => new Response(String(kept.length));")
        .file("app/never/route.ts", "const kept = []; for (;;) kept.push(new Array(100_000).fill(2.5)); export const GET = () => new Response(String(kept.length));")
        .limits(|limits| limits.memory = 64 << 20)
        .start()
        .await;
    app.get("/fill").await.is(200, "filled");
    app.get("/big").await.is(200, "4000000");
    app.get("/fill").await;
    app.get("/big").await.is(200, "4000000");
    // One that is too large by itself stays failed.
    for _ in 0..2 {
        assert_eq!(app.get("/never").await.code(), "MEMORY_LIMIT");
    }
    logged(&["--limit-memory allows more", "/never"]).await;
    app.get("/big").await.is(200, "4000000");
}

#[tokio::test]
async fn the_least_memory_that_is_accepted_is_enough() {
    let app = project()
        .file("app/web/route.ts", "export const GET = () => Response.json(Array.from({ length: 1000 }, (_, i) => ({ i })).length);")
        .file("app/node/route.ts", "import { createHash } from 'node:crypto'; import 'node:http'; import 'node:stream'; import { Buffer } from 'node:buffer'; export const GET = () => Response.json(createHash('sha256').update(Buffer.alloc(100_000)).digest('hex').length);")
        .limits(|limits| limits.memory = 32 << 20)
        .start()
        .await;
    for _ in 0..20 {
        app.get("/web").await.is(200, "1000");
        app.get("/node").await.is(200, "64");
    }
    let mut less = edgehost::Limits::default();
    less.memory = (32 << 20) - 1;
    assert!(edgehost::EdgeHost::builder(".").limits(less).validate().is_err());
}

#[tokio::test]
async fn a_handler_may_stream_for_longer_than_its_first_byte_may_take() {
    let app = project()
        .file("app/stream/route.ts", "export const GET = () => new Response(new ReadableStream({ async start(c) { for (let i = 0; i < 5; i++) { await new Promise((r) => setTimeout(r, 150)); c.enqueue(new TextEncoder().encode(String(i))); } c.close(); } }));")
        .file("app/late/route.ts", "export const GET = async () => { await new Promise((r) => setTimeout(r, 700)); return new Response('late'); };")
        .file("app/allowed/route.ts", "export const maxDuration = 5; export const GET = async () => { await new Promise((r) => setTimeout(r, 700)); return new Response('late'); };")
        .limits(|limits| limits.first_byte = Duration::from_millis(300))
        .start()
        .await;
    app.get("/stream").await.is(200, "01234");
    assert_eq!(app.get("/late").await.code(), "HANDLER_TIMEOUT");
    app.get("/allowed").await.is(200, "late");
}

#[tokio::test]
async fn one_deadline_holds_before_and_after_every_await() {
    let spin = "const spin = (ms: number) => { const end = performance.now() + ms; while (performance.now() < end); };";
    let app = project()
        .file(
            "app/late/[how]/route.ts",
            format!("{spin} export const maxDuration = 1; export const GET = async (_: Request, {{ params }}: any) => {{ const {{ how }} = await params; await new Promise((r) => setTimeout(r, 5)); if (how === 'ticks') await new Promise((r) => process.nextTick(r)); spin(6000); return new Response('late'); }};"),
        )
        .file(
            "app/stream/route.ts",
            format!("{spin} export const maxDuration = 1; export const GET = () => new Response(new ReadableStream({{ async pull(c) {{ c.enqueue('x'); await new Promise((r) => setTimeout(r, 5)); spin(6000); c.enqueue('late'); c.close(); }} }}));"),
        )
        .file("app/ok/route.ts", OK)
        .start()
        .await;
    for path in ["/late/timer", "/late/ticks"] {
        let began = Instant::now();
        let answer = app.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (504, "HANDLER_TIMEOUT"));
        let took = began.elapsed();
        assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(3), "{path}: {took:?}");
        app.get("/ok").await.is(200, "ok");
    }
    let began = Instant::now();
    let mut wire = app.connect().await;
    wire.write("GET /stream HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let all = wire.read_to_end().await;
    assert!(all.starts_with("HTTP/1.1 200") && !all.contains("late"), "{all}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    app.get("/ok").await.is(200, "ok");
}

#[tokio::test]
async fn a_deadline_stops_whose_it_is_and_not_who_runs_at_that_moment() {
    let app = project()
        .file("app/waits/route.ts", "export const maxDuration = 1; export const GET = () => new Promise(() => {});")
        .file("app/busy/route.ts", "export const GET = async () => { await new Promise((r) => setTimeout(r, 500)); const end = performance.now() + 1500; while (performance.now() < end); return new Response('done'); };")
        .start()
        .await;
    let (waits, busy) = tokio::join!(app.get("/waits"), app.get("/busy"));
    busy.is(200, "done");
    assert_eq!((waits.status.as_u16(), waits.code()), (504, "HANDLER_TIMEOUT"));
}

#[tokio::test]
async fn whose_upload_ends_with_an_isolate_is_told_to_take_another_connection() {
    let app = hostile("export const GET = () => { while (true) {} };")
        .file("app/upload/route.ts", "export const POST = async (request: Request) => { let size = 0; for await (const chunk of request.body as any) size += chunk.length; return Response.json(size); };")
        .start()
        .await;
    let mut upload = app.connect().await;
    upload.write("POST /upload HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nhalf.").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(app.get("/hostile").await.code(), "CPU_LIMIT");
    let answer = upload.read_until("ISOLATE_RESET\n").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("connection: close"), "{answer}");
}
