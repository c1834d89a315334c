//! `middleware.ts` and `proxy.ts`: cases T88 to T99.

use http::Method;
use serde_json::json;

use super::harness::{App, Project, logged, project};

/// Tells what the handler sees.
const ECHO: &str = "let calls = 0; export const GET = async (req: any, { params }: any) => { calls++; const { cookies } = await import('next/headers'); return Response.json({ path: req.nextUrl.pathname, search: req.nextUrl.search, url: req.url, headers: Object.fromEntries(req.headers), cookies: (await cookies()).getAll(), params: await params, calls }, { headers: { 'cache-control': 'max-age=5', 'set-cookie': 'h=1; Path=/' } }); }; export const POST = async (req: Request) => new Response(await req.text());";

fn guarded(file: &str, source: &str) -> Project {
    project().file("app/t/route.ts", ECHO).file("app/[...rest]/route.ts", ECHO).file(file, source)
}

async fn serve(source: &str) -> App {
    guarded("middleware.ts", &format!("import {{ NextResponse }} from 'next/server';\n{source}"))
        .start()
        .await
}

#[tokio::test]
async fn t88_returning_nothing_changes_nothing() {
    for (file, source) in [
        ("middleware.ts", "export function middleware() {}"),
        ("middleware.js", "export default async (request, event) => null;"),
        ("proxy.ts", "export const proxy = async (request: Request) => { await 1; };"),
        ("proxy.js", "exports.proxy = () => undefined;"),
        ("middleware.js", "module.exports = function (request) {};"),
        (
            "src/proxy.ts",
            "export default () => {}; export const proxy = () => { throw new Error('the named one comes first'); }; export const config = { matcher: '/nowhere' };",
        ),
    ] {
        let app = if file.starts_with("src/") {
            let project = project().file("src/app/t/route.ts", ECHO);
            project.file(file, source).start().await
        } else {
            guarded(file, source).start().await
        };
        let answer = app.get("/t?a=%20").await;
        assert_eq!(answer.status, 200, "{file}: {source}");
        assert_eq!(answer.json()["search"], "?a=%20");
        assert!(answer.json()["headers"].get("x-middleware-next").is_none());
        assert_eq!(answer.header("x-middleware-next"), None);
        assert_eq!(answer.header("cache-control"), Some("max-age=5"));
    }
}

#[tokio::test]
async fn t89_an_answer_of_its_own_is_final() {
    let app = serve(
        "export const middleware = (req: any) => req.headers.has('x-in') ? undefined
           : req.nextUrl.searchParams.has('stream') ? new Response(new ReadableStream({ async start(c) { c.enqueue(new TextEncoder().encode('a')); await 1; c.enqueue(new TextEncoder().encode('b')); c.close(); } }), { status: 202, headers: { 'x-own': '1', 'x-middleware-foo': 'hidden' } })
           : req.nextUrl.searchParams.has('empty') ? new Response(null, { status: 204 })
           : Response.json({ a: 1 }, { status: 401 });",
    )
    .await;
    let refused = app.get("/t").await;
    assert_eq!((refused.status.as_u16(), refused.json()), (401, json!({ "a": 1 })));
    let streamed = app.get("/t?stream").await;
    assert_eq!((streamed.status.as_u16(), streamed.text(), streamed.header("x-own")), (202, "ab", Some("1")));
    assert_eq!(streamed.header("x-middleware-foo"), None);
    assert_eq!(app.get("/t?empty").await.status, 204);
    // Whatever the method, and whether or not there is a route.
    for method in [Method::POST, Method::DELETE, Method::OPTIONS, Method::HEAD] {
        assert_eq!(app.send(method, "/t", &[], "").await.status, 401);
    }
    let inside = app.send(Method::GET, "/t", &[("x-in", "1")], "").await;
    assert_eq!(inside.json()["calls"], 1, "the handler has not been called before");
}

#[tokio::test]
async fn t90_redirects() {
    let app = serve(
        "export const middleware = (req: any) => { const to = req.nextUrl.searchParams.get('to');
           return to === null ? undefined : to === 'plain' ? new Response(null, { status: 302, headers: { location: '/rel' } }) : NextResponse.redirect(new URL(to, req.url), Number(req.nextUrl.searchParams.get('s') ?? 307)); };",
    )
    .await;
    for (path, status, location) in [
        ("/t?to=/mw-to%3Fx=1", 307, "/mw-to?x=1"),
        ("/t?to=https://example.com/a&s=308", 308, "https://example.com/a"),
        ("/t?to=/b%23c&s=303", 303, "/b#c"),
        ("/t?to=plain", 302, "/rel"),
    ] {
        let answer = app.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (status, Some(location)), "{path}");
    }
}

#[tokio::test]
async fn t91_rewrites() {
    let app = serve(
        "export const middleware = (req: any) => {
           const to = req.nextUrl.searchParams.get('to');
           if (to === 'clone') { const url = req.nextUrl.clone(); url.pathname = '/t'; url.searchParams.set('added', '2'); return NextResponse.rewrite(url); }
           return to === null ? undefined : NextResponse.rewrite(new URL(to, req.url), { status: 418, headers: { 'x-rw': '1' } });
         };",
    )
    .await;
    let answer = app.get("/some/where?to=/t%3Fadded=1&q=%20").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-rw"), Some("1"));
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("x-middleware")), "{answer:?}");
    let seen = answer.json();
    assert_eq!(seen["path"], "/some/where", "the handler sees the path as it was sent");
    assert_eq!(seen["search"], "?to=/t%3Fadded=1&q=%20&added=1");
    assert_eq!(seen["params"], json!({}), "the route is the other one");
    assert_eq!(app.get("/x?to=clone&added=1").await.json()["search"], "?to=clone&added=2");
    assert_eq!(app.get("/x?to=/a/b").await.json()["params"], json!({ "rest": ["a", "b"] }));
    let missing = project()
        .file("app/t/route.ts", ECHO)
        .file("proxy.ts", "import { NextResponse } from 'next/server'; export default (req: Request) => NextResponse.rewrite(new URL('/missing', req.url));")
        .start()
        .await;
    assert_eq!(missing.get("/t91-nobody").await.status, 404);
    let line = logged(&["/t91-nobody"]).await;
    let line = line.lines().next().unwrap_or_default();
    assert!(line.contains("404") && !line.contains("proxy.ts"), "it has not answered: {line}");
    assert_eq!(app.get("/x?to=ftp://example.com/").await.status, 500);
    logged(&["ftp://example.com/ is no URL of a server"]).await;
}

#[tokio::test]
async fn t92_the_handler_sees_the_headers_that_it_is_given() {
    let app = serve(
        "export const middleware = (req: any) => {
           if (req.headers.has('x-plain')) return NextResponse.next({ request: { headers: new Headers() } });
           const headers = new Headers(req.headers); headers.set('x-over', '1'); headers.delete('x-gone'); headers.set('host', 'other.example');
           return req.headers.has('x-rewrite') ? NextResponse.rewrite(new URL('/t', req.url), { request: { headers } }) : NextResponse.next({ request: { headers } });
         };",
    )
    .await;
    for extra in ["x-rewrite", "x-next"] {
        let sent = [("x-gone", "1"), ("x-kept", "a"), ("user-agent", "me"), (extra, "1")];
        let answer = app.send(Method::GET, "/t", &sent, "").await;
        let seen = answer.json();
        let headers = &seen["headers"];
        assert_eq!(
            (&headers["x-over"], &headers["x-kept"], &headers["user-agent"]),
            (&json!("1"), &json!("a"), &json!("me"))
        );
        assert!(headers.get("x-gone").is_none(), "{headers}");
        assert_eq!(headers["host"], "other.example");
        assert_eq!(seen["url"], app.url("/t"), "whom it is for is settled");
        let internal =
            headers.as_object().expect("headers").keys().find(|name| name.starts_with("x-middleware"));
        assert_eq!(internal, None);
    }
    let plain = app.send(Method::GET, "/t", &[("x-plain", "1")], "").await;
    assert_eq!(plain.json()["headers"]["x-plain"], "1", "no headers at all clear nothing");
}

#[tokio::test]
async fn t93_t94_what_it_sets_on_the_answer_counts_more() {
    let app = serve(
        "export const middleware = () => { const r = NextResponse.next({ headers: { 'x-resp': '1', 'cache-control': 'private', vary: 'x-a', 'content-length': '3' } });
           r.cookies.set('m1', 'v 1', { httpOnly: true }); r.cookies.set('h', 'first'); return r; };",
    )
    .await;
    let answer = app.get("/t").await;
    assert_eq!(answer.header("x-resp"), Some("1"));
    assert_eq!(answer.header("cache-control"), Some("private"));
    assert_eq!(answer.header("vary"), Some("x-a"));
    assert_eq!(answer.cookies(), ["m1=v%201; Path=/; HttpOnly", "h=first; Path=/", "h=1; Path=/"]);
    let seen = answer.json();
    for name in ["x-resp", "cache-control", "set-cookie", "vary"] {
        assert!(seen["headers"].get(name).is_none(), "{name}: {seen}");
    }
    assert_eq!(seen["cookies"], json!([]));
}

#[tokio::test]
async fn t95_cookies_of_the_request_are_handed_on() {
    let app = serve(
        "export const middleware = (request: any) => { request.cookies.set('injected', '1'); return NextResponse.next({ request }); };",
    )
    .await;
    let answer = app.send(Method::GET, "/t", &[("cookie", "own=a%20b")], "").await;
    let cookies = json!([{ "name": "own", "value": "a b", "path": "/" }, { "name": "injected", "value": "1", "path": "/" }]);
    let seen = answer.json();
    let names = |list: &serde_json::Value| -> Vec<(String, String)> {
        let pair = |cookie: &serde_json::Value| {
            let text = |field: &str| cookie[field].as_str().expect("text").to_owned();
            (text("name"), text("value"))
        };
        list.as_array().expect("a list").iter().map(pair).collect()
    };
    assert_eq!(names(&seen["cookies"]), names(&cookies));
    assert_eq!(seen["headers"]["cookie"], "own=a%20b; injected=1");
    assert_eq!(answer.cookies(), ["h=1; Path=/"]);
}

#[tokio::test]
async fn t96_t97_the_matcher_says_for_which_requests_it_runs() {
    for (matcher, runs, not) in [
        ("'/about'", &["/about"][..], &["/about/team", "/About", "/"][..]),
        ("['/about/:path', '/b/:x?']", &["/about/team", "/b", "/b/1"], &["/about", "/about/a/b"]),
        (
            "'/((?!api|_next/static|favicon.ico).*)'",
            &["/", "/blog/12", "/x.png"],
            &["/api", "/api/x", "/apiary"],
        ),
        ("'/(api|trpc)(.*)'", &["/api", "/api/x", "/trpc/x"], &["/about"]),
        ("'/admin/:path*'", &["/admin", "/%61dmin/x", "/admin/x"], &["/other"]),
        ("[]", &[], &["/", "/about"]),
    ] {
        let source = format!(
            "export const middleware = () => new Response('met'); export const config = {{ matcher: {matcher} }};"
        );
        let app = guarded("middleware.ts", &source).start().await;
        for path in runs {
            assert_eq!(app.get(path).await.text(), "met", "{matcher}: {path}");
        }
        for path in not {
            assert_ne!(app.get(path).await.text(), "met", "{matcher}: {path}");
        }
    }
    let app = guarded("middleware.ts", "export const middleware = () => new Response('met'); export const config = { matcher: [{ source: '/m', has: [{ type: 'header', key: 'x-a', value: 'v(?<n>\\\\d)' }], missing: [{ type: 'cookie', key: 's' }] }] };").start().await;
    let met = async |path: &str, headers: &[(&str, &str)]| {
        app.send(Method::GET, path, headers, "").await.text() == "met"
    };
    assert!(met("/m", &[("x-a", "v1")]).await);
    assert!(!met("/m", &[("x-a", "v")]).await);
    assert!(!met("/m", &[("x-a", "v1"), ("cookie", "s=1")]).await);
    assert!(!met("/n", &[("x-a", "v1")]).await);
    let based = guarded("proxy.ts", "export default (req: any) => Response.json([req.nextUrl.basePath, req.nextUrl.pathname, new URL(req.url).pathname]); export const config = { matcher: '/a' };")
        .file("next.config.js", "module.exports = { basePath: '/base' };")
        .start()
        .await;
    based.get("/base/a").await.is_json(json!(["/base", "/a", "/base/a"]));
    assert_eq!(based.get("/a").await.status, 404);
    assert_eq!(based.get("/base/t").await.json()["path"], "/t");
}

#[tokio::test]
async fn t98_what_fails_lets_nobody_through() {
    for source in [
        "export const middleware = () => { throw new Error('meant t98'); };",
        "export const middleware = async () => { throw new Error('meant t98'); };",
        "export const middleware = (): any => 'str';",
        "export const middleware = async (): Promise<any> => ({ a: 1 });",
        "import { redirect } from 'next/navigation'; export const middleware = () => redirect('/x');",
        "export const middleware = 7; export default () => {};",
        "throw new Error('while it loads');\nexport const middleware = () => {};",
    ] {
        let app = guarded("middleware.ts", source)
            .file("next.config.mjs", "export default { headers: () => [{ source: '/:p*', headers: [{ key: 'x-conf', value: '1' }] }] };")
            .start()
            .await;
        let answer = app.get("/t").await;
        assert_eq!(answer.status, 500, "{source}");
        assert!(answer.text().starts_with("Internal Server Error"), "{answer:?}");
        assert_eq!(answer.header("x-conf"), None, "{source}");
    }
    logged(&["meant t98", "middleware.ts:1:"]).await;
    logged(&["Expected an instance of Response to be returned"]).await;
    logged(&["The file \"./middleware.ts\" must export a function"]).await;
}

#[tokio::test]
async fn t99_both_read_the_body() {
    let project = guarded(
        "middleware.ts",
        "import { NextResponse } from 'next/server';
         export const middleware = async (req: any) => {
           const mode = req.headers.get('x-mode');
           if (mode === 'none') return;
           if (mode === 'echo') return new Response(req.body);
           if (mode === 'part') { const reader = req.body.getReader(); const { value } = await reader.read(); return NextResponse.next({ headers: { 'x-read': String(value?.length > 0) } }); }
           if (mode === 'clone') { const text = await req.clone().text(); return NextResponse.next({ headers: { 'x-read': String(text.length) } }); }
           const text = await req.text();
           return NextResponse.next({ headers: { 'x-read': String(text.length) } });
         };",
    )
    .limits(|limits| limits.request_body = 20 << 20);
    let app = project.start().await;
    let large = "0123456789".repeat(1_200_000);
    for mode in ["none", "all", "part", "clone", "echo"] {
        for body in ["small", large.as_str()] {
            let answer = app.send(Method::POST, "/t", &[("x-mode", mode)], body.to_owned()).await;
            assert_eq!(answer.status, 200, "{mode}");
            assert!(answer.text() == body, "{mode}: {} bytes of {}", answer.body.len(), body.len());
            if matches!(mode, "all" | "clone") {
                assert_eq!(answer.header("x-read"), Some(body.len().to_string().as_str()));
            }
        }
        assert_eq!(app.send(Method::POST, "/t", &[("x-mode", mode)], "").await.text(), "", "{mode}");
    }
    let limited = guarded(
        "middleware.ts",
        "export const middleware = async (req: Request) => { try { await req.text(); } catch {} };",
    )
    .limits(|limits| limits.request_body = 1000)
    .start()
    .await;
    assert_eq!(limited.post("/t", &"x".repeat(1001)).await.status, 413);
    assert_eq!(limited.post("/t", "fits").await.text(), "fits");
}

#[tokio::test]
async fn clients_cannot_speak_for_it() {
    let app = serve(
        "export const middleware = (req: any) => req.headers.get('authorization') === 'yes' ? undefined : Response.json([...req.headers.keys()].filter((name: string) => name.startsWith('x-middleware')), { status: 401 });",
    )
    .await;
    let lies = [
        ("x-middleware-next", "1"),
        ("x-middleware-rewrite", "/t"),
        ("x-middleware-override-headers", "authorization"),
        ("x-middleware-request-authorization", "yes"),
        ("x-middleware-subrequest", "middleware:middleware:middleware:middleware:middleware"),
    ];
    let refused = app.send(Method::GET, "/t", &lies, "").await;
    assert_eq!((refused.status.as_u16(), refused.json()), (401, json!([])));
    let mut honest = vec![("authorization", "yes")];
    honest.extend(lies);
    let seen = app.send(Method::GET, "/t", &honest, "").await.json();
    let internal =
        seen["headers"].as_object().expect("headers").keys().find(|name| name.starts_with("x-middleware"));
    assert_eq!(internal, None);
    for path in ["/t", "/%74", "/t/", "/./t", "/x/../t", "//t", "/nowhere"] {
        let answer = app.get(path).await;
        assert!(matches!(answer.status.as_u16(), 401 | 308), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn it_runs_where_it_asks_to_and_may_go_on_behind_the_answer() {
    for (file, source, runtime) in [
        ("middleware.ts", "export const middleware = () => Response.json(process.env.NEXT_RUNTIME);", "edge"),
        (
            "middleware.ts",
            "import { createHash } from 'crypto'; export const middleware = () => Response.json(createHash('md5') && process.env.NEXT_RUNTIME); export const config = { runtime: 'nodejs' };",
            "nodejs",
        ),
        (
            "proxy.ts",
            "import { sep } from 'node:path'; export const proxy = () => Response.json(sep && process.env.NEXT_RUNTIME);",
            "nodejs",
        ),
    ] {
        let app = guarded(file, source).start().await;
        assert_eq!(app.get("/t").await.json(), runtime, "{source}");
    }
    let app = serve(
        "const done: string[] = [];
         export const middleware = (req: any, event: any) => {
           if (req.nextUrl.pathname === '/done') return Response.json(done);
           const told = (() => { try { return event.request; } catch (error: any) { return error.message.split('\\n')[0]; } })();
           event.waitUntil((async () => { await new Promise((later) => setTimeout(later, 20)); done.push(event.sourcePage, told); })());
           event.waitUntil(Promise.reject(new Error('meant for waitUntil')));
         };",
    )
    .await;
    assert_eq!(app.get("/t").await.status, 200);
    super::harness::eventually("the work is done", async || {
        app.get("/done").await.json().as_array().is_some_and(|done| !done.is_empty())
    })
    .await;
    app.get("/done").await.is_json(json!([
        "/middleware",
        "The middleware \"/middleware\" accepts an async API directly with the form:"
    ]));
    logged(&["A promise passed to `waitUntil()` rejected", "meant for waitUntil"]).await;
}

#[tokio::test]
async fn rules_and_middleware_take_turns() {
    let app = guarded(
        "middleware.ts",
        "import { NextResponse } from 'next/server'; export const middleware = (req: any) => req.nextUrl.pathname === '/to-before' ? NextResponse.rewrite(new URL('/before', req.url)) : req.nextUrl.pathname === '/own' ? new Response('own') : NextResponse.next({ headers: { 'x-both': 'middleware', 'x-seen': req.nextUrl.pathname } });",
    )
    .file("next.config.mjs", "export default { redirects: () => [{ source: '/gone', destination: '/t', permanent: true }], rewrites: () => ({ beforeFiles: [{ source: '/before', destination: '/t?by=before' }] }), headers: () => [{ source: '/:p*', headers: [{ key: 'x-both', value: 'config' }, { key: 'x-conf', value: '1' }] }] };")
    .start()
    .await;
    let redirected = app.get("/gone").await;
    assert_eq!((redirected.status.as_u16(), redirected.header("x-seen")), (308, None), "it does not run");
    let before = app.get("/before").await;
    assert_eq!((before.header("x-seen"), before.header("x-both")), (Some("/before"), Some("middleware")));
    assert_eq!(before.json()["search"], "?by=before");
    assert_eq!(app.get("/to-before").await.json()["search"], "?by=before");
    let own = app.get("/own").await;
    assert_eq!((own.text(), own.header("x-conf")), ("own", Some("1")));
}

#[tokio::test]
async fn what_cannot_guard_is_refused() {
    let both = guarded("middleware.ts", "export function middleware() {}")
        .file("proxy.ts", "export function proxy() {}");
    assert_eq!(
        both.refusal().await,
        "Both middleware file \"./middleware.ts\" and proxy file \"./proxy.ts\" are detected. Please use \"./proxy.ts\" only. Learn more: https://nextjs.org/docs/messages/middleware-to-proxy"
    );
    for (file, source, part) in [
        (
            "proxy.ts",
            "export function middleware() {}",
            "The file \"./proxy.ts\" must export a function, either as a default export or as a named \"proxy\" export.",
        ),
        (
            "middleware.ts",
            "export function middleware() {} export const config = { matcher: 'a' };",
            "source must start with /",
        ),
        (
            "middleware.ts",
            "export function middleware() {} export const config = { matcher: { source: '/a' } };",
            "Expected array, received object",
        ),
        (
            "middleware.ts",
            "import './nowhere'; export function middleware() {}",
            "Cannot find module './nowhere'",
        ),
        ("middleware.ts", "export function middleware( {}", "middleware.ts:1:"),
        (
            "middleware.ts",
            "import fs from 'fs'; fs.readFileSync; export function middleware() {}",
            "is not available in edge routes",
        ),
    ] {
        let refusal = guarded(file, source).refusal().await;
        assert!(refusal.contains(part), "{source}\n{refusal}");
    }
}
