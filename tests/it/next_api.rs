//! `next/server`, `next/headers`, `next/navigation`, `next/cache`: cases T54 to T74 and T107.

use http::Method;
use serde_json::json;

use super::harness::{App, eventually, log, logged, project, serve_root};

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn t54_t55_next_response() {
    let app = project()
        .file("app/json/route.ts", "import { NextResponse } from 'next/server'; export const GET = () => NextResponse.json({ a: 1 }, { status: 201 });")
        .file("app/plain/route.ts", "import { NextResponse } from 'next/server'; export const GET = () => { const r = NextResponse.json({ a: 1 }); return Response.json([r instanceof NextResponse, r instanceof Response, r.status, r.headers.get('content-type')]); };")
        .file("app/redirect/route.ts", "import { NextResponse } from 'next/server'; export const GET = (r: Request) => NextResponse.redirect(new URL('/z', r.url), { status: Number(new URL(r.url).searchParams.get('s') ?? 307), headers: { 'x-kept': '1' } });")
        .file("app/number/route.ts", "import { NextResponse } from 'next/server'; export const GET = (r: Request) => NextResponse.redirect('https://a.b/c d?é#h', 303);")
        .file("app/relative/route.ts", "import { NextResponse } from 'next/server'; export const GET = () => NextResponse.redirect('/z');")
        .file("app/unserialisable/route.ts", "import { NextResponse } from 'next/server'; export const GET = () => NextResponse.json(undefined);")
        .start()
        .await;
    let created = app.get("/json").await;
    created.is(201, "{\"a\":1}");
    assert_eq!(created.header("content-type"), Some("application/json"));
    app.get("/plain").await.is_json(json!([true, true, 200, "application/json"]));
    let moved = app.send(Method::GET, "/redirect", &[("host", "h")], "").await;
    assert_eq!(
        (moved.status.as_u16(), moved.header("location"), moved.header("x-kept")),
        (307, Some("http://h/z"), Some("1"))
    );
    let moved = app.get("/number").await;
    assert_eq!((moved.status.as_u16(), moved.header("location")), (303, Some("https://a.b/c%20d?%C3%A9#h")));
    assert_eq!(app.get("/relative").await.status, 500);
    logged(&["URL is malformed \"/z\". Please use only absolute URLs"]).await;
    assert_eq!(app.get("/redirect?s=304").await.status, 500);
    logged(&["Failed to execute \"redirect\" on \"response\": Invalid status code"]).await;
    assert_eq!(app.get("/unserialisable").await.status, 500);
}

#[tokio::test]
async fn t56_t57_response_cookies() {
    let app = serve_root(
        "import { NextResponse } from 'next/server';
         export const GET = () => {
           const r = new NextResponse('x');
           r.cookies.set('a', '1', { maxAge: 60 }).set('a', '2');
           r.cookies.set({ name: 'b', value: 'v', path: '/p', expires: 0, domain: 'd.com', secure: true, httpOnly: true, sameSite: true, partitioned: true, priority: 'high' });
           r.cookies.delete('c');
           r.cookies.delete({ name: 'd', path: '/z', domain: 'q.com' });
           r.cookies.set({ name: 'e', value: '3', maxAge: 0 });
           r.cookies.set('f', 'a b;é', { path: '', sameSite: 'lax' });
           r.headers.set('x-got', JSON.stringify([r.cookies.get('a'), r.cookies.has('zz'), r.cookies.getAll('e').length]));
           return r;
         };
         export const POST = () => {
           const r = NextResponse.json({});
           r.cookies.set('a', '1', { httpOnly: true, sameSite: 'lax', secure: true, maxAge: 60, domain: 'example.com' });
           return r;
         };",
    )
    .await;
    let answer = app.get("/").await;
    assert_eq!(
        answer.cookies(),
        [
            "a=2; Path=/",
            "b=v; Path=/p; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Domain=d.com; Secure; HttpOnly; SameSite=true; Partitioned; Priority=high",
            "c=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "d=; Path=/z; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Domain=q.com",
            "e=3; Path=/; Max-Age=0",
            "f=a%20b%3B%C3%A9; SameSite=lax",
        ]
    );
    assert!(!answer.headers.contains_key("x-middleware-set-cookie"));
    let lasting = app.post("/", "").await;
    let line = lasting.cookies()[0];
    assert!(
        line.starts_with("a=1; Path=/; Expires=")
            && line.ends_with(" GMT; Max-Age=60; Domain=example.com; Secure; HttpOnly; SameSite=lax"),
        "{line}"
    );
}

#[tokio::test]
async fn t58_t62_cookies_with_and_without_await() {
    let app = serve_root(
        "import { cookies } from 'next/headers';
         export const GET = async (req: any) => { const c: any = await cookies(); c.set('n', 'v'); return Response.json([c.get('n'), req.cookies.get('n') ?? null]); };
         export const PUT = () => { const c: any = cookies(); return Response.json([c.get('a').value, c.has('b'), c.getAll().length, c.size, [...c].length, String(c)]); };",
    )
    .await;
    let set = app.get("/").await;
    set.is_json(json!([{ "name": "n", "value": "v", "path": "/" }, null]));
    assert_eq!(set.cookies(), ["n=v; Path=/"]);
    let read = app.send(Method::PUT, "/", &[("cookie", "a=1; b=2")], "").await;
    read.is_json(json!(["1", true, 2, 2, 2, "a=1; Path=/; b=2; Path=/"]));
    assert_eq!(read.cookies(), [""; 0]);
}

#[tokio::test]
async fn t59_cookies_are_merged_and_the_answers_own_win() {
    let app = serve_root(
        "import { cookies } from 'next/headers';
         export async function GET() {
           const c = await cookies();
           c.set('a', '1 2;é'); c.set('b', 'x'); c.set({ name: 'c', value: 'y', path: '/p', expires: new Date(0) } as any); c.delete('old');
           const headers = new Headers(); headers.append('set-cookie', 'b=fromres; Path=/'); headers.append('set-cookie', 'z=9; Max-Age=0');
           return new Response('x', { headers });
         }",
    )
    .await;
    let answer = app.send(Method::GET, "/", &[("cookie", "old=1; a=zz")], "").await;
    assert_eq!(
        answer.cookies(),
        [
            "b=fromres; Path=/",
            "z=9; Path=/; Max-Age=0",
            "old=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "a=1%202%3B%C3%A9; Path=/",
            "c=y; Path=/p; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        ]
    );
}

#[tokio::test]
async fn cookies_of_an_answer_are_written_anew_once_others_were_set() {
    let app = serve_root(
        "import { cookies } from 'next/headers';
         export async function GET(req: Request) {
           if (new URL(req.url).search) (await cookies()).delete('gone');
           const headers = new Headers();
           for (const line of ['own=2; HttpOnly', 'deep=a%20b ;path=/deep; SameSite=STRICT; secure', 'none=1; Path=; Domain=x.test; Partitioned', 'odd=50%', 'flag']) headers.append('set-cookie', line);
           headers.append('set-cookie', 'later=1; Max-Age=60; Priority=High');
           return new Response('x', { headers });
         }",
    )
    .await;
    let answer = app.get("/").await;
    let untouched = answer.cookies();
    assert_eq!(untouched[..2], ["own=2; HttpOnly", "deep=a%20b ;path=/deep; SameSite=STRICT; secure"]);
    let answer = app.get("/?set").await;
    let written = answer.cookies();
    assert_eq!(
        written[..5],
        [
            "own=2; Path=/; HttpOnly",
            "deep=a%20b; Path=/deep; Secure; SameSite=strict",
            "none=1; Path=/; Domain=x.test; Partitioned",
            "odd=50%25; Path=/",
            "flag",
        ]
    );
    assert!(
        written[5].starts_with("later=1; Path=/; Expires=")
            && written[5].ends_with("; Max-Age=60; Priority=high"),
        "{written:?}"
    );
    assert_eq!(written[6..], ["gone=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]);
}

#[tokio::test]
async fn t60_t61_cookies_and_control_flow() {
    let app = serve_root(
        "import { cookies } from 'next/headers'; import { notFound, redirect } from 'next/navigation';
         export async function GET(req: Request) {
           (await cookies()).set('r', '1');
           switch (new URL(req.url).searchParams.get('how')) {
             case 'redirect': redirect('/e?x=1');
             case 'missing': notFound();
             case 'throw': throw new Error('thrown t60');
             default: return Response.redirect(new URL('/y', req.url), 302);
           }
         }",
    )
    .await;
    let redirected = app.get("/?how=redirect").await;
    assert_eq!(
        (redirected.status.as_u16(), redirected.header("location"), redirected.cookies()),
        (307, Some("/e?x=1"), vec!["r=1; Path=/"])
    );
    let missing = app.get("/?how=missing").await;
    missing.is(404, "");
    assert_eq!(missing.cookies(), [""; 0]);
    let thrown = app.get("/?how=throw").await;
    assert_eq!((thrown.status.as_u16(), thrown.cookies().len()), (500, 0));
    let immutable = app.get("/").await;
    assert_eq!((immutable.status.as_u16(), immutable.cookies()), (302, vec!["r=1; Path=/"]));
}

#[tokio::test]
async fn t63_headers_are_read_only() {
    let app = serve_root(
        "import { headers } from 'next/headers';
         export const GET = async () => { const h = await headers(); const out: any[] = [h.get('x-a'), h instanceof Headers, (headers() as any).get('x-a'), [...h.keys()].includes('x-a')];
           for (const f of [() => (h as any).set('a', 'b'), () => (h as any).append('a', 'b'), () => (h as any).delete('a')]) { try { f(); } catch (e: any) { out.push(e.message); } }
           return Response.json(out); };",
    )
    .await;
    let refused =
        "Headers cannot be modified. Read more: https://nextjs.org/docs/app/api-reference/functions/headers";
    app.send(Method::GET, "/", &[("x-a", "1")], "")
        .await
        .is_json(json!(["1", true, "1", true, refused, refused, refused]));
}

#[tokio::test]
async fn t64_t65_redirects() {
    let app = project()
        .file("app/to/route.ts", "import { redirect } from 'next/navigation'; export const GET = () => redirect('/to?x=1;2#h'); export const POST = async () => { await null; redirect('/to'); };")
        .file("app/ever/route.ts", "import { permanentRedirect } from 'next/navigation'; export const GET = () => permanentRedirect('/tö/日'); export const POST = () => permanentRedirect('/x');")
        .start()
        .await;
    let to = app.get("/to").await;
    assert_eq!((to.status.as_u16(), to.header("location"), to.text()), (307, Some("/to?x=1;2#h"), ""));
    let ever = app.get("/ever").await;
    assert_eq!((ever.status.as_u16(), ever.header("location")), (308, Some("/t%C3%B6/%E6%97%A5")));
    let post = async |content_type: &str, extra: &[(&str, &str)]| {
        let headers = [&[("content-type", content_type)], extra].concat();
        app.send(Method::POST, "/to", &headers, "").await.status.as_u16()
    };
    assert_eq!(post(FORM, &[]).await, 303);
    assert_eq!(post("multipart/form-data; boundary=x", &[]).await, 303);
    assert_eq!(post("application/json", &[]).await, 307);
    assert_eq!(post("application/x-www-form-urlencoded; charset=utf-8", &[]).await, 307);
    assert_eq!(post("application/json", &[("next-action", "1")]).await, 303);
    assert_eq!(app.send(Method::POST, "/ever", &[("content-type", FORM)], "").await.status, 303);
}

#[tokio::test]
async fn t66_t67_catching_control_flow() {
    let app = project()
        .file("app/caught/route.ts", "import { redirect } from 'next/navigation'; export const GET = () => { try { redirect('/a'); } catch { return new Response('caught'); } };")
        .file("app/rethrown/route.ts", "import { redirect, unstable_rethrow } from 'next/navigation'; export const GET = () => { try { try { redirect('/a'); } catch (cause) { throw new Error('wrapped', { cause }); } } catch (e) { unstable_rethrow(e); return new Response('caught'); } };")
        .file("app/forbidden/route.ts", "import { forbidden } from 'next/navigation'; export const GET = () => forbidden();")
        .file("app/unauthorized/route.ts", "import { unauthorized } from 'next/navigation'; export const GET = () => unauthorized();")
        .file("app/missing/route.ts", "import { notFound } from 'next/navigation'; export const GET = async () => { await null; notFound(); };")
        .start()
        .await;
    app.get("/caught").await.is(200, "caught");
    assert_eq!(app.get("/rethrown").await.status, 307);
    app.get("/forbidden").await.is(403, "");
    app.get("/unauthorized").await.is(401, "");
    app.get("/missing").await.is(404, "");
}

#[tokio::test]
async fn t68_draft_mode() {
    let source = "import { draftMode } from 'next/headers';
        export const GET = async () => Response.json((await draftMode()).isEnabled);
        export const PUT = async () => { const d: any = await draftMode(); d.enable(); return Response.json(d.isEnabled); };
        export const DELETE = async () => { (await draftMode()).disable(); return Response.json((draftMode() as any).isEnabled); };";
    let app = serve_root(source).await;
    app.get("/").await.is_json(json!(false));
    let enabled = app.send(Method::PUT, "/", &[], "").await;
    enabled.is_json(json!(true));
    let line = enabled.cookies()[0].to_owned();
    let (cookie, attributes) = line.split_once(';').expect("attributes");
    let secret = cookie.strip_prefix("__prerender_bypass=").expect("the name");
    assert!(secret.len() == 32 && secret.bytes().all(|b| b.is_ascii_hexdigit()), "{line}");
    assert_eq!(attributes, " Path=/; Secure; HttpOnly; SameSite=none");
    app.send(Method::GET, "/", &[("cookie", cookie)], "").await.is_json(json!(true));
    app.send(Method::GET, "/", &[("cookie", "__prerender_bypass=wrong")], "").await.is_json(json!(false));
    let disabled = app.send(Method::DELETE, "/", &[("cookie", cookie)], "").await;
    disabled.is_json(json!(false));
    assert_eq!(
        disabled.cookies(),
        [
            "__prerender_bypass=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=none"
        ]
    );
}

#[tokio::test]
async fn a_draft_secret_is_kept_for_the_host_alone_or_configured_for_many() {
    use std::os::unix::fs::PermissionsExt;
    let source = "import { draftMode } from 'next/headers';
        export const GET = async () => Response.json((await draftMode()).isEnabled);
        export const PUT = async () => { (await draftMode()).enable(); return new Response(); };";
    let first = project().file("app/route.ts", source);
    let second = project().file("app/route.ts", source);
    let kept = first.path().join(".edgehost/draft-secret");
    let cookie = async |app: &App| {
        let answer = app.send(Method::PUT, "/", &[], "").await;
        answer.cookies()[0].split(';').next().expect("a pair").to_owned()
    };
    let open = async |project: &super::harness::Project, secret: Option<&str>| {
        let builder = project.builder();
        let builder = match secret {
            Some(secret) => builder.draft_secret(secret),
            None => builder,
        };
        App::serve(builder.build().await.expect("built"), None).await
    };
    // What an older version left, for everybody to read.
    std::fs::create_dir_all(kept.parent().expect("a folder")).expect("made");
    std::fs::write(&kept, "0123456789abcdef0123456789abcdef").expect("written");
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o644)).expect("set");
    assert_eq!(
        cookie(&open(&first, None).await).await,
        "__prerender_bypass=0123456789abcdef0123456789abcdef"
    );
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&kept), 0o600);
    std::fs::write(&kept, "half").expect("written");
    let renewed = cookie(&open(&first, None).await).await;
    assert_eq!(renewed, cookie(&open(&first, None).await).await, "it outlives a restart");
    let text = std::fs::read_to_string(&kept).expect("kept");
    assert_eq!((renewed, mode(&kept)), (format!("__prerender_bypass={text}"), 0o600));

    let secret = "the same on every machine";
    let [one, two] = [open(&first, Some(secret)).await, open(&second, Some(secret)).await];
    let pair = cookie(&one).await;
    assert!(!pair.contains(&text) && !pair.contains(secret), "{pair}");
    two.send(Method::GET, "/", &[("cookie", &pair)], "").await.is_json(json!(true));
    open(&second, Some("another one that is long"))
        .await
        .send(Method::GET, "/", &[("cookie", &pair)], "")
        .await
        .is_json(json!(false));
    assert!(!second.path().join(".edgehost/draft-secret").exists());
    let short = first.builder().draft_secret("short").validate().expect_err("refused").to_string();
    assert!(short.contains("--draft-secret is too short") && !short.contains("'short'"), "{short}");
}

#[tokio::test]
async fn t69_cookies_that_cannot_be_decoded_are_left_alone() {
    let app = serve_root(
        "import { NextResponse } from 'next/server';
         export const GET = () => { const r = new NextResponse('x', { headers: { 'set-cookie': 'a=100%25; Max-Age=0' } }); r.cookies.set('b', '1'); return r; };
         export const PUT = () => { const r = new NextResponse('x', { headers: { 'set-cookie': 'a=%' } }); return Response.json(r.cookies.get('a')?.value); };",
    )
    .await;
    let answer = app.get("/").await;
    assert_eq!((answer.status.as_u16(), answer.cookies()), (200, vec!["a=100%25; Max-Age=0", "b=1; Path=/"]));
    app.send(Method::PUT, "/", &[], "").await.is_json(json!("%"));
}

#[tokio::test]
async fn t70_outside_of_a_request_there_is_no_scope() {
    let app = serve_root(
        "import { cookies, headers, draftMode } from 'next/headers'; import { after, connection } from 'next/server';
         const texts: string[] = [];
         for (const f of [cookies, headers, draftMode, () => after(() => {}), connection]) { try { f(); texts.push('no error'); } catch (e: any) { texts.push(e.message); } }
         export const GET = async () => { await connection(); return Response.json(texts); };",
    )
    .await;
    let answer = app.get("/").await.json();
    for (index, api) in ["cookies", "headers", "draftMode", "after", "connection"].into_iter().enumerate() {
        let text = answer[index].as_str().expect("text");
        assert!(text.starts_with(&format!("`{api}` was called outside a request scope.")), "{text}");
    }
}

#[tokio::test]
async fn t71_the_scope_follows_every_continuation() {
    let app = serve_root(
        "import { cookies } from 'next/headers';
         const id = async () => (await cookies()).get('id')?.value;
         export async function GET() {
           const seen: unknown[] = [];
           await new Promise((r) => setTimeout(r, Math.random() * 20)); seen.push(await id());
           await Promise.all([1, 2].map(async () => { await null; seen.push(await id()); }));
           await new Promise<void>((r) => queueMicrotask(async () => { seen.push(await id()); r(); }));
           const target = new EventTarget(); target.addEventListener('x', async () => seen.push(await id())); target.dispatchEvent(new Event('x'));
           const stream = new ReadableStream({ async pull(c) { c.enqueue(await id()); c.close(); } });
           for await (const chunk of stream as any) seen.push(chunk);
           const piped = new ReadableStream({ start(c) { c.enqueue('a'); c.close(); } }).pipeThrough(new TransformStream({ async transform(_, c) { c.enqueue(await id()); } }));
           for await (const chunk of piped as any) seen.push(chunk);
           async function* values() { yield await id(); }
           for await (const value of values()) seen.push(value);
           const interval = await new Promise((r) => { const t = setInterval(async () => { clearInterval(t); r(await id()); }, 1); }); seen.push(interval);
           await crypto.subtle.digest('SHA-256', new Uint8Array(8)); seen.push(await id());
           try { await Promise.reject(new Error('x')); } catch { seen.push(await id()); } finally { seen.push(await id()); }
           return Response.json(seen);
         }",
    )
    .await;
    let requests = (0..20).map(|n| {
        let app = &app;
        async move {
            let id = format!("user-{n}");
            let answer = app.send(Method::GET, "/", &[("cookie", &format!("id={id}"))], "").await;
            let seen = answer.json();
            let seen = seen.as_array().expect("an array");
            assert!(seen.len() >= 11 && seen.iter().all(|value| value == id.as_str()), "{id}: {seen:?}");
        }
    });
    futures::future::join_all(requests).await;
}

#[tokio::test]
async fn t72_t73_t74_after() {
    let app = project()
        .file("app/route.ts", "import { after } from 'next/server'; import { cookies, headers } from 'next/headers';
            export async function GET(req: Request) {
              after(async () => { await new Promise((r) => setTimeout(r, 20)); console.log('after ran t72', (await headers()).get('x-tag'), req.headers.get('x-tag')); });
              after(() => { throw new Error('after failed t72'); });
              after(async () => { (await cookies()).set('a', '1'); });
              after(Promise.reject(new Error('promise failed t72')));
              if (new URL(req.url).searchParams.has('throw')) throw new Error('handler t72');
              return new Response('x');
            }")
        .file("app/bad/route.ts", "import { after } from 'next/server'; export const GET = () => { after('x' as any); return new Response('never'); };")
        .start()
        .await;
    app.send(Method::GET, "/", &[("x-tag", "tag-t72")], "").await.is(200, "x");
    logged(&["after ran t72 tag-t72 tag-t72"]).await;
    logged(&["An error occurred in a function passed to `after()`: ", "after failed t72"]).await;
    logged(&["A promise passed to `after()` rejected: ", "promise failed t72"]).await;
    logged(&["An error occurred in a function passed to `after()`: ", "ReadonlyRequestCookiesError"]).await;
    let before = log().matches("after ran t72").count();
    assert_eq!(app.get("/?throw").await.status, 500);
    eventually("after runs for a handler that threw", async || {
        log().matches("after ran t72").count() > before
    })
    .await;
    assert_eq!(app.get("/bad").await.status, 500);
    logged(&["`after()`: Argument must be a promise or a function"]).await;
}

/// A browser would keep a cookie without a path for the folder of the route alone.
#[tokio::test]
async fn own_cookies_get_a_path_once_cookies_were_written() {
    let app = serve_root(
        "import { cookies } from 'next/headers';
         export async function GET(req: Request) {
           if (new URL(req.url).searchParams.has('write')) (await cookies()).set('s', '1'); else (await cookies()).get('s');
           const headers = new Headers();
           for (const line of ['a=1', 'b=2; path=/deep; Secure', 'c=3; Path=; HttpOnly', 'd=4;PATH = ;Max-Age=0', 'e=f; SameSite=Lax; Path=/']) headers.append('set-cookie', line);
           return new Response('x', { headers });
         }",
    )
    .await;
    assert_eq!(
        app.get("/?write").await.cookies(),
        [
            "a=1; Path=/",
            "b=2; Path=/deep; Secure",
            "c=3; Path=/; HttpOnly",
            "d=4; Path=/; Max-Age=0",
            "e=f; Path=/; SameSite=lax",
            "s=1; Path=/",
        ]
    );
    assert_eq!(app.get("/").await.cookies()[0], "a=1", "as it was written, where nothing is merged");
}

#[tokio::test]
async fn after_within_after_and_after_the_answer() {
    let app = project()
        .file("app/nested/route.ts", "import { after } from 'next/server'; import { headers } from 'next/headers';
            const pause = (ms: number) => new Promise((r) => setTimeout(r, ms));
            export function GET() {
              after(async () => {
                after(() => console.log('nested: at once'));
                await pause(20);
                after(async () => {
                  await pause(5);
                  after(async () => { console.log('nested: third level of', (await headers()).get('x-tag')); after(() => { throw new Error('nested: fourth fails'); }); });
                });
                after(pause(5).then(() => console.log('nested: a promise')));
              });
              return new Response('ok');
            }")
        .file("app/late/route.ts", "import { after } from 'next/server';
            export const GET = () => {
              void (async () => { await new Promise((r) => setTimeout(r, 50)); after(() => console.log('late: ran')); after(async () => { throw new Error('late: failed'); }); console.log('late: registered'); })();
              return new Response('ok');
            };")
        .start()
        .await;
    app.send(Method::GET, "/nested", &[("x-tag", "tag-nested")], "").await.is(200, "ok");
    app.get("/late").await.is(200, "ok");
    for line in [
        "nested: at once",
        "nested: third level of tag-nested",
        "nested: a promise",
        "late: registered",
        "late: ran",
    ] {
        logged(&[line]).await;
    }
    let failed = "An error occurred in a function passed to `after()`: ";
    logged(&[failed, "nested: fourth fails"]).await;
    logged(&[failed, "late: failed"]).await;
    let log = log();
    let said = |text: &str| log.find(&format!("edgehost::console: late: {text}"));
    assert!(said("registered") < said("ran"), "not within the call that registers it");
    assert_eq!(log.matches("edgehost::console: late: ran").count(), 1);
}

#[tokio::test]
async fn what_a_task_of_after_asks_of_its_request_stays_readable() {
    let app = project()
        .file("app/route.ts", "import { after } from 'next/server'; import { cookies, headers } from 'next/headers';
            const go: any = ((globalThis as any).go ??= []);
            const asked = async () => [(await headers()).get('X-Tag'), (await cookies()).get('c')?.value, [...(await headers()).keys()].includes('x-tag')].join();
            export const GET = (req: any) => { after(async () => { await new Promise((r) => go.push(r)); console.log('kept with a request:', await asked(), req.headers.get('x-tag'), req.method, req.nextUrl.pathname, req.cookies.get('c').value); }); return new Response('ok'); };
            export const POST = () => { after(async () => { await new Promise((r) => go.push(r)); console.log('kept without:', await asked()); }); return new Response('ok'); };
            export const PUT = () => { void (async () => { await new Promise((r) => go.push(r)); after(() => console.log('kept: late task')); })(); return new Response('ok'); };")
        .file("app/go/route.ts", "export const GET = () => { for (const r of (globalThis as any).go) r(); return new Response('gone'); };")
        .file("app/other/route.ts", "export const GET = () => new Response('other');")
        .start()
        .await;
    for method in [Method::GET, Method::POST, Method::PUT] {
        app.send(method, "/", &[("x-tag", "tag-kept"), ("cookie", "c=crumb")], "").await.is(200, "ok");
    }
    for _ in 0..100 {
        app.get("/other").await.is(200, "other");
    }
    app.get("/go").await.is(200, "gone");
    logged(&["kept with a request: tag-kept,crumb,true tag-kept GET / crumb"]).await;
    logged(&["kept without: tag-kept,crumb,true"]).await;
    logged(&["kept: late task"]).await;
}

#[tokio::test]
async fn draft_mode_stays_as_it_is_in_after() {
    let app = project()
        .file("app/draft/[id]/route.ts", "import { after } from 'next/server'; import { draftMode } from 'next/headers';
            export function GET() {
              after(async () => {
                const draft = await draftMode();
                console.log('draft in after:', draft.isEnabled);
                for (const name of ['enable', 'disable'] as const) { try { draft[name](); } catch (e: any) { console.log('draft:', e.message); } }
              });
              return new Response('ok');
            }")
        .start()
        .await;
    app.get("/draft/1").await.is(200, "ok");
    logged(&["draft in after: false"]).await;
    for name in ["enable", "disable"] {
        logged(&[&format!("draft: Route /draft/[id] used \"draftMode().{name}()\" inside `after()`. The enabled status of `draftMode()` can be read inside `after()` but you cannot enable or disable `draftMode()`. See more info here: https://nextjs.org/docs/app/api-reference/functions/after")]).await;
    }
}

#[tokio::test]
async fn before_next_15_nothing_of_the_request_is_a_promise() {
    let source = "import { cookies, draftMode, headers } from 'next/headers';
        export function GET(_req: Request, context: any) {
          const { params } = context, jar: any = cookies(), head: any = headers(), draft: any = draftMode();
          return Response.json({ params, is: [params, jar, head, draft].map((v) => v instanceof Promise), keys: Object.keys(params),
            head: head instanceof Headers, jar: jar.get('a')?.value, list: [...jar].length, draft: draft.isEnabled });
        }
        export async function POST(_req: Request, context: any) { (await cookies()).set('b', '2'); return Response.json([await context.params, (await headers()).get('x-a'), (await draftMode()).isEnabled]); }";
    let with = |package: &str| {
        project()
            .file("package.json", package)
            .file("app/notes/[id]/[[...rest]]/route.ts", source)
            .file("app/edge/[id]/route.ts", format!("export const runtime = 'edge'; {source}"))
    };
    let older = with(r#"{ "dependencies": { "next": "^14.2.0" } }"#).start().await;
    let get = async |app: &super::harness::App, path: &str| {
        app.send(Method::GET, path, &[("cookie", "a=1"), ("x-a", "y")], "").await.json()
    };
    for path in ["/notes/7", "/edge/7"] {
        assert_eq!(
            get(&older, path).await,
            json!({ "params": { "id": "7" }, "is": [false, false, false, false], "keys": ["id"], "head": true, "jar": "1", "list": 1, "draft": false })
        );
    }
    assert_eq!(get(&older, "/notes/7/x/y").await["params"], json!({ "id": "7", "rest": ["x", "y"] }));
    let answer = older.send(Method::POST, "/notes/7", &[("x-a", "y")], "").await;
    answer.is_json(json!([{ "id": "7" }, "y", false]));
    assert_eq!(answer.cookies(), ["b=2; Path=/"]);
    let newer = with(r#"{ "dependencies": { "next": "15.0.0" } }"#).start().await;
    let seen = get(&newer, "/notes/7").await;
    assert_eq!((&seen["is"], &seen["params"]), (&json!([true, true, true, true]), &json!({ "id": "7" })));
    let installed = with(r#"{ "devDependencies": { "next": "latest" } }"#)
        .file("node_modules/next/package.json", r#"{ "version": "13.5.6" }"#)
        .start()
        .await;
    assert_eq!(get(&installed, "/edge/7").await["is"], json!([false, false, false, false]));
}

#[tokio::test]
async fn errors_say_what_those_of_node_say() {
    let app = serve_root(
        "import { NextRequest } from 'next/server';
         const tried = async (f: () => any) => { try { return await f(); } catch (e: any) { return `${e.name}: ${e.message}${e.cause ? ` (${e.cause.message}, ${e.cause.code})` : ''}`; } };
         const used = async (f: (r: Response) => any) => { const r = new Response('x'); await r.text(); return f(r); };
         export async function POST(req: NextRequest) {
           await req.text();
           const gone = new AbortController(); gone.abort();
           return Response.json({
             again: await tried(() => req.text()),
             response: await tried(() => used((r) => r.json())), blob: await tried(() => used((r) => r.blob())),
             request: await tried(async () => { const r = new Request('http://h/', { method: 'POST', body: 'x' }); await r.text(); await r.arrayBuffer(); }),
             duplex: [req.duplex, new Request('http://h/').duplex, 'duplex' in Request.prototype],
             reason: gone.signal.reason.message, whole: AbortSignal.abort().reason.message, any: AbortSignal.any([gone.signal]).reason.message,
             aborted: await tried(() => fetch('http://127.0.0.1:9/', { signal: gone.signal })),
             url: await tried(() => new Request('meeeh')), fetched: await tried(() => fetch('meeeh')), redirected: await tried(() => Response.redirect('meeeh')),
             parsed: await tried(() => new URL('meeeh')),
           });
         }",
    )
    .await;
    let unusable = "TypeError: Body is unusable: Body has already been read";
    let unparsed = "TypeError: Failed to parse URL from meeeh (Invalid URL, ERR_INVALID_URL)";
    app.post("/", "hi").await.is_json(json!({
        "again": unusable, "response": unusable, "blob": unusable, "request": unusable,
        "duplex": ["half", "half", true],
        "reason": "This operation was aborted", "whole": "This operation was aborted", "any": "This operation was aborted",
        "aborted": "AbortError: This operation was aborted",
        "url": unparsed, "fetched": unparsed, "redirected": unparsed,
        "parsed": "TypeError: Invalid URL",
    }));
}

#[tokio::test]
async fn what_cannot_be_made_is_refused_in_the_words_of_node() {
    let app = serve_root(
        "const tried = async (f: () => any) => { try { await f(); return 'fine'; } catch (e: any) { return `${e.name}: ${e.message}`; } };
         const used = async <T extends Request | Response>(r: T) => { await r.text(); return r; };
         const sent = () => new Request('http://h/', { method: 'POST', body: 'x' });
         export const GET = async () => Response.json(await Promise.all([
           () => new Request('http://h/', { method: 'a b' }), () => new Request('http://h/', { method: 'Trace' }), () => new Request('http://h/', { method: 'GET', body: 'x' }),
           async () => new Request(await used(sent())), async () => (await used(sent())).clone(), async () => (await used(new Response('x'))).clone(),
           () => new Response('x', { status: 1000 }), () => new Response('x', { status: 204 }), () => Response.redirect('http://h/', 200),
           () => new Response('x').formData(), () => new Response(new Uint8Array(1)).formData(),
         ].map(tried)));",
    )
    .await;
    let form = "TypeError: Content-Type was not one of \"multipart/form-data\" or \"application/x-www-form-urlencoded\".";
    app.get("/").await.is_json(json!([
        "TypeError: 'a b' is not a valid HTTP method.",
        "TypeError: 'Trace' HTTP method is unsupported.",
        "TypeError: Request with GET/HEAD method cannot have body.",
        "TypeError: Cannot construct a Request with a Request object that has already been used.",
        "TypeError: unusable",
        "TypeError: Response.clone: Body has already been consumed.",
        "RangeError: init[\"status\"] must be in the range of 200 to 599, inclusive.",
        "TypeError: Response constructor: Invalid response status code 204",
        "RangeError: Invalid status code 200",
        form,
        form,
    ]));
}

#[tokio::test]
async fn user_agents() {
    let app = serve_root(
        "import { userAgent } from 'next/server'; export const GET = (r: Request) => Response.json(userAgent(r));",
    )
    .await;
    let ask = async |agent: &str| app.send(Method::GET, "/", &[("user-agent", agent)], "").await.json();
    let chrome = ask("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36").await;
    assert_eq!(chrome["browser"], json!({ "name": "Chrome", "version": "120.0.0.0", "major": "120" }));
    assert_eq!(
        (&chrome["engine"]["name"], &chrome["os"], &chrome["cpu"]["architecture"], &chrome["isBot"]),
        (&json!("Blink"), &json!({ "name": "Windows", "version": "10" }), &json!("amd64"), &json!(false))
    );
    let phone = ask("Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1").await;
    assert_eq!(
        (&phone["browser"]["name"], &phone["os"], &phone["device"]),
        (
            &json!("Mobile Safari"),
            &json!({ "name": "iOS", "version": "17.1" }),
            &json!({ "vendor": "Apple", "model": "iPhone", "type": "mobile" })
        )
    );
    let firefox = ask("Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0").await;
    assert_eq!(
        (&firefox["browser"]["name"], &firefox["engine"]["name"], &firefox["os"]["name"]),
        (&json!("Firefox"), &json!("Gecko"), &json!("Linux"))
    );
    assert_eq!(ask("Mozilla/5.0 (compatible; Googlebot/2.1)").await["isBot"], true);
}

#[tokio::test]
async fn t107_cache_and_markers_and_url_pattern() {
    let app = serve_root(
        "import 'server-only'; import { unstable_cache, revalidatePath, revalidateTag, updateTag } from 'next/cache'; import { URLPattern as P, ImageResponse } from 'next/server'; import next from 'next/server';
         import { useRouter } from 'next/navigation'; import type { NextFetchEvent } from 'next/server';
         const fails = (f: () => unknown) => { try { f(); return ''; } catch (e: any) { return e.message.slice(0, 21); } };
         export const GET = async () => Response.json([await unstable_cache(async (x: number) => x + 1)(1), revalidatePath('/x') === undefined, (revalidateTag as any)('t') === undefined, fails(updateTag as any),
           new P({ pathname: '/:a' }).exec('http://h/b')?.pathname.groups.a, fails(() => new (ImageResponse as any)()), fails(() => useRouter()), typeof (next as any).NextRequest]);",
    )
    .await;
    app.get("/").await.is_json(json!([
        2,
        true,
        true,
        "updateTag can only be",
        "b",
        "ImageResponse moved f",
        "useRouter() needs Rea",
        "function",
    ]));
}

#[tokio::test]
async fn modules_load_outside_of_the_request_that_came_before() {
    let app = project()
        .file("lib.ts", "export const x = 1;")
        .file("app/before/route.ts", "export const GET = async () => new Response(String((await import('../../lib')).x));")
        .file("app/route.ts", "import { cookies } from 'next/headers';\nlet scope = 'inside';\ntry { await cookies(); } catch { scope = 'outside'; }\nexport const GET = () => new Response(scope);")
        .start()
        .await;
    app.get("/before").await.is(200, "1");
    app.get("/").await.is(200, "outside");
}
