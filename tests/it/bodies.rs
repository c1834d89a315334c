//! Bodies, buffers and forms, on their way in, out and through.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::harness::{App, eventually, logged, project, serve_root};

/// A server that lets `answer` have each connection, and its number.
async fn upstream<F>(answer: impl Fn(TcpStream, usize) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.expect("accepted");
            tokio::spawn(answer(stream, number));
        }
    });
    url
}

/// Reads one request without a body, or a part of one that has.
async fn request(stream: &mut TcpStream) -> String {
    let mut buffer = vec![0; 65536];
    let count = stream.read(&mut buffer).await.unwrap_or_default();
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

/// A server with one answer, whatever is asked.
async fn saying(answer: impl Into<Vec<u8>>) -> String {
    let answer: Arc<Vec<u8>> = Arc::new(answer.into());
    upstream(move |mut stream, _| {
        let answer = answer.clone();
        async move {
            request(&mut stream).await;
            let _ = stream.write_all(&answer).await;
        }
    })
    .await
}

fn query(path: &str, url: &str) -> String {
    format!("{path}?u={url}")
}

#[tokio::test]
async fn the_pool_of_buffer_stays_with_everybody() {
    let app = project()
        .file(
            "app/route.ts",
            "import { PassThrough } from 'node:stream';
             export const GET = () => { const through = new PassThrough(); through.end(Buffer.from('through')); return new Response(through as any); };
             export const POST = async (req: Request) => { const through = new PassThrough(); through.end(Buffer.from('sent on')); return fetch(req.url, { method: 'PUT', body: through as any, duplex: 'half' } as any); };
             export const PUT = async (req: Request) => new Response(await req.text());
             export const PATCH = async () => {
               const kept = Buffer.from('kept');
               const said: string[] = [];
               const stream = new ReadableStream({ type: 'bytes', start(c) { c.enqueue(kept); c.close(); } } as any);
               said.push(await new Response(stream).text());
               const tries = { clone: () => structuredClone(kept, { transfer: [kept.buffer] }), port: () => new MessageChannel().port1.postMessage(kept, [kept.buffer]), transfer: () => (kept.buffer as any).transfer() };
               for (const [name, run] of Object.entries(tries)) try { run(); said.push(name); } catch (error: any) { said.push(error.name); }
               said.push(structuredClone(kept).length + '', kept.toString(), Buffer.from('new').toString());
               return Response.json(said);
             };",
        )
        .start()
        .await;
    for _ in 0..3 {
        app.get("/").await.is(200, "through");
        app.post("/", "").await.is(200, "sent on");
        app.send(Method::PATCH, "/", &[], "").await.is_json(json!([
            "kept",
            "DataCloneError",
            "DataCloneError",
            "TypeError",
            "4",
            "kept",
            "new"
        ]));
    }
}

/// An upstream whose text is encoded as the query says.
async fn encoding_upstream() -> App {
    project()
        .file(
            "app/route.ts",
            "import zlib from 'node:zlib';
             const encoders: any = { gzip: zlib.gzipSync, 'x-gzip': zlib.gzipSync, deflate: zlib.deflateSync, raw: zlib.deflateRawSync, br: zlib.brotliCompressSync, zstd: (zlib as any).zstdCompressSync };
             export const GET = (req: Request) => {
               const names = new URL(req.url).searchParams.get('e')!;
               let body: any = Buffer.from('plain text '.repeat(300));
               for (const name of names.split(', ')) body = encoders[name](body);
               return new Response(body, { headers: { 'content-encoding': names.replace('raw', 'deflate'), 'content-type': 'text/x-up' } });
             };",
        )
        .start()
        .await
}

#[tokio::test]
async fn every_encoding_of_an_upstream_is_decoded() {
    let upstream = encoding_upstream().await;
    let app = serve_root(
        "export const GET = async (req: Request) => { const res = await fetch(new URL(req.url).searchParams.get('u')!); return new Response((await res.text()) + res.headers.get('content-encoding')); };",
    )
    .await;
    for names in ["gzip", "x-gzip", "deflate", "raw", "br", "zstd", "gzip,%20br", "deflate,%20zstd,%20gzip"] {
        let url = upstream.url(&format!("/?e={names}")).replace('?', "%3F");
        let named = names.replace("%20", " ").replace("raw", "deflate");
        app.get(&query("/", &url)).await.is(200, &format!("{}{named}", "plain text ".repeat(300)));
    }
}

#[tokio::test]
async fn what_fetch_decoded_is_passed_on_as_what_it_is() {
    let upstream = encoding_upstream().await;
    let app = project()
        .file(
            "app/[how]/route.ts",
            format!(
                "import {{ NextResponse }} from 'next/server';
                 import {{ gzipSync }} from 'node:zlib';
                 export const GET = async (_: Request, {{ params }}: any) => {{
                   const res = await fetch('{}');
                   switch ((await params).how) {{
                     case 'whole': return res;
                     case 'stream': return new Response(res.body, res);
                     case 'next': return new NextResponse(res.body, {{ status: res.status, headers: res.headers }});
                     case 'plain': return new Response(res.body, {{ headers: Object.fromEntries(res.headers) }});
                     case 'headers': return new Response(await res.text(), {{ headers: res.headers }});
                     case 'copied': {{ const headers = new Headers(res.headers); headers.set('x-mine', '1'); return new Response(await res.text(), {{ headers }}); }}
                     case 'clone': return new Response(await res.clone().text(), {{ headers: res.clone().headers }});
                     case 'tee': return new Response(res.body!.tee()[1], res);
                     case 'again': {{ const headers = new Headers(res.headers); headers.set('content-encoding', 'gzip'); headers.delete('content-length'); return new Response(gzipSync(await res.text()), {{ headers }}); }}
                   }}
                 }};",
                upstream.url("/?e=gzip")
            ),
        )
        .start()
        .await;
    let text = "plain text ".repeat(300);
    for how in ["whole", "stream", "next", "plain", "headers", "copied", "clone", "tee"] {
        let answer = app.get(&format!("/{how}")).await;
        answer.is(200, &text);
        assert_eq!(answer.header("content-encoding"), None, "{how}");
        assert_eq!(answer.header("content-type"), Some("text/x-up"), "{how}");
    }
    let again = app.get("/again").await;
    assert_eq!(again.header("content-encoding"), Some("gzip"));
    assert!(again.body.starts_with(b"\x1f\x8b"), "{:?}", again.body);
}

#[tokio::test]
async fn a_body_that_was_only_touched_does_not_hold_up_its_connection() {
    let app = project()
        .file(
            "app/[how]/route.ts",
            "let kept: any;
             export const POST = async (req: Request, { params }: any) => {
               switch ((await params).how) {
                 case 'touch': return new Response(String(req.body !== null));
                 case 'clone': req.clone(); break;
                 case 'request': kept = new Request(req); break;
                 case 'cancel': await req.body!.cancel(); break;
                 case 'first': { const reader = req.body!.getReader(); await reader.read(); reader.releaseLock(); break; }
                 case 'late': kept = req; req.body; break;
                 case 'read': return new Response(String((await req.arrayBuffer()).byteLength));
                 case 'kept': try { return new Response(await kept.text()); } catch (error: any) { return new Response(error.message); }
               }
               return new Response('true');
             };",
        )
        .start()
        .await;
    for how in ["touch", "clone", "request", "cancel", "first", "late"] {
        let mut wire = app.connect().await;
        let size = 300_000;
        wire.write(format!("POST /{how} HTTP/1.1\r\nhost: h\r\ncontent-length: {size}\r\n\r\n")).await;
        wire.write(vec![b'a'; 10]).await;
        let answer = wire.read_until("true").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{how}: {answer}");
        wire.write(vec![b'a'; size - 10]).await;
        wire.write("POST /read HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc")
            .await;
        let next = wire.read_to_end().await;
        assert!(next.starts_with("HTTP/1.1 200") && next.ends_with("\r\n\r\n3"), "{how}: {next}");
    }
    let late = app.post("/kept", "").await;
    assert!(late.text().contains("the request is over"), "{}", late.text());
}

#[tokio::test]
async fn an_upload_that_breaks_off_aborts_the_signal() {
    let app = project()
        .file("app/read/route.ts", "export const POST = async (req: Request) => { req.signal.onabort = () => console.log('upload abort', req.signal.reason.name); try { await req.text(); } catch (error: any) { console.log('upload error', error.name); } await new Promise(() => {}); };")
        .file("app/wait/route.ts", "export const POST = async (req: Request) => { req.signal.onabort = () => console.log('unread upload abort'); console.log('unread upload begun'); await new Promise(() => {}); };")
        .start()
        .await;
    let head = "HTTP/1.1\r\nhost: h\r\ncontent-length: 3000000\r\n\r\nonly this";
    let mut wire = app.connect().await;
    wire.write(format!("POST /read {head}")).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(wire);
    logged(&["upload error TypeError"]).await;
    logged(&["upload abort ResponseAborted"]).await;
    let mut wire = app.connect().await;
    wire.write(format!("POST /wait {head}")).await;
    logged(&["unread upload begun"]).await;
    // The end lies behind bytes that nobody reads.
    wire.write(vec![b'a'; 20_000]).await;
    drop(wire);
    logged(&["unread upload abort"]).await;
}

#[tokio::test]
async fn a_client_that_sends_no_more_may_still_get_its_answer() {
    let app = project()
        .file("app/late/route.ts", "export const GET = async (req: Request) => { req.signal.onabort = () => console.log('half closed abort'); await new Promise((r) => setTimeout(r, 200)); return new Response(`late ${req.signal.aborted}`); };")
        .file("app/after/route.ts", "export const GET = async (req: Request) => { await new Promise((r) => setTimeout(r, 200)); return new Response(`asked late ${req.signal.aborted}`); };")
        .file("app/stream/route.ts", "export const GET = (req: Request) => new Response(new ReadableStream({ async pull(c) { await new Promise((r) => setTimeout(r, 10)); c.enqueue('x'); }, cancel() { console.log('half closed cancel'); } }));")
        .start()
        .await;
    for (path, end) in [("/late", "late true"), ("/after", "asked late true")] {
        let mut wire = app.connect().await;
        wire.write(format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n")).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        wire.0.shutdown().await.expect("shut down");
        let answer = wire.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(end), "{answer}");
    }
    logged(&["half closed abort"]).await;
    let mut wire = app.connect().await;
    wire.write("GET /stream HTTP/1.1\r\nhost: h\r\n\r\n").await;
    wire.0.shutdown().await.expect("shut down");
    logged(&["half closed cancel"]).await;
    wire.read_to_end().await;
}

#[tokio::test]
async fn a_request_that_changes_something_is_sent_once() {
    let counted = Arc::new(AtomicUsize::new(0));
    let count = counted.clone();
    // Each connection answers once, and is closed upon the next request.
    let url = upstream(move |mut stream, _| {
        let count = count.clone();
        async move {
            request(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwarm").await;
            if !request(&mut stream).await.is_empty() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    let app = serve_root(
        "export const GET = async (req: Request) => {
           const query = new URL(req.url).searchParams;
           const url = query.get('u')!;
           await (await fetch(url)).text();
           try { return new Response(await (await fetch(url, { method: query.get('m')!, body: query.get('m') === 'DELETE' ? undefined : 'once' })).text()); } catch (error: any) { return new Response(error.name); }
         };",
    )
    .await;
    for (sent, method) in ["POST", "PATCH", "PUT", "DELETE"].into_iter().enumerate() {
        app.get(&format!("/?u={url}&m={method}")).await.is(200, "TypeError");
        assert_eq!(counted.load(Ordering::SeqCst), sent + 1, "{method}");
    }
}

#[tokio::test]
async fn fetch_checks_integrity_and_addresses() {
    let url = saying("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello").await;
    let app = serve_root(
        "export const POST = async (req: Request) => {
           const { url, init } = await req.json();
           try { const res = await fetch(url, init); return Response.json([await res.text(), res.url]); } catch (error: any) { return Response.json([error.name, error.message]); }
         };",
    )
    .await;
    let hello = "sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
    for (integrity, said) in [
        (hello.to_owned(), "hello"),
        (format!("sha1-x {hello}"), "hello"),
        (format!("sha512-AAAA {hello}"), "TypeError"),
        ("sha384-AAAA".to_owned(), "TypeError"),
        (String::new(), "hello"),
    ] {
        let asked = json!({ "url": url, "init": { "integrity": integrity } }).to_string();
        assert_eq!(app.post("/", &asked).await.json()[0], said, "{integrity}");
    }
    let with_user = url.replace("http://", "http://user:secret@");
    let refused = app.post("/", &json!({ "url": with_user }).to_string()).await.json();
    assert!(
        refused[0] == "TypeError" && refused[1].as_str().is_some_and(|m| m.contains("credentials")),
        "{refused}"
    );

    let moved = upstream(|mut stream, _| async move {
        let asked = request(&mut stream).await;
        let answer = if asked.starts_with("GET / ") {
            "HTTP/1.1 302 Found\r\nlocation: /caf\u{e9}?q=\u{6771}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()
        } else {
            let line = asked.lines().next().unwrap_or_default().to_owned();
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{line}", line.len())
        };
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let followed = app.post("/", &json!({ "url": moved }).to_string()).await.json();
    assert_eq!(followed[0], "GET /caf%C3%A9?q=%E6%9D%B1 HTTP/1.1");
}

#[tokio::test]
async fn streams_end_as_their_sources_do() {
    let broken = upstream(|mut stream, _| async move {
        request(&mut stream).await;
        let _ =
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let _ = stream.write_all(b"garbage\r\n").await;
    })
    .await;
    let whole = saying("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello").await;
    let app = project()
        .file(
            "app/closed/route.ts",
            "export const GET = async (req: Request) => {
               const res = await fetch(new URL(req.url).searchParams.get('u')!);
               const reader = res.body!.getReader();
               try { await Promise.race([reader.closed, new Promise((r) => setTimeout(r, 500))]); } catch (error: any) { return new Response(error.name); }
               reader.releaseLock();
               return new Response(await res.text());
             };",
        )
        .file(
            "app/bytes/route.ts",
            "const drain = async (stream: any, size = 7, min = 1) => { const reader = stream.getReader({ mode: 'byob' }); let text = ''; for (;;) { const { done, value } = await reader.read(new Uint8Array(size), { min }); if (value) text += new TextDecoder().decode(value) + '|'; if (done) return text; } };
             export const GET = async () => Response.json([
               await drain(new Response('hello world').body), await drain(new Response('').body), await drain(new Response(new Uint8Array([104, 105])).body, 7, 5),
               await drain(new Blob(['blob']).stream()), await new Response(new Response('twice').body!.tee()[1]).text(),
               await new Response(ReadableStream.from('abc') as any).text().catch((error: any) => error.name), (await Array.fromAsync(ReadableStream.from('ab\u{1f600}') as any)).length,
             ]);
             export const POST = async (req: Request) => new Response(await drain(req.body));",
        )
        .file(
            "app/iterable/route.ts",
            "export const GET = async () => { const said: any[] = []; for (const body of [(async function* () { yield 'h\u{e9}'; yield ''; yield new Uint8Array([33]); yield new Uint8Array([63]).buffer; })(), (function* () { yield 'a'; yield Promise.resolve('b'); })(), ['x', 'y'], (async function* () { yield 5; })()]) try { said.push(await new Response(body as any).text()); } catch (error: any) { said.push(error.name); } return Response.json(said); };",
        )
        .start()
        .await;
    app.get(&query("/closed", &broken)).await.is(200, "TypeError");
    app.get(&query("/closed", &whole)).await.is(200, "hello");
    app.get("/bytes").await.is_json(json!(["hello w|orld||", "|", "hi|", "blob||", "twice", "TypeError", 3]));
    app.post("/bytes", "short").await.is(200, "short||");
    app.get("/iterable").await.is_json(json!(["h\u{e9}!?", "ab", "x,y", "TypeError"]));
}

#[tokio::test]
async fn forms_are_read_as_browsers_write_them() {
    let app = serve_root(
        "export const POST = async (req: Request) => { try { const said = []; for (const [name, value] of await req.formData()) said.push(typeof value === 'string' ? [name, value] : [name, value.name, value.type, await value.text()]); return Response.json(said); } catch (error: any) { return Response.json(error.name); } };",
    )
    .await;
    let post = async |body: &str| {
        let headers = [("content-type", "multipart/form-data; boundary=X")];
        app.send(Method::POST, "/", &headers, body.to_owned()).await.json()
    };
    let part = |head: &str, body: &str| format!("--X\r\n{head}\r\n\r\n{body}\r\n");
    let named = |rest: &str, body: &str| part(&format!("Content-Disposition: form-data; {rest}"), body);
    for (rest, said) in [
        ("name=\"a;b=c\"", json!(["a;b=c", "v"])),
        ("name=\"a%22b%0D%0Ac%41\"", json!(["a\"b\r\nc%41", "v"])),
        ("name=\"\"", json!(["", "v"])),
        ("name=bare ; x=y", json!(["bare", "v"])),
        ("NAME=\"a\"", json!(["a", "v"])),
        ("name=\"f\"; filename=\"x;y=%22z%22.txt\"", json!(["f", "x;y=\"z\".txt", "text/plain", "v"])),
        ("filename=\"C:\\dir\\\"; name=\"f\"", json!(["f", "C:\\dir\\", "text/plain", "v"])),
        ("name=\"f\"; filename=\"a\\\"b.txt\"", json!(["f", "a\"b.txt", "text/plain", "v"])),
        ("name=\"f\"; filename=\"\"", json!(["f", "", "text/plain", "v"])),
        ("name=\"f\"; filename*=UTF-8''%E6%9D%B1.txt", json!(["f", "\u{6771}.txt", "text/plain", "v"])),
    ] {
        assert_eq!(post(&(named(rest, "v") + "--X--\r\n")).await, json!([said]), "{rest}");
    }
    let whole = format!("{}{}--X--", named("name=\"a\"", "one"), named("name=\"b\"", "two"));
    assert_eq!(post(&whole).await, json!([["a", "one"], ["b", "two"]]));
    assert_eq!(post("--X--\r\n").await, json!([]));
    for end in 0..whole.len() {
        assert_eq!(post(&whole[..end]).await, json!("TypeError"), "cut after {end}");
    }
    for broken in [
        named("filename=\"only\"", "v"),
        part("Content-Disposition: attachment; name=\"a\"", "v"),
        part("Content-Type: text/plain", "v"),
        "--X\r\n\r\nv\r\n".to_owned(),
        named("name=\"open", "v"),
    ] {
        assert_eq!(post(&(broken.clone() + "--X--\r\n")).await, json!("TypeError"), "{broken}");
    }
}

#[tokio::test]
async fn clones_are_what_they_were_or_an_error() {
    let app = project()
        .file(
            "app/route.ts",
            "const clones = async () => {
               const said: any[] = [];
               const posted = (value: any) => new Promise<any>((r) => { const { port1, port2 } = new MessageChannel(); port2.onmessage = (event) => { port1.close(); r(event.data); }; port1.postMessage(value); });
               const aes = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']) as CryptoKey;
               const iv = new Uint8Array(12);
               const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, aes, new TextEncoder().encode('sealed'));
               for (const key of [structuredClone(aes), (await posted({ in: aes })).in]) {
                 said.push([Object.prototype.toString.call(key), key instanceof CryptoKey, key.extractable, key.usages.join(), new TextDecoder().decode(await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, sealed))]);
               }
               const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']) as CryptoKeyPair;
               const { privateKey, publicKey } = structuredClone(pair);
               const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, iv);
               said.push(await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, publicKey, signature, iv), privateKey.type, publicKey.usages.join());
               const module = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
               said.push(structuredClone(module) instanceof WebAssembly.Module, (await posted(module)) instanceof WebAssembly.Module);
               for (const value of [new FormData(), [new FormData()], { deep: new Response('x') }, new Headers()]) {
                 try { structuredClone(value); said.push('cloned'); } catch (error: any) { said.push(error.name); }
               }
               try { structuredClone(1, { transfer: [new FormData()] as any }); } catch (error: any) { said.push(error.name); }
               return said;
             };
             export const GET = async () => Response.json(await clones());",
        )
        .file(
            "app/node/route.ts",
            "import { types } from 'node:util'; import { KeyObject, createHmac } from 'node:crypto'; import { isDeepStrictEqual } from 'node:util';
             export const GET = async () => {
               const key = await crypto.subtle.importKey('raw', new TextEncoder().encode('secret'), { name: 'HMAC', hash: 'SHA-256' }, true, ['sign']);
               const other = await crypto.subtle.importKey('raw', new TextEncoder().encode('other'), { name: 'HMAC', hash: 'SHA-256' }, true, ['sign']);
               return Response.json([types.isCryptoKey(key), types.isCryptoKey({}), types.isCryptoKey(CryptoKey.prototype), KeyObject.from(key).export().toString(), createHmac('sha256', key as any).update('x').digest('hex').length, isDeepStrictEqual(key, structuredClone(key)), isDeepStrictEqual(key, other)]);
             };",
        )
        // An isolate beside it, on the same thread.
        .file("app/edge/route.ts", "export const runtime = 'edge'; export const GET = async () => { const key = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, true, ['sign']); return Response.json([structuredClone(key) instanceof CryptoKey]); };")
        .start()
        .await;
    for _ in 0..2 {
        app.get("/").await.is_json(json!([
            ["[object CryptoKey]", true, false, "encrypt,decrypt", "sealed"],
            ["[object CryptoKey]", true, false, "encrypt,decrypt", "sealed"],
            true,
            "private",
            "verify",
            true,
            true,
            "DataCloneError",
            "DataCloneError",
            "DataCloneError",
            "DataCloneError",
            "DataCloneError"
        ]));
        app.get("/edge").await.is_json(json!([true]));
        app.get("/node").await.is_json(json!([true, false, false, "secret", 64, true, false]));
    }
}

#[tokio::test]
async fn only_connections_that_are_open_count_as_sockets() {
    // Keeps its connections.
    let short = upstream(|mut stream, _| async move {
        let mut buffer = [0; 4096];
        while matches!(stream.read(&mut buffer).await, Ok(1..)) {
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 2048\r\n\r\n{}", "x".repeat(2048));
            if stream.write_all(answer.as_bytes()).await.is_err() {
                break;
            }
        }
    })
    .await;
    let open = Arc::new(AtomicUsize::new(0));
    let count = open.clone();
    let silent = upstream(move |mut stream, _| {
        let count = count.clone();
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            let mut buffer = [0; 4096];
            while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
            count.fetch_sub(1, Ordering::SeqCst);
        }
    })
    .await;
    let app = project()
        .file("app/route.ts", "export const GET = async (req: Request) => { try { return new Response('status ' + (await fetch(new URL(req.url).searchParams.get('u')!)).status); } catch (error: any) { return new Response(String(error.cause?.code ?? error)); } };")
        .file("app/many/route.ts", "export const GET = async (req: Request) => { const all = []; for (let i = 0; i < 50; i++) all.push(await fetch(new URL(req.url).searchParams.get('u')!)); return new Response(String((await Promise.all(all.map((res) => res.text()))).join('').length)); };")
        .limits(|limits| {
            limits.sockets = 10;
            limits.first_byte = Duration::from_millis(400);
        })
        .start()
        .await;
    for _ in 0..40 {
        app.get(&query("/", &short)).await.is(200, "status 200");
    }
    app.get(&query("/many", &short)).await.is(200, "102400");
    // Their requests run out of time, and they are closed.
    let path = query("/", &silent);
    let waiting: Vec<_> = (0..10).map(|_| app.get(&path)).collect();
    for answer in futures::future::join_all(waiting).await {
        assert_eq!(answer.code(), "HANDLER_TIMEOUT");
    }
    eventually("the sockets are closed", async || open.load(Ordering::SeqCst) == 0).await;
    // Or their clients leave.
    let mut left = Vec::new();
    for _ in 0..5 {
        let mut wire = app.connect().await;
        wire.write(format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n")).await;
        left.push(wire);
    }
    eventually("they are open", async || open.load(Ordering::SeqCst) == 5).await;
    drop(left);
    eventually("the sockets are closed", async || open.load(Ordering::SeqCst) == 0).await;
    app.get(&query("/", &short)).await.is(200, "status 200");
}

#[tokio::test]
async fn answers_are_sent_as_they_were_made_or_are_an_error() {
    let app = project()
        .file(
            "app/[how]/route.ts",
            "export const GET = async (_: Request, { params }: any) => {
               switch ((await params).how) {
                 case 'read': { const res = new Response('once'); await res.text(); return res; }
                 case 'readbytes': { const res = new Response(new Uint8Array([1])); await res.arrayBuffer(); return res; }
                 case 'locked': { const res = new Response('held'); res.body!.getReader(); return res; }
                 case 'control': return new Response('x', { headers: { 'x-fine': '1', 'x-bad': 'a\\x01b' } });
                 case 'type': return new Response('x', { headers: { 'content-type': 'text/pl\\x7fain' } });
                 case 'latin': return new Response('x', { headers: { 'content-type': 'text/plain; x=\u{e9}' } });
                 case 'many': { const headers = new Headers(); for (let i = 0; i < 40000; i++) headers.append(`x-${i}`, '1'); return new Response('x', { headers }); }
                 case 'turn': return new Response(new ReadableStream({ async pull(c) { c.enqueue('x'); throw new Error('same turn'); } }));
                 case 'long': return new Response('x', { headers: { a: 'b'.repeat(2e6) } });
                 case 'start': return new Response(new ReadableStream({ start(c) { c.enqueue('x'); queueMicrotask(() => c.error(new Error('same turn'))); } }));
                 case 'proxy': throw new Proxy({}, { get() { throw new Error('trapped'); } });
                 case 'digest': throw { get digest() { throw new Error('digest'); } };
                 case 'upgrade': throw { digest: 'NEXT_HTTP_ERROR_FALLBACK;101' };
                 case 'ok': throw { digest: 'NEXT_HTTP_ERROR_FALLBACK;200' };
                 case 'forbidden': throw { digest: 'NEXT_HTTP_ERROR_FALLBACK;403' };
               }
             };",
        )
        .file("app/head/[how]/route.ts", "export const HEAD = async (_: Request, { params }: any) => (await params).how === 'null' ? new Response(null, { headers: { 'content-length': '1000' } }) : new Response('short', { headers: { 'content-length': '2000' } }); export const GET = () => new Response('after');")
        .file("app/echo/route.ts", "export const POST = async (req: Request) => new Response(await req.text()); export const GET = (req: any) => Response.json([req.url, req.url === req.nextUrl.href]);")
        .start()
        .await;
    for how in [
        "read",
        "readbytes",
        "locked",
        "control",
        "type",
        "many",
        "long",
        "turn",
        "start",
        "proxy",
        "digest",
        "upgrade",
        "ok",
    ] {
        let answer = app.get(&format!("/{how}")).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (500, "HANDLER_ERROR"), "{how}");
    }
    logged(&["The header \"x-bad\" of the answer cannot be sent"]).await;
    logged(&["The header \"content-type\" of the answer cannot be sent"]).await;
    logged(&["of the answer cannot be sent: there are too many headers"]).await;
    logged(&["The headers of the answer cannot be sent: they are 20000"]).await;
    assert_eq!(app.get("/forbidden").await.status, 403);
    assert_eq!(app.get("/latin").await.headers["content-type"].as_bytes(), b"text/plain; x=\xe9");

    for (how, length) in [("null", "1000"), ("text", "2000")] {
        let mut wire = app.connect().await;
        wire.write(format!("HEAD /head/{how} HTTP/1.1\r\nhost: h\r\n\r\n")).await;
        let head = wire.read_until("\r\n\r\n").await;
        assert!(
            head.contains(&format!("content-length: {length}\r\n")) && head.ends_with("\r\n\r\n"),
            "{head}"
        );
        wire.write(format!("GET /head/{how} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")).await;
        assert!(wire.read_to_end().await.ends_with("\r\n\r\nafter"));
    }

    for body in ["xyz\r\nabc\r\n0\r\n\r\n", "fffffffffffffffffff\r\n", "3\r\nabcX\r\n"] {
        for pause in [0, 50] {
            let mut wire = app.connect().await;
            wire.write("POST /echo HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n").await;
            tokio::time::sleep(Duration::from_millis(pause)).await;
            wire.write(body).await;
            let answer = wire.read_to_end().await;
            assert!(
                answer.starts_with("HTTP/1.1 400") && answer.contains("MALFORMED_BODY"),
                "{body}: {answer}"
            );
        }
    }

    for target in ["/echo?q='a'", "/echo?q={a|b}^`"] {
        let mut wire = app.connect().await;
        wire.write(format!("GET {target} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")).await;
        let answer = wire.read_to_end().await;
        assert!(answer.ends_with(",true]"), "{target}: {answer}");
    }
}

#[tokio::test]
async fn what_is_compressed_ends_where_it_ends() {
    let app = serve_root(
        "const through = (bytes: any, stream: any) => new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer();
         export const GET = async () => {
           const said: any[] = [];
           for (const format of ['gzip', 'deflate', 'deflate-raw', 'brotli'] as any[]) {
             const packed = new Uint8Array(await through('text '.repeat(50000), new CompressionStream(format)));
             said.push((await through(packed, new DecompressionStream(format))).byteLength);
             for (const bytes of [packed.slice(0, -1), packed.slice(0, 5), new Uint8Array(), new Blob([packed, '!'])]) {
               try { await through(bytes, new DecompressionStream(format)); said.push('no error'); } catch (error: any) { said.push(error.name); }
             }
           }
           return Response.json(said);
         };",
    )
    .await;
    let each =
        [json!(250_000), json!("TypeError"), json!("TypeError"), json!("TypeError"), json!("TypeError")];
    let all: Vec<_> = each.iter().cycle().take(20).cloned().collect();
    app.get("/").await.is_json(json!(all));
}

#[tokio::test]
async fn what_is_expanded_waits_for_its_reader() {
    let app = serve_root(
        "import { brotliCompressSync } from 'node:zlib';
         export const GET = async () => {
           const bomb = brotliCompressSync(Buffer.alloc(40 << 20));
           let bytes = 0;
           for await (const chunk of new Blob([bomb]).stream().pipeThrough(new DecompressionStream('brotli' as any)) as any) { bytes += chunk.byteLength; if (bytes > 1_000_000) break; }
           const said: any[] = [bomb.length < 10_000, bytes < 2_000_000];
           const cancelled = new DecompressionStream('gzip');
           await cancelled.readable.cancel('no more');
           const writer = cancelled.writable.getWriter();
           said.push(await writer.write(new Uint8Array(1)).catch((error: any) => error));
           const wrong = new DecompressionStream('gzip');
           const reading = wrong.readable.getReader().read().catch((error: any) => error.name);
           said.push(await wrong.writable.getWriter().write('text' as any).catch((error: any) => error.name), await reading);
           return Response.json(said);
         };",
    )
    .await;
    app.get("/").await.is_json(json!([true, true, "no more", "TypeError", "TypeError"]));
}
