//! Limits hold inside what the Node layer brings.

use std::time::{Duration, Instant};

use serde_json::json;

use super::harness::{App, project};

/// An app with a hostile route at `/hostile` and one at `/ok`.
async fn hostile(source: &str) -> App {
    hostile_with(source, Duration::from_millis(300)).await
}

async fn hostile_with(source: &str, cpu: Duration) -> App {
    project()
        .file("app/hostile/route.ts", source)
        .file("app/ok/route.ts", "export const GET = () => new Response('ok');")
        .limits(|limits| {
            limits.cpu = cpu;
            limits.memory = 64 << 20;
            limits.sockets = 64;
            // Long enough for that much CPU time on a busy machine.
            limits.wall = Duration::from_secs(5).max(cpu * 5);
        })
        .start()
        .await
}

/// The hostile route ends with a status and a code, soon, and the other one goes on.
async fn ends(source: &str, status: u16, code: &str) {
    let app = hostile(source).await;
    let began = Instant::now();
    let answer = app.get("/hostile").await;
    assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{source}");
    assert!(began.elapsed() < Duration::from_secs(8), "{source} took {:?}", began.elapsed());
    app.get("/ok").await.is(200, "ok");
}

/// The hostile route is refused what it asks for and tells so.
async fn is_refused(source: &str, code: &str) {
    let app = hostile(&format!(
        "{source}\nexport async function GET() {{ try {{ await attempt(); return new Response('went through'); }} catch (error) {{ return new Response(error.code ?? error.message); }} }}"
    ))
    .await;
    let began = Instant::now();
    app.get("/hostile").await.is(200, code);
    assert!(began.elapsed() < Duration::from_secs(4), "{source} took {:?}", began.elapsed());
    app.get("/ok").await.is(200, "ok");
}

#[tokio::test]
async fn cpu_time_in_crypto_and_zlib() {
    ends("import { createHash } from 'crypto'; export function GET() { for (;;) createHash('sha512').update('x'.repeat(1000)).digest(); }", 503, "CPU_LIMIT").await;
    ends("import { pbkdf2Sync } from 'crypto'; export function GET() { for (;;) pbkdf2Sync('a', 'b', 10000, 64, 'sha512'); }", 503, "CPU_LIMIT").await;
    ends("import { gzipSync } from 'zlib'; const data = Buffer.alloc(1 << 20, 'abc'); export function GET() { for (;;) gzipSync(data); }", 503, "CPU_LIMIT").await;
    ends("import { brotliCompressSync } from 'zlib'; import { randomBytes } from 'crypto'; const data = randomBytes(8 << 20); export function GET() { return new Response(brotliCompressSync(data)); }", 503, "CPU_LIMIT").await;
}

#[tokio::test]
async fn cpu_time_of_calls_that_nothing_can_interrupt() {
    for attempt in [
        "import { pbkdf2Sync } from 'crypto'; const attempt = () => pbkdf2Sync('a', 'b', 1e9, 64, 'sha512');",
        "import crypto from 'crypto'; const attempt = () => crypto.pbkdf2Sync('a', 'b', 1e5, 1e6, 'sha512');",
        "import { pbkdf2 } from 'crypto'; const attempt = () => new Promise((resolve, reject) => pbkdf2('a', 'b', 1e9, 64, 'sha512', (error) => error ? reject(error) : resolve()));",
        "import { generateKeyPairSync } from 'crypto'; const attempt = () => generateKeyPairSync('rsa', { modulusLength: 16384 });",
        "import { generatePrimeSync } from 'crypto'; const attempt = () => generatePrimeSync(8192, { safe: true });",
        "import { createDiffieHellman } from 'crypto'; const attempt = () => createDiffieHellman(4096);",
        "import { scryptSync } from 'crypto'; const attempt = () => scryptSync('a', 'b', 64, { N: 2 ** 15, r: 8, p: 1000, maxmem: 2 ** 40 });",
        "const attempt = async () => crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-512', salt: Buffer.from('b'), iterations: 1e9 }, await crypto.subtle.importKey('raw', Buffer.from('a'), 'PBKDF2', false, ['deriveBits']), 512);",
    ] {
        is_refused(attempt, "ERR_OUT_OF_RANGE").await;
    }
    // A getter has no second answer.
    is_refused(
        "import { generateKeyPairSync } from 'crypto'; let reads = 0; const attempt = () => generateKeyPairSync('rsa', { get modulusLength() { return reads++ ? 1024 : 16384; } });",
        "ERR_OUT_OF_RANGE",
    )
    .await;
    // What people really ask for goes through.
    let app = hostile(
        "import { generateKeyPairSync, pbkdf2Sync, scryptSync } from 'crypto';
        export const GET = () => Response.json([pbkdf2Sync('a', 'b', 100000, 32, 'sha256').length, scryptSync('a', 'b', 64).length, generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.type]);",
    )
    .await;
    app.get("/hostile").await.is_json(json!([32, 64, "public"]));
}

/// More of it than there are threads waits, and ends with its isolate.
#[tokio::test]
async fn much_work_for_other_threads() {
    let app = hostile(
        "import { pbkdf2 } from 'crypto';
        import { AsyncLocalStorage } from 'async_hooks';
        const storage = new AsyncLocalStorage();
        const derive = (i) => new Promise((resolve, reject) => storage.run(i, () =>
            pbkdf2('a', 'b', 1000, 32, 'sha512', (error, key) => error ? reject(error) : resolve([storage.getStore(), key[0]]))));
        export async function GET() {
            const all = await Promise.all(Array.from({ length: 40 }, (_, i) => derive(i)));
            let wrong;
            try { pbkdf2('a', 'b', -1, 32, 'sha512', () => {}); } catch (error) { wrong = error.code; }
            return Response.json([all.every(([i], at) => i === at), new Set(all.map(([, byte]) => byte)).size, wrong]);
        }
        export function POST() {
            for (let i = 0; i < 10000; i++) pbkdf2('a', 'b', 100000, 64, 'sha512', () => {});
            return new Response('begun');
        }",
    )
    .await;
    app.get("/hostile").await.is_json(json!([true, 1, "ERR_OUT_OF_RANGE"]));
    app.post("/hostile", "").await.is(200, "begun");
    let began = Instant::now();
    app.get("/ok").await.is(200, "ok");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn web_crypto_that_nothing_can_interrupt() {
    let key = "await crypto.subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, ['deriveBits', 'deriveKey'])";
    for attempt in [
        format!("crypto.subtle.deriveBits({{ name: 'PBKDF2', hash: 'SHA-512', salt: new Uint8Array(8), iterations: '1000000000' }}, {key}, 512)"),
        format!("crypto.subtle.deriveKey({{ name: 'PBKDF2', hash: 'SHA-512', salt: new Uint8Array(8), iterations: 1e9 }}, {key}, {{ name: 'AES-GCM', length: 256 }}, false, ['encrypt'])"),
        "crypto.subtle.generateKey({ name: 'RSA-OAEP', modulusLength: 16384, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }, true, ['encrypt'])".to_owned(),
    ] {
        is_refused(&format!("export const runtime = 'edge'; const attempt = async () => {attempt};"), "ERR_OUT_OF_RANGE").await;
    }
    let app = hostile(&format!(
        "export const runtime = 'edge';
        export async function GET() {{
            const bits = await crypto.subtle.deriveBits({{ name: 'PBKDF2', hash: 'SHA-256', salt: new Uint8Array(8), iterations: 1000 }}, {key}, 256);
            const pair = await crypto.subtle.generateKey({{ name: 'RSA-OAEP', modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }}, true, ['encrypt', 'decrypt']);
            return Response.json([bits.byteLength, pair.publicKey.algorithm.modulusLength]);
        }}"
    ))
    .await;
    app.get("/hostile").await.is_json(json!([32, 1024]));
}

#[tokio::test]
async fn memory_of_buffers_and_what_is_unpacked() {
    ends(
        "export function GET() { const kept = []; for (;;) kept.push(Buffer.alloc(1 << 20, 1)); }",
        503,
        "MEMORY_LIMIT",
    )
    .await;
    ends(
        "export function GET() { const kept = []; for (;;) kept.push(Buffer.from('x'.repeat(1 << 20))); }",
        503,
        "MEMORY_LIMIT",
    )
    .await;
    ends("import { gzipSync, gunzipSync } from 'zlib'; export function GET() { let bomb = gzipSync(Buffer.alloc(8 << 20)); const kept = []; for (;;) kept.push(gunzipSync(bomb)); }", 503, "MEMORY_LIMIT").await;
}

#[tokio::test]
async fn files_without_end_or_too_large_for_memory() {
    is_refused("import fs from 'fs'; const attempt = () => { fs.writeFileSync('large', ''); fs.truncateSync('large', 1e12); fs.readFileSync('large'); };", "ERR_FS_FILE_TOO_LARGE").await;
    is_refused("import fs from 'fs'; const attempt = () => { fs.writeFileSync('large', ''); fs.truncateSync('large', 1e12); return fs.promises.readFile('large'); };", "ERR_FS_FILE_TOO_LARGE").await;
    is_refused("import fs from 'fs'; const attempt = () => { fs.writeFileSync('large', ''); fs.truncateSync('large', 1e12); fs.readFileSync(fs.openSync('large', 'r')); };", "ERR_FS_FILE_TOO_LARGE").await;
    is_refused("import fs from 'fs'; import { createRequire } from 'module'; const attempt = () => { fs.writeFileSync('large.js', ''); fs.truncateSync('large.js', 1e12); createRequire(process.cwd() + '/')('./large.js'); };", "ERR_FS_FILE_TOO_LARGE").await;
    let endless = project()
        .file("app/hostile/route.ts", "import fs from 'fs'; export const GET = async (request) => { const file = new URL(request.url).searchParams.get('file'); if (file) return new Response(await new Promise((resolve) => fs.readFile(file, (error) => resolve(error.code)))); for await (const chunk of fs.createReadStream('/dev/zero')); return new Response('never'); };")
        .file("app/ok/route.ts", "export const GET = () => new Response('ok');")
        .permissions(edgehost::Profile::Off, |_| {})
        .limits(|limits| limits.first_byte = Duration::from_millis(500))
        .start()
        .await;
    endless.get("/hostile?file=/dev/zero").await.is(200, "ERR_FS_FILE_TOO_LARGE");
    let answer = endless.get("/hostile").await;
    assert_eq!((answer.status.as_u16(), answer.code()), (504, "HANDLER_TIMEOUT"));
    endless.get("/ok").await.is(200, "ok");
}

#[tokio::test]
async fn ten_thousand_fetches_and_web_sockets() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            kept.push(socket);
        }
    });
    for runtime in ["nodejs", "edge"] {
        let app = hostile(&format!(
            "export const runtime = '{runtime}';
            export async function GET() {{
                const counts = {{}};
                const count = (what) => counts[what] = (counts[what] ?? 0) + 1;
                for (let i = 0; i < 10000; i++) {{
                    fetch('http://127.0.0.1:{port}/').catch((error) => count(error.cause.code));
                }}
                await new Promise((resolve) => setTimeout(resolve, 100));
                try {{ new WebSocket('ws://127.0.0.1:{port}/'); }} catch (error) {{ count('ws ' + error.code); }}
                return Response.json(counts);
            }}"
        ))
        .await;
        app.get("/hostile").await.is_json(json!({ "EMFILE": 9936, "ws EMFILE": 1 }));
        app.get("/ok").await.is(200, "ok");
    }
}

#[tokio::test]
async fn ten_thousand_sockets() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let open = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let seen = open.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let seen = seen.clone();
            tokio::spawn(async move {
                use tokio::io::AsyncReadExt;
                let _ = socket.read(&mut [0; 1]).await;
                seen.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
            });
        }
    });
    let source = format!(
        "import net from 'net';
        const kept = globalThis.kept = [];
        export async function GET() {{
            const counts = {{}};
            const count = (what) => counts[what] = (counts[what] ?? 0) + 1;
            await Promise.all(Array.from({{ length: 10000 }}, () => new Promise((resolve) => {{
                const socket = net.connect({port}, '127.0.0.1');
                kept.push(socket);
                socket.on('connect', () => {{ count('open'); resolve(); }});
                socket.on('error', (error) => {{ count(error.code); resolve(); }});
            }})));
            return Response.json(counts);
        }}
        export const DELETE = () => {{ for (;;); }};"
    );
    let app = hostile_with(&source, Duration::from_secs(2)).await;
    app.get("/hostile").await.is_json(json!({ "open": 64, "EMFILE": 9936 }));
    app.get("/ok").await.is(200, "ok");
    assert_eq!(open.load(std::sync::atomic::Ordering::SeqCst), 64);
    // An isolate that is condemned closes what it has open.
    assert_eq!(app.send(http::Method::DELETE, "/hostile", &[], "").await.code(), "CPU_LIMIT");
    for _ in 0..100 {
        if open.load(std::sync::atomic::Ordering::SeqCst) == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(open.load(std::sync::atomic::Ordering::SeqCst), 0, "sockets stay open");
    app.get("/ok").await.is(200, "ok");
}

#[tokio::test]
async fn endless_queries() {
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let source = format!(
        "import {{ DatabaseSync }} from 'node:sqlite';
        export function GET() {{
            for (;;) try {{ new DatabaseSync(':memory:').prepare({endless:?}).get(); }} catch {{ /* and again */ }}
        }}"
    );
    ends(&source, 503, "CPU_LIMIT").await;
}

#[tokio::test]
async fn arguments_that_native_code_does_not_survive() {
    for attempt in [
        "import { createDiffieHellman } from 'crypto'; const attempt = () => createDiffieHellman(Buffer.from([0, 0])).generateKeys();",
        "import { generateKeyPairSync } from 'crypto'; const attempt = () => generateKeyPairSync('dh', { prime: Buffer.from([1, 0]), generator: 2 });",
        "import { generateKeyPairSync } from 'crypto'; const attempt = () => generateKeyPairSync('rsa', { modulusLength: 1024, publicExponent: 4 });",
        "import { generateKeyPairSync } from 'crypto'; const attempt = () => generateKeyPairSync('rsa', { modulusLength: 1024, publicExponent: 1 });",
    ] {
        is_refused(attempt, "ERR_OUT_OF_RANGE").await;
    }
    is_refused(
        "import { stripTypeScriptTypes } from 'module'; const attempt = () => stripTypeScriptTypes('('.repeat(1e6));",
        "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM",
    )
    .await;
    let app = hostile(
        "import vm from 'vm';
        export function GET() {
            const good = new vm.Script('1 + 1', { produceCachedData: true }).cachedData;
            for (let at = 0; at < good.length; at += 8) good[at] ^= 255;
            return Response.json([new vm.Script('1 + 1', { cachedData: good }).runInThisContext(), vm.compileFunction('return 2', [], { cachedData: good })()]);
        }",
    )
    .await;
    app.get("/hostile").await.is_json(json!([2, 2]));
}

/// Runs the body of an async function; the answer tells what it returned or threw.
async fn databases(permissions: edgehost::Profile) -> App {
    project()
        .file(
            "app/route.ts",
            "import fs from 'node:fs'; import * as sqlite from 'node:sqlite';
            export async function POST(request: Request) {
                const run = new Function('fs', 'sqlite', 'M', `return (async () => { ${await request.text()} })()`);
                try { return Response.json((await run(fs, sqlite, () => new sqlite.DatabaseSync(':memory:'))) ?? null); }
                catch (error: any) { return Response.json(`${error.code}: ${error.message}`); }
            }",
        )
        .file("app/ok/route.ts", "export const GET = () => new Response('ok');")
        .permissions(permissions, |_| {})
        .limits(|limits| {
            limits.cpu = Duration::from_millis(500);
            // What other tests of this process take meanwhile counts as its growth.
            limits.memory = 2 << 30;
            // Long enough for that much CPU time on a busy machine.
            limits.wall = Duration::from_secs(5);
            limits.first_byte = Duration::from_secs(5);
        })
        .start()
        .await
}

#[tokio::test]
async fn databases_stay_within_the_limits() {
    let app = databases(edgehost::Profile::Project).await;
    for (code, limit) in [
        (
            "const d = M(); for (;;) d.prepare(\"select instr(zeroblob(20000000), cast(zeroblob(10000000) as blob)||x'01')\").get()",
            "CPU_LIMIT",
        ),
        (
            "const d = M(); const s = d.prepare(\"select trim(?, ?), replace(?1, ?2, 'x')\"); for (;;) s.get('a'.repeat(1e7), Array.from({ length: 1e5 }, (_, i) => String.fromCharCode(300 + i % 5e4)).join(''))",
            "CPU_LIMIT",
        ),
        (
            "const d = M(); d.function('f', () => { for (;;); }); for (;;) try { d.prepare('select f()').all() } catch {}",
            "CPU_LIMIT",
        ),
        ("const d = M(); d.function('f', () => { for (;;); }); d.prepare('select f()').all()", "CPU_LIMIT"),
        (
            "const d = M(); d.setAuthorizer(() => { for (;;); }); for (;;) try { d.prepare('select 1') } catch {}",
            "CPU_LIMIT",
        ),
        (
            "const d = M(); d.aggregate('a', { start: 0, step(sum, x) { for (;;); } }); d.prepare('select a(1)').get()",
            "CPU_LIMIT",
        ),
        (
            "const a = new sqlite.DatabaseSync('lock.db'); a.exec('begin exclusive'); const b = new sqlite.DatabaseSync('lock.db', { timeout: 1e9 }); b.exec('create table q(x)')",
            "HANDLER_TIMEOUT",
        ),
        (
            "const a = new sqlite.DatabaseSync('wait.db'); a.exec('begin exclusive'); const b = new sqlite.DatabaseSync('wait.db'); b.exec('pragma busy_timeout=60000; create table q(x)')",
            "HANDLER_TIMEOUT",
        ),
    ] {
        let began = Instant::now();
        let answer = app.post("/", code).await;
        assert_eq!(answer.code(), limit, "{code}: {}", answer.text());
        assert!(began.elapsed() < Duration::from_secs(15), "{code} took {:?}", began.elapsed());
        app.get("/ok").await.is(200, "ok");
    }
}

#[tokio::test]
async fn databases_do_not_reach_beyond_themselves() {
    let app = databases(edgehost::Profile::Project).await;
    for code in [
        "M().exec(\"PRAGMA temp_store_directory='/var/tmp'\")",
        "Object.getPrototypeOf(sqlite.DatabaseSync.prototype).exec.call(M(), \"PRAGMA temp_store_directory='/var/tmp'\")",
        "const q = [\"PRAGMA temp_store_directory='/var/tmp'\"]; M().createTagStore().run(Object.assign(q, { raw: q }))",
        "M().prepare('pragma hard_heap_limit=1').all()",
        "M().exec('pragma soft_heap_limit = 1')",
        "M().exec('pragma busy_timeout=2147483647')",
    ] {
        let answer = app.post("/", code).await;
        assert!(answer.text().contains("ERR_FEATURE_UNAVAILABLE_ON_PLATFORM"), "{code}: {}", answer.text());
    }
    for code in [
        "const d = M(); d.setAuthorizer(() => { d.setAuthorizer(null); return 0; }); d.exec('create table t(x)')",
        "const d = M(); d.setAuthorizer(() => { d.exec('select 1'); return 0; }); d.exec('create table t(x)')",
        "const d = M(); const st = d.createTagStore(); d.function('f', () => { st.clear(); return 1; }); return st.all`select f()`",
        "const d = M(); d.exec('create table t(x); insert into t values (zeroblob(100000))'); await sqlite.backup(d, 'out.db', { rate: 1, progress() { d.close(); } }); d.exec('select 1')",
        "const d = M(); d.limits.length = 1e9; d.prepare('select hex(zeroblob(300000000)) x').get()",
        "const d = new sqlite.DatabaseSync(':memory:', { limits: { length: 1e9 } }); d.prepare('select hex(zeroblob(300000000)) x').get()",
        "const d = new sqlite.DatabaseSync('w.db'); d.exec('pragma journal_mode=wal; create table t(x); insert into t values(1)'); fs.truncateSync('w.db-shm', 0); d.exec('insert into t values(2)')",
        "const a = new sqlite.DatabaseSync('locked.db'); a.exec('begin exclusive'); await sqlite.backup(M(), 'locked.db')",
        "Object.getPrototypeOf(sqlite.DatabaseSync)(':memory:').exec('select 1')",
    ] {
        let answer = app.post("/", code).await;
        assert_eq!(answer.status, 200, "{code}: {}", answer.text());
        assert!(answer.text().contains(": "), "{code} went through: {}", answer.text());
    }
    // Mapped files would be a way as well: a database is read, not mapped.
    let mapped = "const d = new sqlite.DatabaseSync('m.db'); d.exec('pragma mmap_size=100000000; create table t(x)'); for (let i = 0; i < 100; i++) d.exec('insert into t values (zeroblob(100000))'); const all = d.prepare('select length(x) l from t').iterate(); all.next(); fs.truncateSync('m.db', 0); try { for (const row of all); } catch {} return d.prepare('pragma mmap_size').get()";
    assert!(!app.post("/", mapped).await.text().contains("100000000"));
    // What people do goes on.
    let usual = "const d = M(); d.exec('create table t(x)'); d.function('twice', (x) => d.prepare('select ? * 2 as y').get(x).y);
        d.aggregate('total', { start: 0, step: (sum, x) => sum + x, result: (sum) => sum });
        d.setAuthorizer(() => sqlite.constants.SQLITE_OK); d.setAuthorizer(null);
        const insert = d.prepare('insert into t values ($x)'); for (const x of [1, 2, 3]) insert.run({ x });
        const sql = d.createTagStore(); const least = 2;
        await sqlite.backup(d, 'copy.db'); const copy = new sqlite.DatabaseSync('copy.db', { timeout: 1000 });
        return [d.prepare('select twice(x) y from t').all().map((row) => row.y), d.prepare('select total(x) s from t').get().s, sql.all`select x from t where x >= ${least}`.length, copy.prepare('select count(*) n from t').get().n, d.limits.length > 1e6, d instanceof sqlite.DatabaseSync]";
    app.post("/", usual).await.is_json(json!([[2, 4, 6], 6, 2, 3, true, true]));
    app.get("/ok").await.is(200, "ok");
}

#[tokio::test]
async fn functions_of_sql_answer_as_those_of_sqlite() {
    let app = databases(edgehost::Profile::Project).await;
    // What SQLite 3.40 answers.
    for (sql, answer) in [
        ("instr('hello','l')", json!(3)),
        ("instr('hello','')", json!(1)),
        ("instr('','')", json!(1)),
        ("instr('h\u{e9}llo','l')", json!(3)),
        ("instr(x'00ff10',x'10')", json!(3)),
        ("instr('abc',x'62')", json!(2)),
        ("instr(12345,34)", json!(3)),
        ("instr(null,'a')", json!(null)),
        ("instr('a',null)", json!(null)),
        ("instr('a','b')", json!(0)),
        ("instr('','a')", json!(0)),
        ("replace('aXbX','X','--')", json!("a--b--")),
        ("replace('aaa','aa','b')", json!("ba")),
        ("replace('abc','','z')", json!("abc")),
        ("replace(null,'a','b')", json!(null)),
        ("replace('abc','b',null)", json!(null)),
        ("replace('abc',null,'x')", json!(null)),
        ("replace(121,1,9)", json!("929")),
        ("typeof(replace(5,'',9))", json!("integer")),
        ("replace(x'6162','b','c')", json!("ac")),
        ("trim('xxhixx','x')", json!("hi")),
        ("ltrim('xxhixx','x')", json!("hixx")),
        ("rtrim('xxhixx','x')", json!("xxhi")),
        ("trim('abcXcba','abc')", json!("X")),
        ("trim('h\u{e9}\u{e9}','\u{e9}')", json!("h")),
        ("trim('xx','x')", json!("")),
        ("trim('abc','')", json!("abc")),
        ("trim(null,'a')", json!(null)),
        ("trim('a',null)", json!(null)),
        ("trim(121,1)", json!("2")),
        ("typeof(trim(x'6161','a'))", json!("text")),
        ("trim('  hi ')", json!("hi")),
    ] {
        let code = format!("return M().prepare({:?}).get().v", format!("select {sql} as v"));
        app.post("/", &code).await.is_json(answer);
    }
}

#[tokio::test]
async fn paths_of_any_length() {
    let app = databases(edgehost::Profile::Strict).await;
    let began = Instant::now();
    for parts in [1_000, 2_000, 150_000] {
        let code = format!("return fs.existsSync('/x' + '/a'.repeat({parts}))");
        app.post("/", &code).await.is_json(json!(false));
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
