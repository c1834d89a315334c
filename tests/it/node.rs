//! Modules and globals of Node.js: RH 9.3, 10.3 and 10.4.

use serde_json::{Value, json};

use super::harness::{App, logged, project, serve_root};

/// What `module.builtinModules` of Node.js 22 lists, and those that only `node:` names.
const BUILTINS: [&str; 72] = [
    "_http_agent",
    "_http_client",
    "_http_common",
    "_http_incoming",
    "_http_outgoing",
    "_http_server",
    "_stream_duplex",
    "_stream_passthrough",
    "_stream_readable",
    "_stream_transform",
    "_stream_wrap",
    "_stream_writable",
    "_tls_common",
    "_tls_wrap",
    "assert",
    "assert/strict",
    "async_hooks",
    "buffer",
    "child_process",
    "cluster",
    "console",
    "constants",
    "crypto",
    "dgram",
    "diagnostics_channel",
    "dns",
    "dns/promises",
    "domain",
    "events",
    "fs",
    "fs/promises",
    "http",
    "http2",
    "https",
    "inspector",
    "inspector/promises",
    "module",
    "net",
    "os",
    "path",
    "path/posix",
    "path/win32",
    "perf_hooks",
    "process",
    "punycode",
    "querystring",
    "readline",
    "readline/promises",
    "repl",
    "stream",
    "stream/consumers",
    "stream/promises",
    "stream/web",
    "string_decoder",
    "sys",
    "timers",
    "timers/promises",
    "tls",
    "trace_events",
    "tty",
    "url",
    "util",
    "util/types",
    "v8",
    "vm",
    "wasi",
    "worker_threads",
    "zlib",
    "node:sea",
    "node:sqlite",
    "node:test",
    "node:test/reporters",
];

/// Route files that import every built-in module in every way.
fn every_way() -> String {
    use std::fmt::Write as _;
    let mut source = String::new();
    let mut rows = String::new();
    for (index, name) in BUILTINS.iter().enumerate() {
        let full = if name.starts_with("node:") { (*name).to_owned() } else { format!("node:{name}") };
        let _ = writeln!(source, "import s{index} from '{name}'; import * as n{index} from '{full}';");
        let _ = writeln!(
            rows,
            "{{ const d = await import('{name}'); const c = await import('{full}' + ''); \
             rows.push(['{name}', s{index} === n{index}.default && s{index} === require('{name}') \
             && s{index} === require('{full}') && d.default === s{index} && c.default === s{index}, typeof s{index}]); }}"
        );
    }
    format!("{source}export async function GET() {{ const rows = [];\n{rows}return Response.json(rows); }}")
}

#[tokio::test]
async fn every_built_in_resolves_in_every_way() {
    let app = serve_root(&every_way()).await;
    let Value::Array(rows) = app.get("/").await.json() else { panic!("a list") };
    assert_eq!(rows.len(), BUILTINS.len());
    for row in rows {
        assert_eq!(row[1], true, "{row}");
        assert!(["object", "function"].contains(&row[2].as_str().expect("a type")), "{row}");
    }
}

/// deno_core can lose the source of a function that is in a snapshot; it fails only
/// when the function is first called.
#[tokio::test]
async fn every_function_of_every_built_in_has_its_source() {
    let list = json!(BUILTINS.to_vec());
    let app = serve_root(&format!(
        "export async function GET() {{
            const wrong = [], seen = new Set();
            const visit = (value, name, depth) => {{
                if (value === null || (typeof value !== 'object' && typeof value !== 'function') || seen.has(value) || depth > 4) return;
                seen.add(value);
                if (typeof value === 'function') {{
                    try {{ const text = Function.prototype.toString.call(value);
                        if (!text.includes('[native code]')) {{
                            try {{ new Function('return {{' + text + '}}'); }} catch {{
                                try {{ new Function('return (' + text.replace(/super\\b/g, 'this.x') + ')'); }} catch {{
                                    try {{ new Function('return ({{' + text.replace(/super\\b/g, 'this.x').replace(/#/g, '_') + '}})'); }} catch (error) {{
                                        if (!/^(async |static )?(function|class|get |set |\\(|[\\w$]+ *(=>|\\())/.test(text)) wrong.push([name, text.slice(0, 60)]);
                                    }} }} }} }}
                    }} catch (error) {{ wrong.push([name, String(error)]); }}
                }}
                for (const key of Reflect.ownKeys(value)) {{
                    const found = Reflect.getOwnPropertyDescriptor(value, key);
                    for (const part of [found.value, found.get, found.set]) visit(part, name + '.' + String(key), depth + 1);
                }}
            }};
            for (const name of {list}) visit(await import(name), name, 0);
            return Response.json([seen.size, wrong]);
        }}"
    ))
    .await;
    let answer = app.get("/").await.json();
    assert!(answer[0].as_u64().expect("a number") > 3000, "{answer}");
    assert_eq!(answer[1], json!([]));
}

#[tokio::test]
async fn an_app_that_names_nothing_of_node_has_nothing_of_it() {
    let source = "export const GET = () => Response.json(['Buf' + 'fer', 'glo' + 'bal', 'setImm' + 'ediate'].map(name => name in globalThis));";
    serve_root(source).await.get("/").await.is_json(json!([false, false, false]));
    let with_node = format!("{source}\nexport const POST = () => new Response(Buffer.from('x'));");
    serve_root(&with_node).await.get("/").await.is_json(json!([true, true, true]));
}

#[tokio::test]
async fn globals() {
    let app = serve_root(
        "export async function GET() {
            const order = [];
            setImmediate(() => order.push('immediate'));
            clearImmediate(setImmediate(() => order.push('never')));
            process.nextTick(() => order.push('tick'));
            queueMicrotask(() => order.push('microtask'));
            await new Promise((resolve) => setTimeout(resolve, 20).ref().unref());
            let ticks = 0; const interval = setInterval(() => ++ticks === 2 && clearInterval(interval), 1);
            clearTimeout(Number(setTimeout(() => order.push('never'), 1)));
            await new Promise((resolve) => setTimeout(resolve, 20));
            order.push(ticks);
            return Response.json([global === globalThis, Buffer.from('aGk=', 'base64').toString(), order, typeof Deno, typeof __bootstrap, typeof nodeBootstrap]);
        }",
    )
    .await;
    app.get("/").await.is_json(json!([
        true,
        "hi",
        ["tick", "microtask", "immediate", 2],
        "undefined",
        "undefined",
        "undefined"
    ]));
}

#[tokio::test]
async fn process_tells_of_the_app_and_writes_into_the_log() {
    let app = project()
        .file(
            "app/route.ts",
            "import { stdout } from 'node:process';
            import fs from 'node:fs';
            export async function GET() {
                process.env.ADDED = 7;
                const start = process.hrtime.bigint();
                process.on('unhandledRejection', () => {});
                process.stdout.write('written in two ');
                process.stdout.write('steps\\n');
                process.stderr.write('to the error stream');
                stdout.write('by the named export\\n');
                fs.writeSync(1, 'to descriptor one\\n');
                fs.writeSync(2, Buffer.from('..to descriptor two\\n'), 2);
                await new Promise((resolve) => fs.write(1, 'with a callback\\n', resolve));
                const piped = fs.readFileSync(0).length;
                return Response.json({
                    cwd: process.cwd(), given: process.env.GIVEN, added: process.env.ADDED, none: process.env.HOME ?? null,
                    version: /^v\\d+\\.\\d+\\.\\d+$/.test(process.version), deno: 'deno' in process.versions, v8: typeof process.versions.v8,
                    platform: process.platform, arch: process.arch, argv: process.argv.length > 0, up: process.uptime() >= 0,
                    memory: process.memoryUsage().rss > 1e6, piped, hr: process.hrtime.bigint() >= start, pid: process.pid > 0,
                });
            }",
        )
        .env("GIVEN", "yes")
        .start()
        .await;
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let root = app.dir.as_ref().expect("a folder").path().canonicalize().expect("it exists");
    app.get("/").await.is_json(json!({
        "cwd": root, "given": "yes", "added": "7", "none": null,
        "version": true, "deno": false, "v8": "string",
        "platform": std::env::consts::OS, "arch": arch, "argv": true, "up": true,
        "memory": true, "hr": true, "pid": true, "piped": 0,
    }));
    for line in [
        "written in two steps",
        "to the error stream",
        "by the named export",
        "to descriptor one",
        "to descriptor two",
        "with a callback",
    ] {
        logged(&[line, "route=\"/\""]).await;
    }
}

#[tokio::test]
async fn ending_the_process_ends_the_request_alone() {
    let app = project()
        .file("app/exit/route.ts", "export function GET() {\n  try { process.exit(3); } catch {}\n  return new Response('went on');\n}")
        .file("app/later/route.ts", "export async function GET() {\n  await null;\n  process.exit();\n}")
        .file("app/named/route.ts", "import { exit } from 'node:process';\nexport function GET() { exit(1); }")
        .file("app/abort/route.ts", "import { abort } from 'process';\nexport function GET() { abort(); }")
        .file("app/kill/route.ts", "export function GET() { process.kill(process.pid, 'SIGKILL'); }")
        .file("app/load/route.ts", "process.exit(4);\nexport function GET() {}")
        .file("app/ok/route.ts", "export const GET = () => new Response('alive');")
        .start()
        .await;
    for path in ["/exit", "/later", "/named", "/abort", "/kill", "/load"] {
        assert_eq!(app.get(path).await.status, 500, "{path}");
        app.get("/ok").await.is(200, "alive");
    }
    logged(&["process.exit(3) was called from ", "app/exit/route.ts:2:17"]).await;
    logged(&["process.exit() was called from ", "app/later/route.ts:3:11"]).await;
    logged(&["process.exit(1) was called", "app/named/route.ts:2:25"]).await;
    logged(&["process.abort()", "app/abort/route.ts:2:"]).await;
    logged(&["the module failed to load", "process.exit(4) was called", "app/load/route.ts:1:9"]).await;
}

#[tokio::test]
async fn async_local_storage_follows_everything() {
    let app = project()
        .file("data.txt", "text")
        .file(
            "app/route.ts",
            "import { AsyncLocalStorage } from 'node:async_hooks';
            import { EventEmitter, once } from 'node:events';
            import fs from 'node:fs';
            import net from 'node:net';
            import http from 'node:http';
            import { Readable, Transform, pipeline } from 'node:stream';
            import { promisify } from 'node:util';
            import { gzip } from 'node:zlib';
            import { scrypt } from 'node:crypto';
            import { setTimeout as later } from 'node:timers/promises';
            import { cookies, headers } from 'next/headers';
            const storage = new AsyncLocalStorage(), other = new AsyncLocalStorage();
            const shared = new http.Agent({ keepAlive: true, maxSockets: 1 });
            const port = () => Number(process.env.PORT_OF_ECHO);
            export async function GET(request) {
                const id = new URL(request.url).searchParams.get('id');
                return other.run('other ' + id, () => storage.run(id, async () => {
                    const seen = {};
                    const mark = (name) => { seen[name] = storage.getStore() === id && other.getStore() === 'other ' + id; };
                    const called = (name, start) => new Promise((resolve, reject) => start((error) => { mark(name); error ? reject(error) : resolve(); }));
                    await called('setTimeout', (done) => setTimeout(done, 2));
                    await called('setImmediate', (done) => setImmediate(done));
                    await called('nextTick', (done) => process.nextTick(done));
                    await called('microtask', (done) => queueMicrotask(done));
                    await later(1); mark('timers/promises');
                    await called('fs callback', (done) => fs.readFile('data.txt', done));
                    await fs.promises.readFile('data.txt'); mark('fs promise');
                    await called('fs stream', (done) => fs.createReadStream('data.txt').on('data', () => mark('fs data')).on('close', done));
                    await called('pipeline', (done) => pipeline(Readable.from(['a']), new Transform({ transform(chunk, _, next) { mark('transform'); next(null, chunk); } }), async function* (source) { for await (const _ of source) mark('generator'); }, done));
                    await called('zlib', (done) => gzip('text', done));
                    await called('crypto', (done) => scrypt('a', 'b', 8, done));
                    const emitter = new EventEmitter(); setTimeout(() => emitter.emit('x'), 1); await once(emitter, 'x'); mark('EventEmitter');
                    await called('socket', (done) => { const socket = net.connect(port(), '127.0.0.1', () => { mark('connect'); socket.write('hello'); }); socket.on('data', () => { mark('data'); socket.end(); }); socket.on('close', () => done()); socket.on('error', done); });
                    for (const agent of [shared, shared, undefined]) {
                        await new Promise((resolve, reject) => http.get(request.url.replace(/\\?.*/, '') + 'plain', { agent }, (answer) => { mark('http response'); answer.on('data', () => mark('http data')); answer.on('end', () => { mark('http end'); resolve(); }); }).on('error', reject));
                    }
                    const web = new ReadableStream({ pull(controller) { mark('web pull'); controller.enqueue('x'); controller.close(); } });
                    for await (const _ of web) mark('web stream');
                    const target = new EventTarget(); target.addEventListener('x', () => mark('EventTarget')); target.dispatchEvent(new Event('x'));
                    await fetch(request.url.replace(/\\?.*/, '') + 'plain').then((answer) => answer.text()); mark('fetch');
                    const channel = new MessageChannel();
                    seen.cookie = (await cookies()).get('id')?.value === id; seen.header = (await headers()).get('x-id') === id;
                    channel.port1.close();
                    seen.exit = storage.exit(() => storage.getStore()) === undefined && other.getStore() === 'other ' + id;
                    seen.scope = (await cookies()).get('id')?.value === id;
                    return Response.json(seen);
                }));
            }",
        )
        .file("app/plain/route.ts", "export const GET = () => new Response('plain');")
        .env("PORT_OF_ECHO", &echo().await.to_string())
        .start()
        .await;
    let ask = async |id: &str| {
        let cookie = format!("id={id}");
        let path = format!("/?id={id}");
        app.send(http::Method::GET, &path, &[("cookie", &cookie), ("x-id", id)], "").await.json()
    };
    let (one, two, three) = futures::join!(ask("one"), ask("two"), ask("three"));
    for seen in [one, two, three] {
        let Value::Object(seen) = seen else { panic!("an object") };
        assert!(seen.len() >= 24, "{seen:?}");
        let lost: Vec<_> = seen.iter().filter(|(_, kept)| **kept != true).map(|(name, _)| name).collect();
        assert!(lost.is_empty(), "lost in {lost:?}");
    }
}

/// A server on loopback that sends back what it gets.
async fn echo() -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                while let Ok(count @ 1..) = socket.read(&mut buffer).await {
                    let _ = socket.write_all(&buffer[..count]).await;
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn what_has_no_meaning_here_is_refused_when_it_is_called() {
    let app = serve_root(
        "import cluster, { fork } from 'node:cluster';
        import * as repl from 'repl';
        import { Session, url } from 'node:inspector';
        import { Worker, isMainThread } from 'worker_threads';
        import net from 'net';
        import http from 'node:http';
        import http2 from 'node:http2';
        import tls from 'node:tls';
        import { execSync, spawn, fork as start } from 'child_process';
        const attempts = {
            'cluster.fork': () => fork(), 'cluster.setupPrimary': () => cluster.setupPrimary(),
            'repl.REPLServer': () => repl.start(), 'inspector.Session': () => new Session(),
            'worker_threads.Worker': () => new Worker('./x.js'), 'net.Server.listen': () => net.createServer().listen(0),
            'child_process.execSync': () => execSync('ls'), 'child_process.spawn': () => spawn('ls'), 'child_process.fork': () => start('x.js'),
        };
        const servers = [() => http.createServer().listen(0), () => http2.createServer().listen(0), () => tls.createServer().listen(0)];
        export function GET() {
            const wrong = [];
            for (const [name, attempt] of Object.entries(attempts)) {
                try { attempt(); wrong.push(name); } catch (error) {
                    if (!error.message.startsWith(name + ' is not available in edgehost (called from ') || !error.message.includes('app/route.ts:') || error.code !== 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM') wrong.push(error.message);
                }
            }
            for (const server of servers) try { server(); wrong.push(String(server)); } catch (error) { if (!error.message.includes('Server.listen is not available')) wrong.push(error.message); }
            return Response.json([wrong, isMainThread, cluster.isPrimary, url() ?? null]);
        }",
    )
    .await;
    app.get("/").await.is_json(json!([[], true, true, null]));
}

#[tokio::test]
async fn require_loads_modules_of_both_kinds_from_the_disk() {
    let app = project()
        .file("node_modules/both/package.json", r#"{ "exports": { "module-sync": "./sync.mjs", "import": "./import.mjs", "default": "./common.cjs" } }"#)
        .file("node_modules/both/sync.mjs", "export const from = 'module-sync';")
        .file("node_modules/both/import.mjs", "export const from = 'import';")
        .file("node_modules/both/common.cjs", "exports.from = 'default';")
        .file("node_modules/whole/package.json", r##"{ "type": "module", "main": "main.js", "imports": { "#inner": "./inner.js" } }"##)
        .file("node_modules/whole/inner.js", "export const inner = 'inside';")
        .file("node_modules/whole/main.js", "import old, { a, größe, handed, 'c-d' as cd } from 'old'; import { sep } from 'path'; import list from './list.json' with { type: 'json' }; import { inner } from '#inner'; import { twice } from '../bare/index.js'; import * as both from 'both'; export default function whole() { return [old.a, a, größe, handed, cd, sep, list.n, inner, twice(2), both.from, import.meta.filename.endsWith('whole/main.js')]; } export const late = () => import('./late.js').then((late) => late.name);")
        .file("node_modules/whole/late.js", "export const name = 'late';")
        .file("node_modules/whole/list.json", r#"{ "n": 5 }"#)
        .file("node_modules/old/package.json", "{}")
        .file("node_modules/old/index.js", "exports.a = 1; Object.defineProperty(exports, 'größe', { enumerable: true, get: () => 2 }); exports['c-d'] = 4; __exportStar(require('./more'), exports); function __exportStar(from, to) { Object.assign(to, from); }")
        .file("node_modules/old/more.js", "module.exports = { handed: 3 };")
        .file("node_modules/bare/package.json", "{}")
        .file("node_modules/bare/index.js", "export const twice = (n) => 2 * n;")
        .file("node_modules/chosen/package.json", r#"{ "type": "module", "main": "main.js" }"#)
        .file("node_modules/chosen/main.js", "const value = 'all of it'; export { value as 'module.exports' };")
        .file("node_modules/waits/package.json", r#"{ "type": "module", "main": "main.js" }"#)
        .file("node_modules/waits/main.js", "export const x = await 1;")
        .file("node_modules/throws/package.json", r#"{ "type": "module", "main": "main.js" }"#)
        .file("node_modules/throws/main.js", "throw new RangeError('from within');")
        .file("node_modules/lacks/package.json", r#"{ "type": "module", "main": "main.js" }"#)
        .file("node_modules/lacks/main.js", "import './nowhere.js';")
        .file("node_modules/looks/package.json", r#"{ "type": "module", "main": "main.js" }"#)
        .file("node_modules/looks/main.js", "import '/etc/passwd';")
        .file("app/both/route.ts", "import { createRequire } from 'node:module';
            const require = createRequire(import.meta.url); const name = (...parts: string[]) => parts.join('');
            export const GET = async () => { const whole = require(name('who', 'le')); return Response.json([require(name('bo', 'th')).from, whole.__esModule, whole.default(), await whole.late(), whole === require('whole'), require(name('ba', 're')).twice(4), require(name('cho', 'sen')), (await import(require.resolve('bare/index.js').replace(/^/, 'file://'))).twice(1)]); };")
        .file("app/fails/route.ts", "import { createRequire } from 'node:module';
            const require = createRequire(import.meta.url); const tried = (name: string) => { try { return require(name); } catch (error: any) { return error.code ?? `${error.name} ${error.message.includes('from within')}`; } };
            export const GET = () => Response.json(['waits', 'throws', 'throws', 'lacks', 'looks'].map(tried));")
        .start()
        .await;
    app.get("/both").await.is_json(json!([
        "module-sync",
        true,
        [1, 1, 2, 3, 4, "/", 5, "inside", 4, "module-sync", true],
        "late",
        true,
        8,
        "all of it",
        2,
    ]));
    app.get("/fails").await.is_json(json!([
        "ERR_REQUIRE_ASYNC_MODULE",
        "RangeError true",
        "RangeError true",
        "ERR_MODULE_NOT_FOUND",
        "ERR_ACCESS_DENIED",
    ]));
}

#[tokio::test]
async fn commonjs_has_its_surroundings() {
    let app = project()
        .file("data/list.json", "{\"from\":\"disk\"}")
        .file("lib/old.js", "const load = (name) => require(name);\nmodule.exports = { file: __filename, dir: __dirname, os: load('os').EOL, data: load('../data/list.json').from, resolved: require.resolve('../data/list.json'), direct: require('../data/list.json').from };")
        .file("node_modules/late/package.json", "{\"main\":\"main.js\"}")
        .file("node_modules/late/main.js", "exports.name = 'loaded while running'; exports.file = __filename;")
        .file(
            "app/route.ts",
            "import old from '../lib/old.js';
            import { createRequire } from 'node:module';
            const require = createRequire(import.meta.url);
            const missing = () => { try { return (createRequire(import.meta.url))('nowhere'); } catch (error) { return error.code; } };
            export const GET = () => Response.json([old, __filename, __dirname, require('../data/list.json').from, require(['la', 'te'].join('')).name, missing(), require('node:path').sep]);",
        )
        .file("lib/short.js", "module.exports = { __dirname, __filename, require };")
        .file("app/short/route.ts", "import short from '../../lib/short'; const own = { __filename }; export const GET = () => Response.json([short.__dirname.endsWith('/lib'), short.__filename.endsWith('/lib/short.js'), short.require('path').sep, own.__filename.endsWith('/app/short/route.ts')]);")
        .file("lib/fails.js", "exports.half = true; globalThis.tries = (globalThis.tries ?? 0) + 1; if (globalThis.tries < 3) throw new Error('not yet');")
        .file("app/again/route.js", "exports.GET = () => { const seen = []; for (let i = 0; i < 4; i++) try { seen.push(require('../../lib/fails').half); } catch (error) { seen.push(error.message); } return Response.json([seen, globalThis.tries]); };")
        .file("app/bundled/route.js", "let code; try { require('nowhere-to-be-found'); } catch (error) { code = error.code; }\nexports.GET = () => new Response(code);")
        .start()
        .await;
    let root = app.dir.as_ref().expect("a folder").path().canonicalize().expect("it exists");
    let path = |path: &str| root.join(path).display().to_string();
    app.get("/").await.is_json(json!([
        { "file": path("lib/old.js"), "dir": path("lib"), "os": "\n", "data": "disk", "resolved": path("data/list.json"), "direct": "disk" },
        path("app/route.ts"),
        path("app"),
        "disk",
        "loaded while running",
        "MODULE_NOT_FOUND",
        "/",
    ]));
    app.get("/bundled").await.is(200, "MODULE_NOT_FOUND");
    app.get("/short").await.is_json(json!([true, true, "/", true]));
    app.get("/again").await.is_json(json!([["not yet", "not yet", true, true], 3]));
}

#[tokio::test]
async fn edge_routes_have_their_few_modules() {
    let app = serve_root(
        "import { Buffer } from 'node:buffer';
        import { EventEmitter } from 'events';
        import { AsyncLocalStorage } from 'node:async_hooks';
        import assert from 'assert';
        import util from 'util';
        export const runtime = 'edge';
        const Global = globalThis.AsyncLocalStorage;
        export async function GET() {
            assert.equal(1, 1);
            const storage = new AsyncLocalStorage();
            const kept = await storage.run(1, async () => { await new Promise((resolve) => setTimeout(resolve, 1)); return storage.getStore(); });
            const refused = await import('node' + ':fs').then(() => 'loaded', () => 'refused');
            let emitted; new EventEmitter().on('x', (value) => { emitted = value; }).emit('x', 2);
            return Response.json([Buffer.from('a').toString('hex'), kept, emitted, util.format('%d', 3), typeof Global, Object.keys(process), refused]);
        }",
    )
    .await;
    app.get("/").await.is_json(json!(["61", 1, 2, "3", "function", ["env"], "refused"]));
}

#[tokio::test]
async fn an_edge_route_that_reaches_another_module_is_refused_with_the_way_there() {
    let refusal = project()
        .file("node_modules/deep/index.js", "const fs = require('fs'); exports.read = () => fs.readFileSync('x');")
        .file("lib/files.ts", "import { read } from 'deep';\nexport const text = () => read();")
        .file("app/route.ts", "import { text } from '../lib/files';\nexport const runtime = 'edge';\nexport const GET = () => new Response(text());")
        .refusal()
        .await;
    for part in [
        "The Node.js module 'node:fs', which node_modules/deep/index.js imports, is not available in edge routes",
        "node_modules/deep/index.js:1:",
        "imported by lib/files.ts",
        "which is imported by app/route.ts",
    ] {
        assert!(refusal.contains(part), "{part} is not in\n{refusal}");
    }
    // What is not certain to run fails when it runs.
    let app = project()
        .file("node_modules/careful/index.js", "let fs; try { fs = require('fs'); } catch { fs = 'none'; }\nexports.fs = fs; exports.later = () => require('node:path');")
        .file("app/route.ts", "import { fs, later } from 'careful';\nexport const runtime = 'edge';\nexport const GET = () => { try { return new Response(later()); } catch (error) { return new Response(fs + ' ' + error.message); } };")
        .start()
        .await;
    let answer = app.get("/").await;
    assert!(
        answer
            .text()
            .starts_with("none The Node.js module 'node:path', which node_modules/careful/index.js imports"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn native_addons_are_found_and_named() {
    let project = project()
        .file("node_modules/fast/package.json", "{\"name\":\"fast\"}")
        .file("node_modules/fast/build/fast.node", "\u{7f}ELF")
        .file("node_modules/fast/index.js", "module.exports = require('./build/fast.node');")
        .file("app/route.ts", "export const GET = async () => new Response(await import('fast').then(() => 'loaded', (error) => error.code + ': ' + error.message));");
    let warnings = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = warnings.clone();
    let builder = project.builder().on_progress(move |progress| {
        if let edgehost::Progress::Bundled { warnings, .. } = progress {
            seen.lock().expect("not poisoned").extend(warnings.to_vec());
        }
    });
    let app = App::serve(builder.build().await.expect("built"), None).await;
    let message = "The native addon node_modules/fast/build/fast.node of the package 'fast' cannot be loaded: edgehost runs JavaScript and WebAssembly only. Many packages have a variant without native code";
    app.get("/").await.is(200, &format!("ERR_DLOPEN_FAILED: {message}"));
    let warnings = warnings.lock().expect("not poisoned");
    assert_eq!(warnings.len(), 1);
    assert_eq!(
        (warnings[0].message.as_str(), warnings[0].file.as_str()),
        (message, "node_modules/fast/index.js")
    );
}

#[tokio::test]
async fn web_assembly_that_wants_threads_is_refused_like_an_addon() {
    let package = "{\"name\":\"@img/sharp-wasm32\",\"exports\":{\"./sharp.node\":\"./index.cjs\"}}";
    let app = project()
        .file("node_modules/@img/sharp-wasm32/package.json", package)
        .file("node_modules/@img/sharp-wasm32/index.cjs", "module.exports = 'loaded';")
        .file(
            "app/route.ts",
            "import { createRequire } from 'node:module';
            const atRunTime = createRequire(import.meta.url);
            const tried = (load: () => unknown) => { try { return load(); } catch (error: any) { return error.code; } };
            export const GET = () => Response.json([
                tried(() => require('@img/sharp-wasm32/sharp.node')),
                tried(() => atRunTime('@img/sharp-wasm32/sharp.node')),
            ]);",
        )
        .start()
        .await;
    app.get("/").await.is_json(json!(["ERR_DLOPEN_FAILED", "ERR_DLOPEN_FAILED"]));
}

#[tokio::test]
async fn errors_that_nobody_caught_reach_the_listeners_of_process() {
    let app = serve_root(
        "const seen = [];
        process.on('unhandledRejection', (reason, promise) => seen.push(['rejection', reason.message, promise instanceof Promise]));
        process.on('uncaughtException', (error, origin) => seen.push(['exception', error.message, origin]));
        export async function GET() {
            Promise.reject(new Error('nobody listens'));
            setTimeout(() => { throw new Error('thrown in a timer'); }, 1);
            await new Promise((resolve) => setTimeout(resolve, 20));
            return Response.json(seen);
        }",
    )
    .await;
    app.get("/").await.is_json(json!([
        ["rejection", "nobody listens", true],
        ["exception", "thrown in a timer", "uncaughtException"]
    ]));
}

#[test]
fn the_page_about_node_names_every_module() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/node.md");
    let page = std::fs::read_to_string(page).expect("readable");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    for name in BUILTINS {
        let name = format!("`{}`", name.trim_start_matches("node:"));
        let found =
            rows.iter().filter(|row| row.split('|').nth(1).unwrap_or_default().contains(&name)).count();
        assert_eq!(found, 1, "{name} is in {found} rows of docs/node.md");
    }
}

#[tokio::test]
async fn what_the_page_about_node_calls_refused_is() {
    let app = serve_root(
        "import fs from 'fs'; import os from 'os'; import v8 from 'v8'; import test from 'node:test'; import vm from 'vm'; import dgram from 'dgram'; import { DatabaseSync } from 'node:sqlite';
        const refused = {
            watch: () => fs.watch('.'), priority: () => os.setPriority(5), flags: () => v8.setFlagsFromString('--jitless'),
            snapshot: () => v8.writeHeapSnapshot(), setuid: () => process.setuid(1), umask: () => process.umask(0), mask: () => { if (process.umask() === 0o022) throw new Error('can be read'); }, title: () => { process.title = 'x'; },
            extension: () => { const db = new DatabaseSync(':memory:', { allowExtension: true }); db.loadExtension('./x.so'); }, test: () => test('x', () => {}), bind: () => dgram.createSocket('udp4').bind(0),
        };
        export async function GET() {
            const allowed = [];
            for (const [name, attempt] of Object.entries(refused)) { try { await attempt(); allowed.push(name); } catch {} }
            return Response.json([allowed, vm.runInNewContext('a + 1', { a: 1 }), new DatabaseSync(':memory:').prepare('select 1 + 1 as two').get().two]);
        }",
    )
    .await;
    app.get("/").await.is_json(json!([[], 2, 2]));
}

/// A request that was ended, or whose connection broke, is not sent a second time.
#[tokio::test]
async fn a_request_on_a_kept_connection_is_sent_once() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let seen = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let count = count.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = socket.read(&mut buffer).await {
                    let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
                    if text.starts_with("GET /first") {
                        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                    } else {
                        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        if text.starts_with("POST /drop") {
                            return;
                        }
                    }
                }
            });
        }
    });
    let app = serve_root(&format!(
        "import http from 'node:http';
        const call = (agent, method, path, then) => new Promise((resolve) => {{
            const request = http.request({{ agent, port: {port}, host: '127.0.0.1', method, path }}, (answer) => answer.resume().on('end', () => resolve('answered')));
            request.on('error', (error) => resolve(error.code ?? error.message));
            request.end(); then?.(request);
        }});
        export async function GET() {{
            const results = [];
            for (const [path, then] of [['/hang', (request) => setTimeout(() => request.destroy(new Error('mine')), 50)], ['/drop']]) {{
                const agent = new http.Agent({{ keepAlive: true, maxSockets: 1 }});
                results.push(await call(agent, 'GET', '/first'), await call(agent, 'POST', path, then));
            }}
            await new Promise((resolve) => setTimeout(resolve, 100));
            return Response.json(results);
        }}"
    ))
    .await;
    app.get("/").await.is_json(json!(["answered", "mine", "answered", "ECONNRESET"]));
    assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 2);
}

/// A signal that `fetch` made of the caller's is not lost to the garbage collector.
#[tokio::test]
async fn an_abort_reaches_a_body_after_a_garbage_collection() {
    let left = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = left.clone();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (socket, _) = listener.accept().await.expect("accepted");
        let mut wire = super::harness::Wire(socket);
        wire.read_until("\r\n\r\n").await;
        let mut socket = wire.0;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        while socket.write_all(b"1\r\nx\r\n").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        seen.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    let app = serve_root(&format!(
        "export async function GET() {{
            const controller = new AbortController();
            const answer = await fetch('http://127.0.0.1:{port}/', {{ signal: controller.signal }});
            const reader = answer.body.getReader();
            await reader.read();
            for (let i = 0; i < 30; i++) {{ new Array(300000).fill({{}}); await new Promise((resolve) => setTimeout(resolve, 2)); }}
            setTimeout(() => controller.abort(), 20);
            try {{ for (let i = 0; i < 100; i++) await reader.read(); return new Response('reads on'); }} catch (error) {{ return new Response(error.name); }}
        }}"
    ))
    .await;
    let answer = app.get("/").await;
    assert_eq!(answer.text(), "AbortError", "{}", super::harness::log());
    for _ in 0..100 {
        if left.load(std::sync::atomic::Ordering::SeqCst) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the connection stays open");
}

#[tokio::test]
async fn a_listener_that_throws_costs_other_sockets_nothing() {
    let port = echo().await;
    let app = serve_root(&format!(
        "import net from 'node:net';
        export async function GET() {{
            const sockets = await Promise.all(Array.from({{ length: 10 }}, () => new Promise((resolve) => {{ const socket = net.connect({port}, '127.0.0.1', () => resolve(socket)); }})));
            const counts = sockets.map(() => 0);
            sockets.forEach((socket, index) => socket.on('data', (data) => {{ counts[index] += data.length; if (index === 3 && counts[index] === 2) throw new Error('thrown while reading'); }}));
            for (let round = 0; round < 5; round++) {{ for (const socket of sockets) socket.write('x'); await new Promise((resolve) => setTimeout(resolve, 20)); }}
            const paused = net.connect({port}, '127.0.0.1'); paused.write('hello'); paused.pause();
            const text = await new Promise((resolve) => paused.on('readable', () => {{ const data = paused.read(); if (data) resolve(data.toString()); }}));
            net.connect({port}, '127.0.0.1', () => {{ throw new Error('thrown while connecting'); }});
            await new Promise((resolve) => setTimeout(resolve, 20));
            return Response.json([counts, text]);
        }}"
    ))
    .await;
    app.get("/").await.is_json(json!([[5, 5, 5, 5, 5, 5, 5, 5, 5, 5], "hello"]));
    logged(&["Uncaught Error: thrown while reading", "route=\"/\""]).await;
    logged(&["Uncaught Error: thrown while connecting"]).await;
}

#[tokio::test]
async fn web_sockets() {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("accepted");
        let mut wire = super::harness::Wire(socket);
        let head = wire.read_until("\r\n\r\n").await.to_lowercase();
        assert!(head.contains("upgrade: websocket"), "{head}");
        let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).map(str::to_owned);
        assert!(key.is_some());
        // No answer to the handshake: the client has to notice.
        let _ = wire.0.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    });
    let source = format!(
        "const ask = () => new Promise((resolve) => {{ const socket = new WebSocket('ws://127.0.0.1:{port}/'); socket.onerror = (event) => resolve([event.type, socket.readyState, typeof WebSocket.OPEN]); }}); export const GET = async () => Response.json([await ask(), (() => {{ try {{ new WebSocket('http:'); }} catch (error) {{ return error.name; }} }})()]);"
    );
    serve_root(&source).await.get("/").await.is_json(json!([["error", 3, "number"], "SyntaxError"]));
}

#[tokio::test]
async fn a_trace_is_one_line_of_the_request() {
    let app = serve_root(
        "export const GET = () => { console.trace('traced here', 1); return new Response('ok'); };",
    )
    .await;
    app.get("/").await.is(200, "ok");
    let line = logged(&["Trace: traced here 1"]).await;
    assert!(line.contains("edgehost::console") && line.contains("app/route.ts:1:"), "{line}");
}

#[tokio::test]
async fn errors_have_the_codes_of_node() {
    let closed =
        tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let app = project().env("CLOSED", &closed.to_string()).file("app/route.ts",
        "import fs from 'fs'; import os from 'os'; import v8 from 'v8'; import { test } from 'node:test';
        export async function GET() {
            const code = async (run: () => unknown) => { try { await run(); return 'went through'; } catch (error: any) { return error.cause?.code ?? error.code ?? error.message; } };
            fs.writeFileSync('a.txt', 'a'); fs.writeFileSync('b.txt', 'b');
            const refused: any = {};
            for (const [name, run] of Object.entries({ priority: () => os.setPriority(1), flags: () => v8.setFlagsFromString('--x'), snapshot: () => v8.getHeapSnapshot(), uid: () => process.setuid!(0), umask: () => process.umask(0), test: () => test('x', () => {}) })) {
                refused[name] = await code(run);
            }
            return Response.json([
                await code(() => fetch(`http://${process.env.CLOSED}/`)), await code(() => fetch('http://nobody.invalid/')),
                await code(() => new URL('nope')), await code(() => new URL('//', 'base:')),
                await code(() => fs.copyFileSync('a.txt', 'b.txt', fs.constants.COPYFILE_EXCL)), fs.readFileSync('b.txt', 'utf8'),
                [...new Set(Object.values(refused))], process.umask(),
            ]);
        }",
    )
    .start()
    .await;
    app.get("/").await.is_json(json!([
        "ECONNREFUSED",
        "ENOTFOUND",
        "ERR_INVALID_URL",
        "ERR_INVALID_URL",
        "EEXIST",
        "b",
        ["ERR_FEATURE_UNAVAILABLE_ON_PLATFORM"],
        18
    ]));
}

#[tokio::test]
async fn what_deno_lacks_of_node() {
    let app = project()
        .file(".env.more", "MORE=1\nGIVEN=other\n")
        .file(
            "app/route.ts",
            "import fs from 'node:fs';
            import os from 'node:os';
            import util from 'node:util';
            import http2 from 'node:http2';
            import { DatabaseSync } from 'node:sqlite';
            import { W_OK } from 'node:fs';
            import { Assert } from 'node:assert/strict';
            import { matchesGlob } from 'path/posix';
            import { PerformanceMark } from 'perf_hooks';
            import { release, uptime } from 'process';
            export async function GET() {
                const code = (run: () => unknown) => { try { run(); return 'went through'; } catch (error) { return (error as NodeJS.ErrnoException).code; } };
                process.loadEnvFile('.env.more');
                fs.mkdirSync('empty');
                fs.writeFileSync('mode.txt', 'a', { mode: 0o600 });
                fs.appendFileSync('mode.txt', 'b', { mode: 0o644 });
                fs.writeFileSync('octal.txt', 'a', { mode: '0640' as any });
                await fs.promises.writeFile('mode.txt', 'c', { mode: 0o644 });
                return Response.json([
                    process.env.MORE, process.env.GIVEN,
                    code(() => fs.unlinkSync('empty')), await fs.promises.unlink('empty').catch((error) => error.code), fs.existsSync('empty'),
                    (fs.statSync('mode.txt').mode & 0o777).toString(8), (fs.statSync('octal.txt').mode & 0o777).toString(8),
                    (fs as any).F_OK, (fs as any).R_OK, os.availableParallelism() > 0,
                    (util as any).isString('x'), (util as any).isRegExp(/x/), (util as any).isDate(1),
                    new DatabaseSync(new URL('made.db', import.meta.url)) instanceof DatabaseSync, fs.existsSync('app/made.db'),
                    W_OK, typeof Assert, matchesGlob('a.ts', '*.ts'), typeof PerformanceMark, uptime() > 0, release.name,
                    http2.constants.HTTP_STATUS_TEAPOT, http2.constants.HTTP_STATUS_OK, http2.constants.HTTP2_METHOD_PATCH,
                    Buffer.from('00ff10', 'hex').toString('hex'), Buffer.alloc(3).write('zz', 'hex'),
                ]);
            }",
        )
        .env("GIVEN", "given")
        .start()
        .await;
    app.get("/").await.is_json(json!([
        "1", "given", "EISDIR", "EISDIR", true, "600", "640", 0, 4, true, true, true, false, true, true, 2,
        "function", true, "function", true, "node", 418, 200, "PATCH", "00ff10", 0
    ]));
}
