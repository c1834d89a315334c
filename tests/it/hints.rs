//! What is said at start about what Next.js would do and edgehost does not.

use std::sync::{Arc, Mutex};

use edgehost::Progress;

use super::harness::{GRACE, Project, project};

const ROUTE: &str = "export const GET = () => new Response('ok');";

/// Remarks and warnings of a start.
async fn said(project: &Project) -> Vec<String> {
    let said = Arc::new(Mutex::new(Vec::new()));
    let sink = said.clone();
    let builder = project.builder().on_progress(move |progress| {
        let mut sink = sink.lock().expect("not poisoned");
        match progress {
            Progress::Found { hints, .. } => sink.extend(hints.iter().cloned()),
            Progress::Bundled { warnings, .. } => sink.extend(warnings.iter().map(ToString::to_string)),
            _ => {}
        }
    });
    builder.build().await.expect("built").shutdown(GRACE).await;
    let said = said.lock().expect("not poisoned");
    said.clone()
}

#[track_caller]
fn once<'a>(said: &'a [String], part: &str) -> &'a str {
    let found: Vec<_> = said.iter().filter(|line| line.contains(part)).collect();
    assert_eq!(found.len(), 1, "{part}: {said:#?}");
    found[0]
}

#[tokio::test]
async fn what_is_not_supported_is_said_once_with_its_places() {
    let project = project()
        .file("app/a/route.ts", "import { cached } from '../../lib/cached'; export const dynamic = 'force-static'; export const revalidate = 60; export const GET = async () => new Response(await cached());")
        .file("app/b/route.ts", "import { helped } from '../../lib/helped'; export const revalidate = false; export const GET = async () => new Response(await helped());")
        .file("app/c/route.ts", "export const revalidate = 0; export const dynamic = 'force-dynamic'; export const GET = () => new Response();")
        .file("lib/cached.ts", "import { unstable_cache } from 'next/cache';\nexport const cached = unstable_cache(async () => 'a');\n")
        .file("lib/helped.ts", "import * as cache from 'next/cache';\nexport async function helped() {\n  'use cache';\n  return cache.unstable_cache(async () => 'b')();\n}\n")
        .file("app/sitemap.ts", "export default () => [];")
        .file("app/robots.txt", "")
        .file("app/blog/opengraph-image2.tsx", "export default () => null;")
        .file("app/blog/robots.txt", "")
        .file("app/blog/manifest.ts", "export default () => ({});")
        .file("app/favicon.ico", "")
        .file("app/sitemap.test.ts", "")
        .file("app/page.tsx", "export default () => null;")
        .file("app/a/layout.tsx", "export default () => null;")
        .file("next.config.ts", "const config = { basePath: '', reactStrictMode: true, async headers() { return []; }, images: {}, i18n: { locales: [] } }; config.output = 'export'; export default config;")
        .file("vercel.json", "{ \"crons\": [], \"$schema\": \"x\", \"buildCommand\": \"x\" }")
        .file("public/logo.svg", "")
        .file("src/instrumentation.ts", "export function register() {}")
        .file("src/middleware.ts", "export function middleware() {}");
    let said = said(&project).await;
    once(&said, "`dynamic = 'force-static'` of app/a/route.ts has no effect");
    once(&said, "`revalidate` of app/a/route.ts and app/b/route.ts has no effect");
    let cache = once(&said, "`unstable_cache` caches nothing");
    assert!(cache.contains("(also in lib/helped.ts)") && cache.contains("lib/cached.ts:1:10"), "{cache}");
    let directive = once(&said, "'use cache' caches nothing");
    assert!(directive.contains("lib/helped.ts:3:3"), "{directive}");
    once(
        &said,
        "app/blog/manifest.ts and app/blog/robots.txt are not served: they count only directly in `app/`",
    );
    once(&said, "2 files of pages");
    once(&said, "`i18n` and `output: 'export'` of next.config.ts have no effect");
    once(&said, "vercel.json is not read: `crons` has no effect");
    once(&said, "src/instrumentation.ts is not supported");
    once(&said, "src/middleware.ts does not run");
    assert_eq!(said.len(), 10, "{said:#?}");
    // The bundle of last time has its warnings, too.
    let again = self::said(&project).await;
    assert_eq!(again, said);
}

#[tokio::test]
async fn a_project_that_has_nothing_of_it_hears_nothing() {
    let project = project()
        .file("app/route.ts", "import { text } from '../lib/text'; export const dynamic = 'auto'; export const runtime = 'nodejs'; export const GET = () => new Response(text);")
        .file("lib/text.ts", "// unstable_cache of next/cache, 'use cache'\nexport const text = 'use cache';")
        .file("app/routes.ts", "export const routes = { home: '/' };")
        .file("app/index.ts", "export * from './routes';")
        .file("app/api/helper.ts", "export const help = () => 1;")
        .file("app/api/a/route.ts", "export { GET } from './index';")
        .file("app/api/a/index.ts", ROUTE)
        .file("app/api/a/route-old.ts", ROUTE)
        .file("app/icons.tsx", "export const Icon = () => null;")
        .file("middleware.mjs", "")
        .file("middleware.test.ts", "")
        .file("next.config.mjs", "export default { reactStrictMode: true, trailingSlash: false };");
    assert_eq!(said(&project).await, Vec::<String>::new());
}

#[tokio::test]
async fn names_that_are_nearly_right_get_a_hint() {
    let project = project()
        .file("app/route.ts", ROUTE)
        .file("app/a/route.ts", "export const Get = () => new Response(); export const maxduration = 5;")
        .file("app/b/route.ts", "export function GTE() {} export function POST() {}")
        .file("app/c/index.ts", ROUTE)
        .file("app/d/routes.ts", ROUTE)
        .file("app/e/Route.ts", ROUTE)
        .file("app/api/f.ts", ROUTE);
    let said = said(&project).await;
    once(&said, "'Get' in 'app/a/route.ts' is no method: did you mean 'GET'?");
    once(&said, "'maxduration' in 'app/a/route.ts' has no effect: did you mean 'maxDuration'?");
    once(&said, "'GTE' in 'app/b/route.ts' is no method: did you mean 'GET'?");
    once(&said, "app/c/index.ts exports GET but is no route: the file has to be app/c/route.ts.");
    once(&said, "app/d/routes.ts exports GET but is no route: the file has to be app/d/route.ts.");
    once(&said, "app/e/Route.ts exports GET but is no route: the file has to be app/e/route.ts.");
    once(&said, "app/api/f.ts exports GET but is no route: the file has to be app/api/f/route.ts.");
    // Where there is no route at all, the error tells.
    let refusal = super::harness::project().file("app/hello/Route.ts", ROUTE).refusal().await;
    assert!(
        refusal.contains("no route files") && refusal.contains("the file has to be app/hello/route.ts"),
        "{refusal}"
    );
}

#[tokio::test]
async fn middleware_is_found_wherever_next_looks_for_it() {
    let source = "export default () => new Response('met');";
    for (config, route, file) in [
        ("{}", "app/route.ts", "middleware.ts"),
        ("{}", "src/app/route.ts", "src/middleware.js"),
        ("{}", "app/route.ts", "proxy.tsx"),
        ("{}", "src/app/route.ts", "src/proxy.jsx"),
        ("{ pageExtensions: ['page.ts', 'ts'] }", "app/route.ts", "middleware.page.ts"),
        ("() => ({ pageExtensions: ['ts', ['api', 'ts'].join('.')] })", "app/route.ts", "proxy.api.ts"),
    ] {
        let config = format!("export default {config};");
        let project = project().file(route, ROUTE).file("next.config.mjs", config).file(file, source);
        assert_eq!(project.start().await.get("/").await.text(), "met", "{file}");
    }
    let elsewhere = project().file("app/route.ts", ROUTE).file("src/middleware.ts", source);
    once(&said(&elsewhere).await, "src/middleware.ts does not run: it has to be beside the `app` folder");
}
