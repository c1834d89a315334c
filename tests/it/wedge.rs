//! Threads that do not come back: what others see of them, and how the process ends.

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use edgehost::telemetry::{Event, Observer, ThreadWrittenOff};
use edgehost::{App as Described, EdgeHost, Error};
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};

use super::cli::Served;
use super::harness::{App, GRACE, Project, logged, project};

/// V8's own loop over nearly 2^53 places: no interrupt is looked at.
const STUCK: &str = "export const GET = () => Response.json([].includes.call({ length: 2 ** 53 - 1 }, 1));";

const SLOW: &str = "export const GET = async () => {
    await new Promise((resolve) => setTimeout(resolve, 4000));
    return new Response('slow, but there');
};";

/// Places that take V8 longer than the watchdog waits, and not for ever.
const LONG: &str = "15e9";

fn stuck() -> Project {
    project()
        .file("app/stuck/route.ts", STUCK)
        .file("app/slow/route.ts", SLOW)
        .file("app/ok/route.ts", "export const GET = () => new Response('ok');")
        .file(
            "app/echo/route.ts",
            "export const POST = async (request: Request) => new Response(await request.text());",
        )
}

/// Sends a request and reads until the end, on a thread of its own.
fn ask(address: &str, path: &str) -> std::thread::JoinHandle<(String, Duration)> {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(40))).expect("set");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").expect("written");
    let began = Instant::now();
    std::thread::spawn(move || {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        (String::from_utf8_lossy(&answer).into_owned(), began.elapsed())
    })
}

#[test]
fn a_fresh_thread_takes_the_place_of_a_stuck_one() {
    let project = stuck().file(
        "app/count/route.ts",
        "let count = 0; export const GET = () => new Response(`count ${++count}`);",
    );
    let arguments = ["--limit-cpu", "300ms", "--max-wedged", "2", "--limit-connections", "4"];
    let mut served = Served::start(&project.path(), &arguments, |_| {});
    assert!(served.get("/count").ends_with("count 1"));
    // The others hold all of the connections that there may be, while it is stuck.
    let mut idle = [(); 3].map(|()| served.connect());
    let client = ask(&served.address, "/stuck");
    std::thread::sleep(Duration::from_millis(300));
    let waits = [(); 3].map(|()| ask(&served.address, "/count"));
    let (answer, took) = client.join().expect("no panic");
    assert_eq!(answer, "", "nobody could answer");
    assert!(took < Duration::from_secs(20), "{took:?}");
    for connection in &mut idle {
        connection.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        assert_eq!(connection.read(&mut [0; 1]).unwrap_or(0), 0, "it was closed");
    }
    // Those that nobody had accepted are answered, with modules that begin anew.
    let mut counts = waits.map(|client| {
        let (answer, _) = client.join().expect("no panic");
        answer.rsplit_once("count ").expect(&answer).1.to_owned()
    });
    counts.sort();
    assert_eq!(counts, ["1", "2", "3"], "{}", served.log());
    for count in 4..10 {
        assert!(served.get("/count").ends_with(&format!("count {count}")));
    }
    let log = served.log();
    for said in ["nothing can interrupt", "/stuck", "1 of 2 (--max-wedged): a fresh one takes its place"] {
        assert!(log.contains(said), "{said}: {log}");
    }
    // The second is the last one.
    let client = ask(&served.address, "/stuck");
    assert_eq!(served.exit_code(), Some(75), "{}", served.log());
    assert_eq!(client.join().expect("no panic").0, "");
    assert!(served.log().contains("2 of 2 (--max-wedged): nothing takes its place"), "{}", served.log());
}

/// CPU time of a process's thread of this name, in ticks of 10 ms.
fn cpu_of(process: u32, thread: &str) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    let stats = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    let of_thread = stats.filter(|stat| stat.contains(&format!("({thread})")));
    let ticks = |stat: String| -> u64 {
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        fields[11..13].iter().filter_map(|field| field.parse::<u64>().ok()).sum()
    };
    of_thread.map(ticks).sum()
}

#[test]
fn a_process_that_has_written_a_thread_off_ends_in_order() {
    let project = stuck();
    let mut served = Served::start(&project.path(), &["--limit-cpu", "300ms", "--max-wedged", "9"], |_| {});
    let (answer, _) = ask(&served.address, "/stuck").join().expect("no panic");
    assert_eq!(answer, "");
    assert!(served.get("/ok").ends_with("ok"));
    // Nobody is busy with the one that is written off but itself.
    let before = cpu_of(served.child.id(), "edgehost-watchd");
    std::thread::sleep(Duration::from_secs(2));
    let used = cpu_of(served.child.id(), "edgehost-watchd") - before;
    assert!(used < 50, "the watchdog has used {used} ticks of 10 ms in 2 s");
    let slow = ask(&served.address, "/slow");
    std::thread::sleep(Duration::from_millis(300));
    served.signal("TERM");
    assert_eq!(served.exit_code(), Some(75), "{}", served.log());
    let (answer, _) = slow.join().expect("no panic");
    assert!(answer.ends_with("slow, but there"), "{answer}");
}

#[test]
fn the_last_thread_that_may_be_written_off_ends_the_process_with_75() {
    let project = stuck();
    let mut served = Served::start(&project.path(), &["--limit-cpu", "300ms", "--max-wedged", "1"], |_| {});
    let client = ask(&served.address, "/stuck");
    std::thread::sleep(Duration::from_millis(300));
    let waits = ask(&served.address, "/ok");
    assert_eq!(served.exit_code(), Some(75), "{}", served.log());
    for client in [client, waits] {
        let (answer, took) = client.join().expect("no panic");
        assert_eq!(answer, "", "nobody could answer");
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
    let log = served.log();
    assert!(log.contains("nothing can interrupt") && log.contains("/stuck"), "{log}");
}

#[test]
fn sigterm_ends_a_stuck_process_within_the_grace_period() {
    let project = stuck();
    let arguments =
        ["--limit-cpu", "1h", "--limit-wall", "1h", "--limit-first-byte", "1h", "--limit-grace", "500ms"];
    let mut served = Served::start(&project.path(), &arguments, |_| {});
    let _client = ask(&served.address, "/stuck");
    std::thread::sleep(Duration::from_millis(500));
    let began = Instant::now();
    served.signal("TERM");
    assert_eq!(served.exit_code(), Some(75), "{}", served.log());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn what_v8_cannot_recover_from_costs_a_thread_not_the_connections_of_others() {
    let project = stuck().file(
        "app/huge/route.ts",
        "export const GET = () => { let reads = 0; return Response.json(Array.prototype.sort.call({ get length() { return reads++ ? 2 ** 32 : 0; } })); };",
    );
    let mut served = Served::start(&project.path(), &["--max-wedged", "2"], |_| {});
    for _ in 0..2 {
        assert!(served.get("/ok").ends_with("ok"), "{}", served.log());
        let client = ask(&served.address, "/huge");
        assert_eq!(client.join().expect("no panic").0, "");
    }
    assert_eq!(served.exit_code(), Some(75), "{}", served.log());
    assert!(served.log().contains("memory"), "{}", served.log());
}

#[test]
fn lists_that_v8_gives_up_for_cost_a_thread_not_the_answers_of_others() {
    let long = "const text = 'a'.repeat(2 ** 28);";
    let project = stuck()
        .file("app/by-hand/route.ts", format!("export const GET = () => {{ {long} return Response.json((RegExp.prototype as any)[Symbol.match].call(/a/g, text)); }};"))
        .file("app/vm/route.ts", "import vm from 'node:vm'; export const GET = () => Response.json(vm.runInNewContext(\"'a'.repeat(2 ** 28).split('')\"));")
        .file("app/json/route.ts", "export const GET = () => Response.json(JSON.parse(`[${'1,'.repeat(2 ** 27)}1]`));");
    let answered = |path: &str| {
        let arguments = ["--instances", "2", "--limit-memory", "700MiB", "--max-wedged", "1"];
        let mut served = Served::start(&project.path(), &arguments, |_| {});
        // So many that the other thread most probably has some of them.
        let slow = [(); 10].map(|()| {
            std::thread::sleep(Duration::from_millis(20));
            ask(&served.address, "/slow")
        });
        let client = ask(&served.address, path);
        assert_eq!(served.exit_code(), Some(75), "{path}: {}", served.log());
        assert_eq!(client.join().expect("no panic").0, "", "{path}");
        assert!(served.log().contains("V8 gave up"), "{path}: {}", served.log());
        let answered = slow.into_iter().map(|slow| slow.join().expect("no panic").0);
        answered.filter(|answer| answer.ends_with("slow, but there")).count()
    };
    for path in ["/by-hand", "/vm", "/json"] {
        // On a busy machine one thread may have taken all connections.
        assert!((0..4).any(|_| answered(path) > 0), "{path}");
    }
}

#[tokio::test]
async fn the_library_goes_on_with_its_other_threads() {
    let long = stuck_for_a_while();
    let project = stuck()
        .file("app/stuck/route.ts", long)
        .instances(2)
        .limits(|limits| limits.cpu = Duration::from_millis(300));
    let host = project.builder().max_wedged(1).build().await.expect("a host");
    let request = |path: &str| Request::get(path).body(Empty::<bytes::Bytes>::new()).expect("a request");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let serving = tokio::spawn({
        let host = host.clone();
        async move { host.serve(listener, std::future::pending()).await }
    });
    // Calls take turns among the threads.
    let (slow, answer) = tokio::join!(host.call(request("/slow")), host.call(request("/stuck")));
    assert_eq!(slow.status(), 200, "it ran on the other thread");
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["x-edgehost-error"], "WEDGED");
    logged(&["nothing can interrupt", "/stuck"]).await;
    for _ in 0..4 {
        assert_eq!(host.call(request("/ok")).await.status(), 200);
    }
    let served = serving.await.expect("no panic");
    assert!(matches!(served, Err(Error::Wedged { threads: 1, of: 2, .. })), "{served:?}");
    host.shutdown(GRACE).await;
}

#[derive(Debug, Clone, Default)]
struct Told(Arc<Mutex<Vec<ThreadWrittenOff>>>);

impl Observer for Told {
    fn observe(&self, event: Event<'_>) {
        if let Event::Thread(written_off) = event {
            self.0.lock().expect("not poisoned").push(written_off);
        }
    }
}

/// Longer than the watchdog waits, and not for ever: other tests want their core again.
fn stuck_for_a_while() -> String {
    STUCK.replace("2 ** 53 - 1", LONG)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_no_thread_has_begun_move_to_the_fresh_one() {
    let told = Told::default();
    let project = stuck()
        .file(
            "app/held/route.ts",
            "export const POST = async (request: Request) =>
            Response.json([].includes.call({ length: Number(await request.text()) } as any, 1));",
        )
        .limits(|limits| limits.cpu = Duration::from_millis(300));
    let host = project.builder().max_wedged(2).observer(told.clone()).build().await.expect("a host");
    let call = |path: &'static str, body: &'static str| {
        let host = host.clone();
        tokio::spawn(async move {
            let request = Request::post(path).body(http_body_util::Full::new(bytes::Bytes::from(body)));
            let response = host.call(request.expect("a request")).await;
            let code = response.headers().get("x-edgehost-error").cloned();
            let body = response.into_body().collect().await.expect("a body").to_bytes();
            (code.map(|code| code.to_str().expect("ASCII").to_owned()), body)
        })
    };
    for (count, is_replaced) in [(1, true), (2, false)] {
        // Their modules are there: what comes later is run at once.
        assert_eq!(call("/held", "10").await.expect("no panic").0, None);
        assert_eq!(call("/echo", "whole").await.expect("no panic").0, None);
        let stuck = call("/held", LONG);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let waiting: Vec<_> = (0..20).map(|_| call("/echo", "whole")).collect();
        assert_eq!(stuck.await.expect("no panic").0.as_deref(), Some("WEDGED"));
        for call in waiting {
            let (code, body) = call.await.expect("no panic");
            match is_replaced {
                true => assert_eq!((code, &*body), (None, &b"whole"[..])),
                false => assert_eq!(code.as_deref(), Some("WEDGED")),
            }
        }
        let told = told.0.lock().expect("not poisoned").clone();
        let last = told.last().expect("told");
        assert_eq!(
            (told.len(), last.shard, last.count, last.most, last.is_replaced),
            (count, 0, count, 2, is_replaced)
        );
    }
    // Nobody is left to answer, and nobody waits for ever.
    assert_eq!(call("/echo", "whole").await.expect("no panic").0.as_deref(), Some("WEDGED"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let served = host.serve(listener, std::future::pending()).await;
    assert!(matches!(served, Err(Error::Wedged { threads: 2, of: 2, .. })), "{served:?}");
    host.shutdown(GRACE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_apps_and_their_connections_survive_a_stuck_thread() {
    let limits = |cpu| {
        let mut limits = edgehost::Limits::default();
        limits.memory = 128 << 20;
        limits.cpu = cpu;
        limits
    };
    let quick = limits(Duration::from_millis(300));
    let host = EdgeHost::for_apps().limits(limits(Duration::from_secs(5))).shards(2).build().expect("a host");
    let project = stuck().file("app/stuck/route.ts", stuck_for_a_while());
    for name in ["bad", "good", "neighbour"] {
        let described = Described::from_dir(project.path()).name(name).hosts([format!("{name}.example")]);
        let described = if name == "bad" { described.limits(quick.clone()) } else { described };
        host.deploy(described).await.expect("deployed");
    }
    // `bad` and `neighbour` have the same thread; connections are on both.
    let served = Arc::new(App::serve(host, None).await);
    let at = |host: &'static str, path: &'static str| {
        let served = served.clone();
        async move { served.send(Method::GET, path, &[("host", host)], "").await }
    };
    for host in ["bad.example", "good.example", "neighbour.example"] {
        at(host, "/ok").await.is(200, "ok");
    }
    let address = served.address.to_string();
    let stuck = tokio::task::spawn_blocking(move || {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(address).expect("connected");
        write!(stream, "GET /stuck HTTP/1.1\r\nhost: bad.example\r\nconnection: close\r\n\r\n")
            .expect("written");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    // New connections come to the thread that is free, and what they ask of the stuck one waits
    // for the fresh one.
    let mut waiting = Vec::new();
    for host in ["good.example", "neighbour.example", "bad.example"] {
        for _ in 0..3 {
            let (served, host) = (served.clone(), host.to_owned());
            waiting.push(tokio::spawn(async move {
                let mut wire = served.connect().await;
                wire.write(format!("GET /ok HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await;
                wire.read_to_end().await
            }));
        }
    }
    for answer in waiting {
        let answer = answer.await.expect("no panic");
        assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
    }
    // Its client may sit on the thread itself, or on the other one.
    let answer = stuck.await.expect("no panic");
    assert!(answer.is_empty() || answer.contains("WEDGED"), "{answer}");
    for host in ["bad.example", "good.example", "neighbour.example"] {
        at(host, "/ok").await.is(200, "ok");
    }
}
