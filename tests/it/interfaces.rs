//! Interfaces, members and events as Web IDL and HTML have them.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::harness::{project, serve_root};

const DESCRIBE: &str = "
    const of = (holder: any, name: string) => Object.getOwnPropertyDescriptor(holder, name)!;
    const describe = () => {
      const { prototype } = Event;
      return {
        lengths: [AbortController.prototype.abort, EventTarget.prototype.addEventListener, EventTarget.prototype.removeEventListener, FormData, FormData.prototype.append, FormData.prototype.set, MessageEvent, PromiseRejectionEvent, MessagePort.prototype.close, Response.json, URLPattern, URLPattern.prototype.test, URLPattern.prototype.exec, structuredClone].map((f: any) => f.length),
        names: [of(AbortSignal.prototype, 'onabort').get!.name, of(AbortSignal.prototype, 'onabort').set!.name, of(MessagePort.prototype, 'onmessage').get!.name, of(Request.prototype, 'body').get!.name, of(Response.prototype, 'bodyUsed').get!.name, console.groupCollapsed.name],
        tags: [CustomEvent, ErrorEvent, MessageEvent, PromiseRejectionEvent, ProgressEvent].map((type: any) => type.prototype[Symbol.toStringTag]),
        constants: [of(prototype, 'AT_TARGET'), of(Event, 'BUBBLING_PHASE'), of(WebSocket, 'CLOSED'), of(WebSocket.prototype, 'OPEN')],
        enumerable: ['composedPath', 'stopPropagation', 'stopImmediatePropagation', 'preventDefault', 'cancelBubble', 'initEvent'].map((name) => of(prototype, name).enumerable),
        chain: Object.getPrototypeOf(MessagePort.prototype) === EventTarget.prototype,
        request: ['destination', 'duplex', 'isReloadNavigation', 'isHistoryNavigation'].map((name) => (new Request('http://h/') as any)[name]),
        navigator: [navigator.platform, navigator.language, navigator.languages, navigator.hardwareConcurrency],
      };
    };
    const message = () => {
      const event = new MessageEvent('m', { data: { a: 1 }, origin: 'o', lastEventId: '7' });
      const custom = new CustomEvent('c', { detail: 5 });
      custom.initCustomEvent('d', true, true, 6);
      const init: any = new MessageEvent('m');
      init.initMessageEvent('n', false, true, 'data', 'origin');
      return [Object.keys(event), event.data, event.origin, event.lastEventId, event.ports.length, custom.type, custom.detail, custom.bubbles, init.type, init.data, init.origin, init.cancelable, new CustomEvent('e').detail, event.srcElement];
    };
    const calls = (run: () => any) => { try { run(); return 'called'; } catch (error: any) { return error.name; } };
    export const GET = () => Response.json({ ...describe(), message: message(), brands: [calls(() => (MessageEvent.prototype as any).data), calls(() => (Event.prototype as any).srcElement), calls(() => (Request.prototype as any).destination)] });
";

#[tokio::test]
async fn interfaces_are_what_their_definitions_say() {
    let app = project()
        .file("app/web/route.ts", DESCRIBE)
        .file("app/node/route.ts", format!("import 'node:buffer';\n{DESCRIBE}"))
        .start()
        .await;
    let constant =
        |value: i32| json!({ "value": value, "writable": false, "enumerable": true, "configurable": false });
    for path in ["/web", "/node"] {
        app.get(path).await.is_json(json!({
            "lengths": [0, 2, 2, 0, 2, 2, 1, 2, 0, 1, 0, 0, 0, 1],
            "names": ["get onabort", "set onabort", "get onmessage", "get body", "get bodyUsed", "groupCollapsed"],
            "tags": ["CustomEvent", "ErrorEvent", "MessageEvent", "PromiseRejectionEvent", "ProgressEvent"],
            "constants": [constant(2), constant(3), constant(3), constant(1)],
            "enumerable": [true, true, true, true, true, true],
            "chain": true,
            "request": ["", "half", false, false],
            "navigator": ["", "en-US", ["en-US"], 1],
            "message": [["isTrusted"], { "a": 1 }, "o", "7", 0, "d", 6, true, "n", "data", "origin", true, null, null],
            "brands": ["TypeError", "TypeError", "TypeError"],
        }));
    }
}

#[tokio::test]
async fn every_interface_has_the_shape_of_its_definition() {
    let app = project()
        .file("shapes.js", include_str!("shapes.js"))
        .file(
            "app/web/route.ts",
            "import { deviations } from '../../shapes.js'; export const runtime = 'edge'; export const GET = async () => Response.json(await deviations(false));",
        )
        .file(
            "app/node/route.ts",
            "import 'node:fs'; import { deviations } from '../../shapes.js'; export const GET = async () => Response.json(await deviations(true));",
        )
        .start()
        .await;
    app.get("/web").await.is_json(json!([]));
    app.get("/node").await.is_json(json!([]));
}

#[tokio::test]
async fn listeners_of_ports_still_start_them() {
    let app = serve_root(
        "export const GET = async () => { const { port1, port2 } = new MessageChannel(); const got = new Promise((r) => { port2.addEventListener('message', (event) => r(event.data)); port2.start(); }); port1.postMessage('over'); const data = await got; port1.close(); port2.close(); return Response.json(data); };",
    )
    .await;
    app.get("/").await.is_json(json!("over"));
}

#[tokio::test]
async fn a_rejection_is_handled_late_only_if_nobody_did_in_time() {
    let app = serve_root(
        "const watch = async (handle: (event: any) => void) => {
           const said: string[] = [];
           onunhandledrejection = (event) => { event.preventDefault(); said.push('unhandled'); handle(event); };
           onrejectionhandled = () => said.push('handled');
           const rejected = Promise.reject(new Error('x'));
           await new Promise((r) => setTimeout(r, 20));
           rejected.catch(() => {});
           await new Promise((r) => setTimeout(r, 20));
           onunhandledrejection = onrejectionhandled = null;
           return said;
         };
         export const GET = async () => Response.json([await watch((event) => event.promise.catch(() => {})), await watch(() => {})]);",
    )
    .await;
    app.get("/").await.is_json(json!([["unhandled"], ["unhandled", "handled"]]));
}

#[tokio::test]
async fn a_socket_that_breaks_off_closes_with_1006() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let app = serve_root(&format!(
        "export const GET = () => new Promise((r) => {{ const socket = new WebSocket('ws://{address}/'); socket.onclose = (event) => r(Response.json([event.code, event.wasClean, event.reason])); }});"
    ))
    .await;
    app.get("/").await.is_json(json!([1006, false, ""]));
}
