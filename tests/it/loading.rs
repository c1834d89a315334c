//! Modules that end the isolate in which they load: who else asked has an answer all the same.

use std::time::Duration;

use super::harness::{Project, project};

/// What a module does for ever, and the bundler does not know.
const LOOP: &str = "for (;;) (globalThis as any).spins = 1;";

fn with_short_limits() -> Project {
    project().limits(|limits| {
        limits.startup_cpu = Duration::from_millis(200);
        limits.cpu = Duration::from_millis(400);
        limits.memory = 64 << 20;
    })
}

#[tokio::test]
async fn a_request_in_flight_is_not_to_blame_for_a_module_that_loads() {
    let app = with_short_limits()
        .file("app/waits/route.ts", "export const GET = () => new Promise(() => {});")
        .file("app/loop/route.ts", format!("{LOOP} export const GET = () => new Response();"))
        .file("app/fill/route.ts", "const kept: unknown[] = []; for (;;) kept.push(new Array(100_000).fill(kept.length)); export const GET = () => new Response(String(kept.length));")
        .file("app/later/route.ts", format!("await new Promise((done) => setTimeout(done, 50)); {LOOP} export const GET = () => new Response();"))
        .start()
        .await;
    for (path, status, code) in [
        ("/loop", 500, "STARTUP_TIMEOUT"),
        ("/fill", 503, "MEMORY_LIMIT"),
        ("/later", 500, "STARTUP_TIMEOUT"),
    ] {
        let late = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            app.get(path).await
        };
        let (waits, loads) = tokio::join!(app.get("/waits"), late);
        assert_eq!((loads.status.as_u16(), loads.code()), (status, code), "{path}");
        let told = (waits.status.as_u16(), waits.code(), waits.header("retry-after"));
        assert_eq!(told, (503, "ISOLATE_RESET", Some("1")), "beside {path}");
    }
}

#[tokio::test]
async fn requests_that_were_not_begun_go_on_where_no_module_ends_the_isolate() {
    let mut project = with_short_limits();
    for name in ["one", "two", "three", "four", "five"] {
        let code = format!(
            "await new Promise((done) => setTimeout(done, 30)); {LOOP} export const GET = () => new Response();"
        );
        project = project.file(&format!("app/bad/{name}/route.ts"), code);
    }
    let app = project
        .file("app/slow/route.ts", "await new Promise((done) => setTimeout(done, 100)); let begun = 0; export const POST = async (request: Request) => Response.json([++begun, (await request.text()).length]);")
        .file("app/other/route.ts", "await new Promise((done) => setTimeout(done, 60)); export const GET = () => new Response('other');")
        .start()
        .await;
    let body = "x".repeat(100_000);
    let bad = ["one", "two", "three", "four", "five", "five"].map(|name| format!("/bad/{name}"));
    let bad = futures::future::join_all(bad.iter().map(|path| app.get(path)));
    let (bad, slow, other) = tokio::join!(bad, app.post("/slow", &body), app.get("/other"));
    slow.is(200, "[1,100000]");
    other.is(200, "other");
    for answer in bad {
        assert_eq!((answer.status.as_u16(), answer.code()), (500, "STARTUP_TIMEOUT"));
    }
}
