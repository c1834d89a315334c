//! What programs tell of requests that they hand over, and what they are told.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::ConnectInfo;
use bytes::Bytes;
use edgehost::telemetry::{Consequence, Event, IsolateChange, Observer};
use edgehost::{App as Described, Context, EdgeHost, Error, Exceeded, Outcome, Peer};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use serde_json::{Value, json};

use super::harness::{App, GRACE, Project, logged, project};

#[allow(dead_code, reason = "its `main` is not run here")]
#[path = "../../examples/prometheus.rs"]
mod prometheus;

#[allow(dead_code, reason = "its `main` is not run here")]
#[path = "../../examples/json_lines.rs"]
mod json_lines;

async fn text(response: Response<edgehost::ResponseBody>) -> String {
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

async fn json_of(response: Response<edgehost::ResponseBody>) -> Value {
    let text = text(response).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn get(uri: &str) -> Request<Empty<Bytes>> {
    Request::get(uri).body(Empty::new()).expect("a request")
}

async fn built(project: &Project) -> EdgeHost {
    project.builder().build().await.expect("built")
}

/// A router on a port of its own, with the peers of its connections.
async fn serve(router: axum::Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

/// Status, `location` and body of an answer to a request with these header lines.
async fn ask(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> (u16, String, String) {
    let stream = tokio::net::TcpStream::connect(address).await.expect("connected");
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("connected");
    tokio::spawn(connection);
    let mut request = Request::get(path).header("host", "shop.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::new())).expect("a request");
    let answer = sender.send_request(request).await.expect("an answer");
    let location = answer.headers().get("location").map(|value| value.to_str().expect("ASCII").to_owned());
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    (status, location.unwrap_or_default(), String::from_utf8(body.to_vec()).expect("UTF-8"))
}

const CONTEXT: &str = "
    import { context } from 'edgehost';
    import { after } from 'next/server';
    type User = { id: number; roles: string[] };
    let outside = ''; try { context(); } catch (error) { outside = error.message; }
    export async function GET(request: Request) {
        const first = context<User>();
        await new Promise((resolve) => setTimeout(resolve, 20));
        const later = await Promise.all([1, 2].map(async () => context<User>()));
        first?.roles.push('changed');
        after(() => console.log('after with', context<User>()?.id));
        return Response.json({ first: first ?? null, same: later.every((other) => other === first), outside });
    }
    export const POST = () => new Response(new ReadableStream({
        async pull(c) { await new Promise((r) => setTimeout(r, 20)); c.enqueue(new TextEncoder().encode(JSON.stringify(context()))); c.close(); },
    }));";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_context_reaches_the_handler_of_its_request_and_no_other() {
    for runtime in ["nodejs", "edge"] {
        let source = format!("{CONTEXT} export const runtime = '{runtime}';");
        let host = built(&project().file("app/route.ts", source)).await;
        let with = |id: u32| {
            let mut request = get("/");
            let context = Context::new(&json!({ "id": id, "roles": ["user"] })).expect("a context");
            request.extensions_mut().insert(context);
            request
        };
        let all = (0..20).map(|id| async move { (id, id % 3 != 0) }).map(|described| {
            let host = &host;
            async move {
                let (id, has_context) = described.await;
                let answer = json_of(host.call(if has_context { with(id) } else { get("/") }).await).await;
                let expected =
                    if has_context { json!({ "id": id, "roles": ["user", "changed"] }) } else { json!(null) };
                assert_eq!((&answer["first"], &answer["same"]), (&expected, &json!(true)));
                assert!(answer["outside"].as_str().expect("a message").contains("outside of a request"));
            }
        });
        futures::future::join_all(all).await;
        logged(&["after with 19"]).await;
        // Streams go on in the scope of their request, also when others have come since.
        let mut post = Request::post("/").body(Empty::<Bytes>::new()).expect("a request");
        post.extensions_mut().insert(Context::new("streamed \u{1f600}").expect("a context"));
        let streamed = host.call(post).await;
        futures::future::join_all((0..100).map(|_| host.call(get("/")))).await;
        assert_eq!(text(streamed).await, "\"streamed \u{1f600}\"");
        host.shutdown(GRACE).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_axum_knows_reaches_the_handler() {
    const SHOWS: &str = "
        import { context } from 'edgehost';
        export const GET = (request: any) => Response.json([context(), request.url, request.ip, request.headers.get('x-real-ip'),
            request.headers.get('x-forwarded-for'), request.headers.get('x-forwarded-proto'), request.headers.get('x-forwarded-host')]);";
    let project = project().file("app/route.ts", SHOWS);
    let builder = || {
        project.builder().peer_from(|extensions| Some(extensions.get::<ConnectInfo<SocketAddr>>()?.0.into()))
    };
    let forwarded = [
        ("x-forwarded-for", "6.6.6.6, 203.0.113.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "outer.example"),
        ("x-real-ip", "6.6.6.6"),
    ];
    let inner = |context: Value| {
        json!([
            context,
            "http://shop.example/",
            "127.0.0.1",
            "127.0.0.1",
            "127.0.0.1",
            "http",
            "shop.example"
        ])
    };
    let outer = |context: Value| {
        json!([
            context,
            "https://outer.example/",
            "203.0.113.9",
            "203.0.113.9",
            "6.6.6.6, 203.0.113.9",
            "https",
            "outer.example"
        ])
    };
    let as_json = |(status, _, body): (u16, String, String)| {
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Value>(&body).expect("JSON")
    };
    for trusts in [false, true] {
        let mut builder = builder();
        if trusts {
            builder = builder.trust_proxies(["127.0.0.0/8".parse().expect("a network")]);
        }
        let host = builder.build().await.expect("built");
        let session = axum::middleware::from_fn(
            |mut request: axum::extract::Request, next: axum::middleware::Next| async move {
                request.extensions_mut().insert(Context::new(&["from axum"]).expect("a context"));
                next.run(request).await
            },
        );
        let address = serve(axum::Router::new().fallback_service(host.clone()).layer(session)).await;
        let expected = if trusts { outer(json!(["from axum"])) } else { inner(json!(["from axum"])) };
        assert_eq!(as_json(ask(address, "/", &forwarded).await), expected);
        // The same on a listener of the host's own, but for what only a program can give along.
        let served = App::serve(host, None).await;
        let expected = if trusts { outer(json!(null)) } else { inner(json!(null)) };
        assert_eq!(as_json(ask(served.address, "/", &forwarded).await), expected);
        served.shut_down().await;
    }
    // Without axum: a peer, a scheme, and nobody at all.
    let host = project.builder().trust_proxies(["10.0.0.0/8".parse().expect("a network")]).build().await;
    let host = host.expect("built");
    let mut request = get("/");
    request.headers_mut().insert("x-forwarded-for", http::HeaderValue::from_static("203.0.113.9"));
    let nobody = json_of(host.call(request.clone()).await).await;
    assert_eq!(nobody, json!([null, "http://localhost/", null, null, null, "http", "localhost"]));
    let proxy: SocketAddr = "[::ffff:10.0.0.1]:1".parse().expect("an address");
    request.extensions_mut().insert(Peer::from(proxy).with_secure(true));
    let secure = json_of(host.call(request).await).await;
    assert_eq!(
        secure,
        json!([
            null,
            "https://localhost/",
            "203.0.113.9",
            "203.0.113.9",
            "203.0.113.9",
            "https",
            "localhost"
        ])
    );
    assert_eq!(json_of(host.call(get("https://tls.example/")).await).await[1], "https://tls.example/");
    host.shutdown(GRACE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_under_a_prefix_is_found_and_knows_its_address() {
    const SHOWS: &str = "
        import { after } from 'next/server';
        import { redirect } from 'next/navigation';
        export async function GET(request: any, { params }: any) {
            const { id } = await params;
            if (id === 'away') redirect('/elsewhere');
            if (id === 'next') { const url = request.nextUrl.clone(); url.pathname = '/items/7'; return Response.redirect(url, 307); }
            after(() => console.log('mounted', request.nextUrl.href));
            const { basePath, pathname, href, search } = request.nextUrl;
            const clone = request.clone().nextUrl;
            return Response.json([request.url, basePath, pathname, search, href, clone.basePath, clone.pathname]);
        }";
    let project = project().file("app/items/[id]/route.ts", SHOWS).file(
        "app/route.ts",
        "export const GET = (r: any) => new Response(`${r.url} ${r.nextUrl.pathname} ${r.nextUrl.href}`);",
    );
    let host = EdgeHost::for_apps().shards(1).build().expect("a host");
    let app = host.deploy(Described::from_dir(project.path()).name("shop")).await.expect("deployed");
    let router = axum::Router::new()
        .nest_service("/a/shop", host.at("/a/shop").expect("a path"))
        .nest_service("/app", app.at("/app/").expect("a path"))
        .fallback_service(host.clone());
    let address = serve(router).await;
    for prefix in ["/a/shop", "/app", ""] {
        let (status, _, body) = ask(address, &format!("{prefix}/items/5?x=%201"), &[]).await;
        let href = format!("http://shop.example{prefix}/items/5?x=%201");
        let shown: Value =
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{status} {error}: {body}"));
        assert_eq!(shown, json!([href, prefix, "/items/5", "?x=%201", href, prefix, "/items/5"]));
        logged(&[&format!("mounted {href}")]).await;
        logged(&["edgehost::access", &format!("GET {prefix}/items/5?x=%201 200")]).await;
        // Redirects: the router's own, a URL's of the request, and what a handler wrote itself.
        for (path, status, location) in [
            ("/items/5/?x=1", 308, format!("{prefix}/items/5?x=1")),
            ("/items/next?y", 307, format!("http://shop.example{prefix}/items/7?y")),
            ("/items/away", 307, "/elsewhere".to_owned()),
        ] {
            let answer = ask(address, &format!("{prefix}{path}"), &[]).await;
            assert_eq!((answer.0, answer.1), (status, location), "{prefix}{path}");
        }
        let root = if prefix.is_empty() { "/" } else { prefix };
        let url = format!("http://shop.example{root}");
        assert_eq!(ask(address, root, &[]).await.2, format!("{url} / {url}"));
    }
    for wrong in ["shop", "/a b", "/a?b", "/a/../b"] {
        assert!(matches!(host.at(wrong), Err(Error::Settings(_))), "{wrong}");
    }
    host.shutdown(GRACE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_ends_every_clone_and_tells_what_it_cut_off() {
    let project = project()
        .file("app/fast/route.ts", "export const GET = () => new Response('fast');")
        .file("app/slow/route.ts", "export const GET = async () => { await new Promise((r) => setTimeout(r, 300)); return new Response('slow'); };")
        .file("app/never/route.ts", "export const GET = () => new Promise(() => {});")
        .file("app/after/route.ts", "import { after } from 'next/server'; export const GET = () => { after(new Promise(() => {})); after(new Promise(() => {})); return new Response('ok'); };")
        .file("app/stream/route.ts", "export const GET = () => new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode('begun')); } }));");
    let host = EdgeHost::for_apps().shards(2).build().expect("a host");
    for name in ["one", "two"] {
        let app =
            Described::from_dir(project.path()).name(name).hosts([format!("{name}.example")]).instances(2);
        host.deploy(app).await.expect("deployed");
    }
    let served = App::serve(host.clone(), None).await;
    let call = |url: &str| {
        let (host, request) = (host.clone(), get(url));
        tokio::spawn(async move { host.call(request).await })
    };
    assert_eq!(host.call(get("http://one.example/after")).await.status(), 200);
    let mut stream = host.call(get("http://two.example/stream")).await.into_body();
    assert_eq!(
        stream.frame().await.expect("a piece").expect("sound").into_data().ok().as_deref(),
        Some(&b"begun"[..])
    );
    let never = [call("http://one.example/never"), call("http://one.example/never")];
    let mut wire = served.connect().await;
    wire.write("GET /never HTTP/1.1\r\nhost: two.example\r\n\r\n").await;
    let slow = call("http://two.example/slow");
    tokio::time::sleep(Duration::from_millis(150)).await;

    let began = std::time::Instant::now();
    let (clone, grace) = (host.clone(), Duration::from_millis(800));
    let (report, again) = futures::join!(host.shutdown(grace), clone.shutdown(Duration::from_secs(60)));
    assert!(began.elapsed() >= grace && began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(report, again);
    let mut cut_off: Vec<_> =
        report.cut_off.iter().map(|cut| (cut.app.as_deref(), cut.requests, cut.streams, cut.tasks)).collect();
    cut_off.sort();
    assert_eq!(cut_off, [(Some("one"), 2, 0, 2), (Some("two"), 1, 1, 0)]);
    assert_eq!((report.threads, report.is_complete()), (0, false));

    assert_eq!(text(slow.await.expect("no panic")).await, "slow", "there was time for it");
    for never in never {
        let answer = never.await.expect("no panic");
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["x-edgehost-error"]),
            (503, &http::HeaderValue::from_static("SHUTTING_DOWN"))
        );
    }
    assert!(stream.frame().await.expect("an end").is_err(), "no stream ends as if it were whole");
    assert_eq!(wire.read_to_end().await, "");
    // Whoever comes later is told so.
    let late = host.call(get("http://one.example/fast")).await;
    assert_eq!(
        (late.status().as_u16(), &late.headers()["x-edgehost-error"]),
        (503, &http::HeaderValue::from_static("SHUTTING_DOWN"))
    );
    let app = clone.app("one").expect("it is known still");
    assert_eq!(app.call(get("/fast")).await.status(), 503);
    assert!(matches!(app.replace(Described::from_dir(project.path())).await, Err(Error::Ended)));
    assert!(matches!(
        host.deploy(Described::from_dir(project.path()).name("three")).await,
        Err(Error::Ended)
    ));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    assert!(matches!(host.serve(listener, std::future::pending()).await, Err(Error::Ended)));
    assert_eq!(host.shutdown(GRACE).await, report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_with_nothing_to_do_is_over_at_once_and_a_loop_does_not_hold_it() {
    let project = project()
        .file("app/route.ts", "export const GET = () => new Response('x');")
        .file("app/loop/route.ts", "export const GET = () => { for (;;); };")
        .limits(|limits| limits.cpu = Duration::from_secs(4));
    let host = built(&project).await;
    let clone = host.clone();
    assert_eq!(host.call(get("/")).await.status(), 200);
    let report = host.shutdown(Duration::from_secs(60)).await;
    assert!(report.is_complete() && report.took < Duration::from_secs(5), "{report:?}");
    assert_eq!(clone.call(get("/")).await.status(), 503);

    let host = built(&project).await;
    let looping = {
        let host = host.clone();
        tokio::spawn(async move { host.call(get("/loop")).await })
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    let report = host.shutdown(Duration::from_millis(100)).await;
    assert_eq!((report.threads, report.is_complete()), (1, false));
    assert!(report.took < Duration::from_secs(3), "{report:?}");
    assert_eq!(looping.await.expect("no panic").status(), 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_of_a_version_that_was_replaced_are_done() {
    const TASKS: &str = "
        import { after } from 'next/server';
        export const GET = () => {
            after(async () => { await new Promise((r) => setTimeout(r, 500)); console.log('old task is done: NAME'); });
            return new Response('NAME');
        };";
    let versions =
        ["first", "second"].map(|name| project().file("app/route.ts", TASKS.replace("NAME", name)));
    let host = EdgeHost::for_apps().shards(1).build().expect("a host");
    let app = host.deploy(Described::from_dir(versions[0].path()).name("tasks")).await.expect("deployed");
    assert_eq!(text(app.call(get("/")).await).await, "first");
    app.replace(Described::from_dir(versions[1].path())).await.expect("replaced");
    assert_eq!(text(app.call(get("/")).await).await, "second");
    // Both versions have tasks when the end comes.
    let report = host.shutdown(GRACE).await;
    assert!(report.is_complete(), "{report:?}");
    for name in ["first", "second"] {
        logged(&["edgehost::console", &format!("old task is done: {name}")]).await;
    }
}

/// Routes that take, pass and lack what there is to tell of.
fn spender() -> Project {
    const SPEND: &str = "const spend = (ms: number) => { const until = performance.now() + ms; while (performance.now() < until); };";
    project()
        .file("app/items/[id]/route.ts", "export const GET = () => new Response('item');")
        .file("app/spend/route.ts", format!("{SPEND} export const GET = () => {{ spend(60); return new Response('spent'); }};"))
        .file("app/stream/route.ts", format!("{SPEND} export const GET = () => {{ let n = 0; return new Response(new ReadableStream({{ async pull(c) {{ await new Promise((r) => setTimeout(r, 20)); spend(40); if (n++ < 3) c.enqueue(new TextEncoder().encode('12345')); else c.close(); }} }})); }};"))
        .file("app/echo/route.ts", "export const POST = async (r: Request) => new Response((await r.text()).slice(0, 10));")
        .file("app/loop/route.ts", "export const GET = () => { for (;;); };")
        .file("app/wait/route.ts", "export const maxDuration = 1; export const GET = () => new Promise(() => {}); export const POST = () => new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode('x')); } }));")
        .file("app/throws/route.ts", "export const GET = () => { throw new Error('no'); };")
        .file("app/broken/route.ts", "throw new Error('module'); export const GET = () => new Response('never');")
        .file("app/heavy/route.ts", "for (;;); export const GET = () => new Response('never');")
        .file("app/late/route.ts", "import { after } from 'next/server'; export const GET = () => { after(new Promise(() => {})); return new Response('ok'); };")
        .limits(|limits| {
            limits.cpu = Duration::from_millis(300);
            limits.startup_cpu = Duration::from_millis(200);
            limits.after = Duration::from_millis(200);
        })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_tells_the_program_what_became_of_its_request() {
    let host = built(&spender()).await;
    let outcome = async |path: &str| {
        let response = host.call(get(path)).await;
        let outcome = response.extensions().get::<Outcome>().cloned().expect("an outcome");
        assert_eq!(
            outcome.error,
            response.headers().get("x-edgehost-error").map(|code| code.to_str().expect("ASCII")),
            "{path}"
        );
        let id = response.headers()["x-request-id"].to_str().expect("ASCII").to_owned();
        assert_eq!((id, outcome.app.as_deref()), (outcome.request.to_string(), None));
        (outcome, text(response).await)
    };
    let (item, body) = outcome("/items/7").await;
    assert_eq!(
        (body.as_str(), item.route.as_deref(), item.error, item.limit, item.length),
        ("item", Some("/items/[id]"), None, None, Some(4))
    );
    assert!(item.cpu > Duration::ZERO && item.wall >= item.cpu && item.memory > 1 << 20, "{item:?}");
    let (spent, _) = outcome("/spend").await;
    // By the clock; on a machine with other work that is less of CPU time.
    assert!(spent.cpu >= Duration::from_millis(8) && spent.cpu <= spent.wall, "{spent:?}");
    let (stream, _) = outcome("/stream").await;
    assert_eq!((stream.length, stream.error), (None, None));
    for (path, route, error, limit) in [
        ("/nothing", None, "NOT_FOUND", None),
        ("/throws", Some("/throws"), "HANDLER_ERROR", None),
        ("/broken", Some("/broken"), "MODULE_INIT_FAILED", None),
        ("/heavy", Some("/heavy"), "STARTUP_TIMEOUT", Some(Exceeded::Cpu)),
        ("/loop", Some("/loop"), "CPU_LIMIT", Some(Exceeded::Cpu)),
        ("/wait", Some("/wait"), "HANDLER_TIMEOUT", Some(Exceeded::Wall)),
    ] {
        let (outcome, _) = outcome(path).await;
        assert_eq!(
            (outcome.route.as_deref(), outcome.error, outcome.limit),
            (route, Some(error), limit),
            "{path}"
        );
        match path {
            "/loop" => assert!(outcome.cpu >= Duration::from_millis(250), "{outcome:?}"),
            "/wait" => assert!(
                outcome.wall >= Duration::from_millis(950) && outcome.cpu < Duration::from_millis(200),
                "{outcome:?}"
            ),
            _ => {}
        }
    }
    host.shutdown(GRACE).await;

    // Behind axum, of an app with a name, before and after another version.
    let host = EdgeHost::for_apps().shards(1).build().expect("a host");
    let project = spender();
    let app = host.deploy(Described::from_dir(project.path()).name("shop")).await.expect("deployed");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = axum::middleware::map_response({
        let seen = seen.clone();
        move |response: Response<axum::body::Body>| {
            seen.lock().expect("not poisoned").extend(response.extensions().get::<Outcome>().cloned());
            async { response }
        }
    });
    let address = serve(axum::Router::new().fallback_service(app.clone()).layer(note)).await;
    assert_eq!(ask(address, "/items/1", &[]).await.0, 200);
    let first = app.version();
    app.replace(Described::from_dir(project.path())).await.expect("replaced");
    assert_eq!(ask(address, "/items/1", &[]).await.0, 200);
    assert!(app.version() > first && first.is_some());
    let seen = seen.lock().expect("not poisoned").clone();
    let versions: Vec<_> = seen.iter().map(|outcome| (outcome.app.as_deref(), outcome.version)).collect();
    assert_eq!(versions, [(Some("shop"), first), (Some("shop"), app.version())]);
    host.shutdown(GRACE).await;
}

/// What is told of a request that is over.
#[derive(Debug, Clone, Copy)]
struct Told {
    cpu: Duration,
    memory: u64,
    received: u64,
    sent: u64,
    limit: Option<Exceeded>,
}

#[derive(Debug, Clone, Default)]
struct Watching {
    requests: Arc<Mutex<BTreeMap<String, Told>>>,
    limits: Arc<Mutex<Vec<(String, Exceeded, Consequence)>>>,
    retired: Arc<Mutex<Vec<usize>>>,
}

impl Observer for Watching {
    fn observe(&self, event: Event<'_>) {
        match event {
            Event::Request(ended) => {
                let told = Told {
                    cpu: ended.cpu,
                    memory: ended.memory,
                    received: ended.received,
                    sent: ended.bytes,
                    limit: ended.limit,
                };
                self.requests
                    .lock()
                    .expect("not poisoned")
                    .insert(format!("{} {}", ended.method, ended.path), told);
            }
            Event::Limit(passed) => {
                let route = passed.route.unwrap_or_default().to_owned();
                self.limits.lock().expect("not poisoned").push((route, passed.limit, passed.consequence));
            }
            Event::Isolate(isolate) => {
                if let IsolateChange::Retired { in_flight } = isolate.change {
                    self.retired.lock().expect("not poisoned").push(in_flight);
                }
            }
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_is_told_what_requests_took_and_which_limits_they_passed() {
    let watching = Watching::default();
    let host = spender().builder().observer(watching.clone()).build().await.expect("built");
    let served = App::serve(host.clone(), None).await;
    served.get("/items/7").await;
    served.get("/spend").await;
    assert_eq!(served.get("/stream").await.text(), "123451234512345");
    assert_eq!(served.post("/echo", &"y".repeat(100_000)).await.text(), "yyyyyyyyyy");
    // By the other way in.
    let body = Request::post("/echo?called").body(Full::new(Bytes::from(vec![b'z'; 70_000])));
    assert_eq!(text(host.call(body.expect("a request")).await).await, "zzzzzzzzzz");
    let streamed = text(host.call(get("/stream?called")).await).await;
    assert_eq!(streamed.len(), 15);
    let told = async |request: &str| {
        super::harness::eventually(request, async || {
            watching.requests.lock().expect("not poisoned").contains_key(request)
        })
        .await;
        watching.requests.lock().expect("not poisoned")[request]
    };
    let item = told("GET /items/7").await;
    assert_eq!((item.received, item.sent, item.limit), (0, 4, None));
    assert!(
        item.cpu > Duration::ZERO && item.cpu < Duration::from_millis(50) && item.memory > 1 << 20,
        "{item:?}"
    );
    assert!(told("GET /spend").await.cpu >= Duration::from_millis(8));
    for stream in ["GET /stream", "GET /stream?called"] {
        // Most of it after the head of the answer.
        let stream = told(stream).await;
        assert!((25..400).contains(&stream.cpu.as_millis()) && stream.sent == 15, "{stream:?}");
    }
    assert_eq!(told("POST /echo").await.received, 100_000);
    let echo = told("POST /echo?called").await;
    assert_eq!((echo.received, echo.sent), (70_000, 10));

    for (path, limit) in [("/wait", Exceeded::Wall), ("/loop", Exceeded::Cpu), ("/heavy", Exceeded::Cpu)] {
        served.get(path).await;
        assert_eq!(told(&format!("GET {path}")).await.limit, Some(limit), "{path}");
    }
    served.get("/late").await;
    let mut cut = served.connect().await;
    cut.write("POST /wait HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n").await;
    assert!(!cut.read_to_end().await.ends_with("0\r\n\r\n"), "it is cut");
    for expected in [
        ("/wait", Exceeded::Wall, Consequence::Answer),
        ("/loop", Exceeded::Cpu, Consequence::Isolate),
        ("/heavy", Exceeded::Cpu, Consequence::Module),
        ("/late", Exceeded::Wall, Consequence::Task),
        ("/wait", Exceeded::Wall, Consequence::Stream),
    ] {
        let (route, limit, consequence) = expected;
        let expected = (route.to_owned(), limit, consequence);
        super::harness::eventually(&format!("{expected:?} is told"), async || {
            watching.limits.lock().expect("not poisoned").iter().filter(|told| **told == expected).count()
                == 1
        })
        .await;
    }
    served.shut_down().await;
    // Two were condemned, and the last one retired.
    assert_eq!(*watching.retired.lock().expect("not poisoned"), [0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_of_observers_tell_all() {
    let metrics = prometheus::Metrics::new();
    let host = spender().builder().observer(metrics.clone()).build().await.expect("built");
    for (path, times) in [("/items/1", 3), ("/items/2", 2), ("/loop", 1), ("/broken", 1), ("/nothing", 1)] {
        for _ in 0..times {
            text(host.call(get(path)).await).await;
        }
    }
    host.shutdown(GRACE).await;
    let scraped = metrics.text();
    for line in [
        "edgehost_requests_total{app=\"\",route=\"/items/[id]\",status=\"200\",error=\"\"} 5",
        "edgehost_requests_total{app=\"\",route=\"/loop\",status=\"503\",error=\"CPU_LIMIT\"} 1",
        "edgehost_requests_total{app=\"\",route=\"\",status=\"404\",error=\"NOT_FOUND\"} 1",
        "edgehost_request_duration_seconds_count{app=\"\",route=\"/items/[id]\"} 5",
        "edgehost_limits_exceeded_total{app=\"\",route=\"/loop\",limit=\"CPU time\"} 1",
        "edgehost_isolates{app=\"\"} 0",
        "edgehost_isolates_condemned_total{app=\"\"} 1",
        "edgehost_module_failures_total{app=\"\",route=\"/broken\"} 1",
        "edgehost_body_bytes_total{app=\"\",direction=\"Sent\"}",
    ] {
        assert!(scraped.lines().any(|found| found.starts_with(line)), "{line}\n{scraped}");
    }

    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);
    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let out = Out::default();
    let (lines, writer) = json_lines::Lines::new(out.clone());
    let project = spender().file(
        "app/says/route.ts",
        "export const GET = () => { console.warn('said', 1); return new Response('ok'); };",
    );
    let host = project.builder().observer(lines).build().await.expect("built");
    for path in ["/says", "/loop", "/broken"] {
        text(host.call(get(path)).await).await;
    }
    host.shutdown(GRACE).await;
    drop(host);
    writer.join().expect("it ends with the observer");
    let out = String::from_utf8(out.0.lock().expect("not poisoned").clone()).expect("UTF-8");
    let told: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let has = |expected: &[(&str, Value)]| {
        let fits = |line: &&Value| expected.iter().all(|(key, value)| line[*key] == *value);
        assert!(told.iter().any(|line| fits(&line)), "{expected:?}\n{out}");
    };
    has(&[
        ("event", json!("request")),
        ("route", json!("/says")),
        ("status", json!(200)),
        ("sent", json!(2)),
    ]);
    has(&[("event", json!("request")), ("error", json!("CPU_LIMIT")), ("limit", json!("CPU time"))]);
    has(&[
        ("event", json!("console")),
        ("level", json!("WARN")),
        ("text", json!("said 1")),
        ("route", json!("/says")),
    ]);
    has(&[("event", json!("limit")), ("limit", json!("CPU time")), ("consequence", json!("isolate"))]);
    for change in ["started", "retired", "condemned", "ended"] {
        has(&[("event", json!("isolate")), ("change", json!(change))]);
    }
    has(&[("event", json!("module")), ("file", json!("app/broken/route.ts"))]);
}
