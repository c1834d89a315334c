//! Methods and errors of handlers: cases T26 to T40.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::harness::{logged, project, serve_root};

#[tokio::test]
async fn t26_get_alone_answers_head_and_options() {
    let app = serve_root("export const GET = () => new Response('body', { headers: { 'x-g': '1' } });").await;
    let head = app.send(Method::HEAD, "/", &[], "").await;
    assert_eq!((head.status.as_u16(), head.header("x-g"), head.text()), (200, Some("1"), ""));
    assert_eq!(head.header("content-length"), Some("4"));
    let options = app.send(Method::OPTIONS, "/", &[], "").await;
    assert_eq!((options.status.as_u16(), options.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
    let post = app.post("/", "").await;
    post.is(405, "");
    assert_eq!(post.header("allow"), Some("GET, HEAD, OPTIONS"));
}

#[tokio::test]
async fn t27_t28_post_alone_and_head_alone() {
    let app = project()
        .file("app/post/route.ts", "export const POST = () => new Response('x');")
        .file("app/head/route.ts", "export const HEAD = () => new Response(null, { status: 202 });")
        .start()
        .await;
    let allow = app.send(Method::OPTIONS, "/post", &[], "").await;
    assert_eq!(allow.header("allow"), Some("OPTIONS, POST"));
    assert_eq!(app.get("/post").await.status, 405);
    assert_eq!(app.send(Method::HEAD, "/post", &[], "").await.status, 405);
    assert_eq!(app.send(Method::HEAD, "/head", &[], "").await.status, 202);
    assert_eq!(app.get("/head").await.status, 405);
    let allow = app.send(Method::OPTIONS, "/head", &[], "").await;
    assert_eq!(allow.header("allow"), Some("HEAD, OPTIONS"));
}

#[tokio::test]
async fn t29_t30_own_options_and_all_five() {
    let app = project()
        .file("app/own/route.ts", "export const OPTIONS = () => new Response('custom', { headers: { 'x-o': '1' } });")
        .file(
            "app/five/route.ts",
            "const h = () => new Response('x'); export { h as GET, h as POST, h as PUT, h as PATCH, h as DELETE };",
        )
        .start()
        .await;
    let own = app.send(Method::OPTIONS, "/own", &[], "").await;
    own.is(200, "custom");
    assert_eq!(own.header("x-o"), Some("1"));
    let five = app.send(Method::OPTIONS, "/five", &[], "").await;
    assert_eq!(five.header("allow"), Some("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"));
}

#[tokio::test]
async fn query_is_a_method() {
    let query = || Method::from_bytes(b"QUERY").expect("a method");
    let app = project()
        .file("app/query/route.ts", "export async function QUERY(req: Request) { return Response.json([req.method, await req.text(), new Request('http://h/', { method: 'QUERY', body: 'x' }).method]); }")
        .file("app/get/route.ts", "export const GET = () => new Response('x');")
        .file("app/all/route.js", "for (const m of ['GET', 'QUERY', 'PUT']) exports[m] = () => new Response(m);")
        .start()
        .await;
    let answer = app.send(query(), "/query", &[("content-type", "text/plain")], "asked").await;
    answer.is_json(serde_json::json!(["QUERY", "asked", "QUERY"]));
    assert_eq!(app.send(Method::OPTIONS, "/query", &[], "").await.header("allow"), Some("OPTIONS, QUERY"));
    let refused = app.get("/query").await;
    assert_eq!((refused.status.as_u16(), refused.header("allow")), (405, Some("OPTIONS, QUERY")));
    let refused = app.send(query(), "/get", &[], "asked").await;
    assert_eq!((refused.status.as_u16(), refused.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    app.send(query(), "/all", &[], "").await.is(200, "QUERY");
    let allow = app.send(Method::OPTIONS, "/all", &[], "").await;
    assert_eq!(allow.header("allow"), Some("GET, HEAD, OPTIONS, PUT, QUERY"));
    let mut listed: Vec<_> = app.host.routes().iter().map(|route| route.methods.join(" ")).collect();
    listed.sort();
    assert_eq!(listed, ["GET", "GET PUT QUERY", "QUERY"]);
}

#[tokio::test]
async fn t31_get_sees_the_method_head() {
    let app = serve_root(
        "export const GET = (r: Request) => new Response('x', { headers: { 'x-seen': r.method } });",
    )
    .await;
    assert_eq!(app.send(Method::HEAD, "/", &[], "").await.header("x-seen"), Some("HEAD"));
    assert_eq!(app.get("/").await.header("x-seen"), Some("GET"));
}

#[tokio::test]
async fn t32_other_methods_never_reach_a_handler() {
    let app = serve_root("export const GET = () => new Response('never');").await;
    let propfind = app.send(Method::from_bytes(b"PROPFIND").expect("a method"), "/", &[], "").await;
    propfind.is(400, "");
    assert_eq!(app.send(Method::TRACE, "/", &[], "").await.status, 405);
    let mut wire = app.connect().await;
    wire.write("get / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    assert!(wire.read_to_end().await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn t33_lower_case_and_default_exports_are_pointed_out() {
    let hints = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = hints.clone();
    let project = project()
        .file("app/lower/route.ts", "export function get() {}")
        .file("app/default/route.ts", "export default () => new Response('x');")
        .file("src/instrumentation.js", "export function register() {}")
        .file("pages/api/x.ts", "export default () => {}");
    let host = project
        .builder()
        .on_progress(move |progress| {
            if let edgehost::Progress::Found { hints, .. } = progress {
                seen.lock().expect("not poisoned").extend(hints.iter().cloned());
            }
        })
        .build()
        .await
        .expect("built");
    let app = super::harness::App::serve(host, None).await;
    // Known from the files, before any of them is loaded.
    assert!(app.host.routes().iter().all(|route| route.methods.is_empty()), "{:?}", app.host.routes());
    assert_eq!(app.get("/lower").await.status, 405);
    assert_eq!(app.get("/default").await.status, 405);
    let hints = hints.lock().expect("not poisoned").join("\n");
    assert!(hints.contains("Detected lowercase method 'get' in 'app/lower/route.ts'"), "{hints}");
    assert!(hints.contains("Detected default export in 'app/default/route.ts'"), "{hints}");
    assert!(hints.contains("src/instrumentation.js is not supported"), "{hints}");
    assert!(hints.contains("pages/api is not supported: routes are served from `app/` only"), "{hints}");
}

#[tokio::test]
async fn t34_errors_go_to_the_log_and_not_to_the_client() {
    let app = serve_root(
        "interface Opts { deep: boolean }\n\nfunction fail(o: Opts): never {\n  throw new Error('boom secret t34', { cause: new TypeError('the cause t34') });\n}\nexport function GET() { fail({ deep: true }); }",
    )
    .await;
    let answer = app.get("/").await;
    answer.is(500, "Internal Server Error");
    assert_eq!(answer.code(), "HANDLER_ERROR");
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    let id = answer.header("x-request-id").expect("an id");
    let line = logged(&["boom secret t34", "the cause t34", id]).await;
    assert!(line.contains("app/route.ts:4:9"), "the user's own line and column: {line}");
    assert!(!line.contains("route-0"), "no position in the bundle: {line}");
}

#[tokio::test]
async fn t35_what_is_no_response_is_named() {
    let app = project()
        .file("app/[what]/route.ts", "const values: any = { undefined: undefined, null: null, string: 'hello', number: 5, object: { a: 1 } };\nexport async function GET(_: Request, { params }: any) { const { what } = await params; if (what === 'throw') throw 'str t35'; return values[what]; }")
        .start()
        .await;
    for what in ["undefined", "null", "string", "number", "object", "throw"] {
        assert_eq!(app.get(&format!("/{what}")).await.status, 500, "{what}");
    }
    for received in ["undefined", "null", "string", "number", "Object"] {
        logged(&[
            "No response is returned from route handler 'app/[what]/route.ts'. Expected a Response object but received",
            &format!("'{received}' (method: GET, url: /{}", received.to_lowercase()),
        ])
        .await;
    }
    logged(&["str t35"]).await;
}

#[tokio::test]
async fn t36_middleware_results_are_refused() {
    let app = project()
        .file("app/next/route.ts", "import { NextResponse } from 'next/server'; export const GET = () => NextResponse.next();")
        .file("app/rewrite/route.ts", "import { NextResponse } from 'next/server'; export const GET = (r: Request) => NextResponse.rewrite(new URL('/x', r.url));")
        .start()
        .await;
    for path in ["/next", "/rewrite"] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, 500);
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("x-middleware")));
    }
    logged(&["NextResponse.next() was used in a app route handler"]).await;
    logged(&["NextResponse.rewrite() was used in a app route handler"]).await;
}

#[tokio::test]
async fn t37_t38_statuses() {
    let app = project()
        .file("app/s/[s]/route.ts", "export const GET = async (_: Request, { params }: any) => new Response(null, { status: Number((await params).s), statusText: 'Own Words' });")
        .file("app/error/route.ts", "export const GET = () => Response.error();")
        .start()
        .await;
    for status in [200, 204, 205, 299, 304, 418, 599] {
        assert_eq!(app.get(&format!("/s/{status}")).await.status, status);
    }
    for status in [199, 600, 999] {
        assert_eq!(app.get(&format!("/s/{status}")).await.status, 500, "{status}");
    }
    assert_eq!(app.get("/s/101").await.status, 500);
    assert_eq!(app.get("/error").await.status, 500);
    let mut wire = app.connect().await;
    wire.write("GET /s/299 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    assert!(wire.read_to_end().await.starts_with("HTTP/1.1 299 Own Words\r\n"));
}

#[tokio::test]
async fn t39_an_undefined_export_counts_as_missing() {
    let app = project()
        .file("app/route.ts", "export const GET = undefined; export { h as POST } from '../h';")
        .file("h.ts", "export const h = () => new Response('h');")
        .start()
        .await;
    assert_eq!(app.get("/").await.status, 405);
    app.post("/", "").await.is(200, "h");
    // Once the module has been loaded, OPTIONS knows as well.
    assert_eq!(app.send(Method::OPTIONS, "/", &[], "").await.header("allow"), Some("OPTIONS, POST"));
}

#[tokio::test]
async fn exports_through_stars_and_wrappers_are_found() {
    let app = project()
        .file("app/star/route.ts", "export * from '../../impl';")
        .file("app/wrap/route.ts", "const wrap = (f: any) => (...args: any[]) => f(...args);\nexport const GET = wrap((r: Request) => new Response(r.method));")
        .file("impl.ts", "export async function PUT() { return new Response('put'); }")
        .file("app/cjs/route.js", "exports.GET = () => new Response('cjs');")
        .file("app/broken/route.ts", "export const GET = 5;")
        .start()
        .await;
    app.send(Method::PUT, "/star", &[], "").await.is(200, "put");
    assert_eq!(app.get("/star").await.status, 405);
    app.get("/wrap").await.is(200, "GET");
    app.get("/cjs").await.is(200, "cjs");
    assert_eq!(app.post("/cjs", "").await.status, 405);
    assert_eq!(app.get("/broken").await.status, 500);
}

#[tokio::test]
async fn t40_a_module_that_throws_fails_alone() {
    let app = project()
        .file("app/bad/route.ts", "const x: number = 1;\nthrow new Error('load failure t40');\nexport const GET = () => new Response('never');")
        .file("app/late/route.ts", "await new Promise((r) => setTimeout(r, 10)); throw new Error('late failure t40'); export const GET = 1;")
        .file("app/ok/route.ts", "const waited = await new Promise<string>((r) => setTimeout(() => r('waited'), 20));\nexport const GET = () => new Response(waited);")
        .start()
        .await;
    for _ in 0..2 {
        let answer = app.get("/bad").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (500, "MODULE_INIT_FAILED"));
        assert_eq!(app.get("/late").await.code(), "MODULE_INIT_FAILED");
        app.get("/ok").await.is(200, "waited");
    }
    let line = logged(&["load failure t40", "app/bad/route.ts"]).await;
    assert!(line.contains("app/bad/route.ts:2:7"), "{line}");
    logged(&["late failure t40"]).await;
}

#[tokio::test]
async fn a_module_that_failed_is_tried_again_and_nobody_else_notices() {
    let app = project()
        .file("app/needs/route.ts", "import { readFileSync } from 'node:fs'; const text = readFileSync('appears.txt', 'utf8'); export const GET = () => new Response(text);")
        .file("app/slow/route.ts", "export const GET = async () => { await new Promise((r) => setTimeout(r, 5000)); return new Response('slow'); };")
        .file("app/count/route.ts", "let n = 0; export const GET = () => Response.json(++n);")
        .start()
        .await;
    assert_eq!(app.get("/needs").await.code(), "MODULE_INIT_FAILED");
    app.get("/count").await.is_json(json!(1));
    let slow = app.get("/slow");
    let others = async {
        // Still broken: who tries again keeps the memory of the others.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(app.get("/needs").await.code(), "MODULE_INIT_FAILED");
        app.get("/count").await.is_json(json!(2));
        let dir = app.dir.as_ref().expect("a folder").path();
        std::fs::write(dir.join("appears.txt"), "here").expect("written");
        assert_eq!(app.get("/needs").await.code(), "MODULE_INIT_FAILED", "not before the pause is over");
        let mut answer = app.get("/needs").await;
        while answer.status != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            answer = app.get("/needs").await;
        }
        answer.is(200, "here");
    };
    let (slow, ()) = tokio::join!(slow, others);
    slow.is(200, "slow");
    app.get("/needs").await.is(200, "here");
}
