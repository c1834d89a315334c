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
        "kept.push(new WebAssembly.Memory({ initial: 160 }));",
        "const grown = new WebAssembly.Memory({ initial: 1 }); grown.grow(160); kept.push(grown);",
        "const { port1, port2 } = new MessageChannel(); port1.postMessage(new Uint8Array(10 << 20)); kept.push(port2);",
        "const { DatabaseSync } = process.getBuiltinModule('node:sqlite') as any; const base = new DatabaseSync(':memory:'); base.exec('create table t (x); insert into t values (zeroblob(10000000))'); kept.push(base);",
        "for (let i = 0; i < 40; i++) kept.push(new CompressionStream('gzip'));",
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

/// Nor is what was given back: memories, messages that were taken, databases that were closed.
#[tokio::test]
async fn what_is_over_counts_no_more() {
    let app = hostile(
        "import { DatabaseSync } from 'node:sqlite';
        let n = 0;
        const { port1, port2 } = new MessageChannel();
        const taken = () => new Promise((resolve) => { port2.onmessage = resolve; });
        export async function GET() {
            new Uint8Array(new WebAssembly.Memory({ initial: 160 }).buffer).fill(1);
            const message = taken();
            port1.postMessage(new Uint8Array(10 << 20));
            await message;
            const lost = new MessageChannel();
            lost.port1.postMessage(new Uint8Array(10 << 20));
            lost.port2.close();
            const base = new DatabaseSync(':memory:');
            base.exec('create table t (x); insert into t values (zeroblob(10000000))');
            base.close();
            return new Response(String(++n));
        }",
    )
    .await;
    for n in 1..=30 {
        app.get("/hostile").await.is(200, &n.to_string());
    }
}

/// A text that V8 keeps in parts takes no memory, until native code makes bytes of it.
#[tokio::test]
async fn texts_that_there_is_no_room_for() {
    let app = hostile(
        "import { Buffer } from 'node:buffer';
        import { createHash } from 'node:crypto';
        const uses: any = {
            text: (text: string) => new Response(text),
            head: (text: string) => new Response(text, { status: 201 }),
            bytes: () => new Response(new Uint8Array(40 << 20)),
            stream: (text: string) => new Response(new ReadableStream({ pull(c) { c.enqueue(text); c.close(); } })),
            encode: (text: string) => new TextEncoder().encode(text),
            blob: (text: string) => new Blob([text]),
            body: (text: string) => new Request('http://h/', { method: 'POST', body: text }).arrayBuffer(),
            atob, btoa,
            buffer: (text: string) => Buffer.from(text),
            hash: (text: string) => createHash('sha256').update(text),
        };
        export async function GET(request: Request) {
            const made = await uses[new URL(request.url).searchParams.get('use')!]('abcd'.repeat(5e7));
            return made instanceof Response ? made : new Response('made');
        }
        export async function POST(request: Request) {
            const text = 'abcd'.repeat(5e5);
            const { length } = await new Response(text).bytes();
            console.log(text);
            return new Response(String(length) + (await new Response(text).text() === text) + atob(btoa(text)).length);
        }",
    )
    .await;
    for used in ["text", "head", "bytes", "encode", "blob", "body", "atob", "btoa", "buffer", "hash"] {
        let answer = app.get(&format!("/hostile?use={used}")).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (503, "MEMORY_LIMIT"), "{used}");
    }
    app.post("/hostile", "").await.is(200, "2000000true2000000");
    app.get("/ok").await.is(200, "ok");
}

/// A client's JSON may be small, and its values large: it is refused before they are made, and
/// nobody else is ended for it.
#[tokio::test]
async fn json_whose_values_there_is_no_room_for() {
    let app = hostile(
        "let n = 0;
        export const GET = () => new Response(String(++n));
        export const POST = async (request: Request) => {
            const { bodyUsed } = request;
            try {
                return new Response(typeof (await request.json()) + bodyUsed);
            } catch (error) {
                return new Response((error as Error).name, { status: 413 });
            }
        };",
    )
    .await;
    app.get("/hostile").await.is(200, "1");
    let nested = ["[", "]"].map(|bracket| bracket.repeat(1 << 20)).concat();
    let many = format!("[{}{{}}]", "{},".repeat(1 << 20));
    for text in [nested, many] {
        app.post("/hostile", &text).await.is(413, "RangeError");
    }
    let long = format!(r#"["{}",{}0]"#, "[{,".repeat(1 << 20), "0,".repeat(1 << 19));
    app.post("/hostile", &long).await.is(200, "objectfalse");
    app.get("/hostile").await.is(200, "2");
}

/// The memory of a process, in MiB.
#[cfg(target_os = "linux")]
mod process {
    use super::super::cli::Served;
    use super::super::harness::{Project, project};

    /// Limit on the memory of an isolate here.
    const LIMIT: u64 = 128;

    fn app(routes: &[(&str, &str)]) -> Project {
        let ok = project().file("app/ok/route.ts", "export const GET = () => new Response('ok');");
        routes.iter().fold(ok, |project, (name, source)| {
            project.file(&format!("app/{name}/route.ts"), format!("const kept: any[] = []; {source}"))
        })
    }

    fn serve(project: &Project) -> Served {
        let limit = format!("{LIMIT}MiB");
        Served::start(&project.path(), &["--limit-memory", &limit, "--permissions", "off"], |_| {})
    }

    fn status(served: &Served, key: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", served.child.id())).expect("it runs");
        let line = text.lines().find_map(|line| line.strip_prefix(key)).expect("a line");
        let number =
            line.trim_start_matches(':').trim().split(' ').next().and_then(|text| text.parse::<u64>().ok());
        number.expect("a number") >> 10
    }

    /// Has the highest resident memory measured from now on.
    fn measure(served: &Served) -> u64 {
        std::fs::write(format!("/proc/{}/clear_refs", served.child.id()), "5").expect("written");
        status(served, "VmRSS")
    }

    /// One request after the other, until the isolate has ended or that was enough; what the
    /// process has had meanwhile beyond what an isolate may have.
    #[test]
    fn no_kind_of_memory_goes_far_beyond_the_limit() {
        let kinds: &[(&str, &str)] = &[
            ("text", "export const GET = () => new Response('x'.repeat(5e8));"),
            (
                "encode",
                "export const GET = () => new Response(String(new TextEncoder().encode('x'.repeat(5e8)).length));",
            ),
            ("thrown", "export const GET = () => { throw new Error('x'.repeat(5e8)); };"),
            (
                "printed",
                "export const GET = () => { console.log('x'.repeat(5e8), 'y'.repeat(5e8)); return new Response('printed'); };",
            ),
            (
                "search",
                "export const GET = () => new Response(new URLSearchParams({ text: 'x'.repeat(5e8) }));",
            ),
            (
                "memories",
                "export const GET = () => { const memory = new WebAssembly.Memory({ initial: 320 }); new Uint8Array(memory.buffer).fill(1); kept.push(memory); return new Response('kept'); };",
            ),
            (
                "memory",
                "export const GET = () => { for (;;) { const memory = new WebAssembly.Memory({ initial: 320 }); new Uint8Array(memory.buffer).fill(1); kept.push(memory); } };",
            ),
            (
                "filled",
                "export const GET = () => { new Uint8Array(new WebAssembly.Memory({ initial: 950 }).buffer).fill(1); return new Response('filled'); };",
            ),
            (
                "messages",
                "const { port1, port2 } = new MessageChannel(); export const GET = () => { for (let i = 0; i < 20; i++) port1.postMessage('x'.repeat(1e6)); kept.push(port2); return new Response('sent'); };",
            ),
            (
                "channels",
                "const [from, to] = [new BroadcastChannel('a'), new BroadcastChannel('a')]; export const GET = () => { for (let i = 0; i < 20; i++) from.postMessage('x'.repeat(1e6)); kept.push(to); return new Response('sent'); };",
            ),
            (
                "database",
                "import { DatabaseSync } from 'node:sqlite'; const base = new DatabaseSync(':memory:'); base.exec('create table t (x)'); const insert = base.prepare('insert into t values (zeroblob(1000000))'); export const GET = () => { for (let i = 0; i < 20; i++) insert.run(); return new Response('inserted'); };",
            ),
            (
                "query",
                "import { DatabaseSync } from 'node:sqlite'; export const GET = () => { new DatabaseSync(':memory:').exec('create table t (x); with recursive n (i) as (select 1 union all select i + 1 from n) insert into t select zeroblob(10000) from n'); return new Response('inserted'); };",
            ),
            (
                "compressors",
                "export const GET = () => { for (let i = 0; i < 60; i++) kept.push(new CompressionStream('deflate')); return new Response('made'); };",
            ),
            // In no account: the process is seen to grow.
            (
                "keys",
                "export const GET = async () => { for (let i = 0; i < 100; i++) kept.push(await crypto.subtle.importKey('raw', new Uint8Array(64000), { name: 'HMAC', hash: 'SHA-256' }, true, ['sign'])); return new Response('made'); };",
            ),
        ];
        let project = app(kinds);
        let served = serve(&project);
        let mut far = Vec::new();
        for (kind, _) in kinds {
            served.get("/ok");
            let before = measure(&served);
            let answers: Vec<_> = (0..40)
                .map(|_| served.get(&format!("/{kind}")))
                .take_while(|answer| !answer.contains("MEMORY_LIMIT"))
                .collect();
            let expected = if *kind == "thrown" { "HTTP/1.1 500" } else { "HTTP/1.1 200" };
            assert!(answers.iter().all(|answer| answer.starts_with(expected)), "{kind}: {answers:?}");
            let over = status(&served, "VmHWM").saturating_sub(before + LIMIT);
            if over > 64 {
                far.push(format!("{kind}: {over} MiB"));
            }
        }
        assert!(far.is_empty(), "beyond the limit by {far:?}");
    }

    /// What an isolate had comes back, however often one is ended.
    #[test]
    fn after_many_isolates_were_ended_their_memory_is_back() {
        let project = app(&[
            ("objects", "export const GET = () => { for (;;) kept.push({ a: 1, b: 2 }); };"),
            ("buffers", "export const GET = () => { for (;;) kept.push(new Uint8Array(1000)); };"),
            ("small", "export const GET = () => { for (;;) kept.push(new Uint8Array(64)); };"),
            ("text", "export const GET = () => { for (let i = 0;; i++) kept.push(`${i} and more`); };"),
        ]);
        let served = serve(&project);
        assert!(served.get("/ok").contains("200 OK"));
        let before = measure(&served);
        for n in 0..40 {
            let path = ["/objects", "/buffers", "/small", "/text"][n % 4];
            let answer = served.get(path);
            assert!(answer.contains("MEMORY_LIMIT") || answer.contains("ISOLATE_RESET"), "{path}: {answer}");
        }
        // The last one may still be on its way out.
        let began = std::time::Instant::now();
        let mut after = u64::MAX;
        while after > before + 64 && began.elapsed().as_secs() < 10 {
            assert!(served.get("/ok").contains("200 OK"));
            std::thread::sleep(std::time::Duration::from_millis(100));
            after = status(&served, "VmRSS");
        }
        assert!(after <= before + 64, "{before} MiB before, {after} MiB after 40 isolates");
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
