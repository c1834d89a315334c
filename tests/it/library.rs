//! edgehost inside somebody else's program.

use std::time::Duration;

use bytes::Bytes;
use edgehost::{EdgeHost, Instances, Limits};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use tower_service::Service;

use super::harness::{App, GRACE, eventually, logged, project};

async fn text(response: http::Response<edgehost::ResponseBody>) -> String {
    String::from_utf8(response.into_body().collect().await.expect("a body").to_bytes().to_vec())
        .expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_take_any_body_and_stream_both_ways() {
    let project = project().file(
        "app/route.ts",
        "export const GET = (r: Request) => new Response(r.url); export const POST = (r: Request) => new Response(r.body);",
    );
    let host = project.builder().instances(2).build().await.expect("built");
    let get = Request::get("/?q=1").header("host", "lib").body(Empty::<Bytes>::new()).expect("a request");
    assert_eq!(text(host.call(get).await).await, "http://lib/?q=1");
    let absolute = Request::get("http://other/?q=2").body(String::new()).expect("a request");
    assert_eq!(text(host.call(absolute).await).await, "http://other/?q=2");
    let pieces = futures::stream::iter(["streamed ", "body"])
        .map(|piece| Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(piece.as_bytes()))));
    let post = Request::post("/").body(StreamBody::new(pieces)).expect("a request");
    assert_eq!(text(host.call(post).await).await, "streamed body");
    host.shutdown(GRACE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_only_answers_calls_finishes_what_comes_after_its_answers() {
    let project = project()
        .file("app/after/route.ts", "import { after } from 'next/server'; export const GET = () => { after(async () => { await new Promise((r) => setTimeout(r, 300)); console.log('after a call'); }); return new Response('ok'); };")
        .file("app/never/route.ts", "import { after } from 'next/server'; export const GET = () => { after(new Promise(() => {})); return new Response('ok'); };")
        .file("app/stream/route.ts", "export const GET = () => { let n = 0; return new Response(new ReadableStream({ async pull(c) { await new Promise((r) => setTimeout(r, 100)); if (n++ < 3) c.enqueue('part '); else c.close(); } })); };")
        .limits(|limits| limits.grace = Duration::from_secs(1));
    let get = |path: &str| Request::get(path).body(Empty::<Bytes>::new()).expect("a request");
    let host = project.builder().build().await.expect("built");
    assert_eq!(text(host.call(get("/after")).await).await, "ok");
    let streaming = host.call(get("/stream")).await;
    let began = std::time::Instant::now();
    let (_, streamed) = tokio::join!(host.shutdown(Duration::from_secs(1)), text(streaming));
    assert_eq!(streamed, "part part part ");
    assert!(super::harness::log().contains("after a call"));
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());

    let host = project.builder().build().await.expect("built");
    assert_eq!(text(host.call(get("/never")).await).await, "ok");
    let began = std::time::Instant::now();
    host.shutdown(Duration::from_secs(1)).await;
    assert!((900..5000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    logged(&["grace period is over: cut off 0 requests, 0 streams, 1 tasks"]).await;
}

use futures::StreamExt;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_is_a_tower_service() {
    let project =
        project().file("app/[...all]/route.ts", "export const GET = () => new Response('from edgehost');");
    let host = project.builder().build().await.expect("built");
    let mut service = host.clone();
    let request = Request::get("/x").body(Empty::<Bytes>::new()).expect("a request");
    let response = Service::call(&mut service, request).await.expect("infallible");
    assert_eq!(text(response).await, "from edgehost");

    let router = axum::Router::new()
        .route("/native", axum::routing::get(|| async { "from axum" }))
        .fallback_service(host);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    for (path, expected) in [("/native", "from axum"), ("/other", "from edgehost")] {
        let stream = tokio::net::TcpStream::connect(address).await.expect("connected");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream))
                .await
                .expect("connected");
        tokio::spawn(connection);
        let request =
            Request::get(path).header("host", "h").body(Full::new(Bytes::new())).expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hosts_in_one_process_keep_to_themselves() {
    let first = project().file("app/route.ts", "(globalThis as any).mark = 'first'; export const GET = () => new Response((globalThis as any).mark);").start().await;
    let second = project()
        .file("app/route.ts", "export const GET = () => new Response(String((globalThis as any).mark));")
        .start()
        .await;
    first.get("/").await.is(200, "first");
    second.get("/").await.is(200, "undefined");
    first.shut_down().await;
    second.get("/").await.is(200, "undefined");
}

#[cfg(target_os = "linux")]
fn threads_named(prefix: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("readable").flatten();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
        .filter(|name| name.starts_with(prefix))
        .count()
}

/// Counts threads of this process, so it runs the whole story in a process of its own.
#[cfg(target_os = "linux")]
#[test]
fn no_thread_is_left_behind() {
    const CHILD: &str = "EDGEHOST_TEST_THREADS_CHILD";
    #[allow(clippy::disallowed_methods, reason = "tells the child from the parent")]
    if std::env::var_os(CHILD).is_none() {
        let status = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "it::library::no_thread_is_left_behind", "--test-threads=1"])
            .env(CHILD, "1")
            .output()
            .expect("started");
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        for _ in 0..2 {
            let app = project()
                .file("app/route.ts", "setInterval(() => {}, 1); export const GET = () => new Response('x');")
                .instances(3)
                .start()
                .await;
            app.get("/").await.is(200, "x");
            // A thread carries the name of the one that started it for a moment.
            eventually("three shards and a watchdog", async || {
                (threads_named("edgehost-shard"), threads_named("edgehost-watchd")) == (3, 1)
            })
            .await;
            app.shut_down().await;
            assert_eq!(threads_named("edgehost-shard"), 0);
            eventually("the watchdog is gone", async || threads_named("edgehost-watchd") == 0).await;
        }
        // A host that is merely dropped goes as well.
        let host = project()
            .file("app/route.ts", "export const GET = () => new Response('x');")
            .builder()
            .build()
            .await
            .expect("built");
        drop(host);
        eventually("its threads are gone", async || threads_named("edgehost-shard") == 0).await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_stops_waiting_aborts_the_request() {
    let project = project().file("app/route.ts", "export const GET = async (r: Request) => { r.signal.onabort = () => console.log('library caller left', r.signal.reason.name); await new Promise(() => {}); };");
    let host = project.builder().build().await.expect("built");
    let request = Request::get("/").body(Empty::<Bytes>::new()).expect("a request");
    let waited = tokio::time::timeout(Duration::from_millis(100), host.call(request)).await;
    assert!(waited.is_err());
    logged(&["library caller left ResponseAborted"]).await;
}

#[tokio::test]
async fn module_memory_is_that_of_an_instance() {
    let project = project()
        .file("app/node/route.ts", "import 'node:fs'; import { count } from '../../count'; export const GET = () => new Response(`${count()}`);")
        .file("app/edge/route.ts", "import { count } from '../../count'; export const runtime = 'edge'; export const GET = () => new Response(`${count()}`);")
        .file("count.ts", "let served = 0; export const count = () => ++served;");
    let counts = async |host: &EdgeHost, path: &str| {
        let mut counts = Vec::new();
        for _ in 0..4 {
            let request = Request::get(path).body(Empty::<Bytes>::new()).expect("a request");
            counts.push(text(host.call(request).await).await);
        }
        counts.join(" ")
    };
    let one = EdgeHost::builder(project.path()).build().await.expect("built");
    assert_eq!(one.instances(), 1);
    assert_eq!(counts(&one, "/node").await, "1 2 3 4");
    // Routes of the other runtime have an isolate of their own.
    assert_eq!(counts(&one, "/edge").await, "1 2 3 4");
    one.shutdown(GRACE).await;
    for builder in [
        EdgeHost::builder(project.path()).instances(2),
        EdgeHost::builder(project.path()).instances(Instances::Auto).shards(2),
        EdgeHost::builder(project.path()).instances(5).shards(2),
    ] {
        let two = builder.build().await.expect("built");
        assert_eq!(two.instances(), 2);
        assert_eq!(counts(&two, "/node").await, "1 1 2 2");
        two.shutdown(GRACE).await;
    }
}

#[tokio::test]
async fn limits_and_routes_are_part_of_the_library() {
    let mut limits = Limits::default();
    limits.wall = Duration::from_millis(100);
    let project = project().file("app/a/[b]/route.ts", "export const runtime = 'edge'; export const maxDuration = 7; export const GET = () => 1; export const POST = GET;");
    let host = EdgeHost::builder(project.path()).limits(limits).build().await.expect("built");
    let routes = host.routes();
    assert_eq!(routes.len(), 1);
    assert_eq!(
        (
            routes[0].pattern.as_str(),
            routes[0].methods.as_slice(),
            routes[0].file.as_str(),
            routes[0].runtime,
            routes[0].max_duration
        ),
        ("/a/[b]", ["GET", "POST"].as_slice(), "app/a/[b]/route.ts", "edge", Some(Duration::from_secs(7)))
    );
    let app = App::serve(host, None).await;
    assert_eq!(app.get("/a/1").await.status, StatusCode::INTERNAL_SERVER_ERROR);
}

/// Functions of SQL that are not SQLite's own.
const REPLACED: &str = "SELECT count(*) AS replaced FROM pragma_function_list WHERE builtin = 0 AND name IN ('instr', 'replace', 'trim', 'ltrim', 'rtrim')";

/// What SQLite has for a connection: how long a string and a pattern may be, how much of a
/// file is mapped, how many functions are not its own, and what long values come to.
fn settings_of(path: &std::path::Path) -> rusqlite::Result<(i32, i32, i64, i64, i64)> {
    use rusqlite::limits::Limit;
    let connection = rusqlite::Connection::open(path)?;
    let one = |sql: &str| connection.query_row(sql, [], |row| row.get(0));
    Ok((
        connection.limit(Limit::SQLITE_LIMIT_LENGTH)?,
        connection.limit(Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH)?,
        one("PRAGMA mmap_size = 1048576")?,
        one(REPLACED)?,
        one("SELECT length(zeroblob(100000000)) + ('x' LIKE printf('%.*c', 300, '%'))")?,
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_of_the_program_itself_are_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("own.db");
    let early = rusqlite::Connection::open(folder.path().join("early.db")).expect("opened");
    let project = project()
        .file(
            "app/route.ts",
            format!(
                "import {{ DatabaseSync }} from 'node:sqlite';
                const failed = (f) => {{ try {{ f(); return 'went through'; }} catch (e) {{ return e.message; }} }};
                export async function GET() {{
                    const database = new DatabaseSync('own.db');
                    const {{ length, likePatternLength }} = database.limits;
                    return Response.json([length, likePatternLength, database.prepare(`{REPLACED}`).get().replaced,
                        failed(() => database.exec('PRAGMA mmap_size = 1048576')).includes('mmap_size'),
                        failed(() => database.prepare('PRAGMA/**/main.MMAP_SIZE(9)').get()).includes('MMAP_SIZE')]);
                }}
                export function POST() {{
                    new DatabaseSync(':memory:').exec('WITH RECURSIVE r(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r');
                    return new Response('never');
                }}"
            ),
        )
        .limits(|limits| limits.cpu = Duration::from_millis(200));
    let app = App::serve(project.builder().build().await.expect("built"), None).await;
    app.get("/").await.is_json(serde_json::json!([1 << 26, 256, 5, true, true]));
    assert_eq!(app.post("/", "").await.code(), "CPU_LIMIT");

    let settings = settings_of(&path).expect("as without the host");
    assert_eq!(settings, (1_000_000_000, 50_000, 1 << 20, 0, 100_000_001));
    // Nobody ends a long query of one that was opened before.
    let counted: i64 = early
        .query_row("WITH RECURSIVE r(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM r LIMIT 3000000) SELECT count(*) FROM r", [], |row| row.get(0))
        .expect("counted");
    assert_eq!(counted, 3_000_000);
    // It waits for locks as it was told to.
    let holder = rusqlite::Connection::open(&path).expect("opened");
    holder.execute_batch("CREATE TABLE t(a); BEGIN EXCLUSIVE").expect("locked");
    let waiter = rusqlite::Connection::open(&path).expect("opened");
    waiter.busy_timeout(Duration::from_millis(300)).expect("set");
    let began = std::time::Instant::now();
    waiter.execute_batch("INSERT INTO t VALUES(1)").expect_err("locked");
    assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());
}
