//! Threads that do not come back: what others see of them, and how the process ends.

use std::io::Read;
use std::time::{Duration, Instant};

use edgehost::Error;
use http::Request;
use http_body_util::Empty;

use super::cli::Served;
use super::harness::{Project, logged, project};

/// V8's own loop over nearly 2^53 places: no interrupt is looked at.
const STUCK: &str = "export const GET = () => Response.json([].includes.call({ length: 2 ** 53 - 1 }, 1));";

const SLOW: &str = "export const GET = async () => {
    await new Promise((resolve) => setTimeout(resolve, 4000));
    return new Response('slow, but there');
};";

fn stuck() -> Project {
    project()
        .file("app/stuck/route.ts", STUCK)
        .file("app/slow/route.ts", SLOW)
        .file("app/ok/route.ts", "export const GET = () => new Response('ok');")
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
fn clients_of_a_stuck_thread_see_an_end_and_the_process_ends_with_75() {
    let project = stuck();
    let mut served = Served::start(&project.path(), &["--limit-cpu", "300ms"], |_| {});
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
    let mut served = Served::start(&project.path(), &["--instances", "2"], |_| {});
    let client = ask(&served.address, "/huge");
    assert_eq!(served.exit_code(), Some(75), "{}", served.log());
    assert_eq!(client.join().expect("no panic").0, "");
    assert!(served.log().contains("memory"), "{}", served.log());
}

#[test]
fn lists_that_v8_gives_up_for_cost_a_thread_not_the_answers_of_others() {
    let long = "const text = 'a'.repeat(2 ** 28);";
    let project = stuck()
        .file("app/by-hand/route.ts", format!("export const GET = () => {{ {long} return Response.json((RegExp.prototype as any)[Symbol.match].call(/a/g, text)); }};"))
        .file("app/vm/route.ts", "import vm from 'node:vm'; export const GET = () => Response.json(vm.runInNewContext(\"'a'.repeat(2 ** 28).split('')\"));")
        .file("app/json/route.ts", "export const GET = () => Response.json(JSON.parse(`[${'1,'.repeat(2 ** 27)}1]`));");
    for path in ["/by-hand", "/vm", "/json"] {
        let arguments = ["--instances", "2", "--limit-memory", "700MiB"];
        let mut served = Served::start(&project.path(), &arguments, |_| {});
        // So many that the other thread has some of them.
        let slow = [(); 10].map(|()| {
            std::thread::sleep(Duration::from_millis(20));
            ask(&served.address, "/slow")
        });
        let client = ask(&served.address, path);
        assert_eq!(served.exit_code(), Some(75), "{path}: {}", served.log());
        assert_eq!(client.join().expect("no panic").0, "", "{path}");
        assert!(served.log().contains("V8 gave up"), "{path}: {}", served.log());
        let answered = slow.into_iter().map(|slow| slow.join().expect("no panic").0);
        assert!(answered.filter(|answer| answer.ends_with("slow, but there")).count() >= 1, "{path}");
    }
}

#[tokio::test]
async fn the_library_goes_on_with_its_other_threads() {
    // Comes back after a while, so that other tests of this process have their core again.
    let long = STUCK.replace("2 ** 53 - 1", "15e9");
    let project = stuck()
        .file("app/stuck/route.ts", long)
        .instances(2)
        .limits(|limits| limits.cpu = Duration::from_millis(300));
    let host = project.builder().build().await.expect("a host");
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
    host.shutdown().await;
}
