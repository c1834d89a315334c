// Touches every global once. Each entry is "ok", or what went wrong.

const checks: Record<string, () => unknown> = {
  abort: () => AbortSignal.any([AbortSignal.abort("x"), new AbortController().signal]).reason === "x" && AbortSignal.timeout(1000) instanceof AbortSignal,
  blob: async () => (await new Blob(["a", new Uint8Array([98])]).text()) === "ab" && new File(["x"], "n").name === "n",
  broadcast: () => new BroadcastChannel("c").close() === undefined,
  base64: () => atob(btoa("hello")) === "hello",
  compression: async () => {
    const squeezed = new Response("squeeze me").body!.pipeThrough(new CompressionStream("deflate"));
    return (await new Response(squeezed.pipeThrough(new DecompressionStream("deflate"))).text()) === "squeeze me";
  },
  console: () => typeof console.log === "function",
  crypto: async () => {
    const key = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, true, ["sign", "verify"]);
    const data = new TextEncoder().encode("data");
    const signature = await crypto.subtle.sign("HMAC", key, data);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
    return (await crypto.subtle.verify("HMAC", key, signature, data)) && digest[0] === 0x3a && crypto.randomUUID().length === 36 &&
      crypto.getRandomValues(new Uint8Array(4)).length === 4 && key instanceof CryptoKey;
  },
  domException: () => new DOMException("m", "AbortError").code === 20,
  encoding: () => new TextDecoder("utf-16le").decode(new Uint8Array([104, 0])) === "h" && new TextEncoder().encode("é").length === 2,
  encodingStreams: async () => {
    const stream = new ReadableStream({ start(c) { c.enqueue("é"); c.close(); } }).pipeThrough(new TextEncoderStream());
    let text = "";
    for await (const part of stream.pipeThrough(new TextDecoderStream()) as any) text += part;
    return text === "é";
  },
  events: () => {
    const target = new EventTarget();
    let seen = "";
    target.addEventListener("x", (event: any) => (seen = event.detail), { once: true });
    target.dispatchEvent(new CustomEvent("x", { detail: "d" }));
    return seen === "d" && new ErrorEvent("e", { message: "m" }).message === "m" && new CloseEvent("c").type === "c" && new ProgressEvent("p").loaded === 0;
  },
  fileReader: () => new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result === "r");
    reader.readAsText(new Blob(["r"]));
  }),
  formData: async () => {
    const form = new FormData();
    form.append("a", new Blob(["b"]), "f");
    return ((await new Response(form).formData()).get("a") as File).name === "f";
  },
  headers: () => [...new Headers({ b: "1", a: "2" })].join() === "a,2,b,1",
  messages: () => new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = (event) => { port1.close(); resolve(event.data.x === 1 && event instanceof MessageEvent); };
    port2.postMessage({ x: 1 });
  }),
  performance: () => performance.now() >= 0 && performance.timeOrigin > 0 && performance.mark("m") instanceof PerformanceMark && performance.getEntriesByName("m")[0] instanceof PerformanceEntry,
  queueMicrotask: () => new Promise((resolve) => queueMicrotask(() => resolve(true))),
  request: async () => (await new Request("http://h/", { method: "POST", body: new URLSearchParams({ a: "b" }) }).text()) === "a=b",
  response: async () => (await Response.json([1]).json())[0] === 1 && Response.redirect("http://h/").status === 302,
  byteStreams: async () => {
    const stream = new ReadableStream({ type: "bytes", pull(c) { c.byobRequest!.view![0] = 7; c.byobRequest!.respond(1); } } as any);
    const reader = stream.getReader({ mode: "byob" }) as any;
    return reader instanceof ReadableStreamBYOBReader && (await reader.read(new Uint8Array(1))).value[0] === 7;
  },
  writableStreams: async () => {
    const seen: unknown[] = [];
    const writer = new WritableStream({ write(chunk) { seen.push(chunk); } }, new CountQueuingStrategy({ highWaterMark: 1 })).getWriter();
    await writer.write("w");
    return seen[0] === "w" && writer instanceof WritableStreamDefaultWriter && new ByteLengthQueuingStrategy({ highWaterMark: 2 }).highWaterMark === 2;
  },
  structuredClone: () => structuredClone(new Map([[1, new Date(0)]])).get(1)!.getTime() === 0,
  timers: () => new Promise((resolve) => {
    let ticks = 0;
    const interval = setInterval(() => { if (++ticks === 2) { clearInterval(interval); resolve(true); } }, 1);
    clearTimeout(setTimeout(() => resolve(false), 1));
  }),
  url: () => new URL("../b?q#h", "http://u@h/a/").href === "http://u@h/b?q#h" && new URLSearchParams("a=1&a=2").getAll("a").length === 2 && URL.canParse("x:"),
  urlPattern: () => new URLPattern({ pathname: "/:id" }).exec("http://h/5")!.pathname.groups.id === "5",
  webAssembly: async () => {
    const bytes = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
    const streamed = await WebAssembly.compileStreaming(new Response(bytes, { headers: { "content-type": "application/wasm" } }));
    return streamed instanceof WebAssembly.Module && WebAssembly.validate(bytes) && new WebAssembly.Global({ value: "i32" }, 3).value === 3;
  },
  eventSource: () => typeof EventSource === "function" && EventSource.CLOSED === 2,
};

export async function GET() {
  const results: Record<string, string> = {};
  for (const [name, check] of Object.entries(checks)) {
    try {
      results[name] = (await check()) === true ? "ok" : "wrong";
    } catch (error: any) {
      results[name] = String(error?.stack ?? error);
    }
  }
  return Response.json(results);
}
