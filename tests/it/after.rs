//! Work after the answer: what it may use, whom it is charged to, and when it is waited for.

use std::time::{Duration, Instant};

use super::harness::{eventually, log, logged, project};

const OK: &str = "export const GET = () => new Response('ok');";

#[tokio::test]
async fn tasks_are_waited_for_at_the_end() {
    let app = project()
        .file("app/after/route.ts", "import { after } from 'next/server'; export const GET = () => { after(async () => { await new Promise((r) => setTimeout(r, 400)); console.log('drained after'); }); return new Response('ok'); };")
        .file("app/promise/route.ts", "import { after } from 'next/server'; export const GET = () => { after(new Promise((r) => setTimeout(r, 400)).then(() => console.log('drained promise'))); return new Response('ok'); };")
        .file("app/wait/route.ts", "export const runtime = 'edge'; export const GET = () => { (globalThis as any)[Symbol.for('@vercel/request-context')].get().waitUntil(new Promise((r) => setTimeout(r, 400)).then(() => console.log('drained waitUntil'))); return new Response('ok'); };")
        .file("app/nested/route.ts", "import { after } from 'next/server'; const sleep = () => new Promise((r) => setTimeout(r, 150)); export const GET = () => { after(async () => { await sleep(); after(async () => { await sleep(); console.log('drained nested'); }); }); return new Response('ok'); };")
        .file("app/never/route.ts", "export const GET = () => { setInterval(() => {}, 50); void new Promise(() => {}); return new Response('ok'); };")
        .start()
        .await;
    for path in ["/never", "/after", "/promise", "/wait", "/nested"] {
        app.get(path).await.is(200, "ok");
    }
    let began = Instant::now();
    app.shut_down().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    for what in ["drained after", "drained promise", "drained waitUntil", "drained nested"] {
        assert!(log().contains(what), "{what}");
    }
}

#[tokio::test]
async fn a_task_without_end_is_cut_with_the_grace_period() {
    let app = project()
        .file("app/route.ts", "import { after } from 'next/server'; export const GET = () => { after(new Promise(() => {})); return new Response('ok'); };")
        .limits(|limits| limits.grace = Duration::from_millis(500))
        .start()
        .await;
    app.get("/").await.is(200, "ok");
    let began = Instant::now();
    app.shut_down().await;
    assert!((400..5000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn tasks_are_waited_for_when_their_isolate_is_replaced() {
    let app = project()
        .file("app/route.ts", "import { after } from 'next/server'; let n = 0; export const GET = () => { after(async () => { await new Promise((r) => setTimeout(r, 500)); console.log('task of a replaced isolate'); }); return new Response(String(++n)); };")
        .limits(|limits| limits.recycle_after = 1)
        .start()
        .await;
    for _ in 0..3 {
        assert_eq!(app.get("/").await.status, 200);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    eventually("all tasks end", async || log().matches("task of a replaced isolate").count() == 3).await;
}

#[tokio::test]
async fn time_after_the_answer_is_limited() {
    let app = project()
        .file("app/route.ts", "import { after } from 'next/server'; export const maxDuration = 60; export const GET = (req: Request) => { const u = new URL(req.url).searchParams.get('u')!; after(async () => { try { await fetch(u); } catch (e: any) { console.log('late fetch ended', e.name); } }); return new Response('ok'); };")
        .limits(|limits| limits.after = Duration::from_millis(300))
        .start()
        .await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    app.get(&format!("/?u=http://{address}/")).await.is(200, "ok");
    logged(&["wall time limit passed by work after the answer", "300ms"]).await;
    logged(&["late fetch ended"]).await;
    app.get("/?u=data:,x").await.is(200, "ok");
}

#[tokio::test]
async fn timers_that_outlive_their_answer_are_stopped_and_nobody_else_is() {
    let spin = "const spin = (ms: number) => { const end = performance.now() + ms; while (performance.now() < end); };";
    let app = project()
        .file("app/zombie/route.ts", format!("{spin} export const GET = () => {{ const work = () => {{ spin(4); setTimeout(work, 1); }}; setTimeout(work, 0); return new Response('answered'); }};"))
        .file("app/waits/route.ts", "export const GET = async () => { await new Promise((r) => setTimeout(r, 4000)); return new Response('done'); };")
        .file("app/ok/route.ts", OK)
        .limits(|limits| limits.cpu = Duration::from_millis(800))
        .start()
        .await;
    let waits = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        app.get("/waits").await
    };
    let (zombie, waits) = tokio::join!(app.get("/zombie"), waits);
    zombie.is(200, "answered");
    waits.is(200, "done");
    logged(&["CPU time limit passed by work after the answer", "route=\"/zombie\""]).await;
    app.get("/ok").await.is(200, "ok");
}

#[tokio::test]
async fn a_long_turn_after_the_answer_is_ended_in_its_midst() {
    let app = project()
        .file("app/endless/route.ts", "export const GET = () => { setTimeout(() => { while (true) {} }, 20); return new Response('answered'); };")
        .file("app/waits/route.ts", "export const GET = async () => { await new Promise((r) => setTimeout(r, 3000)); return new Response('done'); };")
        .file("app/ok/route.ts", OK)
        .limits(|limits| limits.cpu = Duration::from_millis(500))
        .start()
        .await;
    let (endless, waits) = tokio::join!(app.get("/endless"), app.get("/waits"));
    endless.is(200, "answered");
    assert_eq!((waits.status.as_u16(), waits.code()), (503, "ISOLATE_RESET"));
    logged(&["CPU time limit passed", "route=\"/endless\""]).await;
    app.get("/ok").await.is(200, "ok");
}
