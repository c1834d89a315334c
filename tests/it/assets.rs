//! Files that edge routes fetch: `fetch(new URL('./file', import.meta.url))`.

use edgehost::Profile;
use http::Method;
use serde_json::json;

use super::harness::{Project, project};

/// An edge route that tells what came of fetching.
const ROUTE: &str = "export const runtime = 'edge';
    const words = fetch(new URL('../../lib/words.txt', import.meta.url)).then((r) => r.text());
    const tried = async (input: any, init?: any) => { try { const r = await fetch(input, init); return [r.status, await r.text()]; } catch (e: any) { return [e.name, e.message, e.cause?.code ?? null]; } };
    export async function GET() {
      const url = new URL('../../lib/words.txt', import.meta.url), gone = new AbortController(); gone.abort();
      const response = await fetch(url);
      const large = await fetch(new URL('../../lib/large.bin', import.meta.url));
      let size = 0; for await (const chunk of large.body as any) size += chunk.byteLength;
      return Response.json({
        early: await words, status: response.status, type: response.headers.get('content-type'), ok: response.ok, instance: response instanceof Response, blob: (await response.blob()).size, size,
        ways: [await tried(String(url)), await tried(new Request(url)), await tried(url, { method: 'POST', body: 'x' }), await tried(url, { method: 'HEAD' }), await tried(url, { signal: gone.signal })],
        package: await (await fetch(new URL('words-of-others/deep/file.json', import.meta.url))).json(),
        scoped: await tried(new URL('@some/words/file.txt', import.meta.url)),
        exported: await tried(new URL('words-of-others/named', import.meta.url)),
        own: await tried(new URL('beside/file.txt', import.meta.url)),
        web: new URL('https://example.com/x', import.meta.url).href,
      });
    }
    export async function POST(request: Request) { return Response.json(await tried(new URL(await request.text(), import.meta.url))); }";

fn assets() -> Project {
    project()
        .file("lib/words.txt", "just bytes")
        .file("lib/large.bin", vec![7; 300_000])
        .file("app/a/route.ts", ROUTE)
        .file("app/a/beside/file.txt", "of the project")
        .file("node_modules/beside/file.txt", "of a package")
        .file(
            "node_modules/words-of-others/package.json",
            r#"{ "exports": { "./named": "./deep/named.txt", "./deep/*": "./deep/*" } }"#,
        )
        .file("node_modules/words-of-others/deep/file.json", r#"{ "hello": "from a package" }"#)
        .file("node_modules/words-of-others/deep/named.txt", "by its name")
        .file("node_modules/@some/words/file.txt", "of a scope")
}

#[tokio::test]
async fn edge_routes_fetch_files_of_the_project_and_its_packages() {
    let app = assets().start().await;
    let expected = json!({
        "early": "just bytes", "status": 200, "type": null, "ok": true, "instance": true, "blob": 10, "size": 300_000,
        "ways": [[200, "just bytes"], [200, "just bytes"], [200, "just bytes"], [200, "just bytes"], [200, "just bytes"]],
        "package": { "hello": "from a package" }, "scoped": [200, "of a scope"], "exported": [200, "by its name"], "own": [200, "of the project"],
        "web": "https://example.com/x",
    });
    app.get("/a").await.is_json(expected.clone());
    // The bundle is kept, the files are read anew.
    let dir = app.dir.as_ref().expect("a folder").path().to_owned();
    std::fs::write(dir.join("lib/words.txt"), "new bytes!").expect("written");
    let host = edgehost::EdgeHost::builder(&dir).shards(1).build().await.expect("built");
    let again = super::harness::App::serve(host, None).await;
    assert_eq!(again.get("/a").await.json()["early"], "new bytes!");
}

#[tokio::test]
async fn no_other_file_is_fetched() {
    let outside = tempfile::tempdir().expect("a folder");
    std::fs::write(outside.path().join("secret"), "x").expect("written");
    let secret = outside.path().join("secret").display().to_string();
    let project = assets().file("private/key", "x").permissions(Profile::Project, |permissions| {
        permissions.deny_read = Some(vec!["private".to_owned()]);
    });
    std::os::unix::fs::symlink("/etc/hosts", project.path().join("lib/link")).expect("linked");
    let pipe = project.path().join("lib/pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let app = project.start().await;
    let fetch = async |url: &str| app.post("/a", url).await.json();
    for (url, code) in [
        ("file:///etc/passwd", "ERR_ACCESS_DENIED"),
        // Readable by `fs`, and of the system.
        ("file:///etc/hosts", "ERR_ACCESS_DENIED"),
        ("../../lib/link", "ERR_ACCESS_DENIED"),
        (&format!("file://{secret}"), "ERR_ACCESS_DENIED"),
        ("../../private/key", "ERR_ACCESS_DENIED"),
        ("../../.edgehost/draft-secret", "ERR_ACCESS_DENIED"),
        ("../../lib/none.txt", "ENOENT"),
        ("../../lib", "EISDIR"),
        ("../../lib/pipe", "EISDIR"),
        ("file://host/x", "ERR_INVALID_FILE_URL_PATH"),
    ] {
        let answer = fetch(url).await;
        assert_eq!((&answer[0], &answer[2]), (&json!("TypeError"), &json!(code)), "{url}: {answer}");
        let (message, name) = (answer[1].as_str().expect("text"), url.rsplit('/').next().expect("a name"));
        assert!(message.starts_with("fetch failed: file://") && message.contains(name), "{url}: {message}");
    }
    assert_eq!(fetch("../../lib/words.txt?v=1#x").await, json!([200, "just bytes"]));
    let off = assets().permissions(Profile::Off, |_| {}).start().await;
    assert_eq!(off.post("/a", "file:///etc/hosts").await.json()[2], "ERR_ACCESS_DENIED");
}

/// A file that nobody reads to its end stays open: those count as sockets do.
#[tokio::test]
async fn files_that_nobody_reads_are_limited() {
    let app = assets()
        .file("app/keep/route.ts", "export const runtime = 'edge'; const kept: any[] = [];
            export async function GET() {
              const url = new URL('../../lib/large.bin', import.meta.url), codes: any = {};
              for (let i = 0; i < 20; i++) { const code = await fetch(url).then((r) => (kept.push(r), 'open'), (e) => e.cause.code); codes[code] = (codes[code] ?? 0) + 1; }
              await Promise.all(kept.map((r) => r.arrayBuffer()));
              return Response.json([codes, (await fetch(url)).status]);
            }")
        .limits(|limits| limits.sockets = 8)
        .start()
        .await;
    app.get("/keep").await.is_json(json!([{ "open": 8, "EMFILE": 12 }, 200]));
}

#[tokio::test]
async fn node_routes_read_files_and_do_not_fetch_them() {
    let app = assets()
        .file("app/b/route.ts", "import { readFileSync } from 'node:fs';
            export async function GET() {
              const url = new URL('../../lib/words.txt', import.meta.url);
              const failed = await fetch(url).then(() => null, (e) => [e.name, e.message.includes('words.txt'), e.cause.message]);
              return Response.json([failed, readFileSync(url, 'utf8'), readFileSync(new URL('words-of-others/deep/file.json', import.meta.url), 'utf8')]);
            }")
        .start()
        .await;
    let answer = app.send(Method::GET, "/b", &[], "").await;
    answer.is_json(json!([
        ["TypeError", true, "not implemented... yet..."],
        "just bytes",
        "{ \"hello\": \"from a package\" }"
    ]));
}
