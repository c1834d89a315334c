//! Where the Web's standards say what happens, and the scripts of the Deno crates did otherwise.

use serde_json::json;

use super::harness::{project, serve_root};

/// What a call answers, or the name of its error.
const TOLD: &str = "const told = async (run: any) => { try { return await run(); } catch (error: any) { return error.name; } };\n";

#[tokio::test]
async fn events_are_dispatched_as_the_dom_says() {
    let app = serve_root(&format!(
        "{TOLD}
        export const GET = async () => {{
          const target = new EventTarget();
          const stopped = new Event('x', {{ cancelable: true }});
          stopped.cancelBubble = true;
          stopped.cancelBubble = false;
          const cancelled = new Event('x', {{ cancelable: true }});
          cancelled.preventDefault();
          let again: any;
          target.addEventListener('twice', (event) => {{ try {{ new EventTarget().dispatchEvent(event); }} catch (error: any) {{ again = error.name; }} }});
          target.dispatchEvent(new Event('twice'));
          const progress = new ProgressEvent('p', {{ loaded: 1, total: 2, lengthComputable: true }});
          return Response.json({{
            flags: [stopped.cancelBubble, new EventTarget().dispatchEvent(cancelled), again],
            time: new Event('x').timeStamp > 0,
            reported: await new Promise((resolve) => {{
              addEventListener('error', (event) => {{ event.preventDefault(); resolve([event.isTrusted, event.message]); }}, {{ once: true }});
              reportError(new Error('told'));
            }}),
            timer: await told(() => (setTimeout as any)()),
            wrong: await Promise.all([
              () => new Event('x', 7 as any), () => new Event('x', null as any).type, () => target.dispatchEvent({{}} as any),
              () => target.addEventListener('x', 7 as any), () => new ErrorEvent('x', {{ lineno: 2 ** 32 + 1, message: 5 as any }}).lineno,
              () => new PromiseRejectionEvent('x', {{}} as any), () => new CloseEvent('x', {{ code: 65537 }}).code,
            ].map(told)),
            progress: [progress.loaded, progress.total, progress.lengthComputable, Object.keys(progress)],
          }});
        }};"
    ))
    .await;
    app.get("/").await.is_json(json!({
        "flags": [true, false, "InvalidStateError"],
        "time": true,
        "reported": [true, "Uncaught Error: told"],
        "timer": "TypeError",
        "wrong": ["TypeError", "x", "TypeError", "TypeError", 1, "TypeError", 1],
        "progress": [1, 2, true, ["isTrusted"]],
    }));
}

#[tokio::test]
async fn requests_are_made_as_fetch_says() {
    let app = serve_root(&format!(
        "{TOLD}
        import {{ NextRequest }} from 'next/server';
        const stream = () => new ReadableStream({{ start(c) {{ c.enqueue(new TextEncoder().encode('sent')); c.close(); }} }});
        const made = (init: any) => told(async () => (await new Request('http://h/', {{ method: 'POST', ...init }}).text()));
        export const GET = async () => Response.json([
          await made({{ body: stream(), duplex: 'half' }}), await made({{ body: stream() }}), await made({{ body: new Response('x').body }}),
          await made({{ body: 'x' }}), await made({{ body: 'x', duplex: 'full' }}), await made({{ body: stream(), duplex: 'half', keepalive: true }}),
          await made({{ window: 'w' }}), await made({{ window: null }}), await made({{ method: 'PUT', mode: 'no-cors' }}),
          await told(() => fetch('http://127.0.0.1:9/', {{ method: 'POST', body: stream() }})),
          await told(async () => await new NextRequest('http://h/', {{ method: 'POST', body: stream() }}).text()),
          await told(() => {{ try {{ new Request('http://h/', {{ method: 'POST', body: stream() }}); }} catch (error: any) {{ return error.message; }} }}),
        ]);"
    ))
    .await;
    app.get("/").await.is_json(json!([
        "sent",
        "TypeError",
        "TypeError",
        "x",
        "TypeError",
        "TypeError",
        "TypeError",
        "",
        "TypeError",
        "TypeError",
        "sent",
        "RequestInit: duplex option is required when sending a body.",
    ]));
}

/// As its edge runtime, which Node.js does not.
#[tokio::test]
async fn edge_routes_send_streams_as_next_js_does() {
    let app = serve_root(&format!(
        "{TOLD}
        export const runtime = 'edge';
        export const PUT = (request: Request) => new Response(request.body);
        export const POST = async (request: Request) => {{
          const {{ body, url }} = request;
          const echoed = await (await fetch(url, {{ method: 'PUT', body }})).text();
          return Response.json([echoed, await new Request(url, {{ method: 'PUT', body: new Blob(['made']).stream() }}).text(), await told(() => new Request(url, {{ method: 'PUT', body: 'x', duplex: 'full' }} as any))]);
        }};"
    ))
    .await;
    app.post("/", "sent on").await.is_json(json!(["sent on", "made", "TypeError"]));
}

#[tokio::test]
async fn parts_of_blobs_are_fetched() {
    let app = serve_root(&format!(
        "{TOLD}
        export const GET = async () => {{
          const url = URL.createObjectURL(new Blob(['0123456789'], {{ type: 'text/plain' }}));
          const part = (range?: string) => told(async () => {{
            const answer = await fetch(url, range === undefined ? {{}} : {{ headers: {{ range }} }});
            const {{ headers }} = answer;
            return [answer.status, headers.get('content-range'), headers.get('content-length'), headers.get('content-type'), await answer.text()].join(' ');
          }});
          const answers = [];
          for (const range of [undefined, 'bytes=2-4', 'bytes=7-', 'bytes=-3', 'bytes=-30', 'bytes=8-99', 'bytes \\t=\\t1 - 2', 'bytes=10-', 'bytes=4-2', 'bytes=-0', 'bytes=-', 'bytes=0-1,3-4', 'lines=1-2']) answers.push(await part(range));
          const empty = new ArrayBuffer(4);
          structuredClone(empty, {{ transfer: [empty] }});
          const form = await new Response(new FormData()).text();
          return Response.json([...answers, new Blob([empty, 'x']).size, form.endsWith('--\\r\\n')]);
        }};"
    ))
    .await;
    app.get("/").await.is_json(json!([
        "200  10 text/plain 0123456789",
        "206 bytes 2-4/10 3 text/plain 234",
        "206 bytes 7-9/10 3 text/plain 789",
        "206 bytes 7-9/10 3 text/plain 789",
        "206 bytes 0-9/10 10 text/plain 0123456789",
        "206 bytes 8-9/10 2 text/plain 89",
        "206 bytes 1-2/10 2 text/plain 12",
        "TypeError",
        "TypeError",
        "TypeError",
        "TypeError",
        "TypeError",
        "TypeError",
        1,
        true,
    ]));
}

#[tokio::test]
async fn streams_are_read_and_ended_in_order() {
    let app = serve_root(
        "export const GET = async () => {
           let source: any, isSynchronous = false;
           new ReadableStream({ start(c) { source = c; } }, { highWaterMark: 0 }).pipeTo(new WritableStream({ write() { isSynchronous = true; } }));
           await Promise.resolve();
           source.enqueue('chunk');
           const early = isSynchronous;
           await new Promise((r) => setTimeout(r, 1));

           const thrown = new Error('thrown');
           let transform: any;
           const { readable, writable } = new TransformStream({ start(c) { transform = c; }, cancel() { transform.error(thrown); } } as any);
           const ends = await Promise.all([readable.cancel('reason'), writable.close()].map((end) => end.then(() => 'fulfilled', (error) => error === thrown)));

           let bytes: any, seen: any = 'nothing';
           const reader = new ReadableStream({ type: 'bytes', start(c) { bytes = c; } } as any).getReader({ mode: 'byob' } as any);
           const reads = [reader.read(new Uint8Array(4) as any), reader.read(new Uint8Array(4) as any)];
           Object.defineProperty(Object.prototype, 'then', { get() { if (seen === 'nothing') seen = bytes.byobRequest; }, configurable: true });
           bytes.enqueue(new Uint8Array(8));
           delete (Object.prototype as any).then;
           const lengths = (await Promise.all(reads)).map(({ value }: any) => value.length);

           const body = new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode('hello')); c.close(); } }));
           (Object.prototype as any).then = (fulfil: any) => { delete (Object.prototype as any).then; fulfil(new TextEncoder().encode('bye')); };
           const text = await body.text();
           delete (Object.prototype as any).then;
           const own = Reflect.ownKeys(await new Response(new Blob(['x']).stream()).bytes());
           return Response.json({ pipe: [early, isSynchronous], ends, seen, lengths, text, own });
         };",
    )
    .await;
    app.get("/").await.is_json(json!({
        "pipe": [false, true],
        "ends": [true, true],
        "seen": null,
        "lengths": [4, 4],
        "text": "hello",
        "own": ["0"],
    }));
}

#[tokio::test]
async fn performance_entries_are_in_the_order_of_time() {
    let app = serve_root(&format!(
        "{TOLD}
        export const GET = async () => {{
          performance.mark('late', {{ startTime: 20 }});
          performance.mark('early', {{ startTime: 10 }});
          const names = performance.getEntries().map((entry) => entry.name);
          const observe = (...all: any[]) => told(() => {{ const observer = new PerformanceObserver(() => {{}}); for (const options of all) observer.observe(options); observer.disconnect(); return 'observes'; }});
          const seen = await new Promise((resolve) => {{
            const observer = new PerformanceObserver(function (this: any, list, itself, options: any) {{ resolve([list.getEntries().map((entry) => entry.name), this === itself, options]); observer.disconnect(); }} as any);
            observer.observe({{ type: 'mark' }});
            observer.observe({{ type: 'measure' }});
            performance.mark('second', {{ startTime: 6 }});
            performance.measure('first', null as any, 'second');
          }});
          return Response.json({{
            names, seen,
            observe: [await observe({{ type: 'mark' }}, {{ entryTypes: ['mark'] }}), await observe({{ entryTypes: ['mark'] }}, {{ type: 'mark' }}), await observe({{ type: 'mark', entryTypes: ['mark'] }}), await observe({{ type: 'mark' }}, {{ type: 'measure' }}), await observe({{}}), await observe({{ entryTypes: ['mark'], buffered: true }})],
            types: PerformanceObserver.supportedEntryTypes === PerformanceObserver.supportedEntryTypes,
          }});
        }};"
    ))
    .await;
    app.get("/").await.is_json(json!({
        "names": ["early", "late"],
        "seen": [["first", "second"], true, { "droppedEntriesCount": 0 }],
        "observe": ["InvalidModificationError", "InvalidModificationError", "TypeError", "observes", "TypeError", "TypeError"],
        "types": true,
    }));
}

#[tokio::test]
async fn aes_gcm_takes_vectors_and_tags_of_any_length() {
    let app = serve_root(&format!(
        "{TOLD}
        const {{ subtle }} = crypto;
        const same = (a: ArrayBuffer, b: ArrayBuffer) => Buffer.from(a).equals(Buffer.from(b));
        export const GET = async () => {{
          const key = await subtle.importKey('raw', new Uint8Array(16).fill(7), 'AES-GCM', true, ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey']);
          const plain = new TextEncoder().encode('attack at dawn');
          const wrong: string[] = [];
          for (const length of [1, 8, 12, 15, 16, 17, 64]) {{
            for (const tagLength of [32, 64, 96, 104, 112, 120, 128]) {{
              const algorithm = {{ name: 'AES-GCM', iv: new Uint8Array(length).fill(length), tagLength, additionalData: plain }};
              const sealed = await subtle.encrypt(algorithm, key, plain);
              const opened = await subtle.decrypt(algorithm, key, sealed);
              const damaged = new Uint8Array(sealed.slice(0));
              damaged[3] ^= 1;
              const refusal = await told(() => subtle.decrypt(algorithm, key, damaged));
              if (!same(opened, plain.buffer) || sealed.byteLength !== plain.length + tagLength / 8 || refusal !== 'OperationError') wrong.push(`${{length}}/${{tagLength}}`);
            }}
          }}
          // As node:crypto has it.
          const {{ createCipheriv }} = await import('node:crypto');
          const cipher = createCipheriv('aes-128-gcm', new Uint8Array(16).fill(7), new Uint8Array(5));
          const expected = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
          const algorithm = {{ name: 'AES-GCM', iv: new Uint8Array(5) }};
          const agrees = expected.equals(Buffer.from(await subtle.encrypt(algorithm, key, plain)));
          const other = await subtle.generateKey({{ name: 'AES-CBC', length: 128 }}, true, ['encrypt']);
          const wrapped = await subtle.wrapKey('jwk', other, key, algorithm);
          const unwrapped: any = await subtle.unwrapKey('jwk', wrapped, key, algorithm, 'AES-CBC', true, ['encrypt']);
          return Response.json({{
            wrong, agrees,
            wrapped: same(await subtle.exportKey('raw', other), await subtle.exportKey('raw', unwrapped)),
            refused: await Promise.all([
              () => subtle.encrypt({{ ...algorithm, tagLength: 33 }}, key, plain), () => subtle.encrypt(algorithm, other, plain),
              () => subtle.decrypt(algorithm, unwrapped, plain), () => subtle.decrypt(algorithm, key, new Uint8Array(3)),
            ].map(told)),
          }});
        }};"
    ))
    .await;
    app.get("/").await.is_json(json!({
        "wrong": [],
        "agrees": true,
        "wrapped": true,
        "refused": ["OperationError", "InvalidAccessError", "InvalidAccessError", "OperationError"],
    }));
}

#[tokio::test]
async fn ed448_signs_and_its_keys_travel_in_every_format() {
    let app = serve_root(&format!(
        "{TOLD}
        const {{ subtle }} = crypto;
        const data = new Uint8Array([1, 2, 3]);
        export const GET = async () => {{
          const {{ publicKey, privateKey }} = await subtle.generateKey('Ed448', true, ['sign', 'verify']) as CryptoKeyPair;
          const signature = await subtle.sign('Ed448', privateKey, data);
          const withContext = await subtle.sign({{ name: 'Ed448', context: data }} as any, privateKey, data);
          const keys: any = {{}};
          for (const format of ['raw', 'spki', 'jwk'] as any[]) {{
            const key = await subtle.importKey(format, await subtle.exportKey(format, publicKey) as any, {{ name: 'ed448' }}, true, ['verify']);
            keys[format] = [key.type, key.usages.join(), await subtle.verify('Ed448', key, signature, data), await subtle.verify('Ed448', key, signature, data.slice(1))];
          }}
          for (const format of ['pkcs8', 'jwk'] as any[]) {{
            const key = await subtle.importKey(format, await subtle.exportKey(format, privateKey) as any, 'Ed448', false, ['sign']);
            keys[`private ${{format}}`] = [key.type, key.extractable, await subtle.verify('Ed448', publicKey, await subtle.sign('Ed448', key, data), data)];
          }}
          const wrapping = await subtle.generateKey({{ name: 'AES-GCM', length: 256 }}, true, ['wrapKey', 'unwrapKey']) as CryptoKey;
          const gcm = {{ name: 'AES-GCM', iv: new Uint8Array(12) }};
          const unwrapped = await subtle.unwrapKey('pkcs8', await subtle.wrapKey('pkcs8', privateKey, wrapping, gcm), wrapping, gcm, 'Ed448', true, ['sign']);
          const clone = structuredClone(privateKey);
          // As node:crypto has it.
          const {{ createPublicKey, verify }} = await import('node:crypto');
          const jwk = await subtle.exportKey('jwk', publicKey);
          return Response.json({{
            keys, is: [publicKey instanceof CryptoKey, String(publicKey), publicKey.algorithm, signature.byteLength],
            context: [await subtle.verify({{ name: 'Ed448', context: data }} as any, publicKey, withContext, data), await subtle.verify('Ed448', publicKey, withContext, data)],
            travelled: [(await subtle.sign('Ed448', unwrapped, data)).byteLength, (await subtle.sign('Ed448', clone, data)).byteLength],
            jwk: [jwk.kty, jwk.crv, jwk.alg, jwk.key_ops, jwk.ext, 'd' in jwk],
            refused: await Promise.all([
              () => subtle.generateKey('Ed448', true, ['encrypt']), () => subtle.generateKey('Ed448', true, ['verify']), () => subtle.importKey('raw', data, 'Ed448', true, ['verify']),
              () => subtle.importKey('spki', data, 'Ed448', true, ['verify']), () => subtle.importKey('jwk', {{ ...jwk, crv: 'Ed25519' }}, 'Ed448', true, ['verify']), () => subtle.sign('Ed448', publicKey, data),
              () => subtle.sign('Ed25519', privateKey, data), async () => subtle.exportKey('pkcs8', (await subtle.generateKey('Ed448', false, ['sign']) as CryptoKeyPair).privateKey),
              () => subtle.sign({{ name: 'Ed448', context: new Uint8Array(256) }} as any, privateKey, data),
            ].map(told)),
          }});
        }};"
    ))
    .await;
    app.get("/").await.is_json(json!({
        "keys": {
            "raw": ["public", "verify", true, false],
            "spki": ["public", "verify", true, false],
            "jwk": ["public", "verify", true, false],
            "private pkcs8": ["private", false, true],
            "private jwk": ["private", false, true],
        },
        "is": [true, "[object CryptoKey]", { "name": "Ed448" }, 114],
        "context": [true, false],
        "travelled": [114, 114],
        "jwk": ["OKP", "Ed448", "Ed448", ["verify"], true, false],
        "refused": ["SyntaxError", "SyntaxError", "DataError", "DataError", "DataError", "InvalidAccessError", "InvalidAccessError", "InvalidAccessError", "OperationError"],
    }));
}

#[tokio::test]
async fn keys_and_signatures_that_are_none_are_refused() {
    let app = serve_root(&format!(
        "{TOLD}
        const {{ subtle }} = crypto;
        export const GET = async () => {{
          const jwkOf = async (algorithm: any, usages: any) => subtle.exportKey('jwk', (await subtle.generateKey(algorithm, true, usages) as CryptoKeyPair).privateKey);
          const edwards = await jwkOf('Ed25519', ['sign', 'verify']);
          const curve = {{ name: 'ECDSA', namedCurve: 'P-256' }};
          const nist = await jwkOf(curve, ['sign', 'verify']);
          const pair = await subtle.generateKey('X25519', true, ['deriveBits']) as CryptoKeyPair;
          const bits = new Uint8Array(await subtle.deriveBits({{ name: 'X25519', public: pair.publicKey }} as any, pair.privateKey, 230));
          // Everybody's signature: the key is no point but the neutral one, and so is R.
          const neutral = new Uint8Array(32);
          neutral[0] = 1;
          const small = await subtle.importKey('raw', neutral, 'Ed25519', true, ['verify']);
          const signature = new Uint8Array(64);
          signature[0] = 1;
          return Response.json([
            edwards.alg, await told(() => subtle.importKey('jwk', {{ ...edwards, x: undefined }}, 'Ed25519', true, ['sign'])),
            await told(() => subtle.importKey('jwk', {{ ...edwards, alg: 'ES256' }}, 'Ed25519', true, ['sign'])),
            await told(async () => (await subtle.importKey('jwk', {{ ...edwards, alg: 'EdDSA' }}, 'Ed25519', true, ['sign'])).type),
            await told(() => subtle.importKey('jwk', {{ ...nist, d: nist.d!.slice(2) }}, curve, true, ['sign'])),
            await told(() => subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', true, ['deriveBits'])),
            await told(async () => {{
              const {{ publicKey, privateKey }} = await subtle.generateKey({{ name: 'ECDSA', namedCurve: 'P-384' }}, false, ['sign', 'verify']) as CryptoKeyPair;
              const short = {{ name: 'ECDSA', hash: 'SHA-1' }};
              const of = await subtle.sign(short, privateKey, neutral);
              return [of.byteLength, await subtle.verify(short, publicKey, of, neutral), await subtle.verify(short, publicKey, of, bits), await subtle.verify(short, publicKey, bits, neutral)];
            }}),
            [bits.length, bits[28] & 3], await subtle.verify('Ed25519', small, signature, new Uint8Array(3)),
            [CryptoKey, Crypto, SubtleCrypto].map((type) => Object.getOwnPropertyNames(type).filter((name) => !['length', 'name', 'prototype', 'supports'].includes(name))).flat(),
          ]);
        }};"
    ))
    .await;
    app.get("/").await.is_json(json!([
        "Ed25519",
        "DataError",
        "DataError",
        "private",
        "DataError",
        "SyntaxError",
        [96, true, false, false],
        [29, 0],
        false,
        []
    ]));
}

#[tokio::test]
async fn the_node_layer_has_storage_and_timings_of_resources() {
    let app = project()
        .file(
            "app/route.ts",
            format!(
                "{TOLD}
                import {{ inspect }} from 'node:util';
                const resources = () => {{
                  performance.setResourceTimingBufferSize(2);
                  let full = 0;
                  performance.addEventListener('resourcetimingbufferfull', () => full++);
                  const mark = (at: number) => (performance as any).markResourceTiming({{ startTime: at, endTime: at + 5, encodedBodySize: 7, finalConnectionTimingInfo: {{ connectionStartTime: 1 }} }}, 'http://h/' + at, 'fetch', globalThis, '', {{}}, 200, '');
                  const entry = mark(3);
                  for (const at of [2, 1, 0]) mark(at);
                  const kept = performance.getEntriesByType('resource').map(({{ name }}) => name);
                  performance.clearResourceTimings();
                  return [entry instanceof PerformanceResourceTiming, entry.duration, entry.transferSize, entry.connectStart, entry.responseStatus, entry.toJSON().initiatorType, kept, full, performance.getEntriesByType('resource').length, PerformanceObserver.supportedEntryTypes];
                }};
                export const GET = async () => {{
                  const storage: any = localStorage;
                  storage.clear();
                  storage.setItem('a', 1);
                  storage.b = {{}};
                  storage.length = 7;
                  Object.defineProperty(storage, 'c', {{ value: 'defined' }});
                  const symbol = Symbol();
                  storage[symbol] = 'own';
                  const found = [storage.a, storage.b, storage.c, storage.length, storage.getItem('length'), storage.key(0), storage.key(9), storage.missing ?? null, storage.getItem('missing'), storage[symbol]];
                  const shape = [Object.keys(storage), JSON.stringify(storage), 'a' in storage, 'length' in storage, 'zz' in storage, Object.getOwnPropertyDescriptor(storage, 'a'), storage instanceof Storage, inspect(storage), sessionStorage.length, storage === localStorage];
                  const removed = [delete storage.a, delete storage.zz, storage.getItem('a'), storage.removeItem('b') ?? null, Object.keys(storage)];
                  const refused = await Promise.all([
                    () => storage.setItem('k'), () => Storage.prototype.getItem.call({{}}, 'a'), () => Object.defineProperty(storage, 'k', {{ get() {{}} }}), () => {{ 'use strict'; Object.preventExtensions(storage); }},
                  ].map(told));
                  storage.clear();
                  storage.setItem('k', 'x'.repeat(5 * 1024 * 1024 - 1));
                  const error: any = (() => {{ try {{ storage.setItem('l', ''); }} catch (error) {{ return error; }} }})();
                  const quota = [error.name, error instanceof QuotaExceededError, error.quota, error.requested, storage.getItem('k').length];
                  storage.setItem('k', '');
                  quota.push(await told(() => {{ storage.l = 'fits'; return storage.l; }}));
                  storage.clear();
                  return Response.json({{ found, shape, removed, refused, quota, resources: resources() }});
                }};"
            ),
        )
        .start()
        .await;
    let answer = app.get("/").await.json();
    assert_eq!(
        answer["found"],
        json!(["1", "[object Object]", "defined", 4, "7", "a", null, null, null, "own"])
    );
    assert_eq!(
        answer["shape"],
        json!([
            ["a", "b", "c"],
            "{\"a\":\"1\",\"b\":\"[object Object]\",\"c\":\"defined\"}",
            true,
            true,
            false,
            { "value": "1", "writable": true, "enumerable": true, "configurable": true },
            true,
            "Storage { a: '1', b: '[object Object]', length: '7', c: 'defined' }",
            0,
            true
        ])
    );
    assert_eq!(answer["removed"], json!([true, true, null, null, ["c"]]));
    assert_eq!(answer["refused"], json!(["TypeError", "TypeError", "TypeError", "TypeError"]));
    assert_eq!(
        answer["resources"],
        json!([
            true,
            5,
            307,
            1,
            200,
            "fetch",
            ["http://h/2", "http://h/3"],
            1,
            0,
            ["mark", "measure", "resource"]
        ])
    );
    let most = 5 * 1024 * 1024;
    assert_eq!(answer["quota"], json!(["QuotaExceededError", true, most, most + 1, most - 1, "fits"]));
}

const CACHES: &str = "
    const texts = async (answers: readonly Response[]) => Promise.all(answers.map((answer) => answer.text()));
    const put = (cache: Cache, url: any, text: string, init: any = {}) => cache.put(url, new Response(text, init));
    export const GET = async () => {
      for (const name of await caches.keys()) await caches.delete(name);
      const cache = await caches.open('one');
      await put(cache, 'http://h/a?q=1#fragment', 'first');
      await put(cache, 'http://h/b', 'second', { status: 404, headers: { 'x-kept': 'yes' } });
      await put(cache, 'http://h/a?q=1', 'third');
      const hit = (await cache.match('http://h/b'))!;
      const replaced = [await texts(await cache.matchAll()), (await cache.keys()).map((request) => request.url), hit.status, hit.headers.get('x-kept'), await told(() => hit.headers.set('a', 'b'))];
      const search = [await cache.match('http://h/a') ?? null, await (await cache.match('http://h/a', { ignoreSearch: true }))!.text(), await cache.match(new Request('http://h/b', { method: 'HEAD' })) ?? null, (await cache.match(new Request('http://h/b', { method: 'HEAD' }), { ignoreMethod: true }))!.status];

      const asked = (language: string) => new Request('http://h/v', { headers: { 'accept-language': language } });
      for (const language of ['en', 'de']) await put(cache, asked(language), language, { headers: { vary: 'Accept-Language' } });
      const vary = [await (await cache.match(asked('de')))!.text(), await cache.match(asked('fr')) ?? null, await texts(await cache.matchAll(asked('fr'), { ignoreVary: true })), (await cache.keys(asked('en'))).length];

      const other = await caches.open('two');
      await put(other, 'http://h/b', 'of two');
      const storage = [await caches.keys(), await caches.has('one'), await caches.has('three'), (await (await caches.match('http://h/b'))!.text()), await (await caches.match('http://h/b', { cacheName: 'two' } as any))!.text(), await caches.match('http://h/b', { cacheName: 'three' } as any) ?? null, await caches.delete('two'), await caches.delete('two'), await (await other.match('http://h/b'))!.text()];

      const used = new Response('used');
      await used.text();
      const refused = await Promise.all([
        () => put(cache, 'ftp://h/', ''), () => put(cache, new Request('http://h/', { method: 'POST' }), ''), () => put(cache, 'http://h/', '', { status: 206 }), () => put(cache, 'http://h/', '', { headers: { vary: 'accept, *' } }), () => cache.put('http://h/', used), () => cache.put('http://h/', {} as any), () => (cache as any).match(), () => new (Cache as any)(), () => cache.add('data:,x'),
      ].map(told));
      if (Object.getOwnPropertySymbols(cache).some((symbol) => !String(symbol).includes('brand'))) refused.push('reachable');
      const removed = [await cache.delete('http://h/none'), await cache.delete('http://h/a', { ignoreSearch: true }), (await cache.keys()).length];
      return Response.json({ replaced, search, vary, storage, refused, removed });
    };
";

#[tokio::test]
async fn caches_keep_what_service_workers_say() {
    let app = serve_root(&format!("{TOLD}{CACHES}")).await;
    for _ in 0..2 {
        app.get("/").await.is_json(json!({
            "replaced": [["second", "third"], ["http://h/b", "http://h/a?q=1"], 404, "yes", "TypeError"],
            "search": [null, "third", null, 404],
            "vary": ["de", null, ["en", "de"], 1],
            "storage": [["one", "two"], true, false, "second", "of two", null, true, false, "of two"],
            "refused": ["TypeError", "TypeError", "TypeError", "TypeError", "TypeError", "TypeError", "TypeError", "TypeError", "TypeError"],
            "removed": [false, true, 3],
        }));
    }
}

#[tokio::test]
async fn caches_fetch_and_stay_within_their_share() {
    let upstream = project()
        .file(
            "app/[name]/route.ts",
            "export const GET = async (req: Request, { params }: any) => { const { name } = await params; return new Response(name, { status: name === 'gone' ? 410 : 200, headers: name === 'all' ? { vary: '*' } : {} }); };",
        )
        .start()
        .await;
    let app = project()
        .limits(|limits| limits.memory = 128 << 20)
        .file(
            "app/route.ts",
            format!(
                "{TOLD}
                const at = (name: string) => `{}${{name}}`;
                export const GET = async () => {{
                  const cache = await caches.open('fetched');
                  await cache.addAll([at('one'), new Request(at('two'))]);
                  const read = [await (await cache.match(at('one')))!.text(), (await cache.match(at('two')))!.url === at('two')];
                  const refused = await Promise.all([
                    () => cache.add(at('gone')), () => cache.addAll([at('three'), at('gone')]), () => cache.add(at('all')), () => cache.addAll([at('one'), at('one')]), () => cache.add(new Request(at('one'), {{ method: 'POST' }})),
                  ].map(told));
                  const kept = (await cache.keys()).length;
                  let full: any, count = 0;
                  while (full === undefined && count < 100) {{ full = await told(() => cache.put(`http://h/${{count}}`, new Response(new Uint8Array(1 << 20)))); count++; }}
                  await caches.delete('fetched');
                  const again = await told(async () => (await caches.open('fetched')).put('http://h/', new Response(new Uint8Array(1 << 20))));
                  return Response.json({{ read, refused, kept, full, count, again: again ?? null }});
                }};",
                upstream.url("/")
            ),
        )
        .start()
        .await;
    app.get("/").await.is_json(json!({
        "read": ["one", true],
        "refused": ["TypeError", "TypeError", "TypeError", "InvalidStateError", "TypeError"],
        "kept": 2,
        "full": "QuotaExceededError",
        "count": 32,
        "again": null,
    }));
}
