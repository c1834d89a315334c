//! Ops that run for each request are called without V8's slow way into native code.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};

use super::EdgeHost;
use crate::isolate::op_calls::is_fast;

const ROUTE: &str = "
    const bytes = new Uint8Array(10);
    export function GET() { return Response.json({ some: 'text' }); }
    export async function PUT() { return new Response(bytes); }
    export async function POST(request) {
        const chunks = [await request.text(), 'two', 'three'];
        const stream = new ReadableStream({
            pull(controller) {
                const chunk = chunks.shift();
                if (chunk === undefined) controller.close();
                else controller.enqueue(chunk);
            },
        });
        return new Response(stream);
    }";

/// By method, the ops that its handler leads to.
const HOT: [(&str, &[&str]); 3] = [
    ("GET", &["op_is_promise", "op_edgehost_respond_text"]),
    ("PUT", &["op_is_promise", "op_edgehost_respond_bytes"]),
    ("POST", &["op_edgehost_watch_end", "op_edgehost_stream_write", "op_edgehost_stream_end"]),
];

#[tokio::test]
async fn what_runs_for_each_request_is_called_fast() {
    let project = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(project.path().join("app")).expect("a folder");
    std::fs::write(project.path().join("app/route.js"), ROUTE).expect("a file");
    let host = EdgeHost::builder(project.path()).build().await.expect("a host");
    // V8 calls ops so from code that it has optimised.
    let patience = Instant::now() + Duration::from_secs(60);
    for (method, ops) in HOT {
        while !ops.iter().all(|op| is_fast(op)) {
            let late: Vec<_> = ops.iter().filter(|op| !is_fast(op)).collect();
            assert!(Instant::now() < patience, "called the slow way still: {late:?}");
            for _ in 0..200 {
                let request = Request::builder().method(method).uri("/");
                let request = request.body(Full::new(Bytes::from_static(b"one"))).expect("a request");
                let answer = host.call(request).await;
                assert_eq!(answer.status(), 200);
                answer.into_body().collect().await.expect("a body");
            }
        }
    }
}
