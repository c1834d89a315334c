//! Discovery and routing: cases T01 to T18 and T21 to T25.

use http::Method;
use serde_json::json;

use super::harness::{App, project};

/// A handler that answers with a fixed text.
fn says(text: &str) -> String {
    format!("export const GET = () => new Response({text:?});")
}

const ECHO_PARAMS: &str =
    "export const GET = async (_: Request, { params }: any) => Response.json(await params);";

async fn status(app: &App, path: &str) -> u16 {
    app.get(path).await.status.as_u16()
}

#[tokio::test]
async fn t01_t02_the_root_and_a_folder_called_index() {
    let app =
        project().file("app/route.js", says("root")).file("app/index/route.js", says("idx")).start().await;
    app.get("/").await.is(200, "root");
    app.get("/index").await.is(200, "idx");
}

#[tokio::test]
async fn t03_t04_t05_groups_slots_and_private_folders() {
    let app = project()
        .file("app/(grp)/grouped/route.js", says("g"))
        .file("app/@slot/slotted/route.js", says("s"))
        .file("app/_priv/hid/route.js", says("p"))
        .file("app/%5Funder/route.js", says("u"))
        .start()
        .await;
    assert_eq!(status(&app, "/grouped").await, 200);
    assert_eq!(status(&app, "/(grp)/grouped").await, 404);
    assert_eq!(status(&app, "/%28grp%29/grouped").await, 404);
    assert_eq!(status(&app, "/slotted").await, 200);
    assert_eq!(status(&app, "/@slot/slotted").await, 404);
    assert_eq!(status(&app, "/_priv/hid").await, 404);
    assert_eq!(status(&app, "/_under").await, 200);
    assert_eq!(status(&app, "/%5Funder").await, 404);
}

#[tokio::test]
async fn t06_t07_extensions() {
    let app = project()
        .file("app/mjsx/route.mjs", says("never"))
        .file("app/feed.xml/route.js", says("feed"))
        .file("app/tests/route.test.ts", says("never"))
        .file("app/types/route.d.ts", "export {}")
        .file("app/upper/Route.ts", says("never"))
        .start()
        .await;
    assert_eq!(status(&app, "/feed.xml").await, 200);
    for path in ["/mjsx", "/tests", "/types", "/upper"] {
        assert_eq!(status(&app, path).await, 404, "{path}");
    }
}

#[tokio::test]
async fn t08_t09_parameters_are_decoded_once_and_malformed_ones_refused() {
    let app = project()
        .file("app/items/[id]/route.js", ECHO_PARAMS.replace(": Request", "").replace(": any", ""))
        .start()
        .await;
    app.get("/items/a%20b%2Fc%C3%A9").await.is_json(json!({ "id": "a b/cé" }));
    app.get("/items/a+b").await.is_json(json!({ "id": "a+b" }));
    app.get("/items/a%2525b").await.is_json(json!({ "id": "a%25b" }));
    let refused = app.get("/items/%E0%A4%A").await;
    refused.is(400, "Bad Request");
    app.get("/items/1").await.is_json(json!({ "id": "1" }));
}

#[tokio::test]
async fn t10_a_method_that_the_winning_route_lacks_is_final() {
    let app = project()
        .file("app/items/new/route.ts", says("static"))
        .file(
            "app/items/[id]/route.ts",
            "export const GET = () => new Response('id'); export const POST = GET;",
        )
        .start()
        .await;
    app.get("/items/new").await.is(200, "static");
    assert_eq!(app.post("/items/new", "").await.status, 405);
    app.post("/items/1", "").await.is(200, "id");
}

#[tokio::test]
async fn t11_t12_catch_all_routes() {
    let app = project()
        .file("app/files/[...path]/route.ts", ECHO_PARAMS)
        .file("app/opt/[[...slug]]/route.ts", ECHO_PARAMS)
        .start()
        .await;
    app.get("/files/a/b%2Fc/d").await.is_json(json!({ "path": ["a", "b/c", "d"] }));
    assert_eq!(status(&app, "/files").await, 404);
    app.get("/opt").await.is_json(json!({}));
    app.get("/opt/x/y").await.is_json(json!({ "slug": ["x", "y"] }));
}

#[tokio::test]
async fn t13_precedence() {
    let app = project()
        .file("app/a/lit/route.ts", says("lit"))
        .file("app/a/[x]/b/route.ts", says("[x]/b"))
        .file("app/a/[x]/[y]/route.ts", says("[x]/[y]"))
        .file("app/a/[...rest]/route.ts", says("[...rest]"))
        .start()
        .await;
    for (path, expected) in [
        ("/a/lit", "lit"),
        ("/a/1/b", "[x]/b"),
        ("/a/1/2", "[x]/[y]"),
        ("/a/1", "[...rest]"),
        ("/a/1/2/3", "[...rest]"),
    ] {
        app.get(path).await.is(200, expected);
    }
    assert_eq!(status(&app, "/a").await, 404);
}

#[tokio::test]
async fn t14_t15_t16_partial_brackets_case_and_letters() {
    let app = project()
        .file("app/pre-[id]/route.ts", says("never"))
        .file("app/tail/[id].json/route.ts", says("never"))
        .file("app/Case/route.ts", says("case"))
        .file("app/items/new/route.ts", says("new"))
        .file("app/items/[id]/route.ts", ECHO_PARAMS)
        .file("app/ünï/route.ts", says("letters"))
        .file("app/sp ace/route.ts", says("space"))
        .start()
        .await;
    assert_eq!(status(&app, "/pre-1").await, 404);
    assert_eq!(status(&app, "/tail/1.json").await, 404);
    assert_eq!(status(&app, "/Case").await, 200);
    assert_eq!(status(&app, "/case").await, 404);
    assert_eq!(status(&app, "/%43ase").await, 404);
    app.get("/items/n%65w").await.is_json(json!({ "id": "new" }));
    app.get("/%C3%BCn%C3%AF").await.is(200, "letters");
    app.get("/%c3%bcn%c3%af").await.is(200, "letters");
    app.get("/sp%20ace").await.is(200, "space");
}

#[tokio::test]
async fn t17_t18_slashes_are_redirected() {
    let app = project()
        .file("app/items/[id]/route.ts", ECHO_PARAMS)
        .file("app/route.ts", says("root"))
        .start()
        .await;
    for method in [Method::GET, Method::POST] {
        let moved = app.send(method, "/items//1?q=%20", &[], "").await;
        assert_eq!((moved.status.as_u16(), moved.header("location")), (308, Some("/items/1?q=%20")));
    }
    let mut wire = app.connect().await;
    wire.write("GET /items\\1 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    let answer = wire.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 308") && answer.contains("location: /items/1\r\n"), "{answer}");
    let moved = app.send(Method::DELETE, "/items/1/?a=1", &[], "").await;
    assert_eq!((moved.status.as_u16(), moved.header("location")), (308, Some("/items/1?a=1")));
    app.get("/").await.is(200, "root");
}

#[tokio::test]
async fn dot_segments_are_resolved_before_matching() {
    let app = project()
        .file(
            "app/items/[id]/route.ts",
            "export const GET = (r: Request) => new Response(new URL(r.url).pathname);",
        )
        .start()
        .await;
    let mut wire = app.connect().await;
    wire.write("GET /x/%2e%2E/./items/../items/a HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    assert!(wire.read_to_end().await.ends_with("\r\n\r\n/items/a"));
}

#[tokio::test]
async fn t21_t22_t23_conflicts_refuse_to_start_and_name_the_files() {
    let slugs = project()
        .file("app/a/[x]/route.js", says("x"))
        .file("app/a/[y]/b/route.js", says("y"))
        .refusal()
        .await;
    assert!(
        slugs.contains("You cannot use different slug names for the same dynamic path ('x' !== 'y')."),
        "{slugs}"
    );
    let page = project().file("app/x/route.js", says("x")).file("app/x/page.js", "").refusal().await;
    assert!(page.contains("Conflicting route and page at /x"), "{page}");
    let groups = project()
        .file("app/(a)/z/route.js", says("a"))
        .file("app/(b)/z/route.js", says("b"))
        .file("app/same/route.js", says("js"))
        .file("app/same/route.ts", says("ts"))
        .refusal()
        .await;
    for file in ["app/(a)/z/route.js", "app/(b)/z/route.js", "app/same/route.js", "app/same/route.ts"] {
        assert!(groups.contains(file), "{groups}");
    }
}

#[tokio::test]
async fn t24_unknown_paths() {
    let app = project().file("app/route.ts", says("root")).start().await;
    for method in [Method::GET, Method::POST] {
        let answer = app.send(method, "/nope", &[], "").await;
        answer.is(404, "Not Found");
        assert_eq!(
            answer.header("cache-control"),
            Some("private, no-cache, no-store, max-age=0, must-revalidate")
        );
    }
}

#[tokio::test]
async fn t25_src_app_is_used_only_without_app() {
    let below = project().file("src/app/q/route.ts", says("src")).start().await;
    below.get("/q").await.is(200, "src");
    let both =
        project().file("src/app/q/route.ts", says("src")).file("app/r/route.ts", says("app")).start().await;
    both.get("/r").await.is(200, "app");
    assert_eq!(status(&both, "/q").await, 404);
}

#[tokio::test]
async fn an_app_directory_itself_can_be_named() {
    let project = project().file("src/app/q/route.ts", says("src"));
    let host = edgehost::EdgeHost::builder(project.dir.path().join("src/app")).build().await.expect("built");
    let app = App::serve(host, None).await;
    app.get("/q").await.is(200, "src");
}

#[tokio::test]
async fn folders_without_an_app_or_without_routes_are_explained() {
    let empty = project().refusal().await;
    assert!(empty.contains("couldn't find an `app` directory"), "{empty}");
    let bare = project().file("app/page.tsx", "").refusal().await;
    assert!(bare.contains("no route files"), "{bare}");
}

#[cfg(unix)]
#[tokio::test]
async fn files_that_are_no_routes_need_not_be_readable() {
    let project = project().file("app/a/route.ts", says("a")).file("app/b/route.ts", says("b"));
    let link = |name: &str, target: &str| {
        std::os::unix::fs::symlink(target, project.path().join("app").join(name)).expect("linked");
    };
    link("LICENSE.md", "../nowhere.md");
    link("folder", "../nowhere");
    link("page.tsx", "itself/page.tsx");
    link("itself", "itself");
    link("a/above", "..");
    let app = project.start().await;
    app.get("/a").await.is(200, "a");
    app.get("/b").await.is(200, "b");
    assert_eq!(status(&app, "/folder").await, 404);
    assert_eq!(status(&app, "/a/above/b").await, 404);
}

#[cfg(unix)]
#[tokio::test]
async fn a_route_file_that_leads_nowhere_is_one_broken_route() {
    let project = project().file("app/a/route.ts", says("a")).file("app/gone/here.txt", "");
    std::os::unix::fs::symlink("../nowhere.ts", project.path().join("app/gone/route.ts")).expect("linked");
    let app = project.start().await;
    app.get("/a").await.is(200, "a");
    assert_eq!(status(&app, "/gone").await, 500);
    let routes = app.host.routes();
    let gone = routes.iter().find(|route| route.pattern == "/gone").expect("a route");
    let error = gone.error.as_deref().unwrap_or_default();
    assert!(error.contains("a link to ../nowhere.ts, where nothing is"), "{error}");
}
