//! What user code does to the prototypes that everything inherits from, and what of the
//! host it finds on its global object.

use std::collections::BTreeSet;

use http::Method;
use serde_json::json;

use super::harness::{App, project, serve_root};

/// What ECMAScript and V8 put on the global object.
const LANGUAGE: &str = "AggregateError Array ArrayBuffer AsyncDisposableStack Atomics BigInt BigInt64Array BigUint64Array Boolean DataView Date DisposableStack Error EvalError FinalizationRegistry Float16Array Float32Array Float64Array Function Infinity Int16Array Int32Array Int8Array Intl Iterator JSON Map Math NaN Number Object Promise Proxy RangeError ReferenceError Reflect RegExp Set SharedArrayBuffer String SuppressedError Symbol SyntaxError Temporal TypeError URIError Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakRef WeakSet WebAssembly decodeURI decodeURIComponent encodeURI encodeURIComponent escape eval globalThis isFinite isNaN parseFloat parseInt undefined unescape";

/// What the web APIs are, and what Next.js adds to them.
const WEB: &str = "AbortController AbortSignal AsyncLocalStorage Blob BroadcastChannel ByteLengthQueuingStrategy Cache CacheStorage CloseEvent CompressionStream CountQueuingStrategy Crypto CryptoKey CustomEvent DOMException DecompressionStream ErrorEvent Event EventSource EventTarget File FileReader FormData Headers MessageChannel MessageEvent MessagePort Navigator Performance PerformanceEntry PerformanceMark PerformanceMeasure PerformanceObserver PerformanceObserverEntryList ProgressEvent PromiseRejectionEvent QuotaExceededError ReadableByteStreamController ReadableStream ReadableStreamBYOBReader ReadableStreamBYOBRequest ReadableStreamDefaultController ReadableStreamDefaultReader Request Response SubtleCrypto TextDecoder TextDecoderStream TextEncoder TextEncoderStream TransformStream TransformStreamDefaultController URL URLPattern URLSearchParams WebSocket WritableStream WritableStreamDefaultController WritableStreamDefaultWriter atob btoa caches clearInterval clearTimeout console crypto fetch navigator onerror onrejectionhandled onunhandledrejection performance process queueMicrotask reportError self setInterval setTimeout structuredClone";

const SYMBOLS: [&str; 5] = [
    "Symbol()",
    "Symbol(@next/request-context)",
    "Symbol(@vercel/request-context)",
    "Symbol(edgehost.place)",
    "Symbol([[webidl.brand]])",
];

#[tokio::test]
async fn the_global_object_has_the_names_of_the_standards_and_no_others() {
    let source = "
        export const GET = async () => {
            await use();
            return Response.json([Object.getOwnPropertyNames(globalThis), Object.getOwnPropertySymbols(globalThis).map(String)]);
        };";
    // What loads more of a layer must not leave more behind.
    let web = "const use = async () => { new WebSocket('ws://127.0.0.1:9').onerror = () => {}; await fetch('http://127.0.0.1:9').catch(() => {}); };";
    let node = "
        import module from 'node:module';
        import vm from 'node:vm';
        const use = () => { for (const name of module.builtinModules) if (!/^(?:inspector|test)/.test(name)) module.createRequire('/x.js')(name); vm.runInNewContext('1'); };";
    let edge_node = "import { Buffer } from 'node:buffer'; const use = () => Buffer.from('x');";
    for (source, runtime, more, symbols) in [
        (format!("{web}{source}"), "nodejs", "", [].as_slice()),
        (format!("{web}{source}"), "edge", "", &[]),
        (
            format!("{node}{source}"),
            "nodejs",
            "Buffer PerformanceResourceTiming Storage clearImmediate global localStorage sessionStorage setImmediate",
            &["Symbol(edgehost.builtin)"],
        ),
        (format!("{edge_node}{source}"), "edge", "Buffer", &["Symbol(edgehost.builtin)"]),
    ] {
        let app = project()
            .file("app/route.ts", format!("{source} export const runtime = '{runtime}';"))
            .start()
            .await;
        let found: (BTreeSet<String>, BTreeSet<String>) =
            serde_json::from_value(app.get("/").await.json()).expect("two lists");
        let words = [LANGUAGE, WEB, more].map(str::split_whitespace).into_iter().flatten().map(str::to_owned);
        assert_eq!(found.0, words.collect(), "{runtime} {more}");
        let symbols = SYMBOLS.iter().chain(symbols).map(|name| (*name).to_owned());
        assert_eq!(found.1, symbols.collect(), "{runtime} {more}");
    }
}

/// Names of fields that belong to one request or one answer.
const FIELDS: [&str; 40] = [
    "0",
    "1",
    "abort",
    "after",
    "basePath",
    "body",
    "bodyInner",
    "cancelBody",
    "consumed",
    "cookies",
    "digest",
    "domain",
    "draft",
    "duplex",
    "expires",
    "frame",
    "handle",
    "head",
    "headerListInner",
    "headers",
    "httpOnly",
    "length",
    "maxAge",
    "methodInner",
    "name",
    "nextConfig",
    "nextUrl",
    "over",
    "pathname",
    "phase",
    "priority",
    "raw",
    "request",
    "sameSite",
    "scope",
    "source",
    "streamOrStatic",
    "task",
    "urlInner",
    "watched",
];

/// Keeps for everybody what one puts into a field that is assigned, or gives everybody
/// the same.
const POISON: &str = "
    const poison = (name) => {
        let kept;
        Object.defineProperty(Object.prototype, name, { __proto__: null, get: () => kept, set(value) { kept = value; }, configurable: true });
    };";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accessors_on_prototypes_show_no_request_what_belongs_to_another() {
    let source = format!(
        "{POISON}
        import {{ cookies, draftMode, headers }} from 'next/headers';
        import {{ redirect }} from 'next/navigation';
        import {{ after, NextRequest, NextResponse }} from 'next/server';
        const pause = () => new Promise((resolve) => setTimeout(resolve, 10));
        const done = new Map();
        export async function PUT(request) {{ poison(await request.text()); return new Response('poisoned'); }}
        export async function DELETE(request) {{ delete Object.prototype[await request.text()]; return new Response('clean'); }}
        export async function GET(request) {{
            const who = request.nextUrl.searchParams.get('who');
            after(() => done.set(who, who));
            const jar = cookies(), head = headers(), draft = draftMode();
            await pause();
            const seen = [(await jar).get('id').value, (await cookies()).get('id').value, (await head).get('x-id'), request.headers.get('x-id'),
                request.cookies.get('id').value, request.nextUrl.href.endsWith('who=' + who), (await draft).isEnabled,
                new NextRequest('http://h/base/?' + who).nextUrl.href];
            await pause();
            (await cookies()).set('seen', who, {{ maxAge: 0 }});
            if (who.startsWith('r')) redirect('/to/' + who);
            const response = NextResponse.json(seen, {{ status: 203, headers: {{ 'x-id': who }} }});
            response.cookies.set('own', who);
            return response;
        }}
        export async function POST(request) {{
            const copy = request.clone();
            await pause();
            const text = await request.text();
            return new Response((await copy.text()) + text + done.get(text));
        }}"
    );
    for layer in ["", "Buffer;"] {
        let app = project().file("app/route.ts", format!("{source}\n{layer}")).start().await;
        for name in FIELDS {
            app.send(Method::PUT, "/", &[], name).await.is(200, "poisoned");
            futures::future::join_all(["a", "b", "ra", "c", "rb"].map(|who| ask(&app, name, who))).await;
            let posts = ["a", "b", "c"].map(|who| {
                let app = &app;
                async move { app.post("/", who).await.is(200, &format!("{who}{who}{who}")) }
            });
            futures::future::join_all(posts).await;
            app.send(Method::DELETE, "/", &[], name).await.is(200, "clean");
        }
    }
}

async fn ask(app: &App, name: &str, who: &str) {
    let pair = format!("id={who}");
    let answer =
        app.send(Method::GET, &format!("/?who={who}"), &[("cookie", &pair), ("x-id", who)], "").await;
    let seen = format!("seen={who}; Path=/; Max-Age=0");
    if who.starts_with('r') {
        let location = format!("/to/{who}");
        assert_eq!(
            (answer.status.as_u16(), answer.header("location")),
            (307, Some(location.as_str())),
            "{name} {who}"
        );
        assert_eq!(answer.cookies(), [seen], "{name} {who}");
        return;
    }
    // Lists of headers are filled by name and index in scripts that are not the host's: one
    // may lose what it is given there, but shows nothing of another.
    if name.parse::<u32>().is_ok() {
        assert_eq!(answer.cookies().last(), Some(&seen.as_str()), "{name} {who}: {answer:?}");
        return;
    }
    assert_eq!(answer.status.as_u16(), 203, "{name} {who}: {answer:?}");
    let expected = json!([who, who, who, who, who, true, false, format!("http://h/base/?{who}")]);
    assert_eq!((answer.json(), answer.header("x-id")), (expected, Some(who)), "{name} {who}");
    assert_eq!(answer.cookies(), [format!("own={who}; Path=/"), seen], "{name} {who}");
}

/// As the words of an option that nobody gave.
#[tokio::test]
async fn values_on_prototypes_are_no_options() {
    let app = serve_root(
        "import { NextRequest, NextResponse } from 'next/server';
        import { unstable_cache } from 'next/cache';
        export async function GET() {
            const given = { headers: { 'x-evil': '1' }, status: 418, nextConfig: { basePath: '/a' }, base: 'http://evil/', revalidate: 0, maxAge: 5, domain: 'evil.example', defaultValue: 'evil', pathname: '/evil' };
            for (const name in given) Object.defineProperty(Object.prototype, name, { __proto__: null, value: given[name], configurable: true, writable: true });
            try {
                const plain = new NextResponse('x'), moved = NextResponse.redirect('http://h/'), next = new NextRequest('http://h/a/b');
                plain.cookies.set('k', 'v');
                return new Response(JSON.stringify([plain.status, plain.headers.get('x-evil'), plain.headers.get('set-cookie'), moved.status, moved.headers.get('x-evil'),
                    next.nextUrl.href, next.nextUrl.basePath, await unstable_cache(async () => 'called')(), new AsyncLocalStorage().getStore() === undefined]), { status: 200 });
            } finally {
                for (const name in given) delete Object.prototype[name];
            }
        }",
    )
    .await;
    app.get("/").await.is_json(json!([
        200,
        null,
        "k=v; Path=/",
        307,
        null,
        "http://h/a/b",
        "",
        "called",
        true
    ]));
}
