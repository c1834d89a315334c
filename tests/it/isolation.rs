//! What apps of one process have in common, and what not: one thread, two tenants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use edgehost::{App as Described, EdgeHost, Environment, Error, Limits, Permissions, Profile};
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::harness::{Answer, App, Project, logged, project};

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.memory = 128 << 20;
    limits
}

fn host(shards: usize) -> EdgeHost {
    EdgeHost::for_apps().limits(limits()).shards(shards).build().expect("a host")
}

fn described(project: &Project, name: &str) -> Described {
    Described::from_dir(project.path()).name(name).hosts([format!("{name}.example")])
}

/// Two apps on one thread, as they are changed by `change`.
async fn two(projects: [&Project; 2], change: impl Fn(&str, Described) -> Described) -> App {
    let host = host(1);
    for (name, project) in ["one", "two"].into_iter().zip(projects) {
        host.deploy(change(name, described(project, name))).await.expect("deployed");
    }
    App::serve(host, None).await
}

async fn at(served: &App, app: &str, path: &str) -> Answer {
    served.send(Method::GET, path, &[("host", &format!("{app}.example"))], "").await
}

async fn json_of(served: &App, app: &str, path: &str) -> Value {
    at(served, app, path).await.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_and_facts_of_a_process_are_an_apps_own() {
    let source = "export const GET = () => Response.json({ ...process.env, cwd: process.cwd(), title: process.title });
        export const POST = () => {
            process.env.ADDED = 'by one'; process.env.SHARED = 'changed'; delete process.env.PATH;
            try { process.title = 'changed'; } catch {}
            try { process.chdir('app'); } catch {}
            try { process.umask(0o77); } catch {}
            return new Response('ok');
        };";
    let one = project().file("app/route.ts", source).file(".env", "SECRET=of one\nSHARED=one");
    let two_ = project().file("app/route.ts", source).file(".env", "SHARED=two");
    let served = two([&one, &two_], |name, app| {
        let mut environment = Environment::empty();
        environment.set("GIVEN", name);
        app.env(environment)
    })
    .await;
    let before = json_of(&served, "two", "/").await;
    assert_eq!((&before["SHARED"], &before["GIVEN"]), (&json!("two"), &json!("two")));
    assert_eq!((&before["SECRET"], &before["HOME"]), (&Value::Null, &Value::Null), "nothing of the process");
    served.send(Method::POST, "/", &[("host", "one.example")], "").await.is(200, "ok");
    assert_eq!(json_of(&served, "two", "/").await, before);
    let own = json_of(&served, "one", "/").await;
    assert_eq!((&own["ADDED"], &own["SHARED"]), (&json!("by one"), &json!("changed")));
    served.shut_down().await;
}

/// A project outside of the temporary folder, which all apps of a machine share.
fn apart() -> Project {
    let mut project = project();
    project.dir = tempfile::tempdir_in("/var/tmp").expect("a folder");
    project
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_an_apps_own() {
    let source = "import fs from 'node:fs';
        const attempt = (what) => { try { return what() ?? 'went through'; } catch (error) { return error.code ?? error.name; } };
        export const POST = async (request: Request) => {
            const { other } = await request.json();
            return Response.json({
                own: attempt(() => fs.readFileSync('own.txt', 'utf8')),
                writes: attempt(() => fs.writeFileSync('written.txt', 'x')),
                source: attempt(() => fs.readFileSync(other + '/own.txt', 'utf8')),
                list: attempt(() => fs.readdirSync(other)),
                secret: attempt(() => fs.readFileSync(other + '/.edgehost/draft-secret', 'utf8')),
                plants: attempt(() => fs.writeFileSync(other + '/app/route.ts', 'x')),
                climbs: attempt(() => fs.readFileSync('../' + other.split('/').pop() + '/own.txt', 'utf8')),
            });
        };";
    let one = apart().file("app/route.ts", source).file("own.txt", "of one");
    let two_ = apart().file("app/route.ts", source).file("own.txt", "of two");
    let served = two([&one, &two_], |name, app| match name {
        "two" => app.permissions(Permissions::from(Profile::Strict)),
        _ => app,
    })
    .await;
    for (app, other, writes) in [("one", &two_, "went through"), ("two", &one, "NotCapable")] {
        let body = json!({ "other": other.path() }).to_string();
        let headers = [("host", &*format!("{app}.example"))];
        let found = served.send(Method::POST, "/", &headers, body).await.json();
        assert_eq!(found["own"], format!("of {app}"), "{found}");
        for what in ["source", "list", "secret", "plants", "climbs"] {
            let refused = found[what].as_str().unwrap_or_default();
            assert!(
                matches!(refused, "EACCES" | "EPERM" | "NotCapable" | "ERR_ACCESS_DENIED"),
                "{what}: {found}"
            );
        }
        let is_refused = found["writes"] != "went through";
        assert_eq!(is_refused, writes != "went through", "its own permissions: {found}");
    }
    served.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_cookie_of_one_app_opens_no_other() {
    let source = "import { draftMode } from 'next/headers';
        export const GET = async () => Response.json((await draftMode()).isEnabled);
        export const PUT = async () => { (await draftMode()).enable(); return new Response(); };";
    let (one, two_) = (project().file("app/route.ts", source), project().file("app/route.ts", source));
    let served = two([&one, &two_], |_, app| app).await;
    let enabled = served.send(Method::PUT, "/", &[("host", "one.example")], "").await;
    let cookie = enabled.cookies()[0].split(';').next().expect("a cookie").to_owned();
    for (app, is_open) in [("one", true), ("two", false)] {
        let headers = [("host", &*format!("{app}.example")), ("cookie", &cookie)];
        served.send(Method::GET, "/", &headers, "").await.is_json(json!(is_open));
    }
    served.shut_down().await;
}

/// Whatever code of one app can leave behind for its like: globals and prototypes, names of
/// blobs and channels, databases in memory, caches, symbols, hooks of the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_code_leaves_behind_is_seen_by_another_app() {
    let source = "import { DatabaseSync } from 'node:sqlite';
        import { unstable_cache } from 'next/cache';
        import { AsyncLocalStorage } from 'node:async_hooks';
        import { channel } from 'node:diagnostics_channel';
        
        export const kept: string[] = [];
        const heard: string[] = [];
        const wire = new BroadcastChannel('news');
        wire.onmessage = (event) => heard.push(event.data);
        channel('app').subscribe((message: any) => heard.push(message));
        const cached = unstable_cache(async () => `cached by ${process.env.APP}`, ['key']);
        export const POST = async () => {
            kept.push('x');
            (globalThis as any).left = 'behind';
            (Array.prototype as any).left = 'behind';
            (JSON as any).parse = () => 'replaced';
            (globalThis as any)[Symbol.for('left')] = 'behind';
            channel('app').publish('published');
            wire.postMessage('posted');
            process.on('uncaughtException', () => heard.push('caught'));
            await cached();
            const blob = URL.createObjectURL(new Blob(['of one']));
            new DatabaseSync('file:shared?mode=memory&cache=shared').exec('create table if not exists left (x)');
            return Response.json({ blob });
        };
        export const PUT = async (request: Request) => {
            const { blob } = await request.json();
            const fetched = await fetch(blob).then((answer) => answer.text(), (error) => 'refused');
            await new Promise((resolve) => setTimeout(resolve, 50));
            const tables = new DatabaseSync('file:shared?mode=memory&cache=shared').prepare('select name from sqlite_schema').all();
            return Response.json({
                kept, heard, fetched, tables: tables.length, cached: await cached(),
                left: [(globalThis as any).left, ([] as any).left, (globalThis as any)[Symbol.for('left')]].filter(Boolean),
            });
        };";
    let react = |project: Project| {
        project
            .file(
                "node_modules/react/package.json",
                "{\"name\":\"react\",\"version\":\"19.0.0\",\"main\":\"index.js\"}",
            )
            .file("node_modules/react/index.js", "module.exports = { version: '19.0.0' };")
    };
    let (one, two_) =
        (react(project().file("app/route.ts", source)), react(project().file("app/route.ts", source)));
    let served = two([&one, &two_], |name, app| {
        let mut environment = Environment::empty();
        environment.set("APP", name);
        app.env(environment)
    })
    .await;
    let ask = async |app: &str, blob: &Value| {
        let body = json!({ "blob": blob }).to_string();
        served.send(Method::PUT, "/", &[("host", &format!("{app}.example"))], body).await.json()
    };
    // Its module is there, and listens, before the other speaks.
    ask("two", &json!("blob:null/none")).await;
    let left = served.send(Method::POST, "/", &[("host", "one.example")], "").await.json();
    let seen = ask("two", &left["blob"]).await;
    assert_eq!(
        seen,
        json!({ "kept": [], "heard": [], "fetched": "refused", "tables": 0, "cached": "cached by two", "left": [] })
    );
    served.shut_down().await;
}

/// A server whose connections stay open; it tells which connection brought which request.
async fn upstream() -> (u16, Arc<Mutex<HashMap<String, Vec<usize>>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let seen: Arc<Mutex<HashMap<String, Vec<usize>>>> = Arc::default();
    let told = seen.clone();
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let told = told.clone();
            tokio::spawn(async move {
                let mut read = Vec::new();
                let mut buffer = [0; 4096];
                loop {
                    match stream.read(&mut buffer).await {
                        Ok(0) | Err(_) => return,
                        Ok(count) => read.extend_from_slice(&buffer[..count]),
                    }
                    while let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                        let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
                        read.drain(..end + 4);
                        let app = head.split("x-app: ").nth(1).unwrap_or_default();
                        let app = app.split("\r\n").next().unwrap_or_default().to_owned();
                        told.lock().expect("not poisoned").entry(app).or_default().push(number);
                        let answer =
                            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok";
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    (port, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_other_hosts_are_an_apps_own() {
    let (port, seen) = upstream().await;
    let source = format!(
        "import http from 'node:http';
        const url = 'http://127.0.0.1:{port}/';
        const agent = new http.Agent({{ keepAlive: true, maxSockets: 1 }});
        const headers = {{ 'x-app': process.env.APP }};
        export const GET = async () => new Response(await (await fetch(url, {{ headers }})).text());
        export const POST = () => new Promise((resolve, reject) => http.get(url, {{ agent, headers }}, (answer) => {{
            answer.resume(); answer.on('end', () => resolve(new Response('ok')));
        }}).on('error', reject));"
    );
    let (one, two_) = (project().file("app/route.ts", &source), project().file("app/route.ts", &source));
    let served = two([&one, &two_], |name, app| {
        let mut environment = Environment::empty();
        environment.set("APP", name);
        app.env(environment)
    })
    .await;
    for method in [Method::GET, Method::POST] {
        for _ in 0..3 {
            for app in ["one", "two"] {
                let headers = [("host", &*format!("{app}.example"))];
                served.send(method.clone(), "/", &headers, "").await.is(200, "ok");
            }
        }
    }
    let seen = seen.lock().expect("not poisoned").clone();
    let (one, two_) = (&seen["one"], &seen["two"]);
    assert_eq!((one.len(), two_.len()), (6, 6));
    assert!(one[0] == one[1] && one[1] == one[2], "they are used again: {seen:?}");
    assert!(one.iter().all(|connection| !two_.contains(connection)), "by nobody else: {seen:?}");
    served.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_an_apps_own() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let source = format!(
        "import net from 'node:net';
        const open = [];
        export const GET = () => {{
            const socket = net.connect({port}, '127.0.0.1');
            open.push(socket);
            return new Promise((resolve) => {{
                socket.on('connect', () => resolve(new Response('connected')));
                socket.on('error', (error) => resolve(new Response(error.code)));
            }});
        }};
        export const POST = async (request: Request) => new Response(String((await request.text()).length));"
    );
    let (one, two_) = (project().file("app/route.ts", &source), project().file("app/route.ts", &source));
    let served = two([&one, &two_], |name, app| {
        let mut limits = limits();
        if name == "one" {
            limits.sockets = 2;
            limits.request_body = 10;
        }
        app.limits(limits)
    })
    .await;
    let mut ends = Vec::new();
    for _ in 0..4 {
        ends.push(at(&served, "one", "/").await.text().to_owned());
    }
    assert_eq!(ends, ["connected", "connected", "EMFILE", "EMFILE"]);
    for _ in 0..4 {
        at(&served, "two", "/").await.is(200, "connected");
    }
    let post = async |app: &str| {
        served.send(Method::POST, "/", &[("host", &format!("{app}.example"))], "x".repeat(11)).await
    };
    assert_eq!(post("one").await.code(), "BODY_TOO_LARGE");
    post("two").await.is(200, "11");
    drop(listener);
    served.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_the_log_name_their_app() {
    let source = "export const GET = () => { console.log(`printed by ${process.env.APP}`); throw new Error(`thrown by ${process.env.APP}`); };";
    let (one, two_) = (project().file("app/route.ts", source), project().file("app/route.ts", source));
    let served = two([&one, &two_], |name, app| {
        let mut environment = Environment::empty();
        environment.set("APP", format!("isolated-{name}"));
        app.env(environment)
    })
    .await;
    for app in ["one", "two"] {
        assert_eq!(at(&served, app, "/").await.status, 500);
        for told in [format!("printed by isolated-{app}"), format!("thrown by isolated-{app}")] {
            let lines = logged(&[&told, "app="]).await;
            let after = lines.split(&told).last().unwrap_or_default();
            let name = after.split("app=\"").nth(1).unwrap_or_default();
            assert!(name.starts_with(app), "{told}: {lines}");
        }
    }
    served.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_that_fails_is_its_apps_alone() {
    let good = project()
        .file("app/route.ts", "let count = 0; export const GET = () => new Response(String(++count));");
    let host = host(1);
    host.deploy(described(&good, "good")).await.expect("deployed");
    let served = App::serve(host.clone(), None).await;
    at(&served, "good", "/").await.is(200, "1");
    // Nothing of it can be bundled: there is no such app.
    let bad = project().file("app/route.ts", "export const GET = () => {");
    let refused = host.deploy(described(&bad, "bad")).await.expect_err("nothing to serve");
    assert!(matches!(refused, Error::Bundle(_)), "{refused}");
    assert_eq!(at(&served, "bad", "/").await.code(), "UNKNOWN_HOST");
    // A part of it can: that works.
    let bad = bad.file("app/ok/route.ts", "export const GET = () => new Response('ok');");
    host.deploy(described(&bad, "bad")).await.expect("deployed");
    assert_eq!(at(&served, "bad", "/").await.status, 500);
    at(&served, "bad", "/ok").await.is(200, "ok");
    at(&served, "good", "/").await.is(200, "2");
    served.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_holds_up_its_own_thread_for_its_cpu_limit_and_no_other() {
    let good = project().file("app/route.ts", "export const GET = () => new Response('good');");
    let bad = project().file("app/route.ts", "export const GET = () => { for (;;); };");
    let mut tight = limits();
    tight.cpu = Duration::from_secs(2);
    let host = host(2);
    // `bad` and `neighbour` are on the first thread, `other` is on the second, `wide` on both.
    host.deploy(described(&bad, "bad").limits(tight)).await.expect("deployed");
    host.deploy(described(&good, "other")).await.expect("deployed");
    host.deploy(described(&good, "neighbour")).await.expect("deployed");
    host.deploy(described(&good, "wide").instances(2)).await.expect("deployed");
    let call = |app: &'static str| {
        let host = host.clone();
        async move {
            let began = Instant::now();
            let request = Request::get(format!("http://{app}.example/")).body(Empty::<Bytes>::new());
            let answer = host.call(request.expect("a request")).await;
            let status = answer.status().as_u16();
            let _ = answer.into_body().collect().await;
            (status, began.elapsed())
        }
    };
    let end_of = |app: &'static str| {
        let call = call(app);
        async move { (call.await.0, Instant::now()) }
    };
    for app in ["other", "neighbour", "wide", "wide"] {
        assert_eq!(call(app).await.0, 200);
    }
    let looping = tokio::spawn(end_of("bad"));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let waiting = tokio::spawn(end_of("neighbour"));
    for _ in 0..20 {
        for app in ["other", "wide"] {
            let (status, took) = call(app).await;
            assert!(status == 200 && took < Duration::from_secs(1), "{app}: {status} after {took:?}");
        }
    }
    assert!(!looping.is_finished(), "it was held all the time");
    let (status, over) = looping.await.expect("no panic");
    assert_eq!(status, 503);
    let (status, answered) = waiting.await.expect("no panic");
    let later = answered.saturating_duration_since(over);
    assert!(status == 200 && later < Duration::from_secs(2), "{status}, {later:?} after the end of the loop");
}

/// What is on its way to a thread is counted; what a connection of its own holds it with is
/// not, and is seen all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_to_a_thread_that_no_connection_holds() {
    let project = project()
        .file("app/route.ts", "export const GET = () => new Response('good');")
        .file("app/loop/route.ts", "export const GET = () => { for (;;); };")
        .instances(2)
        .limits(|limits| limits.cpu = Duration::from_secs(2));
    let app = Arc::new(project.start().await);
    for _ in 0..4 {
        app.get("/").await.is(200, "good");
    }
    let held = app.clone();
    let looping = tokio::spawn(async move { held.get("/loop").await.code().to_owned() });
    tokio::time::sleep(Duration::from_millis(300)).await;
    for _ in 0..20 {
        let began = Instant::now();
        let answer = app.host.call(Request::get("/").body(Empty::<Bytes>::new()).expect("a request")).await;
        assert_eq!(answer.status(), 200);
        assert!(began.elapsed() < Duration::from_millis(800), "{:?}", began.elapsed());
    }
    assert!(!looping.is_finished(), "it was held all the time");
    assert_eq!(looping.await.expect("no panic"), "CPU_LIMIT");
}
