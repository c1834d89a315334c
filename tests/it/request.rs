//! What a handler is given: cases T41 to T53.

use http::Method;
use serde_json::json;

use super::harness::{logged, project, serve_root};

#[tokio::test]
async fn t41_t42_t43_parameters_are_a_promise_and_an_object() {
    let app = project()
        .file("app/sync/[id]/route.ts", "export const GET = (_: Request, { params }: any) => { const { id } = params; return Response.json([params.id, id, { ...params }, JSON.stringify(params), Object.keys(params), 'id' in params]); };")
        .file("app/static/route.ts", "export const GET = async (_: Request, ctx: any) => Response.json([await ctx.params, Object.keys(ctx)]);")
        .file("app/reserved/[status]/[then]/route.ts", "export const GET = async (_: Request, { params }: any) => { const sync = typeof params.then; const all = await params; return Response.json([params.status === undefined, sync, all]); };")
        .file("app/this/route.ts", "export const GET = function (this: any, ...args: any[]) { return Response.json([this === undefined, args.length]); };")
        .file("app/proto/[__proto__]/route.ts", "export const GET = async (_: Request, { params }: any) => Response.json(Object.keys(await params));")
        .start()
        .await;
    app.get("/sync/7").await.is_json(json!(["7", "7", { "id": "7" }, "{\"id\":\"7\"}", ["id"], true]));
    app.get("/static").await.is_json(json!([{}, ["params"]]));
    app.get("/reserved/a/b").await.is_json(json!([true, "function", { "status": "a", "then": "b" }]));
    app.get("/this").await.is_json(json!([true, 2]));
    app.get("/proto/x").await.is_json(json!(["__proto__"]));
}

#[tokio::test]
async fn t44_t45_urls() {
    let app = serve_root(
        "import { NextRequest } from 'next/server';
         export const GET = (req: NextRequest) => {
           const before = req.nextUrl.searchParams.getAll('x');
           const u = req.url;
           req.nextUrl.pathname = '/z';
           return Response.json({ u, s: before, same: req.url === u, h: req.nextUrl.href, is: [req instanceof Request, req instanceof NextRequest, req.nextUrl === req.nextUrl] });
         };",
    )
    .await;
    let answer = app.send(Method::GET, "/?x=1&x=%202", &[("host", "ex.com")], "").await;
    answer.is_json(json!({
        "u": "http://ex.com/?x=1&x=%202", "s": ["1", " 2"], "same": true,
        "h": "http://ex.com/z?x=1&x=%202", "is": [true, true, true],
    }));
}

#[tokio::test]
async fn t46_request_cookies() {
    let app = serve_root(
        "export const GET = (req: any) => { const c = req.cookies; const out: any = [c.getAll(), c.size, c.get('nope') ?? null, c.has('a')];
         c.set('c2', 'x y;é'); out.push(req.headers.get('cookie'), c.delete('nope'), c.delete(['a', 'q']), c.toString(), [...c].length);
         c.clear(); out.push(req.headers.get('cookie')); return Response.json(out); };",
    )
    .await;
    let sent = [("cookie", "a=1; b=%7B%7D; c=\"q\"; a=2; d; bad=%E0%A4%A; e=x=y")];
    let answer = app.send(Method::GET, "/", &sent, "").await;
    let all = json!([
        { "name": "a", "value": "2" }, { "name": "b", "value": "{}" }, { "name": "c", "value": "\"q\"" },
        { "name": "d", "value": "true" }, { "name": "e", "value": "x=y" },
    ]);
    answer.is_json(json!([
        all,
        5,
        null,
        true,
        "a=2; b=%7B%7D; c=%22q%22; d=true; e=x%3Dy; c2=x%20y%3B%C3%A9",
        false,
        [true, false],
        "b=%7B%7D; c=%22q%22; d=true; e=x%3Dy; c2=x%20y%3B%C3%A9",
        5,
        "",
    ]));
}

#[tokio::test]
async fn t47_t48_bodies_that_cannot_be_read() {
    let app = serve_root(
        "export async function POST(req: Request) {
           const fail = async (f: () => Promise<unknown>) => { try { await f(); return 'fine'; } catch (e: any) { return `${e.name}: ${e.message}`; } };
           const first = await fail(() => req.json());
           const second = await fail(() => req.text());
           return Response.json([first, second, req.bodyUsed]);
         }",
    )
    .await;
    let bad = app.post("/", "{bad").await.json();
    assert!(
        bad[0].as_str().expect("text").starts_with("SyntaxError: Expected property name or '}' in JSON"),
        "{bad}"
    );
    assert_eq!(bad[1], "TypeError: Body is unusable: Body has already been read");
    assert_eq!(bad[2], true);
    let empty = app.post("/", "").await.json();
    assert_eq!(empty[0], "SyntaxError: Unexpected end of JSON input");
}

#[tokio::test]
async fn t49_forms() {
    let app = serve_root(
        "export async function POST(req: Request) {
           try {
             const form = await req.formData();
             const file = form.get('f') as File | null;
             return Response.json([form.getAll('a'), file && [file.name, file.type, file.size, await file.text()]]);
           } catch (e: any) { return Response.json(`${e.name}: ${e.message}`); }
         }",
    )
    .await;
    let body = "--B\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n1\r\n--B\r\ncontent-disposition: form-data; name=\"f\"; filename=\"x.txt\"\r\ncontent-type: text/plain\r\n\r\nhello\r\n--B\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n2\r\n--B--\r\n";
    let multipart =
        app.send(Method::POST, "/", &[("content-type", "multipart/form-data; boundary=B")], body).await;
    multipart.is_json(json!([["1", "2"], ["x.txt", "text/plain", 5, "hello"]]));
    let urlencoded = app
        .send(Method::POST, "/", &[("content-type", "application/x-www-form-urlencoded")], "a=x+y&a=%26")
        .await;
    urlencoded.is_json(json!([["x y", "&"], null]));
    let other = app.send(Method::POST, "/", &[("content-type", "application/json")], "{}").await;
    other.is_json(json!("TypeError: Content-Type was not one of \"multipart/form-data\" or \"application/x-www-form-urlencoded\"."));
}

#[tokio::test]
async fn t50_t51_bodies_of_get_and_clones() {
    let app = serve_root(
        "import { NextRequest } from 'next/server';
         export const GET = (req: NextRequest) => Response.json(req.body === null);
         export async function POST(req: NextRequest) {
           const c = req.clone() as NextRequest;
           const [a, b] = [await c.text(), await req.text()];
           return Response.json([a === b, a, c.nextUrl.pathname, c.cookies.get('k')?.value, c instanceof NextRequest, c.url === req.url]);
         }
         export async function DELETE(req: NextRequest) { return new Response(await req.text()); }
         export async function PUT(req: NextRequest) { return Response.json([req.body instanceof ReadableStream, (await req.arrayBuffer()).byteLength]); }",
    )
    .await;
    app.send(Method::GET, "/", &[], "ignored").await.is_json(json!(true));
    app.send(Method::POST, "/", &[("cookie", "k=v")], "twice")
        .await
        .is_json(json!([true, "twice", "/", "v", true, true]));
    app.send(Method::DELETE, "/", &[], "gone").await.is(200, "gone");
    app.send(Method::PUT, "/", &[], "").await.is_json(json!([true, 0]));
    app.send(Method::PUT, "/", &[], "12345").await.is_json(json!([true, 5]));
}

#[tokio::test]
async fn t52_t53_what_clients_may_not_say_and_what_is_gone() {
    let app = serve_root(
        "export const GET = (req: any) => { const threw = (f: () => unknown) => { try { f(); return false; } catch (e: any) { return e.message.split('\\n')[0]; } };
         return Response.json([[...req.headers.keys()].filter((k: string) => k.startsWith('x-')).sort(), 'geo' in req, req.ip, threw(() => req.page), threw(() => req.ua)]); };",
    )
    .await;
    let answer = app
        .send(
            Method::GET,
            "/",
            &[
                ("x-middleware-subrequest", "middleware"),
                ("x-middleware-rewrite", "/admin"),
                ("x-middleware-set-cookie", "a=1"),
                ("x-nextjs-data", "1"),
                ("x-forwarded-for", "1.2.3.4"),
                ("x-mine", "kept"),
            ],
            "",
        )
        .await;
    answer.is_json(json!([
        [
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-port",
            "x-forwarded-proto",
            "x-mine",
            "x-real-ip"
        ],
        false,
        "127.0.0.1",
        "The request.page has been deprecated in favour of `URLPattern`.",
        "The request.ua has been removed in favour of `userAgent` function.",
    ]));
}

#[tokio::test]
async fn headers_are_joined_split_and_mutable() {
    let app = serve_root(
        "export const GET = (req: Request) => { req.headers.set('x-new', '1'); return Response.json([req.headers.get('X-Multi'), req.headers.get('x-new'), req.headers.get('nope'), req.headers.has('host'), new Headers(req.headers).get('x-multi')]); };",
    )
    .await;
    let answer = app.send(Method::GET, "/", &[("x-multi", "a"), ("x-multi", "b")], "").await;
    answer.is_json(json!(["a, b", "1", null, true, "a, b"]));
}

#[tokio::test]
async fn requests_can_be_passed_on_and_wrapped() {
    let app = project()
        .file("app/wrap/route.ts", "import { NextRequest } from 'next/server';
            export async function POST(req: NextRequest) {
              const copy = new Request(req, { headers: { 'x-a': '1' } });
              const next = new NextRequest('http://h/base/a?q=1', { nextConfig: { basePath: '/base' }, method: 'POST', body: 'b' } as any);
              return Response.json([copy.method, copy.url === req.url, copy.headers.get('x-a'), await copy.text(), next.nextUrl.basePath, next.nextUrl.pathname, next.url, await next.text()]);
            }")
        .file("app/bad/route.ts", "import { NextRequest } from 'next/server';
            const text = (f: () => unknown) => { try { f(); return ''; } catch (e: any) { return `${e.name}: ${e.message}`; } };
            export const GET = () => Response.json([text(() => new NextRequest('/x')), text(() => new NextRequest('http://u:p@h/'))]);")
        .start()
        .await;
    app.post("/wrap", "body").await.is_json(json!([
        "POST",
        true,
        "1",
        "body",
        "/base",
        "/a",
        "http://h/base/a?q=1",
        "b"
    ]));
    app.get("/bad").await.is_json(json!([
        "Error: URL is malformed \"/x\". Please use only absolute URLs - https://nextjs.org/docs/messages/middleware-relative-urls",
        "TypeError: Request cannot be constructed from a URL that includes credentials: http://u:p@h/",
    ]));
}

#[tokio::test]
async fn a_head_can_be_read_after_the_answer() {
    let app = serve_root(
        "export async function GET(req: Request) { void (async () => { await new Promise((r) => setTimeout(r, 30)); console.log('later sees', req.headers.get('x-tag')); })(); return new Response('at once'); }",
    )
    .await;
    app.send(Method::GET, "/", &[("x-tag", "tag-after-answer")], "").await.is(200, "at once");
    logged(&["later sees tag-after-answer"]).await;
}

#[tokio::test]
async fn next_url_follows_its_configuration() {
    let app = serve_root(
        "import { NextRequest } from 'next/server';
         export const GET = (req: NextRequest) => {
           const make = (url: string, nextConfig?: any) => new NextRequest(url, { nextConfig } as any).nextUrl;
           const a: any = make('http://h/base/a/', { basePath: '/base', trailingSlash: true });
           const out: any[] = [a.pathname, a.basePath, a.href];
           a.pathname = '/q'; out.push(a.href); a.basePath = '/other'; out.push(a.href);
           const root: any = make('http://h/base', { basePath: '/base' }); out.push(root.pathname, root.href);
           out.push(make('http://h/basex', { basePath: '/base' }).basePath, make('http://h/a', { trailingSlash: true }).href);
           const c = a.clone(); c.pathname = '/c'; out.push(a.pathname, String(new URL('/z', a)), JSON.stringify({ a: root }));
           out.push(make('http://127.0.0.1:3/').href, a.locale);
           try { a.locale = 'en'; } catch (e: any) { out.push(e.message); }
           return Response.json(out);
         };",
    )
    .await;
    app.get("/").await.is_json(json!([
        "/a/",
        "/base",
        "http://h/base/a/",
        "http://h/base/q/",
        "http://h/other/q/",
        "/",
        "http://h/base",
        "",
        "http://h/a",
        "/q",
        "http://h/z",
        "{\"a\":\"http://h/base\"}",
        "http://localhost:3/",
        "",
        "The NextURL configuration includes no locale \"en\"",
    ]));
}

/// Most queries are cut into pairs without native code: they come out as it reads them.
#[tokio::test]
async fn queries_are_read_alike_with_and_without_escapes() {
    let app = project()
        .file(
            "app/route.ts",
            "export function GET() {
                const parts = ['', 'a', 'a=', '=b', 'a=b', 'a==b', 'a=b=c', '=', 'x y=1', '?'];
                const wrong: unknown[] = [];
                let tried = 0;
                for (const one of parts) for (const two of parts) for (const three of parts) for (const four of [undefined, 'd=4']) {
                    const query = [one, two, three, ...(four === undefined ? [] : [four])].join('&');
                    // What has an escape goes to native code.
                    const native = [...new URLSearchParams(query + '&%65nd')];
                    if (native.pop()?.join() !== 'end,') wrong.push(['end', query]);
                    const own = new URLSearchParams(query);
                    const ofUrl = new URL('http://h/?' + query).searchParams;
                    if (JSON.stringify([...own]) !== JSON.stringify(native)) wrong.push([query, [...own], native]);
                    if (!query.includes(' ') && !query.startsWith('?') && JSON.stringify([...ofUrl]) !== JSON.stringify(native)) wrong.push(['url', query]);
                    own.append('z', '1');
                    if (own.get('z') !== '1' || own.size !== native.length + 1) wrong.push(['append', query]);
                    tried++;
                }
                const special = new URLSearchParams('a+b=%20&\\u00e9=\\ud800');
                return Response.json([tried, wrong, [...special]]);
            }",
        )
        .start()
        .await;
    let answer = app.get("/").await;
    assert_eq!(answer.text(), "[2000,[],[[\"a b\",\" \"],[\"\u{e9}\",\"\u{fffd}\"]]]");
}
