//! The global object: the names of the WinterTC minimum common API (ECMA-429),
//! their attributes, and what must not be there.

use serde_json::{Value, json};

use super::harness::{logged, project, serve_root};

/// ECMA-429, section 5: interfaces.
const INTERFACES: &str = "AbortController AbortSignal Blob ByteLengthQueuingStrategy CompressionStream CountQueuingStrategy Crypto CryptoKey CustomEvent DOMException DecompressionStream ErrorEvent Event EventTarget File FormData Headers MessageChannel MessageEvent MessagePort Performance PromiseRejectionEvent ReadableByteStreamController ReadableStream ReadableStreamBYOBReader ReadableStreamBYOBRequest ReadableStreamDefaultController ReadableStreamDefaultReader Request Response SubtleCrypto TextDecoder TextDecoderStream TextEncoder TextEncoderStream TransformStream TransformStreamDefaultController URL URLPattern URLSearchParams WritableStream WritableStreamDefaultController WritableStreamDefaultWriter";

/// ECMA-429, section 5: functions and attributes.
const MEMBERS: &str = "atob btoa clearInterval clearTimeout console crypto fetch navigator onerror onrejectionhandled onunhandledrejection performance queueMicrotask reportError self setInterval setTimeout structuredClone";

const WEB_ASSEMBLY: &str = "Global Instance Memory Module Table Tag Exception CompileError LinkError RuntimeError compile compileStreaming instantiate instantiateStreaming validate JSTag";

#[tokio::test]
async fn every_name_of_ecma_429_is_there_with_its_attributes() {
    let app = serve_root(&format!(
        "export const GET = () => {{
           const attributes = (name: string) => {{ let o: any = globalThis; while (o && !Object.hasOwn(o, name)) o = Object.getPrototypeOf(o); const d: any = o && Object.getOwnPropertyDescriptor(o, name); return d && [d.enumerable, d.configurable, 'value' in d ? d.writable : typeof d.set === 'function']; }};
           return Response.json({{
             interfaces: Object.fromEntries('{INTERFACES}'.split(' ').map((n) => [n, [typeof (globalThis as any)[n], attributes(n), (globalThis as any)[n]?.name]])),
             members: Object.fromEntries('{MEMBERS}'.split(' ').map((n) => [n, [n in globalThis, attributes(n)]])),
             wasm: '{WEB_ASSEMBLY}'.split(' ').filter((n) => !(n in WebAssembly)),
             target: globalThis instanceof EventTarget, agent: navigator.userAgent, self: self === globalThis,
             tags: [String(navigator), String(performance), String(crypto)],
             intl: new Intl.DateTimeFormat('de', {{ dateStyle: 'long', timeZone: 'UTC' }}).format(0), temporal: typeof (globalThis as any).Temporal,
           }}); }};",
    ))
    .await;
    let answer = app.get("/").await.json();
    for name in INTERFACES.split(' ') {
        assert_eq!(answer["interfaces"][name], json!(["function", [false, true, true], name]), "{name}");
    }
    for name in MEMBERS.split(' ') {
        let shown = name != "console";
        assert_eq!(answer["members"][name], json!([true, [shown, true, true]]), "{name}");
    }
    assert_eq!(answer["wasm"], json!([]));
    assert_eq!((&answer["target"], &answer["self"]), (&json!(true), &json!(true)));
    assert_eq!(answer["agent"], format!("edgehost/{}", env!("CARGO_PKG_VERSION")));
    assert_eq!(answer["tags"], json!(["[object Navigator]", "[object Performance]", "[object Crypto]"]));
    assert_eq!((&answer["intl"], &answer["temporal"]), (&json!("1. Januar 1970"), &json!("object")));
}

#[tokio::test]
async fn nothing_of_the_bootstrap_is_reachable() {
    let app = serve_root(
        "const own = (o: any) => Object.getOwnPropertyNames(o);
         export const GET = async () => { const gone = ['Deno', '__bootstrap', 'core', 'internals', 'primordials'].filter((n) => n in globalThis);
           const imports: string[] = []; for (const s of ['ext:core/mod.js', 'ext:core/ops', 'ext:edgehost/51_dispatch.js', 'ext:deno_fetch/26_fetch.js', 'edgehost:internal', 'data:text/javascript,1']) { try { await import(/* @vite-ignore */ s); imports.push(s); } catch {} }
           return Response.json({ gone, imports, own: own(globalThis).filter((n) => /deno|bootstrap|edgehost|primordial/i.test(n)), symbols: Object.getOwnPropertySymbols(globalThis).map(String).filter((n) => /deno/i.test(n)) }); };",
    )
    .await;
    app.get("/").await.is_json(json!({ "gone": [], "imports": [], "own": [], "symbols": [] }));
}

#[tokio::test]
async fn async_local_storage_is_a_global_in_both_runtimes_and_layers() {
    let source = "const { AsyncLocalStorage } = globalThis as any;
        const storage = new AsyncLocalStorage(), other = new AsyncLocalStorage({ defaultValue: 'default', name: 'other' });
        const pause = () => new Promise((r) => setTimeout(r, 1));
        const failed = (f: () => unknown) => { try { f(); return null; } catch (e: any) { return e.code ?? e.message; } };
        export async function GET() {
          const seen: any[] = [storage.getStore() ?? null, other.getStore(), typeof AsyncLocalStorage, AsyncLocalStorage.name];
          const [snapshot, bound] = storage.run(1, () => [AsyncLocalStorage.snapshot(), AsyncLocalStorage.bind(function (this: any, a: number, b: number) { return [this?.x, a + b, storage.getStore()]; })]);
          seen.push(snapshot((n: number) => [n, storage.getStore()], 5), bound.length, bound.call({ x: 'this' }, 2, 3), storage.getStore() ?? null);
          seen.push(await storage.run(7, async (n: number) => { await pause(); return [n, storage.getStore(), await other.run('inner', async () => { await null; return [storage.getStore(), other.getStore()]; }), storage.exit(() => storage.getStore() ?? null), storage.getStore()]; }, 6));
          seen.push(failed(() => storage.run(8, () => { throw new Error('thrown'); })), storage.getStore() ?? null, other.run(undefined, () => other.getStore() ?? null));
          await storage.run(0, async () => { storage.enterWith('entered'); await pause(); seen.push(storage.getStore()); storage.disable(); seen.push(storage.getStore() ?? null); });
          seen.push(failed(() => AsyncLocalStorage.bind(1)), failed(() => new AsyncLocalStorage(1)));
          const streamed = await storage.run('stream', () => new Response(new ReadableStream({ async pull(c) { await pause(); c.enqueue(new TextEncoder().encode(storage.getStore())); c.close(); } })).text());
          seen.push(streamed, (await Promise.all([1, 2, 3].map((n) => storage.run(n, async () => { await pause(); return storage.getStore(); })))).join(), storage instanceof AsyncLocalStorage);
          return Response.json(seen);
        }";
    let expected = json!([
        null,
        "default",
        "function",
        "AsyncLocalStorage",
        [5, 1],
        2,
        ["this", 5, 1],
        null,
        [6, 7, [7, "inner"], null, 7],
        "thrown",
        null,
        null,
        "entered",
        null,
        "ERR_INVALID_ARG_TYPE",
        "ERR_INVALID_ARG_TYPE",
        "stream",
        "1,2,3",
        true,
    ]);
    for runtime in ["nodejs", "edge"] {
        let route = format!("export const runtime = '{runtime}'; {source}");
        let web = project().file("app/route.ts", &route).start().await;
        web.get("/").await.is_json(expected.clone());
        let node = project()
            .file(
                "app/route.ts",
                format!("import {{ Buffer }} from 'node:buffer'; Buffer.from('x'); {route}"),
            )
            .start()
            .await;
        node.get("/").await.is_json(expected.clone());
    }
    let same = serve_root("import { AsyncLocalStorage } from 'node:async_hooks'; export const GET = () => Response.json(AsyncLocalStorage === globalThis.AsyncLocalStorage);").await;
    same.get("/").await.is_json(json!(true));
    // It does not bring the layer of Node.js along.
    let web = project()
        .env("NAME", "Buffer")
        .file("app/route.ts", "new AsyncLocalStorage(); export const GET = () => Response.json(typeof (globalThis as any)[process.env.NAME!]);")
        .start()
        .await;
    web.get("/").await.is_json(json!("undefined"));
}

#[tokio::test]
async fn every_api_works() {
    let app = serve_root(include_str!("../apps/every_api.ts")).await;
    let answer = app.get("/").await.json();
    let Value::Object(results) = answer else { panic!("not an object: {answer}") };
    assert!(results.len() > 20, "{results:?}");
    for (name, result) in results {
        assert_eq!(result, json!("ok"), "{name}");
    }
}

#[tokio::test]
async fn monkeypatching_built_ins_does_not_break_the_host() {
    let app = serve_root(
        "export const GET = () => { const { then } = Promise.prototype; try { Array.prototype.push = () => { throw 1; }; Map.prototype.get = () => { throw 2; }; (Symbol.iterator as any) ; Headers.prototype.get = () => { throw 3; }; Object.prototype.toString = () => { throw 4; }; Response.prototype.arrayBuffer = () => { throw 5; }; ReadableStreamDefaultReader.prototype.read = () => { throw 6; }; } finally { Promise.prototype.then = then; } return new Response(new ReadableStream({ start(c) { c.enqueue('patched'); c.close(); } }), { headers: { 'x-a': '1' } }); };",
    )
    .await;
    app.get("/").await.is(200, "patched");
    app.get("/").await.is(200, "patched");
}

#[tokio::test]
async fn console_lines_carry_level_route_and_request() {
    let app = serve_root(
        "console.log('at load', 1);
         export const GET = async () => { console.debug('debug line'); console.info('%s is %d', 'info line', 5); await null; console.warn('warn line', { a: [1, 'x'], m: new Map([['k', 1]]) }); console.error(new TypeError('error line')); console.table([{ a: 1 }]); console.group('grouped'); console.log('indented'); console.groupEnd(); return new Response('x'); };",
    )
    .await;
    app.get("/").await;
    logged(&["at load 1"]).await;
    let line = logged(&["info line is 5", "INFO", "edgehost::console", "route=\"/\""]).await;
    assert!(line.contains("request=\""), "{line}");
    logged(&["warn line { a: [ 1, \"x\" ], m: Map(1) { \"k\" => 1 } }"]).await;
    logged(&["TypeError: error line", "app/route.ts:2:"]).await;
    logged(&["debug line"]).await;
    logged(&["edgehost::console:   indented"]).await;
}

#[tokio::test]
async fn errors_that_nobody_caught_are_logged_with_the_users_lines() {
    let app = serve_root(
        "export const GET = () => {\n  setTimeout(() => {\n    throw new Error('uncaught in a timer');\n  }, 1);\n  void Promise.reject(new RangeError('rejected and forgotten'));\n  queueMicrotask(() => {\n    throw new Error('uncaught in a microtask');\n  });\n  return new Response('x');\n};",
    )
    .await;
    app.get("/").await.is(200, "x");
    let timer = logged(&["Uncaught Error: uncaught in a timer"]).await;
    assert!(timer.contains("app/route.ts:3:11"), "{timer}");
    let rejection = logged(&["Uncaught (in promise) RangeError: rejected and forgotten"]).await;
    assert!(rejection.contains("app/route.ts:5:23") && rejection.contains("route=\"/\""), "{rejection}");
    logged(&["Uncaught Error: uncaught in a microtask"]).await;
    app.get("/").await.is(200, "x");
}

#[tokio::test]
async fn global_handlers_can_take_errors_over() {
    let app = serve_root(
        "addEventListener('unhandledrejection', (e: any) => { console.log('handler saw', e.reason.message); e.preventDefault(); });
         globalThis.onerror = (message: any) => { console.log('onerror saw', message); return true; };
         export const GET = () => { void Promise.reject(new Error('taken over')); setTimeout(() => { throw new Error('timer taken over'); }, 1); reportError(new Error('reported')); return new Response('x'); };",
    )
    .await;
    app.get("/").await.is(200, "x");
    logged(&["handler saw taken over"]).await;
    logged(&["onerror saw", "timer taken over"]).await;
    assert!(!super::harness::log().contains("Uncaught (in promise) Error: taken over"));
}

#[tokio::test]
async fn native_code_throws_the_errors_of_the_standards() {
    let source = "
        const name = async (what) => { try { await what(); return 'went through'; } catch (error) { return error?.name ?? String(error); } };
        const { subtle } = crypto;
        export async function GET() {
            const key = await subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
            return Response.json([
                await name(() => atob('*')),
                await name(() => crypto.getRandomValues(new Uint8Array(70000))),
                await name(() => crypto.getRandomValues(new Float32Array(1))),
                await name(() => subtle.importKey('spki', new Uint8Array(4), { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify'])),
                await name(() => subtle.decrypt({ name: 'AES-GCM', iv: new Uint8Array(12) }, key, new Uint8Array(32))),
                await name(() => subtle.exportKey('raw', key)),
                await name(() => subtle.digest('X', new Uint8Array(1))),
                await name(() => structuredClone(() => {})),
                await name(() => new Blob([]).stream().getReader().read(1)),
                await name(() => fetch('http://127.0.0.1:9')),
            ]);
        }";
    let expected = json!([
        "InvalidCharacterError",
        "QuotaExceededError",
        "TypeMismatchError",
        "DataError",
        "OperationError",
        "InvalidAccessError",
        "NotSupportedError",
        "DataCloneError",
        "went through",
        "TypeError",
    ]);
    for runtime in ["nodejs", "edge"] {
        let app = project()
            .file(
                "app/route.ts",
                format!("export const runtime = '{runtime}';\n{source}\nglobalThis.global ??= {{}};"),
            )
            .start()
            .await;
        app.get("/").await.is_json(expected.clone());
    }
}

#[tokio::test]
async fn a_listener_that_throws_stops_nobody_else() {
    let source = "
        export async function GET() {
            const seen = [];
            const target = new EventTarget();
            target.addEventListener('a', () => { seen.push(1); throw new Error('of a listener'); });
            target.addEventListener('a', () => seen.push(2));
            target.dispatchEvent(new Event('a'));
            const controller = new AbortController();
            controller.signal.addEventListener('abort', () => { throw new Error('of an abort'); });
            controller.abort();
            const late = AbortSignal.timeout(1);
            late.addEventListener('abort', () => { seen.push(3); throw new Error('of a timeout'); });
            await new Promise((resolve) => setTimeout(resolve, 50));
            reportError(new Error('reported by hand'));
            return Response.json(seen);
        }";
    for layer in ["", "Buffer;"] {
        let app = project().file("app/route.ts", format!("{source}\n{layer}")).start().await;
        app.get("/").await.is_json(json!([1, 2, 3]));
        for text in ["of a listener", "of an abort", "of a timeout", "reported by hand"] {
            logged(&[&format!("Uncaught Error: {text}")]).await;
        }
    }
}

#[tokio::test]
async fn buffers_and_ports_are_transferred() {
    let app = serve_root(
        "export async function GET() {
            const cloned = new ArrayBuffer(8), twin = structuredClone({ cloned }, { transfer: [cloned] }).cloned;
            const stays = new ArrayBuffer(8), copy = structuredClone(stays);
            const { port1, port2 } = new MessageChannel();
            const sent = new Uint8Array([1, 2, 3]);
            const got = new Promise<Uint8Array>((resolve) => { port2.onmessage = ({ data }) => resolve(data); });
            port1.postMessage(sent, [sent.buffer]);
            const twice = (() => { try { structuredClone(cloned, { transfer: [cloned] }); } catch (error: any) { return error.name; } })();
            return Response.json([cloned.byteLength, twin.byteLength, stays.byteLength, copy.byteLength, [...await got], sent.length, twice]);
        }",
    )
    .await;
    app.get("/").await.is_json(json!([0, 8, 8, 8, [1, 2, 3], 0, "DataCloneError"]));
}
