//! Many apps in one process, and versions that are exchanged while they serve.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use edgehost::telemetry::{Event, IsolateChange, Observer};
use edgehost::{App as Described, Deployed, EdgeHost, Environment, Error, Limits};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use serde_json::json;

use super::harness::{Answer, App, GRACE, Project, eventually, log, logged, project};

/// Keeps a list in a module, and shows what belongs to the app alone.
const SHOP: &str = "
    const seen: string[] = [];
    export const GET = (request: Request) => {
        seen.push(new URL(request.url).hostname);
        return Response.json({ app: process.env.APP, seen, url: request.url, pollution: globalThis.mark ?? null });
    };
    export const POST = () => { globalThis.mark = process.env.APP; console.log(`marked ${globalThis.mark}`); return new Response('ok'); };
";

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.memory = 128 << 20;
    limits
}

fn app(project: &Project, name: &str) -> Described {
    let mut environment = Environment::empty();
    environment.set("APP", name);
    Described::from_dir(project.path()).name(name).env(environment)
}

fn host(shards: usize) -> EdgeHost {
    EdgeHost::for_apps().limits(limits()).shards(shards).build().expect("a host")
}

fn shop() -> Project {
    project().file("app/route.ts", SHOP)
}

async fn get(host: &EdgeHost, url: &str) -> Response<Bytes> {
    whole(host.call(Request::get(url).body(Empty::<Bytes>::new()).expect("a request")).await).await
}

async fn ask(app: &Deployed, path: &str) -> Response<Bytes> {
    whole(app.call(Request::get(path).body(Empty::<Bytes>::new()).expect("a request")).await).await
}

async fn whole(response: Response<edgehost::ResponseBody>) -> Response<Bytes> {
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.expect("a whole body").to_bytes())
}

async fn at(served: &App, host: &str, path: &str) -> Answer {
    served.send(Method::GET, path, &[("host", host)], "").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apps_are_found_by_their_hosts() {
    for shards in [1, 3] {
        let projects = [shop(), shop(), shop()];
        let host = host(shards);
        host.deploy(app(&projects[0], "shop").hosts(["shop.example", "Shop.Example.ORG"]))
            .await
            .expect("deployed");
        host.deploy(app(&projects[1], "blogs").hosts(["*.blog.example"])).await.expect("deployed");
        let served = App::serve(host.clone(), None).await;
        for (name, app) in [
            ("shop.example", "shop"),
            ("SHOP.example.", "shop"),
            ("shop.example.org:8080", "shop"),
            ("anna.blog.example", "blogs"),
            ("a.b.blog.example", "blogs"),
        ] {
            assert_eq!(at(&served, name, "/").await.json()["app"], app, "{name}");
            let called: serde_json::Value =
                serde_json::from_slice(get(&host, &format!("http://{name}/")).await.body()).expect("JSON");
            assert_eq!(called["app"], app, "{name}");
        }
        for name in ["blog.example", "example", "127.0.0.1", "shop.example.com"] {
            let answer = at(&served, name, "/").await;
            assert_eq!((answer.status.as_u16(), answer.code()), (404, "UNKNOWN_HOST"), "{name}");
            let called = get(&host, &format!("http://{name}/")).await;
            assert_eq!(
                (called.status().as_u16(), &called.headers()["x-edgehost-error"]),
                (404, &http::HeaderValue::from_static("UNKNOWN_HOST"))
            );
        }
        host.deploy(app(&projects[2], "rest")).await.expect("deployed");
        assert_eq!(at(&served, "127.0.0.1", "/").await.json()["app"], "rest");
        assert_eq!(at(&served, "shop.example", "/").await.json()["app"], "shop");
        // Whatever host a request names, an app can be asked itself.
        let rest = host.app("rest").expect("deployed");
        let answer: serde_json::Value =
            serde_json::from_slice(ask(&rest, "http://shop.example/").await.body()).expect("JSON");
        assert_eq!((&answer["app"], &answer["url"]), (&json!("rest"), &json!("http://shop.example/")));

        assert!(host.remove("shop").await && !host.remove("shop").await);
        assert_eq!(at(&served, "shop.example", "/").await.json()["app"], "rest", "the default");
        assert!(host.app("shop").is_none());
        let names: Vec<_> = host.apps().iter().map(|app| app.name().expect("a name").to_owned()).collect();
        assert_eq!(names, ["blogs", "rest"]);
        served.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apps_of_one_thread_keep_to_themselves() {
    let projects = [shop(), shop()];
    let host = host(1);
    for (name, project) in ["one", "two"].into_iter().zip(&projects) {
        host.deploy(app(project, name).hosts([format!("{name}.example")])).await.expect("deployed");
    }
    let served = App::serve(host.clone(), None).await;
    served.send(Method::POST, "/", &[("host", "one.example")], "").await.is(200, "ok");
    logged(&["edgehost::console", "marked one", "app=\"one\""]).await;
    for _ in 0..2 {
        at(&served, "one.example", "/").await;
    }
    let two = at(&served, "two.example", "/").await.json();
    assert_eq!(
        (&two["app"], &two["seen"], &two["pollution"]),
        (&json!("two"), &json!(["two.example"]), &json!(null))
    );
    let one = at(&served, "one.example", "/").await.json();
    assert_eq!((one["seen"].as_array().expect("a list").len(), &one["pollution"]), (3, &json!("one")));
    served.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_app_does_wrong_changes_nothing_for_another() {
    let good = project()
        .file("app/route.ts", "let count = 0; export const GET = () => new Response(String(++count));");
    let bad = project()
        .file("app/loop/route.ts", "export const GET = () => { for (;;); };")
        .file(
            "app/eat/route.ts",
            "export const GET = () => { const all = []; for (;;) all.push(new Array(1e5).fill(1)); };",
        )
        .file(
            "app/never/route.ts",
            "await new Promise(() => {}); export const GET = () => new Response('never');",
        )
        .file("app/wait/route.ts", "export const GET = () => new Promise(() => {});");
    let host = host(1);
    host.deploy(app(&good, "good").hosts(["good.example"])).await.expect("deployed");
    let mut tight = limits();
    tight.cpu = Duration::from_secs(1);
    tight.startup_wall = Duration::from_millis(300);
    tight.concurrency = 2;
    tight.queue = 1;
    host.deploy(app(&bad, "bad").hosts(["bad.example"]).limits(tight)).await.expect("deployed");
    let served = Arc::new(App::serve(host, None).await);
    at(&served, "good.example", "/").await.is(200, "1");
    let mut count = 1;
    for (path, code) in [("/loop", "CPU_LIMIT"), ("/eat", "MEMORY_LIMIT"), ("/never", "STARTUP_TIMEOUT")] {
        let answer = at(&served, "bad.example", path).await;
        assert_eq!(answer.code(), code, "{path}: {}", answer.text());
        count += 1;
        at(&served, "good.example", "/").await.is(200, &count.to_string());
    }
    // A queue that is full is full for its app.
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let served = served.clone();
            tokio::spawn(async move { at(&served, "bad.example", "/wait").await.status })
        })
        .collect();
    eventually("the queue is full", async || {
        let asked =
            tokio::time::timeout(Duration::from_millis(200), at(&served, "bad.example", "/wait")).await;
        asked.is_ok_and(|answer| answer.code() == "OVERLOADED")
    })
    .await;
    count += 1;
    at(&served, "good.example", "/").await.is(200, &count.to_string());
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn apps_that_cannot_be_told_apart_are_refused() {
    let project = shop();
    let host = host(1);
    host.deploy(app(&project, "one").hosts(["a.example", "*.b.example"])).await.expect("deployed");
    host.deploy(app(&project, "rest")).await.expect("deployed");
    for (described, problem) in [
        (app(&project, "one").hosts(["c.example"]), "there is an app called one already"),
        (app(&project, "two").hosts(["A.example"]), "two apps want a.example: one and two"),
        (app(&project, "two").hosts(["*.b.example"]), "two apps want *.b.example: one and two"),
        (app(&project, "two"), "two apps want requests that name no other app: rest and two"),
        (app(&project, "two").hosts(["http://a.example"]), "'http://a.example' is no host name"),
        (app(&project, "a b"), "'a b' is no name of an app"),
    ] {
        match host.deploy(described).await {
            Err(Error::Settings(problems)) => assert!(problems.join("\n").contains(problem), "{problems:?}"),
            other => panic!("{problem}: {other:?}"),
        }
    }
    assert_eq!(host.apps().len(), 2);
}

fn version(number: usize) -> String {
    format!(
        "const version = {number}; let count = 0;
         export const GET = () => {{ count++; return new Response(`${{version}} `.repeat(2000)); }};
         export const POST = async (request: Request) => {{ const text = await request.text(); return new Response(`${{version}} ${{text}} ${{version}}`); }};"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_streams_in_flight_finish_on_their_version() {
    let streams = |number: usize| {
        format!(
            "import {{ after }} from 'next/server';
             export const GET = (request: Request) => {{
                const asked = new URL(request.url).searchParams;
                if (asked.has('slow')) return new Promise((resolve) => setTimeout(() => resolve(new Response('slow {number}')), 700));
                after(async () => {{ await new Promise((resolve) => setTimeout(resolve, 900)); console.log('after of {number} ran'); }});
                let left = 20;
                return new Response(new ReadableStream({{
                    async pull(controller) {{
                        await new Promise((resolve) => setTimeout(resolve, 50));
                        controller.enqueue(new TextEncoder().encode('{number}'));
                        if (--left === 0) controller.close();
                    }},
                }}));
             }};"
        )
    };
    let project = project().file("app/route.ts", streams(1));
    let host = host(1);
    let deployed = host.deploy(app(&project, "app")).await.expect("deployed");
    let served = Arc::new(App::serve(host, None).await);
    let ask = |path: &'static str| {
        let served = served.clone();
        tokio::spawn(async move { served.get(path).await })
    };
    let (stream, slow) = (ask("/"), ask("/?slow"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let project = project.file("app/route.ts", streams(2));
    deployed.replace(app(&project, "app")).await.expect("replaced");
    served.get("/?slow").await.is(200, "slow 2");
    slow.await.expect("no panic").is(200, "slow 1");
    stream.await.expect("no panic").is(200, &"1".repeat(20));
    logged(&["after of 1 ran"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_versions_are_exchanged() {
    const VERSIONS: usize = 200;
    let project = project().file("app/route.ts", version(0));
    let host = host(2);
    let deployed = host.deploy(app(&project, "app").instances(2)).await.expect("deployed");
    let served = Arc::new(App::serve(host, None).await);
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let (served, over) = (served.clone(), over.clone());
            tokio::spawn(async move {
                let mut last = 0;
                let mut asked = 0;
                while !over.load(Ordering::Relaxed) {
                    let answer = if client % 2 == 0 {
                        let answer = served.get("/").await;
                        let number = answer.text().split(' ').next().expect("a number").to_owned();
                        assert_eq!(answer.text(), format!("{number} ").repeat(2000));
                        (answer.status, number)
                    } else {
                        let answer = served.post("/", &"x".repeat(100_000)).await;
                        let mut parts = answer.text().split(' ');
                        let number = parts.next().expect("a number").to_owned();
                        assert_eq!(
                            (parts.next().map(str::len), parts.next()),
                            (Some(100_000), Some(&*number))
                        );
                        (answer.status, number)
                    };
                    assert_eq!(answer.0, 200);
                    let number: usize = answer.1.parse().expect("a number");
                    assert!(number >= last, "version {number} answered after {last}");
                    last = last.max(number);
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    let mut project = project;
    for number in 1..=VERSIONS {
        project = project.file("app/route.ts", version(number));
        deployed.replace(app(&project, "app")).await.expect("replaced");
        // From here on nobody gets an older one.
        let answer = served.get("/").await;
        assert!(answer.text().starts_with(&format!("{number} ")), "{:.20}", answer.text());
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(client.await.expect("every answer was right") > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_cannot_take_over_is_refused() {
    let counts =
        |text: &str| format!("let count = 0; export const GET = () => new Response(`{text} ${{++count}}`);");
    let project = project().file("app/route.ts", counts("good")).file("app/other/route.ts", counts("other"));
    let host = host(1);
    let deployed = host.deploy(app(&project, "app")).await.expect("deployed");
    let served = App::serve(host.clone(), None).await;
    served.get("/").await.is(200, "good 1");
    for (source, reason) in [
        ("export const GET = () => {", "/ cannot be bundled any more"),
        ("import './missing'; export const GET = () => new Response('x');", "missing"),
        ("throw new Error('no database'); export const GET = () => new Response('x');", "no database"),
        ("for (;;); export const GET = () => new Response('x');", "limit"),
    ] {
        let project = Project::clone_of(&project, "app/route.ts", source);
        let mut quick = limits();
        quick.startup_cpu = Duration::from_millis(300);
        let error = deployed.replace(app(&project, "app").limits(quick)).await.expect_err(reason);
        assert!(matches!(error, Error::Version(_)) && error.to_string().contains(reason), "{error}");
        let answer = served.get("/").await;
        assert!(answer.text().starts_with("good "), "{}", answer.text());
    }
    served.get("/").await.is(200, "good 6");
    // What the current version has never loaded may be broken in the next one as well.
    let fixed = Project::clone_of(&project, "app/route.ts", &counts("better"));
    deployed.replace(app(&fixed, "app")).await.expect("replaced");
    served.get("/").await.is(200, "better 1");
    served.get("/other").await.is(200, "other 1");
    // An app that is gone has no versions.
    host.remove("app").await;
    let error = deployed.replace(app(&fixed, "app")).await.expect_err("gone").to_string();
    assert!(error.contains("has been removed"), "{error}");
    assert_eq!(ask(&deployed, "/").await.status(), 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn isolates_of_old_versions_end() {
    let mut project = project().file("app/route.ts", version(0));
    let host = host(1);
    let deployed = host.deploy(app(&project, "many-versions")).await.expect("deployed");
    for number in 1..=10 {
        assert_eq!(ask(&deployed, "/").await.status(), 200);
        project = project.file("app/route.ts", version(number));
        deployed.replace(app(&project, "many-versions")).await.expect("replaced");
    }
    let lines = |what: &str| {
        let log = log();
        log.lines().filter(|line| line.contains(what) && line.contains("many-versions")).count()
    };
    eventually("ten of eleven isolates have ended", async || lines("isolate ended") == 10).await;
    assert_eq!(lines("isolate ready"), 11);
    assert!(host.remove("many-versions").await);
    eventually("the last one has ended", async || lines("isolate ended") == 11).await;
}

#[derive(Debug, Clone, Default)]
struct Told(Arc<std::sync::Mutex<Vec<String>>>);

impl Observer for Told {
    fn observe(&self, event: Event<'_>) {
        let text = match event {
            Event::Request(ended) => format!("{:?} {} {}", ended.app, ended.path, ended.status),
            Event::Console(printed) => format!("{:?} printed {}", printed.app, printed.text),
            Event::Isolate(isolate) => match isolate.change {
                IsolateChange::Started { .. } => format!("{:?} {} started", isolate.app, isolate.runtime),
                IsolateChange::Condemned { limit, route, request, siblings, .. } => {
                    format!(
                        "{:?} condemned {limit:?} {route:?} {} {siblings}",
                        isolate.app,
                        request.is_some()
                    )
                }
                IsolateChange::Ended { served, .. } => format!("{:?} ended after {served}", isolate.app),
                _ => return,
            },
            Event::Module(failed) => {
                format!("{:?} {} does not load: {:?} {}", failed.app, failed.route, failed.limit, failed.file)
            }
            Event::Version(replaced) => format!("{:?} has another version", replaced.app),
            _ => return,
        };
        self.0.lock().expect("not poisoned").push(text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_is_told_of_apps_isolates_and_versions() {
    let told = Told::default();
    let mut limits = limits();
    limits.cpu = Duration::from_millis(200);
    let host = EdgeHost::for_apps().limits(limits).shards(1).observer(told.clone()).build().expect("a host");
    let project = project()
        .file("app/route.ts", "export const GET = () => { console.log('hello'); return new Response('x'); };")
        .file("app/loop/route.ts", "export const GET = () => { for (;;); };")
        .file("app/bad/route.ts", "export const GET = () => new Response('x'); throw new Error('no');");
    let deployed = host.deploy(app(&project, "app")).await.expect("deployed");
    for (path, status) in [("/", 200), ("/bad", 500), ("/loop", 503), ("/", 200)] {
        assert_eq!(ask(&deployed, path).await.status(), status, "{path}");
    }
    deployed.replace(app(&project, "app")).await.expect("replaced");
    host.remove("app").await;
    host.shutdown(GRACE).await;
    let told = told.0.lock().expect("not poisoned").clone();
    for expected in [
        "Some(\"app\") nodejs started",
        "Some(\"app\") printed hello",
        "Some(\"app\") / 200",
        "Some(\"app\") /bad does not load: None app/bad/route.ts",
        "Some(\"app\") /bad 500",
        "Some(\"app\") condemned Some(Cpu) Some(\"/loop\") true 0",
        "Some(\"app\") /loop 503",
        "Some(\"app\") has another version",
    ] {
        assert!(told.iter().any(|line| line == expected), "{expected}: {told:#?}");
    }
    let count = |what: &str| told.iter().filter(|line| line.contains(what)).count();
    assert_eq!((count("started"), count("ended after")), (3, 3), "{told:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn isolates_that_nobody_uses_are_given_up_when_memory_runs_short() {
    let keeps = "const kept = new Uint8Array(24 << 20).fill(1); let count = 0; export const GET = () => new Response(`${++count} ${kept.length}`);";
    let project = project().file("app/route.ts", keeps);
    let budget = edgehost::MemoryBudget::of_isolates(200 << 20);
    let host = EdgeHost::for_apps().limits(limits()).memory_budget(budget).shards(1).build().expect("a host");
    let mut apps = Vec::new();
    for number in 0..12 {
        apps.push(
            host.deploy(app(&project, &format!("idle-{number}")).hosts([format!("{number}.example")]))
                .await
                .expect("deployed"),
        );
    }
    // More than the budget, one after the other: nobody is refused.
    for app in &apps {
        let answer = ask(app, "/").await;
        assert_eq!(answer.body(), &format!("1 {}", 24 << 20), "{app:?}");
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    let ended = |number: usize| {
        let log = log();
        log.lines().any(|line| line.contains("isolate ended") && line.contains(&format!("\"idle-{number}\"")))
    };
    eventually("the first are given up", async || ended(0) && ended(1)).await;
    assert!(!ended(11) && !ended(10), "those that were used last stay");
    assert_eq!(ask(&apps[11], "/").await.body(), &format!("2 {}", 24 << 20));
    assert_eq!(ask(&apps[0], "/").await.body(), &format!("1 {}", 24 << 20), "it begins anew");
}
