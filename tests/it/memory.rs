//! Memory is counted wherever it is.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::harness::{App, eventually, logged, project};

/// An app whose isolates hold 64 MiB, with a hostile route at `/hostile` and one at `/ok`.
async fn hostile(source: &str) -> App {
    project()
        .file("app/hostile/route.ts", source)
        .file("app/ok/route.ts", "export const GET = () => new Response('ok');")
        .permissions(edgehost::Profile::Off, |_| {})
        .limits(|limits| {
            limits.memory = 64 << 20;
            limits.cpu = Duration::from_secs(20);
            limits.wall = Duration::from_secs(30);
            limits.first_byte = Duration::from_secs(30);
        })
        .start()
        .await
}

/// A server whose answers never end; its address.
async fn endless(head: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = socket.read(&mut [0; 4096]).await;
                let _ = socket.write_all(head.as_bytes()).await;
                while socket.write_all(&[b'x'; 65536]).await.is_ok() {}
            });
        }
    });
    address
}

#[tokio::test]
async fn bodies_of_fetch_that_never_end() {
    let upstream = endless("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n").await;
    for runtime in ["nodejs", "edge"] {
        for read in ["text", "arrayBuffer", "blob", "bytes"] {
            let app = hostile(&format!(
                "export const runtime = '{runtime}'; export const GET = async () => {{ const answer = await fetch('http://{upstream}/'); await answer.{read}(); return new Response('never'); }};"
            ))
            .await;
            let answer = app.get("/hostile").await;
            assert_eq!((answer.status.as_u16(), answer.code()), (503, "MEMORY_LIMIT"), "{read} {runtime}");
            app.get("/ok").await.is(200, "ok");
        }
    }
}

#[tokio::test]
async fn chunks_of_such_a_body_that_are_kept() {
    let upstream = endless("HTTP/1.1 200 OK\r\n\r\n").await;
    let app = hostile(&format!(
        "export const GET = async () => {{ const kept = []; for await (const chunk of (await fetch('http://{upstream}/')).body as any) kept.push(chunk); return new Response('never'); }};"
    ))
    .await;
    assert_eq!(app.get("/hostile").await.code(), "MEMORY_LIMIT");
    app.get("/ok").await.is(200, "ok");
}

/// Each request is short, and keeps what it makes.
#[tokio::test]
async fn many_short_turns() {
    for keep in [
        "kept.push(new Blob([new Uint8Array(10 << 20).fill(1)]));",
        "const buffer = new (ArrayBuffer as any)(1 << 20, { maxByteLength: 1 << 26 }); buffer.resize(10 << 20); kept.push(buffer);",
        "kept.push(new SharedArrayBuffer(10 << 20));",
        "kept.push(Array.from({ length: 1 << 20 }, (_, i) => ({ i })));",
    ] {
        let app = hostile(&format!(
            "const kept: any[] = []; export const GET = () => {{ {keep} return new Response(String(kept.length)); }};"
        ))
        .await;
        let mut before = 0;
        eventually(keep, async || {
            // The turn that passed the limit may have its answer: then the next one finds a new isolate.
            let answer = app.get("/hostile").await;
            assert!([200, 503].contains(&answer.status.as_u16()), "{keep}: {}", answer.text());
            let kept = answer.text().parse().unwrap_or(0);
            std::mem::replace(&mut before, kept) > kept || answer.code() == "MEMORY_LIMIT"
        })
        .await;
        app.get("/ok").await.is(200, "ok");
    }
}

/// What nobody keeps is no reason to end anything.
#[tokio::test]
async fn garbage_over_many_turns_does_not_count() {
    let app = hostile(
        "let n = 0; export const GET = () => { new Uint8Array(10 << 20).fill(1); return new Response(String(++n)); };",
    )
    .await;
    for n in 1..=100 {
        app.get("/hostile").await.is(200, &n.to_string());
    }
}

#[tokio::test]
async fn a_small_body_that_expands_without_end() {
    let app = hostile(
        "import zlib from 'node:zlib';
        const packed = { gzip: zlib.gzipSync, deflate: zlib.deflateSync, 'deflate-raw': zlib.deflateRawSync, brotli: zlib.brotliCompressSync } as any;
        const parts: any = {};
        // 16 MiB of zeros, packed; several of them make up a stream that is far larger.
        for (const name in packed) parts[name] = packed[name](Buffer.alloc(16 << 20));
        const expanded = (format: string) => new Blob([parts[format]]).stream().pipeThrough(new DecompressionStream(format as any));
        export async function GET() {
            const said = [];
            for (const format in packed) {
                let bytes = 0;
                for await (const chunk of expanded(format) as any) if ((bytes += chunk.byteLength) > 3 << 20) break;
                // How much was expanded for a reader who wanted 3 MiB.
                said.push(bytes <= 4 << 20);
                said.push((await new Response(expanded(format)).arrayBuffer()).byteLength === 16 << 20);
            }
            return Response.json(said);
        }
        export async function POST() {
            const stream = new DecompressionStream('gzip');
            const writer = stream.writable.getWriter();
            writer.write(zlib.gzipSync(Buffer.alloc(48 << 20)));
            const reader = stream.readable.getReader();
            await reader.read();
            const before = process.memoryUsage().external;
            await new Promise((resolve) => setTimeout(resolve, 300));
            const grown = process.memoryUsage().external - before;
            await reader.cancel();
            return Response.json(grown < 8 << 20 || grown);
        }
        export async function PUT() {
            const kept = [];
            for (;;) kept.push(await new Response(expanded('brotli')).bytes());
        }",
    )
    .await;
    app.get("/hostile").await.is_json(serde_json::json!([true, true, true, true, true, true, true, true]));
    app.post("/hostile", "").await.is_json(serde_json::json!(true));
    assert_eq!(app.send(http::Method::PUT, "/hostile", &[], "").await.code(), "MEMORY_LIMIT");
    app.get("/ok").await.is(200, "ok");
}

#[tokio::test]
async fn blobs_of_files_without_end() {
    let app = hostile(
        "import fs from 'node:fs'; export async function GET() { try { return new Response(String((await fs.openAsBlob('/dev/zero')).size)); } catch (error: any) { return new Response(error.code); } }",
    )
    .await;
    app.get("/hostile").await.is(200, "ERR_FS_FILE_TOO_LARGE");
    app.get("/ok").await.is(200, "ok");
}

/// The limit of an isolate is not reached, the budget of all is.
#[tokio::test]
async fn the_isolate_that_holds_most_ends_before_the_budget_is_used_up() {
    let keep = "const kept: any[] = []; export const GET = (request: Request) => { const bytes = new Uint8Array(Number(new URL(request.url).searchParams.get('mib')) << 20).fill(1); kept.push(bytes); return new Response(String(kept.length)); };";
    let project = project()
        .file("app/node/route.ts", keep)
        .file("app/edge/route.ts", format!("export const runtime = 'edge'; {keep}").as_str());
    let budget = edgehost::MemoryBudget::of_isolates(200 << 20);
    let host = project.builder().memory_budget(budget).build().await.expect("a host");
    let app = App::serve(host, None).await;
    app.get("/edge?mib=20").await.is(200, "1");
    for n in 1..=4 {
        app.get("/node?mib=30").await.is(200, &n.to_string());
    }
    // 140 of 200 MiB are held; then 200, though no isolate holds as much.
    app.get("/node?mib=60").await;
    logged(&["the memory budget is used up", "holds="]).await;
    // The larger one was idle, and is replaced all the same; the smaller one goes on.
    eventually("replaced", async || app.get("/node?mib=0").await.text() == "1").await;
    app.get("/edge?mib=0").await.is(200, "2");
}
