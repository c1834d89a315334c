//! Native code that is asked for what it does not survive, or would never return from: the
//! asking request gets an answer, others go on in the same process.

use std::time::{Duration, Instant};

use http::Request;
use http_body_util::Empty;
use serde_json::{Value, json};

use super::harness::{App, logged, project};

/// Runs the body of an async function, which has the built-in modules as `M(name)`; the
/// answer tells what it returned, or the code or the text of what it threw.
async fn playground() -> App {
    project()
        .file(
            "app/route.ts",
            "import process from 'node:process';
            export async function POST(request: Request) {
                const run = new Function('M', `return (async () => { ${await request.text()} })()`);
                try { return Response.json((await run((name: string) => (process as any).getBuiltinModule(name))) ?? null); }
                catch (error: any) { return Response.json(error.code ?? error.message); }
            }",
        )
        .file("app/ok/route.ts", "export const GET = () => new Response('ok');")
        .limits(|limits| {
            limits.cpu = Duration::from_secs(2);
            limits.wall = Duration::from_secs(20);
            limits.first_byte = Duration::from_secs(20);
        })
        .start()
        .await
}

/// Each code has its answer, soon, and the isolate is the same afterwards.
async fn each_has_its_answer(cases: &[(&str, Value)]) {
    let app = playground().await;
    app.post("/", "globalThis.isTheSame = true;").await.is_json(json!(null));
    for (code, answer) in cases {
        let began = Instant::now();
        let got = app.post("/", code).await;
        assert_eq!((got.status.as_u16(), got.json()), (200, answer.clone()), "{code}");
        assert!(began.elapsed() < Duration::from_secs(5), "{code} took {:?}", began.elapsed());
    }
    app.post("/", "return isTheSame").await.is_json(json!(true));
    app.get("/ok").await.is(200, "ok");
}

#[tokio::test]
async fn sizes_and_parameters_of_keys() {
    let small = json!("ERR_OSSL_RSA_KEY_SIZE_TOO_SMALL");
    let divisor = json!("ERR_OSSL_DSA_INVALID_QSIZE");
    let large = json!("ERR_OSSL_DH_MODULUS_TOO_LARGE");
    let none = json!("ERR_OUT_OF_RANGE");
    each_has_its_answer(&[
        ("M('crypto').generateKeyPairSync('rsa-pss', { modulusLength: 8 })", small.clone()),
        ("M('crypto').generateKeyPairSync('rsa', { modulusLength: 0 })", small.clone()),
        (
            "return await new Promise((done) => M('crypto').generateKeyPair('rsa-pss', { modulusLength: 8 }, (error) => done(error.code)))",
            small.clone(),
        ),
        (
            "await M('util').promisify(M('crypto').generateKeyPair)('rsa-pss', { modulusLength: 8 })",
            small,
        ),
        (
            "M('crypto').generateKeyPairSync('rsa-pss', { modulusLength: 1024, publicExponent: 2 ** 32 - 1 })",
            json!("ERR_OSSL_RSA_PUB_EXPONENT_OUT_OF_RANGE"),
        ),
        ("M('crypto').generateKeyPairSync('dsa', { modulusLength: 4, divisorLength: 3 })", json!("ERR_OSSL_DSA_BAD_FFC_PARAMETERS")),
        ("M('crypto').generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 3 })", divisor.clone()),
        (
            "return await new Promise((done) => M('crypto').generateKeyPair('dsa', { modulusLength: 1024, divisorLength: 1000 }, (error) => done(error.code)))",
            divisor,
        ),
        ("M('crypto').generateKeyPairSync('dh', { prime: Buffer.alloc(0), generator: 2 })", none.clone()),
        ("M('crypto').generateKeyPairSync('dh', { prime: Buffer.alloc(300000, 255), generator: 2 })", large.clone()),
        ("M('crypto').createDiffieHellman('00', 'hex').generateKeys()", none.clone()),
        ("M('crypto').createDiffieHellman(Buffer.alloc(200000, 255)).generateKeys()", large.clone()),
        (
            "const d = M('crypto').getDiffieHellman('modp18'); d.setPrivateKey?.(Buffer.alloc(200000, 255)); const e = M('crypto').createDiffieHellman(d.getPrime(), d.getGenerator()); e.setPrivateKey(Buffer.alloc(200000, 255)); e.generateKeys();",
            large,
        ),
        ("M('crypto').generateKeySync('hmac', { length: 2 ** 31 - 1 })", none),
        // What is asked for every day.
        (
            "const c = M('crypto'); const ends = (type, options) => { const { privateKey, publicKey } = c.generateKeyPairSync(type, options); return c.verify('sha256', 'x', publicKey, c.sign('sha256', 'x', privateKey)) };
            return [ends('rsa', { modulusLength: 1024 }), ends('rsa-pss', { modulusLength: 1024, publicExponent: 3 }), ends('dsa', { modulusLength: 1024, divisorLength: 160 }), ends('ec', { namedCurve: 'P-256' })]",
            json!([true, true, true, true]),
        ),
        (
            "const c = M('crypto'); const a = c.createDiffieHellman(c.getDiffieHellman('modp14').getPrime()), b = c.getDiffieHellman('modp14'); a.generateKeys(); b.generateKeys(); return a.computeSecret(b.getPublicKey()).equals(b.computeSecret(a.getPublicKey()))",
            json!(true),
        ),
    ])
    .await;
}

#[tokio::test]
async fn primes_that_there_are_not() {
    let none = json!("ERR_OUT_OF_RANGE");
    each_has_its_answer(&[
        ("M('crypto').generatePrimeSync(32, { add: 4n, rem: 2n })", none.clone()),
        ("M('crypto').generatePrimeSync(64, { add: 9n, safe: true })", none.clone()),
        ("M('crypto').generatePrimeSync(64, { add: 12n, rem: 1n, safe: true })", none.clone()),
        ("M('crypto').generatePrimeSync(64, { add: 2n ** 60n, rem: 1n })", none.clone()),
        ("M('crypto').generatePrimeSync(2, { safe: true })", none.clone()),
        ("await M('util').promisify(M('crypto').generatePrime)(32, { add: 4n, rem: 2n })", none.clone()),
        ("M('crypto').checkPrimeSync(2n ** 61n - 1n, { checks: 1e9 })", none),
        (
            "const c = M('crypto'); const prime = (...options) => c.generatePrimeSync(...options);
            const one = prime(64, { add: 12n, rem: 11n, safe: true, bigint: true });
            return [Number(one % 12n), c.checkPrimeSync(one), c.checkPrimeSync((one - 1n) / 2n), Number(prime(32, { add: 4n, rem: 3n, bigint: true }) % 4n), Number(prime(3, { add: 2n, bigint: true })) > 4, prime(4, { safe: true, bigint: true }) === 11n]",
            json!([11, true, true, 3, true, true]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn keys_that_were_made_elsewhere() {
    // As a program of anybody's may write them (RFC 5280, RFC 5208).
    let der = "const c = M('crypto');
        const tlv = (tag, ...parts) => { const b = Buffer.concat(parts); const l = b.length < 128 ? [b.length] : b.length < 256 ? [0x81, b.length] : b.length < 65536 ? [0x82, b.length >> 8, b.length & 255] : [0x83, b.length >> 16, (b.length >> 8) & 255, b.length & 255]; return Buffer.concat([Buffer.from([tag, ...l]), b]); };
        const int = (n) => { let h = n.toString(16); if (h.length % 2) h = '0' + h; const b = Buffer.from(h, 'hex'); return tlv(2, b[0] > 127 ? Buffer.concat([Buffer.of(0), b]) : b); };
        const seq = (...parts) => tlv(48, ...parts);
        const DSA = Buffer.from('06072a8648ce380401', 'hex'), DH = Buffer.from('06092a864886f70d010301', 'hex');
        const spki = (...all) => seq(seq(all[0], seq(...all.slice(1, -1).map(int))), tlv(3, Buffer.of(0), int(all.at(-1))));
        const pkcs8 = (...all) => seq(int(0n), seq(all[0], seq(...all.slice(1, -1).map(int))), tlv(4, int(all.at(-1))));
        const open = (...all) => c.createPublicKey({ key: spki(...all), format: 'der', type: 'spki' });
        const secret = (...all) => c.createPrivateKey({ key: pkcs8(...all), format: 'der', type: 'pkcs8' });
        const pem = (...all) => `-----BEGIN PRIVATE KEY-----\\n${pkcs8(...all).toString('base64')}\\n-----END PRIVATE KEY-----\\n`;
        const P = 2n ** 1024n - 105n;";
    let dh = json!("ERR_OSSL_DH_BAD_FFC_PARAMETERS");
    let dsa = json!("ERR_OSSL_DSA_BAD_FFC_PARAMETERS");
    let cases = [
        ("c.diffieHellman({ privateKey: secret(DH, 0n, 2n, 3n), publicKey: open(DH, 0n, 2n, 3n) })", dh.clone()),
        ("c.createPublicKey(secret(DH, 0n, 2n, 3n))", dh.clone()),
        ("c.createPublicKey(pem(DH, 0n, 2n, 3n))", dh.clone()),
        ("open(DH, 0n, 2n, 3n)", dh.clone()),
        ("secret(DH, 2n ** 100000n - 1n, 2n, 3n)", dh.clone()),
        ("secret(DH, P, 2n, 2n ** 100000n)", dh.clone()),
        ("open(DH, P, 2n ** 100000n, 3n)", dh),
        ("c.sign('sha256', Buffer.from('x'), secret(DSA, 7n, 3n, 2n, 1n))", dsa.clone()),
        ("c.sign('sha256', Buffer.from('x'), secret(DSA, 7n, 3n, 2n, 2n))", dsa.clone()),
        ("c.sign('sha256', Buffer.from('x'), pem(DSA, 7n, 3n, 2n, 2n))", dsa.clone()),
        ("secret(DSA, 2n ** 100000n + 1n, 2n ** 99000n + 1n, 2n, 3n)", dsa.clone()),
        ("open(DSA, 2n ** 100000n + 1n, 2n ** 99000n + 1n, 2n, 3n)", dsa.clone()),
        ("c.createPublicKey(pem(DSA, 2n ** 100000n + 1n, 2n ** 99000n + 1n, 2n, 3n))", dsa),
        // What is asked for every day.
        (
            "const same = (kind, options) => { const { privateKey, publicKey } = c.generateKeyPairSync(kind, options);
                const again = c.createPrivateKey({ key: privateKey.export({ format: 'der', type: 'pkcs8' }), format: 'der', type: 'pkcs8' });
                const text = privateKey.export({ format: 'pem', type: 'pkcs8' });
                return [again.equals(privateKey), c.createPublicKey(text).equals(publicKey), c.createPublicKey({ key: publicKey.export({ format: 'der', type: 'spki' }), format: 'der', type: 'spki' }).equals(publicKey)].every(Boolean); };
            return [same('rsa', { modulusLength: 1024 }), same('dsa', { modulusLength: 1024, divisorLength: 160 }), same('ec', { namedCurve: 'P-256' }), same('ed25519')]",
            json!([true, true, true, true]),
        ),
        (
            "const one = c.generateKeyPairSync('dh', { group: 'modp14' }), two = c.generateKeyPairSync('dh', { group: 'modp14' });
            return c.diffieHellman({ privateKey: one.privateKey, publicKey: two.publicKey }).equals(c.diffieHellman({ privateKey: two.privateKey, publicKey: one.publicKey }))",
            json!(true),
        ),
    ];
    let cases: Vec<(String, Value)> =
        cases.into_iter().map(|(code, answer)| (format!("{der} {code}"), answer)).collect();
    let cases: Vec<(&str, Value)> =
        cases.iter().map(|(code, answer)| (code.as_str(), answer.clone())).collect();
    each_has_its_answer(&cases).await;
}

#[tokio::test]
async fn digests_without_end() {
    let none = json!("ERR_OUT_OF_RANGE");
    each_has_its_answer(&[
        ("M('crypto').createHash('shake256', { outputLength: 2 ** 32 - 1 }).digest()", none.clone()),
        ("M('crypto').createHash('shake128', { outputLength: 2 ** 30 }).digest('hex')", none.clone()),
        ("M('crypto').createHash('shake256').copy({ outputLength: 2 ** 31 }).digest()", none.clone()),
        ("M('crypto').hash('shake256', 'x', { outputLength: 2 ** 31 })", none.clone()),
        ("await M('util').promisify(M('crypto').scrypt)('a', 'b', 2 ** 31 - 1, { N: 2, r: 1, p: 1 })", none),
        (
            "return [M('crypto').createHash('shake256', { outputLength: 100000 }).update('x').digest().length, M('crypto').createHash('sha256').update('x').digest('hex').length]",
            json!([100_000, 64]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn handles_of_zlib() {
    let invalid = json!("ERR_INVALID_STATE");
    let write = "(0, Buffer.alloc(1), 0, 1, Buffer.alloc(9), 0, 9)";
    let mut cases = Vec::new();
    for make in [
        "Deflate",
        "Inflate",
        "Unzip",
        "BrotliCompress",
        "BrotliDecompress",
        "ZstdCompress",
        "ZstdDecompress",
    ] {
        let handle = format!("const h = M('zlib').create{make}()._handle;");
        for method in ["write", "writeSync"] {
            cases.push((format!("{handle} h.close(); h.{method}{write}"), invalid.clone()));
            cases.push((format!("{handle} new h.constructor(1).{method}{write}"), invalid.clone()));
        }
        cases.push((format!("{handle} h.close(); h.close(); h.reset()"), invalid.clone()));
        cases.push((format!("{handle} h.init(15, 1, 8, 0, () => {{}}, undefined)"), invalid.clone()));
    }
    for make in ["Inflate", "Gunzip", "BrotliDecompress"] {
        let begin = format!("const h = M('zlib').create{make}()._handle;");
        let feed = "h.write({ valueOf() { h.onerror = 5; return 0; } }, Buffer.from('nothing of the kind'), 0, 19, Buffer.alloc(9), 0, 9)";
        for change in [
            "h.onerror = null",
            "Object.defineProperty(h, 'onerror', { get() { throw new Error('x'); } })",
            "0",
        ] {
            cases.push((format!("{begin} {change}; {feed}"), invalid.clone()));
        }
    }
    cases.push((
        "const z = M('zlib').createInflate(); const failed = new Promise((done) => z.on('error', done)); z._handle.onerror = null; z.write(Buffer.from('no deflate data')); return (await failed).code".into(),
        invalid,
    ));
    cases.push((
        "const z = M('zlib'), { promisify } = M('util'); const text = 'hello '.repeat(50000);
        const back = []; for (const [pack, unpack] of [['gzip', 'gunzip'], ['deflate', 'inflate'], ['deflateRaw', 'inflateRaw'], ['gzip', 'unzip'], ['brotliCompress', 'brotliDecompress'], ['zstdCompress', 'zstdDecompress']])
            back.push(String(z[unpack + 'Sync'](z[pack + 'Sync'](text))) === text, String(await promisify(z[unpack])(await promisify(z[pack])(text))) === text);
        const d = z.createDeflate({ level: 1 }); d.write('x'); await new Promise((done) => d.params(9, 0, done)); d.end('y');
        back.push(String(z.inflateSync(await M('stream/consumers').buffer(d))) === 'xy');
        return back.every(Boolean)"
            .into(),
        json!(true),
    ));
    let cases: Vec<(&str, Value)> =
        cases.iter().map(|(code, answer)| (code.as_str(), answer.clone())).collect();
    each_has_its_answer(&cases).await;
}

#[tokio::test]
async fn objects_that_are_given_to_themselves_or_lack_what_they_need() {
    let raw = "const h = M('perf_hooks').createHistogram(); const raw = h[Object.getOwnPropertySymbols(h).find((name) => String(name).includes('handle'))];";
    let cases = [
        ("const h = M('perf_hooks').createHistogram(); h.record(5); h.record(7); h.add(h); return [h.count, h.min, h.max]".to_owned(), json!([4, 5, 7])),
        ("const h = M('perf_hooks').createHistogram(), same = structuredClone(h); h.record(5); h.add(same); return h.count".to_owned(), json!(2)),
        (format!("{raw} raw.add(raw); const other = new raw.constructor(1n, 10n, 1); other.add(other)"), json!("ERR_INVALID_STATE")),
        ("const s = new (M('v8').Serializer)(); s._getDataCloneError = 5; try { s.writeValue(() => {}) } catch (error) { return error.message }".to_owned(), json!("() => {} could not be cloned.")),
        ("const s = new (M('v8').Serializer)(); s._setTreatArrayBufferViewsAsHostObjects(true); s._getDataCloneError = undefined; try { s.writeValue(Buffer.alloc(1)) } catch (error) { return error.message }".to_owned(), json!("An object could not be cloned.")),
        ("const s = new (M('v8').Serializer)(); Object.defineProperty(s, '_getDataCloneError', { get() { throw new RangeError('mine') } }); try { s.writeValue(() => {}) } catch (error) { return error.message }".to_owned(), json!("() => {} could not be cloned.")),
        ("const v8 = M('v8'); const value = { a: [1, new Map([[1, Buffer.from('x')]])], d: new Date(0) }; return M('util').isDeepStrictEqual(v8.deserialize(v8.serialize(value)), value)".to_owned(), json!(true)),
        ("const buffer = new ArrayBuffer(70000, { maxByteLength: 70000 }); new Uint8Array(buffer).set(M('v8').serialize('x'.repeat(60000))); const d = new (M('v8').Deserializer)(new Uint8Array(buffer)); buffer.resize(0); d.readHeader(); return d.readValue().length".to_owned(), json!(60000)),
        ("const w = new WebSocket('ws://127.0.0.1:9'); for (const name of Object.getOwnPropertySymbols(w)) { const { description } = name; if (description.includes('rid')) w[name] = 4711; if (description.includes('readyState')) w[name] = 1; } return w.bufferedAmount".to_owned(), json!("The WebSocket is closed")),
    ];
    let cases: Vec<(&str, Value)> =
        cases.iter().map(|(code, answer)| (code.as_str(), answer.clone())).collect();
    each_has_its_answer(&cases).await;
}

#[tokio::test]
async fn databases_without_a_statement_or_a_bound() {
    let mut cases = Vec::new();
    for sql in ["", "  ", "-- nothing", "/* a */ ; ;", "/* unended", "\\0select 1"] {
        let code = format!(
            "const s = new (M('sqlite').DatabaseSync)(':memory:').prepare('{sql}'); return [s.sourceSQL, s.expandedSQL]"
        );
        let text = sql.replace("\\0", "\0");
        cases.push((code, json!([text, text])));
    }
    for most in ["0", "-1", "2 ** 31", "1.5", "'x'"] {
        cases.push((
            format!("new (M('sqlite').DatabaseSync)(':memory:').createTagStore({most}).get`select 1`"),
            json!("ERR_OUT_OF_RANGE"),
        ));
    }
    cases.push((
        "const d = new (M('sqlite').DatabaseSync)(':memory:'); const s = d.prepare('/* x */ select ? a -- y'); s.get(7); const t = d.createTagStore(5); return [s.sourceSQL, s.expandedSQL, t.get`select ${2} b`.b]".into(),
        json!(["/* x */ select ? a -- y", "/* x */ select 7.0 a -- y", 2]),
    ));
    let cases: Vec<(&str, Value)> =
        cases.iter().map(|(code, answer)| (code.as_str(), answer.clone())).collect();
    each_has_its_answer(&cases).await;
}

/// Anybody can get at the symbol by which objects of a kind of their own are told.
#[tokio::test]
async fn clones_of_a_kind_that_nobody_knows() {
    let unknown = json!("DataCloneError");
    let mut cases = Vec::new();
    for kind in [
        "{ type: 'x' }",
        "{ type: {} }",
        "{ type: new String('Blob') }",
        "{ type: 5 }",
        "5",
        "null",
        "{ a: 1, type: 'Blob' }",
        "Object.create({ type: 'Blob' })",
        "[{ type: 'Blob' }]",
        "{ type: 'Blob\\u0100' }",
    ] {
        let forged = format!("const forged = {{ [Symbol.for('Deno.core.hostObject')]: () => ({kind}) }};");
        let name = "catch (error) { return error.name }";
        for clone in [
            "structuredClone(forged)",
            "structuredClone(['deep', new Map([[forged, 1]])])",
            "structuredClone(forged, { transfer: [new ArrayBuffer(1)] })",
            "new MessageChannel().port1.postMessage({ forged })",
            "new BroadcastChannel('clones').postMessage(forged)",
            "[...Array(1)].map(() => new Response(new ReadableStream({ start(c) { c.enqueue(forged); c.close(); } })).clone()) && structuredClone(forged)",
        ] {
            cases.push((format!("{forged} try {{ {clone}; }} {name}"), unknown.clone()));
        }
    }
    cases.push((
        "const key = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, true, ['sign']);
        const copy = structuredClone({ blob: new Blob(['abc']), file: new File(['d'], 'e.txt'), error: new DOMException('a', 'AbortError'), key, odd: String.fromCharCode(92, 255, 255, 255, 255, 14), list: new Uint8Array([92, 255, 255, 255, 255]), secret: M('crypto').createSecretKey(Buffer.from('x')) });
        const { port1, port2 } = new MessageChannel(); const got = new Promise((done) => { port2.onmessage = (event) => done(event.data); }); port1.postMessage(new Blob(['sent']));
        return [await copy.blob.text(), copy.file.name, copy.error.name, copy.key.algorithm.name, copy.odd.length, copy.list.length, copy.secret.symmetricKeySize, await (await got).text()]"
            .to_owned(),
        json!(["abc", "e.txt", "AbortError", "HMAC", 6, 5, 1, "sent"]),
    ));
    let cases: Vec<(&str, Value)> =
        cases.iter().map(|(code, answer)| (code.as_str(), answer.clone())).collect();
    each_has_its_answer(&cases).await;
}

#[tokio::test]
async fn lists_that_v8_ends_the_process_for() {
    let refused = json!("ERR_OUT_OF_RANGE");
    each_has_its_answer(&[
        ("'a'.repeat(2 ** 28).split('')", refused.clone()),
        ("'a'.repeat(2 ** 25).split('a')", refused.clone()),
        ("'a'.repeat(2 ** 28).split(/a/)", refused.clone()),
        ("'a'.repeat(2 ** 25).split('')", refused.clone()),
        ("'a'.repeat(2 ** 28).match(/a/g)", refused.clone()),
        ("'a'.repeat(2 ** 28).replace(/a/g, () => 'b')", refused.clone()),
        ("Array.prototype.sort.call({ length: 2 ** 32 })", refused.clone()),
        ("const list = []; list.length = 2 ** 32 - 1; list.sort()", refused.clone()),
        ("const list = []; list[2 ** 32 - 2] = 1; list.toSorted()", refused.clone()),
        ("Array.prototype.toSorted.call({ length: 2 ** 28 })", refused),
        (
            "const text = 'aaaaaaaa,'.repeat(500000) + 'b'; return [text.split(',').length, text.split(',', 2), text.split(/,/, 3).length, 'abc'.split(''), 'x'.split(), text.match(/b/)?.[0], 'aXbX'.replace(/X/g, '-'), 'aXb'.replace('X', (found) => found + found), [3, 1, 2].sort(), [10, 9].toSorted((a, b) => a - b), Array.prototype.sort.call({ length: 2, 0: 'b', 1: 'a' })[0], String.prototype.split.name, Array.prototype.sort.length]",
            json!([500_001, ["aaaaaaaa", "aaaaaaaa"], 3, ["a", "b", "c"], ["x"], "b", "a-b-", "aXXb", [1, 2, 3], [9, 10], "a", "split", 1]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn named_pipes() {
    let app = playground().await;
    let pipe = app.dir.as_ref().expect("a folder").path().join("pipe.js");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    let path = format!("{pipe:?}");
    for (code, answer) in [
        (format!("M('fs').openSync({path})"), "ENXIO"),
        (format!("M('fs').openSync({path}, 'w')"), "ENXIO"),
        ("M('fs').openSync('pipe.js', 'a+')".to_owned(), "ENXIO"),
        (format!("M('fs').readFileSync({path})"), "ERR_FS_FILE_TOO_LARGE"),
        (format!("M('fs').writeFileSync({path}, 'x')"), "ENXIO"),
        (format!("M('fs').appendFileSync({path}, 'x')"), "ENXIO"),
        (format!("M('fs').copyFileSync({path}, 'copy')"), "ENXIO"),
        (format!("M('fs').copyFileSync('app/route.ts', {path})"), "ENXIO"),
        (format!("await M('fs').promises.open({path})"), "ENXIO"),
        (format!("await M('fs').promises.readFile({path})"), "ENXIO"),
        (format!("await M('fs').promises.writeFile({path}, 'x')"), "ENXIO"),
        (format!("await M('fs').promises.copyFile({path}, 'copy')"), "ENXIO"),
        (format!("for await (const piece of M('fs').createReadStream({path})) return 'read'"), "ENXIO"),
        (
            format!("return await new Promise((done) => M('fs').createWriteStream({path}).on('error', (error) => done(error.code)))"),
            "ENXIO",
        ),
        (format!("M('module').createRequire(process.cwd() + '/')({path})"), "ENOTDIR"),
        (format!("new (M('sqlite').DatabaseSync)({path}, {{ readOnly: true }})"), "ENXIO"),
        (format!("new (M('sqlite').DatabaseSync)('file:' + {path} + '?mode=ro')"), "ENXIO"),
        ("const fs = M('fs'); const fd = fs.openSync('plain', 'w+'); fs.writeSync(fd, 'abc'); fs.closeSync(fd); return fs.readFileSync('plain', 'utf8')".to_owned(), "abc"),
    ] {
        let began = Instant::now();
        assert_eq!(app.post("/", &code).await.json(), json!(answer), "{code}");
        assert!(began.elapsed() < Duration::from_secs(4), "{code} took {:?}", began.elapsed());
    }
    app.get("/ok").await.is(200, "ok");
    app.shut_down().await;
}

#[tokio::test]
async fn headers_beyond_what_a_message_holds() {
    let app = project()
        .file(
            "app/[count]/route.ts",
            "export async function GET(_: Request, { params }: any) {
                const { count } = await params; const headers = new Headers();
                for (let i = 0; i < Number(count); i++) headers.append('set-cookie', `a${i}=1`);
                return new Response('x', { headers });
            }
            export async function POST(request: Request, { params }: any) {
                const { count } = await params; const headers: [string, string][] = [];
                for (let i = 0; i < Number(count); i++) headers.push(['x-' + i, '1']);
                try { await fetch('http://127.0.0.1:25999/', { headers }); } catch (error: any) { return new Response(error.message); }
                return new Response('sent');
            }",
        )
        .file("app/edge/[count]/route.ts", "export const runtime = 'edge'; export { GET, POST } from '../../[count]/route';")
        .file("app/ok/route.ts", "export const GET = () => new Response('ok');")
        .start()
        .await;
    let get = async |path: &str| {
        app.host.call(Request::get(path).body(Empty::<bytes::Bytes>::new()).expect("a request")).await
    };
    for prefix in ["", "/edge"] {
        let many = get(&format!("{prefix}/9000")).await;
        assert_eq!(
            (many.status().as_u16(), many.headers().get_all("set-cookie").iter().count()),
            (200, 9000)
        );
        for count in [10_001, 24_577, 40_000] {
            let answer = app.get(&format!("{prefix}/{count}")).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (500, "HANDLER_ERROR"), "{prefix} {count}");
            // And a content type.
            let headers = count + 1;
            logged(&[&format!("The {headers} headers of the answer cannot be sent")]).await;
        }
        let text = app.post(&format!("{prefix}/26000"), "").await.text().to_owned();
        assert!(
            text.starts_with("The request has 260") && text.ends_with("at most 10000 can be sent"),
            "{text}"
        );
        app.get("/ok").await.is(200, "ok");
    }
}

#[tokio::test]
async fn accessors_of_indices_that_stay_keep_no_route_from_loading() {
    let app = project()
        .file(
            "app/x/route.ts",
            "export function GET() {
                for (const index of [0, 1, 2]) Object.defineProperty(Array.prototype, index, {
                    get() { return 'a'; }, set() {}, configurable: true,
                });
                return new Response('set');
            }",
        )
        .file("app/ok/route.ts", "export const GET = () => new Response('ok');")
        .file(
            "app/item/[id]/route.ts",
            "export const GET = async (_: Request, { params }: any) => Response.json(await params);",
        )
        .start()
        .await;
    app.get("/x").await;
    app.get("/ok").await.is(200, "ok");
    app.get("/item/7").await.is(200, r#"{"id":"7"}"#);
}

#[tokio::test]
async fn accessors_that_run_while_an_op_reads_an_array() {
    let app = project()
        .file(
            "app/[what]/route.ts",
            "export async function GET(_: Request, { params }: any) {
                const { what } = await params;
                for (const index of [0, 1, 2, 3]) Object.defineProperty(Array.prototype, index, {
                    get() { performance.now(); console.log('read'); new Headers({ a: 'b' }).get('a'); crypto.randomUUID(); return 'a'; },
                    set() {}, configurable: true,
                });
                try {
                    const body = what === 'stream' ? new ReadableStream({ start(c) { c.enqueue(new Uint8Array([120])); c.close(); } }) : 'x';
                    return new Response(body, { status: 201, headers: { a: 'b' } });
                } finally {
                    queueMicrotask(() => { for (const index of [0, 1, 2, 3]) delete (Array.prototype as any)[index]; });
                }
            }",
        )
        .file("app/ok/route.ts", "export const GET = () => new Response('ok');")
        .start()
        .await;
    for what in ["text", "stream"] {
        let answer = app.get(&format!("/{what}")).await;
        assert!(matches!(answer.status.as_u16(), 201 | 500), "{what}: {answer:?}");
        app.get("/ok").await.is(200, "ok");
    }
}
