//! Metadata files, which Next.js serves as routes: paths, types, headers and texts are those of
//! `next build && next start` of Next.js 16.4.6, on the same files.

use http::Method;
use serde_json::{Value, json};

use super::harness::{App, Project, logged, program, project};

const REVALIDATE: &str = "public, max-age=0, must-revalidate";

/// Bytes that are no text.
const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\0\xff\xfe<x>\"\\\r\n";

const SEEN: &str = "export default async (given: any) => Response.json([Object.keys(given), await given.params, (await given.id) ?? null, given.params instanceof Promise, given.id instanceof Promise]);";

/// What a path is answered with: status, type, `Cache-Control`, body.
async fn facts(app: &App, path: &str) -> (u16, String, String, Vec<u8>) {
    let answer = app.get(path).await;
    let header = |name| answer.header(name).unwrap_or_default().to_owned();
    (answer.status.as_u16(), header("content-type"), header("cache-control"), answer.body.to_vec())
}

#[track_caller]
fn is_kept(facts: (u16, String, String, Vec<u8>), media_type: &str, body: &[u8]) {
    let (status, found, cache, content) = facts;
    assert_eq!((status, &*found, &*cache), (200, media_type, REVALIDATE));
    assert_eq!(String::from_utf8_lossy(&content), String::from_utf8_lossy(body));
    assert_eq!(content, body);
}

/// A project with a route, so that no file alone makes it one.
fn files() -> Project {
    project().file("app/hello/route.ts", "export const GET = () => new Response('hello');")
}

#[tokio::test]
async fn files_are_served_as_they_are() {
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\"/>";
    let app = files()
        .file("app/favicon.ico", PIXEL)
        .file("app/icon.png", [PIXEL, b"1"].concat())
        .file("app/icon1.svg", svg)
        .file("app/icon2.jpg", PIXEL)
        .file("app/icon3.ico", PIXEL)
        .file("app/apple-icon.jpeg", PIXEL)
        .file("app/opengraph-image.gif", PIXEL)
        .file("app/opengraph-image.alt.txt", "what it shows")
        .file("app/shop/twitter-image2.png", PIXEL)
        .file("app/robots.txt", "User-Agent: *\nAllow: /\u{fe0f} \u{2028}</script>\n")
        .file("app/sitemap.xml", "\u{feff}<urlset/>")
        .file("app/manifest.webmanifest", "{\"name\":\"ü\"}")
        .file("app/(group)/deep/icon.png", PIXEL)
        .file("app/(group)/deep/sitemap.xml", "<urlset deep/>")
        .file("app/@slot/d/icon.png", PIXEL)
        // A parameter, and what comes before it.
        .file("app/e/[slug]/icon.png", PIXEL)
        .file("app/shop/[...all]/route.ts", "export const GET = () => new Response('all');")
        .start()
        .await;
    for (path, media_type) in [
        ("/favicon.ico", "image/x-icon"),
        ("/icon2.jpg", "image/jpeg"),
        ("/icon3.ico", "image/x-icon"),
        ("/apple-icon.jpeg", "image/jpeg"),
        ("/opengraph-image.gif", "text/plain"),
        ("/shop/twitter-image2.png", "image/png"),
        ("/d/icon-cwa1xl.png", "image/png"),
        ("/e/anything/icon.png", "image/png"),
    ] {
        is_kept(facts(&app, path).await, media_type, PIXEL);
    }
    is_kept(facts(&app, "/icon.png").await, "image/png", &[PIXEL, b"1"].concat());
    is_kept(facts(&app, "/icon1.svg").await, "image/svg+xml", svg.as_bytes());
    is_kept(
        facts(&app, "/robots.txt").await,
        "text/plain",
        "User-Agent: *\nAllow: /\u{fe0f} \u{2028}</script>\n".as_bytes(),
    );
    is_kept(facts(&app, "/sitemap.xml").await, "application/xml", "\u{feff}<urlset/>".as_bytes());
    is_kept(facts(&app, "/deep/sitemap.xml").await, "application/xml", b"<urlset deep/>");
    is_kept(
        facts(&app, "/manifest.webmanifest").await,
        "application/manifest+json",
        "{\"name\":\"ü\"}".as_bytes(),
    );
    app.get("/shop/icon.png").await.is(200, "all");
    for path in ["/opengraph-image.alt.txt", "/deep/icon.png", "/robots", "/icon", "/sitemap"] {
        assert_eq!(app.get(path).await.status, 404, "{path}");
    }
    // Routes as others: again, other methods, nothing but the head.
    is_kept(facts(&app, "/favicon.ico").await, "image/x-icon", PIXEL);
    let refused = app.post("/favicon.ico", "").await;
    assert_eq!((refused.status.as_u16(), refused.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    let head = app.send(Method::HEAD, "/icon.png", &[], "").await;
    assert_eq!((head.status.as_u16(), head.header("content-type")), (200, Some("image/png")));
    assert_eq!(app.send(Method::OPTIONS, "/icon.png", &[], "").await.status, 204);
}

#[tokio::test]
async fn sitemaps_that_code_makes() {
    let app = files()
        .file("app/sitemap.ts", "export default async function sitemap(...given: any[]) { return [
            { url: 'https://acme.example/?a=1&amp;b=2', lastModified: new Date(0), changeFrequency: 'yearly', priority: 1, alternates: { languages: { es: 'https://acme.example/es', de: 'https://acme.example/de' } }, images: ['https://acme.example/i.jpg'],
              videos: [{ title: 'T', thumbnail_loc: 't', description: 'd', content_loc: 'c', player_loc: 'p', duration: 0, view_count: 5, tag: 'g', rating: 4.5, expiration_date: 'e', publication_date: 'b', family_friendly: 'yes', requires_subscription: 'no', live: 'no', restriction: { relationship: 'allow', content: 'DE' }, platform: { relationship: 'deny', content: 'web' }, uploader: { info: 'https://u.example', content: 'U' } }, { title: 'x', thumbnail_loc: 'y', description: 'z', uploader: { content: 'V' } }] },
            { url: `https://acme.example/${given.length}`, lastModified: '2024-01-01', priority: 0, alternates: {} },
          ]; }")
        .file("app/plain/sitemap.js", "export default () => [{ url: 'https://acme.example/' }];")
        .file("app/none/sitemap.ts", "export default () => undefined;")
        .file("app/of/[shop]/sitemap.ts", "export default (...given: any[]) => [{ url: `${given.length}` }];")
        .file("app/many/sitemap.ts", "export const generateSitemaps = async () => [{ id: 0 }, { id: 'one' }, { id: 'x y' }];
          export default async ({ id, ...rest }: any) => [{ url: `${id instanceof Promise} ${JSON.stringify(await id)} ${Object.keys(rest).length}` }];")
        .file("app/amiss/sitemap.ts", "export const generateSitemaps = () => [{}]; export default () => [];")
        .start()
        .await;
    let whole = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" xmlns:image=\"http://www.google.com/schemas/sitemap-image/1.1\" xmlns:video=\"http://www.google.com/schemas/sitemap-video/1.1\" xmlns:xhtml=\"http://www.w3.org/1999/xhtml\">
<url>
<loc>https://acme.example/?a=1&amp;b=2</loc>
<xhtml:link rel=\"alternate\" hreflang=\"es\" href=\"https://acme.example/es\" />
<xhtml:link rel=\"alternate\" hreflang=\"de\" href=\"https://acme.example/de\" />
<image:image>
<image:loc>https://acme.example/i.jpg</image:loc>
</image:image>
<video:video>
<video:title>T</video:title>
<video:thumbnail_loc>t</video:thumbnail_loc>
<video:description>d</video:description>
<video:content_loc>c</video:content_loc>
<video:player_loc>p</video:player_loc>
<video:view_count>5</video:view_count>
<video:tag>g</video:tag>
<video:rating>4.5</video:rating>
<video:expiration_date>e</video:expiration_date>
<video:publication_date>b</video:publication_date>
<video:family_friendly>yes</video:family_friendly>
<video:requires_subscription>no</video:requires_subscription>
<video:live>no</video:live>
<video:restriction relationship=\"allow\">DE</video:restriction>
<video:platform relationship=\"deny\">web</video:platform>
<video:uploader info=\"https://u.example\">U</video:uploader>
</video:video>
<video:video>
<video:title>x</video:title>
<video:thumbnail_loc>y</video:thumbnail_loc>
<video:description>z</video:description>
<video:uploader>V</video:uploader>
</video:video>
<lastmod>1970-01-01T00:00:00.000Z</lastmod>
<changefreq>yearly</changefreq>
<priority>1</priority>
</url>
<url>
<loc>https://acme.example/0</loc>
<lastmod>2024-01-01</lastmod>
<priority>0</priority>
</url>
</urlset>
";
    is_kept(facts(&app, "/sitemap.xml").await, "application/xml", whole.as_bytes());
    let of = |url: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n<url>\n<loc>{url}</loc>\n</url>\n</urlset>\n"
        )
    };
    for (path, url) in [
        ("/plain/sitemap.xml", "https://acme.example/"),
        ("/of/a/sitemap.xml", "0"),
        ("/many/sitemap/0.xml", "true \"0\" 0"),
        ("/many/sitemap/one.xml", "true \"one\" 0"),
        ("/many/sitemap/x%20y.xml", "true \"x y\" 0"),
    ] {
        is_kept(facts(&app, path).await, "application/xml", of(url).as_bytes());
    }
    for path in ["/many/sitemap/0", "/many/sitemap/2.xml", "/many/sitemap/0.xml.xml"] {
        app.get(path).await.is(404, "Not Found");
    }
    for path in ["/many/sitemap.xml", "/many/sitemap", "/sitemap"] {
        assert_eq!(app.get(path).await.status, 404, "{path}");
    }
    assert_eq!(app.get("/amiss/sitemap/1.xml").await.status, 500);
    logged(&["id property is required for every item returned from generateSitemaps"]).await;
    assert_eq!(app.get("/none/sitemap.xml").await.status, 500);
}

#[tokio::test]
async fn robots_and_manifests_that_code_makes() {
    let app = files()
        .file("app/robots.ts", "import { headers } from 'next/headers';
          export default async () => ({
            rules: [{ userAgent: ['a', 'b'], allow: '/', disallow: ['/x', '/y'], crawlDelay: 5, other: { 'Request-rate': '1/5', none: null, Two: [1, 2] } }, {}],
            host: (await headers()).get('x-site'), sitemap: ['https://acme.example/1.xml', 'https://acme.example/2.xml'] });")
        .file("app/manifest.ts", "export default async () => ({ name: '<code> & ü', icons: [] });")
        .start()
        .await;
    let answer = app.send(Method::GET, "/robots.txt", &[("x-site", "acme.example")], "").await;
    answer.is(
        200,
        "User-Agent: a\nUser-Agent: b\nAllow: /\nDisallow: /x\nDisallow: /y\nCrawl-delay: 5\nRequest-rate: 1/5\nTwo: 1\nTwo: 2\n\nUser-Agent: *\n\nHost: acme.example\nSitemap: https://acme.example/1.xml\nSitemap: https://acme.example/2.xml\n",
    );
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(answer.header("cache-control"), Some(REVALIDATE));
    let manifest = "{\"name\":\"<code> & ü\",\"icons\":[]}";
    is_kept(facts(&app, "/manifest.webmanifest").await, "application/manifest+json", manifest.as_bytes());
}

/// Images that say what they were given.
fn images() -> Project {
    let several = format!(
        "export function generateImageMetadata({{ params }}: any) {{ return [{{ id: 'small' }}, {{ id: 7 }}, {{ id: JSON.stringify(params) }}]; }} {SEEN}"
    );
    files()
        .file("app/icon.tsx", SEEN)
        .file("app/(g)/c/opengraph-image.tsx", SEEN)
        .file("app/e/[slug]/apple-icon.ts", SEEN)
        .file("app/e/[slug]/opengraph-image.ts", &several)
        .file("app/twitter-image.js", several.replace(": any", ""))
        .file("app/edge/icon.ts", "export const runtime = 'edge'; export default () => new Response(process.env.NEXT_RUNTIME, { headers: { 'cache-control': 'private' } });")
        .file("app/amiss/icon.ts", "export default () => 'no response';")
        .file("app/dynamic/[id]/route.ts", "export const GET = () => new Response('dynamic');")
        .file("app/dynamic/icon.ts", "module.exports = () => new Response('of CommonJS');")
}

#[tokio::test]
async fn images_that_code_makes() {
    let app = images().start().await;
    app.get("/icon").await.is_json(json!([["params"], {}, null, true, false]));
    app.get("/c/opengraph-image-xg7fj2").await.is_json(json!([["params"], {}, null, true, false]));
    app.get("/e/a%20b/apple-icon").await.is_json(json!([["params"], { "slug": "a b" }, null, true, false]));
    for (path, id) in [("small", "small"), ("7", "7"), ("%7B%22slug%22:%22foo%22%7D", "{\"slug\":\"foo\"}")] {
        let expected: Value = json!([["params", "id"], { "slug": "foo" }, id, true, true]);
        app.get(&format!("/e/foo/opengraph-image/{path}")).await.is_json(expected);
    }
    app.get("/twitter-image/7").await.is_json(json!([["params", "id"], {}, "7", true, true]));
    app.get("/e/foo/opengraph-image/8").await.is(404, "Not Found");
    assert_eq!(app.get("/e/foo/opengraph-image").await.status, 404);
    let edge = app.get("/edge/icon").await;
    edge.is(200, "edge");
    assert_eq!(edge.header("cache-control"), Some("private"));
    assert_eq!(app.get("/amiss/icon").await.status, 500);
    app.get("/dynamic/icon").await.is(200, "of CommonJS");
    app.get("/dynamic/other").await.is(200, "dynamic");
}

#[tokio::test]
async fn before_next_16_nothing_comes_as_a_promise() {
    let app = images()
        .file("package.json", "{ \"dependencies\": { \"next\": \"^15.3.0\" } }")
        .file("app/sitemap.ts", "export const generateSitemaps = () => [{ id: 3 }]; export default ({ id }: any) => [{ url: String(id * 2) }];")
        .start()
        .await;
    app.get("/e/x/apple-icon").await.is_json(json!([["params"], { "slug": "x" }, null, false, false]));
    app.get("/e/x/opengraph-image/7")
        .await
        .is_json(json!([["params", "id"], { "slug": "x" }, 7, false, false]));
    assert!(app.get("/sitemap/3.xml").await.text().contains("<loc>6</loc>"));
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_with_its_file() {
    for (first, second, expected) in [
        (
            "app/robots.ts",
            "app/robots.txt",
            "Conflicting metadata and metadata at /robots.txt: app/robots.ts and app/robots.txt",
        ),
        (
            "app/(a)/sitemap.xml",
            "app/(b)/sitemap.ts",
            "at /sitemap.xml: app/(a)/sitemap.xml and app/(b)/sitemap.ts",
        ),
        (
            "app/sitemap.ts",
            "app/sitemap.xml/route.ts",
            "at /sitemap.xml: app/sitemap.ts and app/sitemap.xml/route.ts",
        ),
        ("app/all/[...rest]/icon.png", "app/all/route.ts", "Catch-all must be the last part of the URL"),
    ] {
        let code = "export const GET = () => new Response(); export default () => [];";
        let refusal = files().file(first, code).file(second, code).refusal().await;
        assert!(refusal.contains(expected), "{refusal}");
    }
    // An icon makes no project of routes.
    let bare = project().file("app/favicon.ico", PIXEL).file("app/page.tsx", "").refusal().await;
    assert!(bare.contains("no route files"), "{bare}");
    let app = project().file("app/sitemap.ts", "export default () => [];").start().await;
    assert_eq!(app.get("/sitemap.xml").await.status, 200);
}

#[tokio::test]
async fn large_files_and_missing_exports_break_their_own_route() {
    let app = files()
        .file("app/twitter-image.png", vec![0xff; (5 << 20) + 200_000])
        .file("app/opengraph-image.png", vec![0xff; (5 << 20) + 200_000])
        .file("app/robots.ts", "export const rules = {};")
        .file("app/sitemap.js", "module.exports = {};")
        .start()
        .await;
    let summary = |path: &str| app.host.routes().into_iter().find(|route| route.pattern == path);
    let large = summary("/twitter-image.png").and_then(|route| route.error).unwrap_or_default();
    assert!(large.contains("app/twitter-image.png has 5.1 MiB, and may have 5 MiB"), "{large}");
    let lacking = summary("/robots.txt").and_then(|route| route.error).unwrap_or_default();
    assert!(lacking.contains("Default export is missing in app/robots.ts"), "{lacking}");
    for path in ["/twitter-image.png", "/robots.txt", "/sitemap.xml"] {
        assert_eq!(app.get(path).await.status, 500, "{path}");
    }
    logged(&["Default export is missing in app/sitemap.js"]).await;
    let image = app.get("/opengraph-image.png").await;
    assert_eq!((image.status.as_u16(), image.body.len()), (200, (5 << 20) + 200_000));
    app.get("/hello").await.is(200, "hello");
}

#[tokio::test]
async fn what_has_changed_is_bundled_anew() {
    let project = files().file("app/icon.png", PIXEL).file("app/robots.txt", "old");
    let serve = || async { App::serve(project.builder().build().await.expect("built"), None).await };
    let app = serve().await;
    is_kept(facts(&app, "/icon.png").await, "image/png", PIXEL);
    app.shut_down().await;
    std::fs::write(project.path().join("app/icon.png"), b"\xff").expect("written");
    std::fs::remove_file(project.path().join("app/robots.txt")).expect("removed");
    std::fs::write(project.path().join("app/robots.ts"), "export default () => ({ rules: {} });")
        .expect("written");
    let app = serve().await;
    is_kept(facts(&app, "/icon.png").await, "image/png", b"\xff");
    app.get("/robots.txt").await.is(200, "User-Agent: *\n\n");
    app.shut_down().await;
}

#[tokio::test]
async fn the_command_lists_them() {
    let project = files()
        .file("app/favicon.ico", PIXEL)
        .file("app/(g)/c/icon.png", PIXEL)
        .file("app/many/sitemap.ts", "export const generateSitemaps = () => []; export default () => [];")
        .file("app/shop/robots.txt", "");
    let output =
        std::process::Command::new(program()).arg("routes").arg(project.path()).output().expect("ran");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for (pattern, file) in [
        ("/favicon.ico", "app/favicon.ico"),
        ("/c/icon-xg7fj2.png", "app/(g)/c/icon.png"),
        ("/many/sitemap/[__metadata_id__]", "app/many/sitemap.ts"),
    ] {
        let line = said.lines().find(|line| line.split_whitespace().next() == Some(pattern)).expect(pattern);
        assert!(line.contains("GET") && line.contains(file), "{line}");
    }
    let all = format!("{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains("/shop/robots.txt "), "{all}");
}

#[tokio::test]
async fn builds_hold_them_and_no_place() {
    let project =
        images().file("app/icon1.png", PIXEL).file("app/robots.ts", "export default () => ({ rules: {} });");
    let out = tempfile::tempdir().expect("a folder");
    let built = out.path().join("built");
    let mut command = std::process::Command::new(program());
    let output = command.arg("build").arg(project.path()).arg("--out").arg(&built).output().expect("ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let place = project.path().display().to_string().into_bytes();
    drop(project);
    for entry in walkdir::WalkDir::new(&built)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_file())
    {
        let content = std::fs::read(entry.path()).expect("readable");
        assert!(!content.windows(place.len()).any(|part| part == place), "{}", entry.path().display());
    }
    let host = edgehost::EdgeHost::for_apps().shards(1).build().expect("built");
    host.deploy(edgehost::App::from_build(&built).name("built")).await.expect("deployed");
    let app = App::serve(host, None).await;
    is_kept(facts(&app, "/icon1.png").await, "image/png", PIXEL);
    app.get("/robots.txt").await.is(200, "User-Agent: *\n\n");
    app.get("/twitter-image/small").await.is_json(json!([["params", "id"], {}, "small", true, true]));
    app.shut_down().await;
}
