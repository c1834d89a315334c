//! The chat route of every AI tutorial: `ai` with `@ai-sdk/openai`, in the current and
//! in the 4.x/1.x generation, against a local server that speaks the OpenAI protocol.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Json, State};
use axum::response::Response;
use axum::routing::post;
use serde_json::{Value, json};

use super::harness::{App, PATIENCE, project};
use super::services::{node_modules, skipped};

/// Time between two chunks of an answer.
const GAP: Duration = Duration::from_millis(60);

/// What the model says, a chunk each.
const WORDS: [&str; 5] = ["One", " by", " one", " they", " come"];

/// Counts answers that a client left in the middle.
type Left = Arc<AtomicUsize>;

/// An answer in pieces; counts as left when it is dropped before its end.
struct Pieces {
    rest: VecDeque<String>,
    left: Left,
}

impl Drop for Pieces {
    fn drop(&mut self) {
        if !self.rest.is_empty() {
            self.left.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn answer(pieces: Vec<String>, left: Left) -> Response {
    let pieces = Pieces { rest: pieces.into(), left };
    let stream = futures::stream::unfold(pieces, |mut pieces| async move {
        let piece = pieces.rest.front()?.clone();
        tokio::time::sleep(GAP).await;
        pieces.rest.pop_front();
        Some((Ok::<_, Infallible>(piece), pieces))
    });
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(Body::from_stream(stream))
        .expect("valid")
}

/// How the last message of a conversation looks to the model.
fn wants_tool(request: &Value, items: &str) -> bool {
    let last = request[items].as_array().and_then(|items| items.last()).cloned().unwrap_or_default();
    request["tools"].is_array() && last["role"] == "user"
}

/// `POST /v1/chat/completions`, streamed.
async fn completions(State(left): State<Left>, Json(request): Json<Value>) -> Response {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
        let chunk = json!({ "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice] });
        format!("data: {chunk}\n\n")
    };
    let mut pieces = Vec::new();
    if wants_tool(&request, "messages") {
        let call = |arguments: &str| json!({ "tool_calls": [{ "index": 0, "id": "call_1", "type": "function", "function": { "name": "weather", "arguments": arguments } }] });
        pieces.push(chunk(call("{\"city\":\"Wien\"}"), Value::Null));
        pieces.push(chunk(json!({}), json!("tool_calls")));
    } else {
        pieces.extend(WORDS.map(|word| chunk(json!({ "role": "assistant", "content": word }), Value::Null)));
        pieces.push(chunk(json!({}), json!("stop")));
    }
    pieces.push("data: [DONE]\n\n".to_owned());
    answer(pieces, left)
}

/// `POST /v1/responses`, streamed.
async fn responses(State(left): State<Left>, Json(request): Json<Value>) -> Response {
    let event = |mut event: Value, more: Value| {
        if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
            event.extend(more);
        }
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
    };
    let response = json!({ "id": "r1", "object": "response", "created_at": 1, "model": "m", "status": "in_progress", "output": [] });
    let mut pieces = vec![event(json!({ "type": "response.created" }), json!({ "response": response }))];
    if wants_tool(&request, "input") {
        let item = json!({ "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": "{\"city\":\"Wien\"}", "status": "completed" });
        let mut begun = item.clone();
        begun["arguments"] = json!("");
        begun["status"] = json!("in_progress");
        pieces.push(event(
            json!({ "type": "response.output_item.added" }),
            json!({ "output_index": 0, "item": begun }),
        ));
        pieces.push(event(
            json!({ "type": "response.function_call_arguments.delta" }),
            json!({ "item_id": "fc_1", "output_index": 0, "delta": "{\"city\":\"Wien\"}" }),
        ));
        pieces.push(event(
            json!({ "type": "response.output_item.done" }),
            json!({ "output_index": 0, "item": item }),
        ));
    } else {
        let item = |status: &str| json!({ "type": "message", "id": "msg_1", "role": "assistant", "status": status, "content": [] });
        pieces.push(event(
            json!({ "type": "response.output_item.added" }),
            json!({ "output_index": 0, "item": item("in_progress") }),
        ));
        pieces.extend(WORDS.map(|word| event(json!({ "type": "response.output_text.delta" }), json!({ "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": word, "logprobs": [] }))));
        pieces.push(event(
            json!({ "type": "response.output_item.done" }),
            json!({ "output_index": 0, "item": item("completed") }),
        ));
    }
    let usage = json!({ "input_tokens": 1, "output_tokens": 1, "total_tokens": 2 });
    let mut done = response;
    done["status"] = json!("completed");
    done["usage"] = usage;
    pieces.push(event(json!({ "type": "response.completed" }), json!({ "response": done })));
    answer(pieces, left)
}

async fn openai() -> (String, Left) {
    let left = Left::default();
    let service = Router::new()
        .route("/v1/chat/completions", post(completions))
        .route("/v1/responses", post(responses))
        .with_state(left.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, service).await });
    (format!("http://{address}/v1"), left)
}

const CURRENT: &str = "
    import { convertToModelMessages, stepCountIs, streamText, tool } from 'ai';
    import { createOpenAI } from '@ai-sdk/openai';
    import { z } from 'zod';
    const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: 'none' });
    export const maxDuration = 30;
    export async function POST(request: Request) {
        const { messages, withTools } = await request.json();
        const result = streamText({
            model: openai('gpt-4o'), messages: await convertToModelMessages(messages), stopWhen: stepCountIs(5), abortSignal: request.signal,
            tools: withTools ? { weather: tool({ description: 'The weather in a city', inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => ({ city, degrees: 21 }) }) } : undefined,
        });
        return result.toUIMessageStreamResponse();
    }";

const FOUR: &str = "
    import { streamText, tool } from 'ai4';
    import { createOpenAI } from 'openai1';
    import { z } from 'zod';
    const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: 'none' });
    export const maxDuration = 30;
    export async function POST(request: Request) {
        const { messages, withTools } = await request.json();
        const result = streamText({
            model: openai('gpt-4o'), messages, maxSteps: 5, abortSignal: request.signal,
            tools: withTools ? { weather: tool({ description: 'The weather in a city', parameters: z.object({ city: z.string() }), execute: async ({ city }) => ({ city, degrees: 21 }) }) } : undefined,
        });
        return result.toDataStreamResponse();
    }";

/// The body that a chat page sends, for either generation.
fn conversation(with_tools: bool) -> String {
    json!({ "withTools": with_tools, "messages": [{ "id": "1", "role": "user", "content": "hello", "parts": [{ "type": "text", "text": "hello" }] }] }).to_string()
}

/// Sends a conversation and reads the answer piece by piece, with their times.
async fn chat(app: &App, path: &str, body: &str, until: Option<&str>) -> Vec<(Instant, String)> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut wire = tokio::net::TcpStream::connect(app.address).await.expect("connected");
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    wire.write_all(format!("{head}{body}").as_bytes()).await.expect("sent");
    let mut read = Vec::new();
    let mut buffer = [0; 65536];
    let reading = async {
        while let Ok(count @ 1..) = wire.read(&mut buffer).await {
            let piece = String::from_utf8_lossy(&buffer[..count]).into_owned();
            let is_last = until.is_some_and(|until| piece.contains(until));
            read.push((Instant::now(), piece));
            if is_last {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("in time");
    read
}

#[tokio::test]
async fn streamed_text_tool_calls_and_a_client_that_leaves() {
    let modules = match node_modules() {
        Ok(modules) => modules,
        Err(why) => return skipped("the AI chat routes", &why),
    };
    let (url, left) = openai().await;
    let project = project().env("OPENAI_BASE_URL", &url);
    std::os::unix::fs::symlink(modules, project.path().join("node_modules")).expect("linked");
    let edge = |route: &str| format!("export const runtime = 'edge';{route}");
    let app = project
        .file("app/node/current/route.ts", CURRENT)
        .file("app/node/four/route.ts", FOUR)
        .file("app/edge/current/route.ts", edge(CURRENT))
        .file("app/edge/four/route.ts", edge(FOUR))
        .start()
        .await;
    for path in ["/node/current", "/node/four", "/edge/current", "/edge/four"] {
        // The first request loads the modules, which keeps the thread for a while.
        chat(&app, path, &conversation(false), None).await;
        let pieces = chat(&app, path, &conversation(false), None).await;
        let arrived: Vec<Instant> = WORDS
            .iter()
            .map(|word| {
                let quoted = json!(word).to_string();
                let found = pieces.iter().find(|(_, piece)| piece.contains(&quoted));
                found.unwrap_or_else(|| panic!("{path}: {word} is missing in {pieces:?}")).0
            })
            .collect();
        // Two may come together where the machine is busy, not all of them.
        let spread = arrived.last().zip(arrived.first()).map(|(last, first)| *last - *first);
        assert!(spread > Some(GAP), "{path}: chunks came together: {pieces:?}");

        let pieces = chat(&app, path, &conversation(true), None).await;
        let all: String = pieces.iter().map(|(_, piece)| piece.as_str()).collect();
        assert!(all.contains("weather") && all.contains("Wien") && all.contains("21"), "{path}: {all}");
        assert!(all.contains("\" come\""), "{path}: no answer after the tool: {all}");

        let before = left.load(Ordering::SeqCst);
        chat(&app, path, &conversation(false), Some("One")).await;
        let noticed = async {
            while left.load(Ordering::SeqCst) == before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let noticed = tokio::time::timeout(GAP * 4, noticed).await;
        assert!(noticed.is_ok(), "{path}: the client left, the call upstream went on");
    }
}
