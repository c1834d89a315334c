//! `next.config`: how it is run, and what its rules do. Cases T19, T20 and T100 to T102.

use http::Method;
use serde_json::json;

use super::harness::{App, Project, logged, project};

const NAME: &str = "export const GET = async (req: any, { params }: any) => Response.json([new URL(import.meta.url).pathname.split('/app/')[1], await params, req.nextUrl.search], { headers: { 'x-url': req.url } });";

fn named(routes: &[&str]) -> Project {
    let mut made = project();
    for route in routes {
        let folder = if route.is_empty() { String::new() } else { format!("{route}/") };
        made = made.file(&format!("app/{folder}route.ts"), NAME);
    }
    made
}

async fn configured(routes: &[&str], config: &str) -> App {
    named(routes).file("next.config.ts", format!("export default {config};")).start().await
}

/// Status and `location`.
async fn to(app: &App, path: &str) -> (u16, String) {
    let answer = app.get(path).await;
    (answer.status.as_u16(), answer.header("location").unwrap_or_default().to_owned())
}

#[track_caller]
fn is(found: &(u16, String), status: u16, location: &str) {
    assert_eq!((found.0, found.1.as_str()), (status, location));
}

#[tokio::test]
async fn t19_paths_may_end_with_a_slash() {
    let routes = ["items/[id]", "feed.xml", ".well-known/x", ""];
    let app = configured(&routes, "{ trailingSlash: true }").await;
    is(&to(&app, "/items/1").await, 308, "/items/1/");
    is(&to(&app, "/items/1?a=%20").await, 308, "/items/1/?a=%20");
    let answer = app.get("/items/1/?q=1").await;
    assert!(answer.header("x-url").expect("a URL").ends_with("/items/1/?q=1"), "{answer:?}");
    answer.is_json(json!(["items/[id]/route.ts", { "id": "1" }, "?q=1"]));
    assert_eq!(app.get("/feed.xml").await.status, 200);
    is(&to(&app, "/feed.xml/").await, 308, "/feed.xml");
    assert_eq!(app.get("/.well-known/x").await.status, 200);
    assert_eq!(app.get("/").await.status, 200);
    let either = configured(&routes, "{ skipTrailingSlashRedirect: true }").await;
    for path in ["/items/1", "/items/1/", "/feed.xml/"] {
        assert_eq!(either.get(path).await.status, 200, "{path}");
    }
    let next_url = project()
        .file("app/a/route.ts", "export const GET = (req: any) => { const url = req.nextUrl.clone(); url.pathname = '/b'; return new Response(url.href); };")
        .file("next.config.mjs", "export default { trailingSlash: true };")
        .start()
        .await;
    assert!(next_url.get("/a/").await.text().ends_with("/b/"));
}

#[tokio::test]
async fn t20_a_base_path_stands_before_all() {
    let seen = "export const GET = async (req: any, { params }: any) => Response.json([req.nextUrl.basePath, req.nextUrl.pathname, new URL(req.url).pathname, req.clone().nextUrl.basePath, await params]);";
    let app = project()
        .file("app/route.ts", seen)
        .file("app/items/[id]/route.ts", seen)
        .file("next.config.js", "module.exports = { basePath: '/base' };")
        .start()
        .await;
    app.get("/base").await.is_json(json!(["/base", "/", "/base", "/base", {}]));
    app.get("/base/items/1").await.is_json(json!([
        "/base",
        "/items/1",
        "/base/items/1",
        "/base",
        { "id": "1" }
    ]));
    for path in ["/items/1", "/basex/items/1", "/", "/items/1/", "/BASE"] {
        assert_eq!(app.get(path).await.status, 404, "{path}");
    }
    is(&to(&app, "/base/").await, 308, "/base");
    is(&to(&app, "/base/items/1/").await, 308, "/base/items/1");
    is(&to(&app, "/base//items\\1").await, 308, "/base/items/1");
    let slashed = configured(&["", "x"], "{ basePath: '/base', trailingSlash: true }").await;
    is(&to(&slashed, "/base").await, 308, "/base/");
    assert_eq!(slashed.get("/base/").await.status, 200);
    assert_eq!(slashed.get("/base/x/").await.status, 200);
}

#[tokio::test]
async fn t100_redirects_answer_first() {
    let app = configured(
        &["oldt", "newt", "to", "[any]"],
        r#"{ redirects: async () => [
            { source: '/oldt', destination: '/newt?a=b', permanent: false },
            { source: '/old/:p*', destination: '/new/:p*', permanent: true },
            { source: '/old3', has: [{ type: 'query', key: 'path', value: '(?<path>.*)' }], destination: 'https://example.com/:path', statusCode: 301 },
            { source: '/n/:id(\\d{1,3})', destination: '/to#:id', statusCode: 303 },
            { source: '/one-:a-:b', destination: '/:b/:a', permanent: false },
            { source: '/docs{/:lang}?/end', destination: '/d/:lang*', statusCode: 302 },
            { source: '/esc\\(1\\)', destination: '/escaped', permanent: false },
            { source: '/secret', missing: [{ type: 'header', key: 'Authorization' }, { type: 'cookie', key: 'session', value: 's.*' }], destination: '/login', permanent: false },
            { source: '/:path*', has: [{ type: 'host', value: 'old\\.example\\.com' }], destination: 'https://new.example.com/:path*', permanent: true },
            { source: '/:path*', has: [{ type: 'header', key: 'x-forwarded-proto', value: 'https' }], destination: '/was-secure', permanent: false },
        ] }"#,
    )
    .await;
    for (path, status, location) in [
        ("/oldt?x=1", 307, "/newt?x=1&a=b"),
        ("/oldt?a=1&x=%20", 307, "/newt?a=b&x=%20"),
        ("/OLDT", 307, "/newt?a=b"),
        ("/old/a/b?x=1", 308, "/new/a/b?x=1"),
        ("/old/a%20b", 308, "/new/a%20b"),
        ("/old", 308, "/new"),
        ("/old3?path=q", 301, "https://example.com/q?path=q"),
        ("/old3?path=a%20b%22", 301, "https://example.com/a%20b%22?path=a%20b%22"),
        ("/n/12", 303, "/to#12"),
        ("/one-x-y", 307, "/y/x"),
        ("/docs/en/end", 302, "/d/en"),
        ("/docs/end", 302, "/d"),
        ("/esc(1)", 307, "/escaped"),
        ("/secret", 307, "/login"),
        ("/oldt/", 308, "/oldt"),
    ] {
        is(&to(&app, path).await, status, location);
    }
    for path in ["/old3", "/newt"] {
        assert_eq!(app.get(path).await.status, 200, "{path}");
    }
    assert_eq!(app.get("/n/abc").await.status, 404);
    let with = async |method, path, headers: &[(&str, &str)]| {
        let answer = app.send(method, path, headers, "").await;
        (answer.status.as_u16(), answer.header("location").unwrap_or_default().to_owned())
    };
    is(&with(Method::POST, "/oldt", &[]).await, 307, "/newt?a=b");
    is(&with(Method::GET, "/secret", &[("authorization", "x")]).await, 200, "");
    is(&with(Method::GET, "/secret", &[("cookie", "a=1; session=s1")]).await, 200, "");
    is(&with(Method::GET, "/secret", &[("cookie", "session=x")]).await, 307, "/login");
    is(
        &with(Method::GET, "/a/b", &[("host", "OLD.example.com:80")]).await,
        308,
        "https://new.example.com/a/b",
    );
    // Nobody has told it to believe the client.
    is(&with(Method::GET, "/newt", &[("x-forwarded-proto", "https")]).await, 200, "");
}

#[tokio::test]
async fn t101_headers_count_more_than_those_of_the_handler() {
    let app = project()
        .file("app/h/[k]/route.ts", "export const GET = () => new Response('ok', { headers: [['cache-control', 'max-age=5'], ['set-cookie', 'own=1'], ['vary', 'accept']] }); export const PUT = () => { throw new Error('meant'); };")
        .file("next.config.ts", r#"export default { headers: () => Promise.resolve([
            { source: '/h/:k', headers: [{ key: 'x-conf', value: 'k=:k' }, { key: 'cache-control', value: 's-maxage=9' }, { key: 'Set-Cookie', value: 'conf=1' }, { key: 'vary', value: 'x-a' }] },
            { source: '/:p*', headers: [{ key: 'X-All', value: 'yes' }, { key: 'x-path', value: '/:p*' }] },
            { source: '/:p*', has: [{ type: 'query', key: 'q', value: '(?<n>\\d+)' }], headers: [{ key: 'x-:n', value: 'n' }] },
        ]), redirects: () => [{ source: '/r', destination: '/h/r', permanent: false }] };"#)
        .start()
        .await;
    let answer = app.get("/h/z?q=7").await;
    assert_eq!(answer.header("x-conf"), Some("k=z"));
    assert_eq!(answer.header("cache-control"), Some("s-maxage=9"));
    assert_eq!(answer.header("x-path"), Some("/h/z"));
    assert_eq!(answer.header("x-7"), Some("n"));
    assert_eq!(answer.cookies(), ["conf=1", "own=1"]);
    let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
    assert_eq!(vary, ["accept", "x-a"]);
    let refused = app.post("/h/z", "").await;
    assert_eq!((refused.status.as_u16(), refused.header("x-conf")), (405, Some("k=z")));
    let absent = app.get("/nowhere").await;
    assert_eq!((absent.status.as_u16(), absent.header("x-all")), (404, Some("yes")));
    assert!(absent.header("cache-control").expect("one").contains("no-store"));
    let failed = app.send(Method::PUT, "/h/z", &[], "").await;
    assert_eq!((failed.status.as_u16(), failed.header("x-all")), (500, Some("yes")));
    assert!(failed.header("cache-control").expect("one").contains("no-store"));
    assert_eq!(app.get("/r").await.header("x-all"), None);
    assert_eq!(app.get("/h/z/").await.header("x-all"), None);
}

#[tokio::test]
async fn t102_rewrites_have_their_place_between_the_routes() {
    let app = configured(
        &["exact", "items/new", "items/[id]", "to/[...rest]", "target"],
        r#"{ rewrites: async () => ({
            beforeFiles: [
                { source: '/exact', destination: '/target?by=before', has: [{ type: 'query', key: 'before' }] },
                { source: '/chain', destination: '/chain/2' },
                { source: '/chain/2', destination: '/target' },
            ],
            afterFiles: [
                { source: '/items/new', destination: '/target?by=after' },
                { source: '/items/special', destination: '/target?by=after' },
                { source: '/af/:x', destination: '/target' },
                { source: '/used/:x', destination: '/to/:x' },
                { source: '/inside/:x', destination: '/target?y=:x' },
                { source: '/up', destination: '/a/../target' },
                { source: '/void', destination: '/nowhere' },
            ],
            fallback: [{ source: '/:path*', destination: '/to/fallback/:path*', missing: [{ type: 'query', key: 'no' }] }],
        }) }"#,
    )
    .await;
    let target = "target/route.ts";
    for (path, file, params, search) in [
        ("/exact", "exact/route.ts", json!({}), ""),
        ("/exact?before=1", target, json!({}), "?before=1&by=before"),
        ("/chain", target, json!({}), ""),
        ("/items/new", "items/new/route.ts", json!({}), ""),
        ("/items/special?q=1", target, json!({}), "?q=1&by=after"),
        ("/items/7", "items/[id]/route.ts", json!({ "id": "7" }), ""),
        ("/af/v%20w", target, json!({}), "?x=v%20w"),
        ("/used/v%20w", "to/[...rest]/route.ts", json!({ "rest": ["v w"] }), ""),
        ("/inside/v", target, json!({}), "?y=v"),
        ("/up", target, json!({}), ""),
        ("/none/here", "to/[...rest]/route.ts", json!({ "rest": ["fallback", "none", "here"] }), ""),
        ("/void", "to/[...rest]/route.ts", json!({ "rest": ["fallback", "nowhere"] }), ""),
    ] {
        let answer = app.get(path).await;
        let url = answer.header("x-url").unwrap_or_default();
        let shown = path.split('?').next().unwrap_or_default();
        assert!(url.contains(shown), "{path}: the handler sees {url}");
        assert_eq!(answer.json(), json!([file, params, search]), "{path}");
    }
    assert_eq!(app.get("/none/here?no=1").await.status, 404);
    let listed =
        configured(&["b"], "{ basePath: '/base', rewrites: () => [{ source: '/a', destination: '/b' }] }")
            .await;
    assert_eq!(listed.get("/base/a").await.status, 200);
    assert_eq!(listed.get("/a").await.status, 404);
}

#[tokio::test]
async fn every_form_of_the_file_is_run() {
    let redirect = "[{ source: '/a', destination: '/b', permanent: false }]";
    for (file, source) in [
        ("next.config.js", format!("module.exports = {{ redirects() {{ return this.list; }}, list: {redirect} }};")),
        ("next.config.js", format!("export default {{ redirects: {redirect} }};")),
        ("next.config.cjs", format!("exports.redirects = async () => {redirect};")),
        ("next.config.mjs", format!("const list = await Promise.resolve({redirect}); export default async (phase, {{ defaultConfig }}) => ({{ ...defaultConfig, redirects: () => phase === 'phase-production-server' ? list : [] }});")),
        ("next.config.ts", format!("import type {{ NextConfig }} from 'next'; import {{ PHASE_PRODUCTION_SERVER }} from 'next/constants'; const config = (phase: string): NextConfig => ({{ redirects: async () => phase === PHASE_PRODUCTION_SERVER ? {redirect} : [] }}); export default config;")),
        ("next.config.mts", format!("const enum E {{ A }} export default {{ redirects: () => E.A === 0 ? {redirect} : [] }};")),
        ("next.config.ts", format!("import {{ withPlugin }} from './plugin'; export default withPlugin({{ redirects: () => {redirect} }});")),
        ("next.config.js", "const { readFileSync } = require('fs'); const path = require('node:path'); module.exports = { redirects: () => JSON.parse(readFileSync(path.join(__dirname, 'redirects.json'), 'utf8')) };".to_owned()),
        ("next.config.js", "const wrap = require('plugin'); module.exports = wrap({ from: '/a' })({ i18n: undefined });".to_owned()),
        ("next.config.js", format!("const {{ subscribe }} = require('@parcel/watcher'); module.exports = {{ redirects: () => {redirect}, watch: () => subscribe() }};")),
        ("next.config.ts", "export default Promise.resolve({ redirects: () => [{ source: process.env.FROM!, destination: process.env.TO!, permanent: false }] });".to_owned()),
    ] {
        let app = named(&["b"])
            .file(file, source.as_str())
            .file("plugin.ts", "export const withPlugin = (config: object) => ({ ...config, webpack: (it: unknown) => it });")
            .file("redirects.json", r#"[{ "source": "/a", "destination": "/b", "permanent": false }]"#)
            .file("node_modules/plugin/package.json", r#"{ "name": "plugin", "main": "index.cjs" }"#)
            .file("node_modules/plugin/index.cjs", "module.exports = ({ from }) => (config) => ({ ...config, async redirects() { return [{ source: from, destination: '/b', permanent: false }]; } });")
            .env("FROM", "/a")
            .file(".env", "TO=/b")
            .start()
            .await;
        let found = to(&app, "/a").await;
        assert_eq!(found, (307, "/b".to_owned()), "{file}: {source}");
    }
}

#[tokio::test]
async fn what_it_sets_reaches_the_bundle() {
    let app = project()
        .file("app/a/route.api.ts", "import { name } from 'swapped'; export const GET = () => Response.json([process.env.FROM_CONFIG, process.env['FROM_CONFIG'], process.env.REAL, name]);")
        .file("app/b/route.ts", NAME)
        .file("lib/real.ts", "export const name = 'real';")
        .file("next.config.ts", "export default { env: { FROM_CONFIG: 'constant', REAL: 'config' }, pageExtensions: ['api.ts'], turbopack: { resolveAlias: { swapped: './lib/real.ts' } }, compress: false, poweredByHeader: false, transpilePackages: ['x'], images: {}, reactStrictMode: true };")
        .env("FROM_CONFIG", "environment")
        .env("REAL", "environment")
        .start()
        .await;
    app.get("/a").await.is_json(json!(["constant", "constant", "config", "real"]));
    assert_eq!(app.get("/b").await.status, 404, "its extension is not listed");
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_with_its_place() {
    for (source, parts) in [
        (
            "const a = 1;\nthrow new Error('meant');",
            &["next.config.ts cannot be used", "Error: meant", "next.config.ts:2:"][..],
        ),
        (
            "export default () => {\n  return missing.value;\n};",
            &["ReferenceError: missing is not defined", "next.config.ts:2:"],
        ),
        (
            "export default { async redirects() {\n  throw new TypeError('in rules', { cause: new Error('below') });\n} };",
            &["TypeError: in rules", "next.config.ts:2:", "caused by: Error: below"],
        ),
        ("export default { a: };", &["next.config.ts:1:21"]),
        (
            "import './nowhere';\nexport default {};",
            &["Cannot find module './nowhere'", "next.config.ts:1:8"],
        ),
        (
            "export default 7;",
            &["next.config.ts has to export an object, or a function that returns one, and not number"],
        ),
        (
            "export const a = 1; export default { basePath: 'x' };",
            &["Specified basePath has to start with a /, found \"x\""],
        ),
        (
            "export default { redirects: () => [{ source: '/:', destination: '/b', permanent: true }] };",
            &["`source` parse failed (Missing parameter name at 1)"],
        ),
        ("export default { headers: () => 'x' };", &["headers must return an array, received string"]),
    ] {
        let refusal = named(&["a"]).file("next.config.ts", source).refusal().await;
        for part in parts {
            assert!(refusal.contains(part), "{source}\n{part}\n{refusal}");
        }
        assert!(!refusal.contains("edgehost:"), "{refusal}");
    }
}

#[tokio::test]
async fn it_runs_under_limits() {
    for (source, part) in [
        (
            "let n = 0;\nwhile (true) n += 1;\nexport default { n };",
            "more than 300ms of CPU time (--limit-startup-cpu allows more)",
        ),
        ("export default () => { while (true); };", "more than 300ms of CPU time"),
        ("await new Promise(() => {});", "did not finish within 2s (--limit-startup-wall allows more)"),
        (
            "export default async () => { await new Promise((done) => setTimeout(done, 60_000)); };",
            "did not finish within 2s",
        ),
        (
            "const all = []; export default () => { while (true) all.push(new Array(1000).fill(1)); };",
            "more than 256 MiB of memory",
        ),
        ("import { readFileSync } from 'fs'; readFileSync('/etc/passwd');", "--allow-read"),
        ("import { execSync } from 'child_process'; execSync('true');", "--allow-run"),
    ] {
        let refusal = named(&["a"])
            .file("next.config.mjs", source)
            .limits(|limits| {
                limits.startup_cpu =
                    std::time::Duration::from_millis(if source.contains("all.push") { 20_000 } else { 300 });
                limits.startup_wall =
                    std::time::Duration::from_secs(if source.contains("all.push") { 40 } else { 2 });
            })
            .builder()
            .build()
            .await;
        let refusal = refusal.expect_err(source).to_string();
        assert!(refusal.starts_with("next.config.mjs cannot be used"), "{source}\n{refusal}");
        assert!(refusal.contains(part), "{source}\n{refusal}");
    }
}

#[tokio::test]
async fn it_is_run_again_when_something_it_was_made_from_changed() {
    let project = named(&["a"])
        .file("lib/to.mjs", "export const to = '/1';")
        .file("next.config.mjs", "import { to } from './lib/to.mjs'; console.log('ran for', to + process.env.MORE); export default { redirects: () => [{ source: '/r', destination: to + process.env.MORE, permanent: false }] };")
        .env("MORE", "a");
    let location = async |project: &Project| {
        let host = project.builder().build().await.expect("in order");
        let app = App::serve(host, None).await;
        let (_, location) = to(&app, "/r").await;
        app.shut_down().await;
        location
    };
    let ran = |text: &str| super::harness::log().matches(text).count();
    assert_eq!(location(&project).await, "/1a");
    assert_eq!(location(&project).await, "/1a");
    logged(&["ran for /1a"]).await;
    assert_eq!(ran("ran for /1a"), 1, "what it set is kept");
    let project = project.env("MORE", "b");
    assert_eq!(location(&project).await, "/1b");
    let project = project.file("lib/to.mjs", "export const to = '/2';");
    assert_eq!(location(&project).await, "/2b");
    let project = project.file(
        "next.config.js",
        "module.exports = { redirects: () => [{ source: '/r', destination: '/3', permanent: false }] };",
    );
    assert_eq!(location(&project).await, "/3", "another file comes first");
}

#[tokio::test]
async fn what_another_server_says_to_its_own_host_is_taken_off() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let said = b"HTTP/1.1 200 OK\r\nx-middleware-rewrite: /ok\r\nx-middleware-next: 1\r\nx-kept: 1\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
            let _ = socket.write_all(said).await;
        }
    });
    let rules = format!("{{ rewrites: () => [{{ source: '/there', destination: 'http://{at}/' }}] }}");
    let app = named(&["here"]).file("next.config.mjs", format!("export default {rules};")).start().await;
    let answer = app.get("/there").await;
    answer.is(200, "ok");
    assert_eq!((answer.header("x-kept"), answer.header("x-middleware-next")), (Some("1"), None));
    assert_eq!(answer.header("x-middleware-rewrite"), None);
}

#[tokio::test]
async fn rewrites_to_other_servers_hand_requests_over() {
    let other = project()
        .file("app/[...path]/route.ts", "const tell = async (req: any, { params }: any) => new Response(JSON.stringify([req.method, (await params).path, req.nextUrl.search, req.headers.get('x-forwarded-host'), req.headers.get('x-own'), await req.text()]), { status: 203, headers: [['x-other', '1'], ['set-cookie', 'a=1'], ['set-cookie', 'b=2']] }); export { tell as GET, tell as POST, tell as DELETE };")
        .file("app/moved/route.ts", "export const GET = () => new Response(null, { status: 302, headers: { location: '/there' } });")
        .file("app/slow/route.ts", "export const GET = () => new Response(new ReadableStream({ async start(c) { for (const part of ['a', 'b', 'c']) { c.enqueue(new TextEncoder().encode(part)); await new Promise((next) => setTimeout(next, 5)); } c.close(); } }));");
    let trusting = other.builder().trust_proxies(["127.0.0.0/8".parse().expect("a network")]);
    let other = App::serve(trusting.build().await.expect("in order"), Some(other.dir)).await;
    let at = other.address;
    let rules = format!(
        "{{ rewrites: () => ({{ beforeFiles: [{{ source: '/first', destination: 'http://{at}/first' }}], afterFiles: [{{ source: '/other/:path*', destination: 'http://{at}/:path*' }}, {{ source: '/gone', destination: 'http://127.0.0.1:1/' }}], fallback: [{{ source: '/:path*', destination: 'http://{at}/fallback/:path*' }}] }}), headers: () => [{{ source: '/:p*', headers: [{{ key: 'x-conf', value: '1' }}] }}] }}"
    );
    let app = named(&["here", "first"])
        .file("next.config.ts", format!("export default {rules};"))
        .file("proxy.ts", format!("import {{ NextResponse }} from 'next/server'; export const proxy = (req: any) => req.nextUrl.pathname === '/by-proxy' ? NextResponse.rewrite(new URL('http://{at}/from/proxy?p=1')) : undefined;"))
        .start()
        .await;
    let host = app.address.to_string();
    let sent = [("x-own", "mine"), ("connection", "x-hop"), ("x-hop", "1")];
    let answer = app.send(Method::POST, "/other/a/b%20c?q=%20", &sent, "body").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("x-other"), answer.header("x-conf")),
        (203, Some("1"), Some("1"))
    );
    assert_eq!(answer.cookies(), ["a=1", "b=2"]);
    assert_eq!(answer.json(), json!(["POST", ["a", "b c"], "?q=%20", host, "mine", "body"]));
    assert_eq!(app.get("/first").await.json()[1], json!(["first"]));
    assert_eq!(app.get("/none").await.json()[1], json!(["fallback", "none"]));
    assert_eq!(app.get("/by-proxy").await.json()[2], "?p=1");
    assert_eq!(app.get("/here").await.status, 200);
    is(&to(&app, "/other/moved").await, 302, "/there");
    assert_eq!(app.get("/other/slow").await.text(), "abc");
    let gone = app.get("/gone").await;
    assert_eq!((gone.status.as_u16(), gone.code()), (502, "BAD_GATEWAY"));
    logged(&["The rewrite to http://127.0.0.1:1/ failed"]).await;
}
