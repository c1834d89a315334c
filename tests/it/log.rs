//! What people read: the log of the program, reports of errors, and what observers get.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use edgehost::telemetry::{Event, Observer};
use http::Method;
use serde_json::Value;

use super::cli::{Served, run, send_signal, stderr, stdout};
use super::harness::{self, App, Project, eventually, logged, project, serve_root};

/// Lines of a log that has come to hold `count` that contain `part`.
fn lines_with(served: &Served, part: &str, count: usize) -> Vec<String> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let lines: Vec<String> =
            served.log().lines().filter(|line| line.contains(part)).map(str::to_owned).collect();
        if lines.len() >= count {
            return lines;
        }
        assert!(Instant::now() < until, "not {count} lines with {part} in:\n{}", served.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn talking() -> Project {
    project()
        .file("app/items/[id]/route.ts", "export const GET = () => new Response('item');")
        .file("app/ok/route.ts", "export const GET = () => new Response('ok');")
        .file("app/say/route.ts", "export const GET = () => { console.error('a line'); return new Response('said'); };")
        .file("app/never/route.ts", "export const GET = () => new Promise(() => {});")
        .file(
            "app/print/route.ts",
            "export const GET = (r: Request) => { console.log(new URL(r.url).searchParams.get('text')); return new Response('x'); };",
        )
        .file("app/stream/route.ts", "export const GET = () => new Response(new ReadableStream({ async pull(c) { await new Promise((r) => setTimeout(r, 20)); c.enqueue('x'.repeat(1000)); } }));")
        .file("app/fail/route.ts", "export const GET = () => { throw new Error('for people'); };")
}

#[test]
fn text_lines_are_for_people() {
    let served = Served::start(&talking().path(), &["--log-format", "text"], |_| {});
    let answer = served.ask("GET /items/2?x=1 HTTP/1.1\r\nhost: h\r\nuser-agent: a test\r\n");
    let id = answer.to_lowercase();
    let id = id.split("x-request-id: ").nth(1).and_then(|rest| rest.lines().next()).expect("an id");
    let line = lines_with(&served, "GET /items/2", 1).remove(0);
    let (time, rest) = line.split_once(' ').expect("a time");
    assert!(time.ends_with('Z') && time.len() == "2026-11-28T08:12:19.123Z".len(), "{line}");
    let words: Vec<&str> = rest.split(' ').collect();
    assert_eq!(&words[..3], ["GET", "/items/2?x=1", "200"], "{line}");
    assert!(words[3].parse::<u32>().is_ok(), "{line}");
    assert_eq!(&words[4..], ["ms", "/items/[id]", "127.0.0.1", id], "{line}");

    // A static route is not named twice, an error is.
    served.get("/ok");
    let line = lines_with(&served, "GET /ok 200", 1).remove(0);
    assert_eq!(line.matches("/ok").count(), 1, "{line}");
    served.get("/missing");
    assert!(lines_with(&served, "GET /missing 404", 1)[0].contains(" ms NOT_FOUND 127.0.0.1 "));
    served.get("/say");
    let line = lines_with(&served, "a line", 1).remove(0);
    assert!(line.contains(" error /say ") && line.ends_with(" a line"), "{line}");
}

#[test]
fn no_text_of_users_looks_like_a_line_of_the_log() {
    for format in ["text", "json"] {
        let served = Served::start(&talking().path(), &["--log-format", format], |_| {});
        served.get(
            "/print?text=said%0aGET%20/forged%20200%201%20ms%0d%0aINFO%20forged%1b%5b31m%e2%80%a8forged",
        );
        served.get("/ok");
        lines_with(&served, "GET /ok 200", 1);
        let log = served.log();
        let said: Vec<&str> =
            log.lines().filter(|line| line.contains("forged") && !line.contains("?text=")).collect();
        if format == "json" {
            assert_eq!(said.len(), 1, "{log}");
            let line: Value = serde_json::from_str(said[0]).expect("JSON");
            assert_eq!(line["message"], "said\nGET /forged 200 1 ms\r\nINFO forged\u{1b}[31m\u{2028}forged");
        } else {
            assert_eq!(
                said,
                ["    GET /forged 200 1 ms", "    INFO forged\\x1b[31m\\u{2028}forged"],
                "{log}"
            );
            assert!(log.lines().all(|line| line.starts_with("20") || line.starts_with("    ")), "{log}");
        }
    }
}

#[test]
fn json_is_every_line() {
    let project = talking().file("app/ignored.md", "").file("src/middleware.js", "");
    let dir = project.path();
    let mut command = Command::new(harness::program());
    command.arg("serve").arg(&dir).args(["--port", "0", "--log-format", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let mut out = BufReader::new(child.stdout.take().expect("piped")).lines().map(|line| {
        let line = line.expect("read");
        serde_json::from_str::<Value>(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    let mut routes = Vec::new();
    let url = loop {
        let line = out.next().expect("it starts");
        assert!(
            line["timestamp"].is_string() && line["level"] == "INFO" && line["target"] == "edgehost",
            "{line}"
        );
        if let Some(route) = line["route"].as_str() {
            routes.push((route.to_owned(), line["file"].as_str().expect("a file").to_owned()));
        }
        if let Some(url) = line["url"].as_str() {
            assert!(line["message"].as_str().expect("text").starts_with("Listening on http://"), "{line}");
            break url.to_owned();
        }
    };
    assert!(routes.contains(&("/items/[id]".to_owned(), "app/items/[id]/route.ts".to_owned())), "{routes:?}");
    let mut client = std::net::TcpStream::connect(url.trim_start_matches("http://")).expect("connected");
    write!(client, "GET /fail HTTP/1.1\r\nhost: h\r\nx-request-id: from-a-proxy.1\r\nuser-agent: a \"test\"\r\nconnection: close\r\n\r\n").expect("written");
    client.read_to_string(&mut String::new()).expect("read");
    send_signal("TERM", child.id());
    assert!(child.wait().expect("waited").success());
    let mut log = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut log).expect("UTF-8");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(lines.iter().any(|line| line["level"] == "WARN"), "the hint is a line: {log}");
    let access = lines.iter().find(|line| line["target"] == "edgehost::access").expect("an access line");
    for (name, value) in [
        ("route", "/fail"),
        ("client", "127.0.0.1"),
        ("x_request_id", "from-a-proxy.1"),
        ("user_agent", "a \"test\""),
        ("error", "HANDLER_ERROR"),
        ("message", "GET /fail 500"),
    ] {
        assert_eq!(access[name], value, "{access}");
    }
    let error = lines.iter().find(|line| line["target"] == "edgehost::error").expect("the error");
    assert_eq!((&error["request"], &error["x_request_id"]), (&access["request"], &access["x_request_id"]));
    assert!(error["message"].as_str().expect("text").contains("Error: for people"), "{error}");

    // What keeps it from starting, and mistakes among the flags.
    let empty = harness::project();
    for arguments in [
        vec!["serve", empty.path().to_str().expect("UTF-8"), "--port", "0", "--log-format=json"],
        vec!["serve", "--log-format", "json", "--nonsense"],
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(!stderr(&output).is_empty() || !stdout(&output).is_empty());
        for line in stderr(&output).lines().chain(stdout(&output).lines()) {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        }
        assert!(stderr(&output).contains("\"level\":\"ERROR\""), "{}", stderr(&output));
    }
}

#[test]
fn a_log_that_cannot_be_written_costs_no_answer() {
    let full = || File::options().write(true).open("/dev/full").expect("a full disk");
    let mut served = Served::start(&talking().path(), &["--log-format", "text"], |command| {
        command.stderr(full());
    });
    for _ in 0..20 {
        assert!(served.get("/ok").ends_with("\r\n\r\nok"));
        assert!(served.get("/say").ends_with("\r\n\r\nsaid"));
        assert!(served.get("/fail").starts_with("HTTP/1.1 500"));
    }
    served.signal("TERM");
    assert!(served.child.wait().expect("waited").success());

    // Nor does what it prints at start, to an output that takes nothing.
    let project = talking();
    let mut command = Command::new(harness::program());
    command.arg("serve").arg(project.path()).args(["--port", "0"]);
    let mut child = command.stdout(full()).stderr(Stdio::null()).spawn().expect("started");
    std::thread::sleep(Duration::from_millis(700));
    assert!(child.try_wait().expect("asked").is_none(), "it lives");
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn a_log_that_nobody_reads_costs_no_answer() {
    let (_unread, pipe) = std::io::pipe().expect("a pipe");
    let mut served = Served::start(&talking().path(), &["--log-format", "json"], |command| {
        command.stderr(pipe);
    });
    let agent = "x".repeat(400);
    let mut client = BufReader::new(served.connect());
    // Ten times what the pipe holds.
    for number in 0..1500 {
        let head = format!("GET /say HTTP/1.1\r\nhost: h\r\nuser-agent: {agent}\r\n\r\n");
        client.get_mut().write_all(head.as_bytes()).expect("written");
        let mut line = String::new();
        client.read_line(&mut line).expect("read");
        assert!(line.starts_with("HTTP/1.1 200"), "request {number}: {line}");
        while line != "\r\n" {
            line.clear();
            client.read_line(&mut line).expect("read");
        }
        client.read_exact(&mut [0; 4]).expect("said");
    }
    drop(client);
    let began = Instant::now();
    served.signal("TERM");
    assert!(served.child.wait().expect("waited").success());
    assert!(began.elapsed() < Duration::from_secs(5), "the end waits for nobody: {:?}", began.elapsed());
}

#[test]
fn what_is_in_the_log_is_written_before_the_end() {
    let project = project().file(
        "app/route.ts",
        "export const GET = () => { for (let i = 0; i < 5000; i++) console.log(`line ${i}`); return new Response('x'); };",
    );
    let mut served = Served::start(&project.path(), &["--log-format", "text"], |_| {});
    served.get("/");
    served.signal("TERM");
    assert!(served.child.wait().expect("waited").success());
    let lines = lines_with(&served, " line ", 5000);
    assert!(lines[4999].ends_with("line 4999"), "{}", lines[4999]);
    assert!(served.log().contains("stopping: no new connections"));
}

#[test]
fn requests_whose_client_left_are_in_the_log() {
    let served = Served::start(&talking().path(), &["--log-format", "json"], |_| {});
    for path in ["/never", "/stream"] {
        let mut client = served.connect();
        write!(client, "GET {path} HTTP/1.1\r\nhost: h\r\n\r\n").expect("written");
        std::thread::sleep(Duration::from_millis(200));
    }
    let line = |path: &str| -> Value {
        serde_json::from_str(&lines_with(&served, &format!("\"path\":\"{path}\""), 1)[0]).expect("JSON")
    };
    let never = line("/never");
    assert_eq!(
        (&never["status"], &never["aborted"], &never["route"]),
        (&499.into(), &true.into(), &"/never".into())
    );
    assert!(never["ms"].as_f64().expect("a time") > 100.0, "{never}");
    let stream = line("/stream");
    assert_eq!((&stream["status"], &stream["aborted"]), (&200.into(), &true.into()));
    assert!(stream["bytes"].as_u64().expect("bytes") > 0, "{stream}");
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let app = project()
        .file(
            "app/x/route.ts",
            "export const GET = () => new Response('x'); export const POST = async (r: Request) => new Response(await r.text());",
        )
        .file("app/own/route.ts", "export const GET = () => new Response('x', { headers: { 'x-request-id': 'of the handler' } });")
        .file("app/fail/route.ts", "export const GET = () => { throw 1; };")
        .file("app/load/route.ts", "throw 1; export const GET = 1;")
        .limits(|limits| limits.request_body = 10)
        .start()
        .await;
    let long = format!("/{}", "x".repeat(20_000));
    for (method, path, status) in [
        (Method::GET, "/x", 200),
        (Method::HEAD, "/x", 200),
        (Method::OPTIONS, "/x", 204),
        (Method::GET, "/x/", 308),
        (Method::DELETE, "/x", 405),
        (Method::GET, "/none", 404),
        (Method::GET, "/fail", 500),
        (Method::GET, "/load", 500),
        (Method::POST, "/x", 413),
        (Method::GET, &long, 414),
    ] {
        let body = if method == Method::POST { "12345678901" } else { "" };
        let answer = app.send(method.clone(), path, &[], body).await;
        assert_eq!(answer.status, status, "{method} {path}");
        let id = answer.header("x-request-id").unwrap_or_else(|| panic!("{method} {path} has no id"));
        assert_eq!(id.len(), 16);
        let answer = app.send(method.clone(), path, &[("x-request-id", "from-outside_1.2")], body).await;
        assert_eq!(answer.header("x-request-id"), Some("from-outside_1.2"), "{method} {path}");
        let answer = app.send(method.clone(), path, &[("x-request-id", "not a \"word\"")], body).await;
        assert_eq!(answer.header("x-request-id").expect("an id").len(), 16, "{method} {path}");
    }
    assert_eq!(app.get("/own").await.header("x-request-id"), Some("of the handler"));
    let many: Vec<(String, String)> = (0..200).map(|n| (format!("x-{n}"), "y".repeat(200))).collect();
    let request = many
        .iter()
        .fold(http::Request::builder().uri("/x"), |request, (name, value)| request.header(name, value));
    let answer = app.host.call(request.body(String::new()).expect("a request")).await;
    assert_eq!(answer.status(), 431);
    assert!(answer.headers().contains_key("x-request-id"));
}

#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<String>>>);

impl Observer for Kept {
    fn observe(&self, event: Event<'_>) {
        let text = match event {
            Event::Request(ended) => format!(
                "{} {} {} {:?} {} {} {:?}",
                ended.method, ended.path, ended.status, ended.route, ended.bytes, ended.aborted, ended.client
            ),
            Event::Console(printed) => format!("{} {:?} {}", printed.level, printed.route, printed.text),
            _ => return,
        };
        self.0.lock().expect("not poisoned").push(text);
    }
}

#[tokio::test]
async fn an_observer_gets_values() {
    let kept = Kept::default();
    let project = talking();
    let host = project.builder().observer(kept.clone()).build().await.expect("in order");
    let app = App::serve(host, Some(project.dir)).await;
    app.get("/say").await.is(200, "said");
    assert_eq!(app.get("/items/7?a").await.status, 200);
    assert_eq!(app.get("/none").await.status, 404);
    let expected = [
        "ERROR Some(\"/say\") a line",
        "GET /say 200 Some(\"/say\") 4 false Some(127.0.0.1)",
        "GET /items/7?a 200 Some(\"/items/[id]\") 4 false Some(127.0.0.1)",
        "GET /none 404 None 9 false Some(127.0.0.1)",
    ];
    eventually("all is told", async || kept.0.lock().expect("not poisoned").len() >= expected.len()).await;
    assert_eq!(*kept.0.lock().expect("not poisoned"), expected);
}

#[tokio::test]
async fn reports_show_the_users_code_and_nothing_of_the_host() {
    let app = project()
        .file(
            "app/route.ts",
            "const parse = (text: string) => {\n\tconst wide = 'ä';\n\treturn new URL(text + wide);\n};\nexport async function GET() {\n  await null;\n  try {\n    parse('nonsense frame t1');\n  } catch (error) {\n    throw new Error('outer frame t1', { cause: Object.assign(error as Error, { code: 'E_T1' }) });\n  }\n}",
        )
        .file(
            "app/many/route.ts",
            "export function GET() {\n  throw new AggregateError([new RangeError('first of t2'), 'second of t2', new Error('third of t2', { cause: 'root of t2' })], 'several t2');\n}",
        )
        .file("app/stack/route.ts", "export const GET = async () => { try { await fetch('http://127.0.0.1:9/'); } catch (e: any) { return new Response([e, e.cause].map((e) => e?.stack).join('\\n') + new Error('x').stack); } };")
        .start()
        .await;
    assert_eq!(app.get("/").await.status, 500);
    let report = logged(&["outer frame t1", "caused by: TypeError: "]).await;
    let report = &report[report.find("Error: outer").expect("its head")..];
    assert!(
        report.starts_with("Error: outer frame t1\n    10 |     throw new Error('outer frame t1', { cause:")
            || report.contains("\n    10 | throw new Error('outer frame t1'"),
        "{report}"
    );
    assert!(
        report.contains("\n       | ^") && report.contains("at GET (app/route.ts:10:11)")
            || report.contains("(app/route.ts:10:"),
        "{report}"
    );
    assert!(report.contains("at parse (app/route.ts:3:9)") && report.contains("code: \"E_T1\""), "{report}");
    assert_eq!(app.get("/many").await.status, 500);
    let report = logged(&["AggregateError: several t2", "root of t2"]).await;
    for part in [
        "1 of 3: RangeError: first of t2",
        "2 of 3: \"second of t2\"",
        "3 of 3: Error: third of t2",
        "caused by: \"root of t2\"",
    ] {
        assert!(report.contains(part), "{part} is missing: {report}");
    }
    let stack = app.get("/stack").await;
    assert!(stack.text().contains("app/stack/route.ts:1:"), "{}", stack.text());
    for host in ["ext:", "edgehost:", "node:internal"] {
        assert!(!stack.text().contains(host), "{}", stack.text());
    }
    let log = harness::log();
    assert!(!log.contains("at dispatch (") && !log.contains("(ext:"), "no frames of the host");
}

#[tokio::test]
async fn no_error_is_told_twice() {
    let app = project()
        .file("app/route.ts", "export function GET() { const error = new Error('told once t3'); void Promise.reject(error); throw error; }")
        .file("app/always/route.ts", "const error = new Error('kept t4'); export function GET() { throw error; }")
        .file("app/round/route.ts", "export function GET() { const a: any = new Error('round a t5'); const b = new Error('round b t5', { cause: a }); a.cause = b; throw a; }")
        .start()
        .await;
    for path in ["/", "/always", "/always", "/round"] {
        assert_eq!(app.get(path).await.status, 500);
    }
    logged(&["round a t5", "told above"]).await;
    eventually("the second time", async || harness::log().matches("Error: kept t4").count() == 2).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let log = harness::log();
    assert_eq!(log.matches("told once t3'); void").count(), 1, "its code frame");
    assert_eq!(log.matches("Error: told once t3\n").count(), 1);
}

#[tokio::test]
async fn hostile_errors_are_errors() {
    let app = project()
        .file(
            "app/[what]/route.ts",
            "const throwing = { get() { throw new Error('of a trap'); }, has() { throw 1; }, ownKeys() { throw 2; }, getPrototypeOf() { throw 3; }, getOwnPropertyDescriptor() { throw 4; } };
            const revoked = () => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy; };
            const make: any = {
                revoked,
                trap: () => new Proxy({}, throwing),
                error: () => new Proxy(new Error('inside'), throwing),
                digest: () => ({ get digest() { throw new Error('from the getter'); } }),
                getters: () => Object.defineProperties(new Error('x'), Object.fromEntries(['name', 'message', 'stack', 'cause', 'errors', 'code'].map((name) => [name, { enumerable: true, get() { throw new Error(name); } }]))),
                cause: () => new Error('with a hostile cause', { cause: revoked() }),
                errors: () => new AggregateError([revoked(), new Proxy({}, throwing)], 'hostile errors'),
                list: () => Object.assign(new Error('no list'), { errors: revoked() }),
                symbol: () => Symbol('t6'),
                nothing: () => undefined,
                null: () => null,
                text: () => ({ toString() { throw 5; }, [Symbol.toPrimitive]() { throw 6; } }),
                inspect: () => ({ [Symbol.for('nodejs.util.inspect.custom')]() { throw 7; }, [Symbol.for('Deno.customInspect')]() { throw 8; } }),
                huge: () => new Error('y'.repeat(1 << 20)),
                deep: () => { let error = new Error('deep'); for (let i = 0; i < 5000; i++) error = new Error('deep', { cause: error }); return error; },
                wide: () => new AggregateError(new Array(100_000).fill(0).map(() => new Error('wide')), 'wide'),
                stack: () => Object.assign(new Error('s'), { stack: 'Error: s\\n' + '    at x (app/../../etc/passwd.ts:1:1)\\n'.repeat(20_000) }),
            };
            export async function GET(_: Request, { params }: any) { await null; throw make[(await params).what](); }
            export async function POST(_: Request, { params }: any) { return make[(await params).what](); }
            export function PUT(_: Request, { params }: any) { throw make[params.what](); }
            export async function PATCH(_: Request, { params }: any) { const made = make[(await params).what](); setTimeout(() => { throw made; }, 1); void Promise.reject(made); await new Promise((r) => setTimeout(r, 20)); console.error(made); return new Response('alive'); }",
        )
        .start()
        .await;
    let kinds = [
        "revoked", "trap", "error", "digest", "getters", "cause", "errors", "list", "symbol", "nothing",
        "null", "text", "inspect", "huge", "deep", "wide", "stack",
    ];
    let before = harness::log().len();
    for what in kinds {
        for method in [Method::GET, Method::POST, Method::PUT] {
            let began = Instant::now();
            let answer = app.send(method.clone(), &format!("/{what}"), &[], "").await;
            assert_eq!((answer.status.as_u16(), answer.code()), (500, "HANDLER_ERROR"), "{method} {what}");
            assert!(began.elapsed() < Duration::from_secs(10), "{method} {what} took {:?}", began.elapsed());
        }
        // Whether the handler's own `console.error` throws is between it and its value.
        let status = app.send(Method::PATCH, &format!("/{what}"), &[], "").await.status;
        assert!(status == 200 || status == 500, "PATCH {what}: {status}");
    }
    let written = harness::log().len() - before;
    assert!(written < 24 << 20, "reports are bounded: {written} bytes");
}

#[tokio::test]
async fn a_module_that_fails_is_told_once_with_its_request() {
    let app = project()
        .file("app/plain/route.ts", "const one: number = 1;\nthrow new Error('plain t7', { cause: new RangeError('root t7') });\nexport const GET = 1;")
        .file("app/late/route.ts", "await new Promise((r) => setTimeout(r, 5));\nthrow new Error('late t7');\nexport const GET = 1;")
        .file("app/text/route.ts", "throw 'text t7';\nexport const GET = 1;")
        .file("app/other/route.ts", "import './broken'; export const GET = 1;")
        .file("app/other/broken.ts", "null.x; throw new Error('never');")
        .start()
        .await;
    for (path, text) in
        [("/plain", "plain t7"), ("/late", "late t7"), ("/text", "text t7"), ("/other", "null")]
    {
        let id = app.get(path).await.header("x-request-id").expect("an id").to_owned();
        assert_eq!(app.get(path).await.code(), "MODULE_INIT_FAILED");
        let line = logged(&["the module failed to load", text]).await;
        assert!(line.contains(&id), "{line}");
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let log = harness::log();
    for (text, code) in
        [("Error: plain t7", "throw new Error('plain t7'"), ("Error: late t7", "throw new Error('late t7')")]
    {
        let at: Vec<&str> = log
            .match_indices(text)
            .map(|(at, _)| &log[at.saturating_sub(100)..log.len().min(at + 200)])
            .collect();
        assert_eq!(log.matches(&format!("{text}\n")).count(), 1, "{at:#?}");
        assert_eq!(log.matches(code).count(), 1, "{code}");
    }
    assert!(log.contains("caused by: RangeError: root t7"));
    assert_eq!(log.matches("text t7").count(), 1);
}

#[tokio::test]
async fn objects_are_printed_as_deno_prints_them() {
    let app = serve_root(
        "class Thing { #hidden = 1; a = 'text'; }
        export const GET = () => {
            console.log(new Thing(), [1, , 3], new Map([['k', { deep: [1] }]]), new Set([1]), null, undefined, -0, 1n, Symbol('s'), () => 1);
            console.log({ list: Array.from({ length: 30 }, (_, i) => ({ id: i, name: `name ${i}` })) });
            console.log('%s is %d years and %o %%', 'Ann', 42.5, { a: 1 });
            return new Response('x');
        };",
    )
    .await;
    app.get("/").await;
    logged(&["Thing { a: \"text\" } [ 1, <1 empty item>, 3 ] Map(1) { \"k\" => { deep: [ 1 ] } } Set(1) { 1 } null undefined -0 1n Symbol(s)"]).await;
    logged(&["Ann is 42 years and { a: 1 } %"]).await;
    let line = logged(&["  list: [", "{ id: 29, name: \"name 29\" }"]).await;
    assert!(line.lines().count() > 20, "{line}");
}
