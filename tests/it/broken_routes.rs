//! Routes that cannot be bundled: they answer 500, the others are served.

use std::process::Command;

use http::Method;

use super::harness::{App, Project, logged, program, project};

const FINE: &str = "export const GET = () => new Response('fine');";

/// The host of a project, and the errors that it told while it was built.
async fn built(project: &Project) -> (App, Vec<edgehost::Problem>) {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = seen.clone();
    let builder = project.builder().on_progress(move |progress| {
        if let edgehost::Progress::Bundled { errors, .. } = progress {
            told.lock().expect("not poisoned").extend_from_slice(errors);
        }
    });
    let app = App::serve(builder.build().await.expect("built"), None).await;
    let seen = seen.lock().expect("not poisoned").clone();
    (app, seen)
}

#[tokio::test]
async fn each_kind_of_mistake_breaks_its_own_route() {
    let project = project()
        .file("package.json", r#"{ "dependencies": { "next": "16.0.0" } }"#)
        .file("app/fine/route.ts", FINE)
        .file("app/edge/fine/route.ts", format!("export const runtime = 'edge'; {FINE}"))
        .file("app/absent/route.ts", "import './not-there';\nexport const GET = () => {};")
        .file("app/package/route.ts", "import { x } from 'not-installed-here';\nexport const GET = () => new Response(x);")
        .file("app/lazy/route.ts", "export const GET = async () => (await import('./gone')).default();")
        .file("app/subpath/route.ts", "import x from 'closed/inner';\nexport const GET = () => new Response(x);")
        .file("node_modules/closed/package.json", r#"{ "name": "closed", "exports": { ".": "./index.js" } }"#)
        .file("node_modules/closed/index.js", "exports.a = 1;")
        .file("app/syntax/route.ts", "export const GET = () => {\n  const broken = ;\n};")
        .file("app/deep/route.ts", "import { x } from '../../lib/a';\nexport const GET = () => new Response(x);")
        .file("lib/a.ts", "export { x } from './b';")
        .file("lib/b.ts", "export const x = 'not closed;")
        .file("app/export/route.ts", "import { gone } from '../../lib/c';\nexport const GET = () => new Response(gone);")
        .file("lib/c.ts", "export const here = 1;")
        .file("app/bytes/route.ts", [0xff, 0xfe, b'x'])
        .file("app/config/route.ts", format!("export const runtime = 'bun'; {FINE}"))
        .file("app/node/route.ts", "import fs from 'node:fs';\nexport const runtime = 'edge';\nexport const GET = () => new Response(fs.readFileSync('x'));");
    let (app, errors) = built(&project).await;
    app.get("/fine").await.is(200, "fine");
    app.get("/edge/fine").await.is(200, "fine");
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    for (route, parts) in [
        ("/absent", &["Cannot find module './not-there'", "app/absent/route.ts:1:8"][..]),
        (
            "/package",
            &["Cannot find module 'not-installed-here': is it installed", "app/package/route.ts:1:19"],
        ),
        ("/lazy", &["Cannot find module './gone'", "app/lazy/route.ts:1:46"]),
        ("/subpath", &["Cannot find module 'closed/inner': ", "not exported"]),
        ("/syntax", &["app/syntax/route.ts:2:18", "const broken = ;"]),
        ("/deep", &["lib/b.ts:1:", "imported by lib/a.ts", "which is imported by app/deep/route.ts"]),
        ("/export", &["\"gone\" is not exported by \"lib/c.ts\"", "app/export/route.ts:1:10"]),
        ("/bytes", &["app/bytes/route.ts"]),
        ("/config", &["`runtime` in app/config/route.ts must be 'nodejs' or 'edge'"]),
        (
            "/node",
            &[
                "The Node.js module 'node:fs', which app/node/route.ts imports, is not available in edge routes",
            ],
        ),
    ] {
        let mine: Vec<&String> =
            errors.iter().filter(|error| error.ends_with(&format!("breaks {route}"))).collect();
        assert_eq!(mine.len(), 1, "{route}: {errors:#?}");
        for part in parts {
            assert!(mine[0].contains(part), "{part} is not in {}", mine[0]);
        }
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let answer = app.send(method, route, &[], "").await;
            assert_eq!((answer.status.as_u16(), answer.code()), (500, "BUNDLE_FAILED"), "{route}");
            assert!(!answer.text().contains("app/"), "a client reads nothing of the inside");
        }
        let summary = app.host.routes().into_iter().find(|found| found.pattern == route).expect("listed");
        assert!(summary.error.is_some_and(|error| error.contains(parts[0])), "{route}");
    }
    assert_eq!(errors.len(), 10, "{errors:#?}");
    let line = logged(&["the route cannot be bundled and answers 500", "not-installed-here"]).await;
    assert!(line.contains("route=\"/package\"") || line.contains("/package"), "{line}");
    let log = super::harness::log();
    let told = "answers 500: Cannot find module 'not-installed-here'";
    assert_eq!(log.matches(told).count(), 1, "once, not with each request");
}

#[tokio::test]
async fn a_mistake_that_many_routes_share_is_told_once() {
    let mut project = project()
        .file("app/fine/route.ts", FINE)
        .file("lib/shared.ts", "export const broken = ;")
        .file("lib/edge.ts", "export const also = ;");
    for name in ["a", "b", "c", "d", "e"] {
        project = project.file(
            &format!("app/{name}/route.ts"),
            "import { broken } from '../../lib/shared';\nexport const GET = () => new Response(broken);",
        );
    }
    let project = project.file(
        "app/edge/route.ts",
        "import { broken } from '../../lib/shared'; import { also } from '../../lib/edge';\nexport const runtime = 'edge';\nexport const GET = () => new Response(broken + also);",
    );
    let (app, errors) = built(&project).await;
    app.get("/fine").await.is(200, "fine");
    assert_eq!(errors.len(), 2, "{errors:#?}");
    let shared = errors.iter().find(|error| error.file == "lib/shared.ts").expect("told");
    assert_eq!(shared.breaks, ["/a", "/b", "/c", "/d", "/e", "/edge"]);
    assert!(shared.to_string().ends_with("breaks 6 routes: /a, /b, /c and others"), "{shared}");
    assert_eq!(app.get("/edge").await.code(), "BUNDLE_FAILED");
}

#[tokio::test]
async fn what_may_fail_while_it_runs_breaks_nothing() {
    let app = project()
        // What a package tries for, in the ways that packages do.
        .file("node_modules/careful/index.js", "let a; try { a = require('optional-a'); } catch { a = 'no a'; }\nconst b = process.env.WANT_B ? require('optional-b') : 'no b';\nexports.found = [a, b]; exports.later = () => require('optional-c');")
        .file("node_modules/barrel/package.json", r#"{ "name": "barrel", "sideEffects": false, "main": "index.mjs" }"#)
        .file("node_modules/barrel/index.mjs", "export { used } from './used.mjs'; export { unused } from './unused.mjs';")
        .file("node_modules/barrel/used.mjs", "export const used = 'used';")
        .file("node_modules/barrel/unused.mjs", "import fs from 'node:fs'; import x from 'optional-d'; export const unused = () => [fs, x];")
        .file("lib/for-node.ts", "import os from 'node:os'; export const kind = os.platform();")
        .file(
            "app/route.ts",
            "import { found, later } from 'careful'; import { used } from 'barrel';
            export const runtime = 'edge';
            const said = (error: Error) => error.message;
            export const GET = async () => {
                let c; try { c = later(); } catch (error: any) { c = said(error); }
                return Response.json([...found, c, used, await import('../lib/for-node').catch(said), await import('node:path').catch(said)]);
            };",
        )
        .start()
        .await;
    app.get("/").await.is_json(serde_json::json!([
        "no a",
        "no b",
        "Cannot find module 'optional-c'",
        "used",
        "The Node.js module 'node:os', which lib/for-node.ts imports, is not available in edge routes. Without `export const runtime = 'edge'` the route has all of them",
        "The Node.js module 'node:path', which app/route.ts imports, is not available in edge routes. Without `export const runtime = 'edge'` the route has all of them",
    ]));
}

#[tokio::test]
async fn a_route_is_only_broken_by_what_it_loads() {
    // Both routes import the barrel; only one uses what cannot be loaded at the edge.
    let project = project()
        .file("node_modules/barrel/package.json", r#"{ "name": "barrel", "sideEffects": false, "main": "index.mjs" }"#)
        .file("node_modules/barrel/index.mjs", "export { one } from './one.mjs'; export { two } from './two.mjs';")
        .file("node_modules/barrel/one.mjs", "export const one = 'one';")
        .file("node_modules/barrel/two.mjs", "import fs from 'node:fs'; export const two = () => fs.readFileSync('x');")
        .file("app/one/route.ts", "import { one } from 'barrel'; export const runtime = 'edge'; export const GET = () => new Response(one);")
        .file("app/two/route.ts", "import { two } from 'barrel'; export const runtime = 'edge'; export const GET = () => new Response(two());");
    let (app, errors) = built(&project).await;
    app.get("/one").await.is(200, "one");
    assert_eq!(app.get("/two").await.code(), "BUNDLE_FAILED");
    assert_eq!(errors.len(), 1, "{errors:#?}");
}

#[tokio::test]
async fn a_mended_route_is_served_again() {
    let project = project()
        .file("app/fine/route.ts", FINE)
        .file("app/mended/route.ts", "import { x } from './x'; export const GET = () => new Response(x);");
    for _ in 0..2 {
        let (app, _) = built(&project).await;
        assert_eq!(app.get("/mended").await.code(), "BUNDLE_FAILED");
    }
    let project = project.file("app/mended/x.ts", "export const x = 'mended';");
    let (app, errors) = built(&project).await;
    app.get("/mended").await.is(200, "mended");
    assert!(errors.is_empty(), "{errors:?}");
}

#[tokio::test]
async fn a_project_without_any_sound_route_is_refused() {
    let said = project()
        .file("app/a/route.ts", "import './not-there'; export const GET = () => {};")
        .file("app/b/route.ts", "export const runtime = 'edge'; export const GET = ;")
        .refusal()
        .await;
    assert!(said.contains("'./not-there'") && said.contains("app/b/route.ts:1:51"), "{said}");
}

#[test]
fn the_program_marks_broken_routes() {
    let project = project()
        .file("app/fine/route.ts", FINE)
        .file("app/broken/route.ts", "import './not-there'; export const GET = () => {};");
    let output = Command::new(program()).arg("routes").arg(project.path()).output().expect("started");
    assert_eq!(output.status.code(), Some(2));
    let (table, said) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    let line = |route: &str| table.lines().find(|line| line.contains(route)).expect("listed").to_owned();
    assert!(line("/broken").ends_with("cannot be bundled") && line("/fine").ends_with('-'), "{table}");
    assert_eq!(said.matches("Cannot find module './not-there'").count(), 1, "{said}");
    assert!(said.contains("error: 1 of 2 routes cannot be bundled"), "{said}");
}
