// What the routes of benches/app and benches/node do, for servers that have no
// route files: web standards only.

import { createHash } from "node:crypto";

/** How many routes the row with many routes has. */
export const ROUTES = 800;

const block = new Uint8Array(1024 * 1024).fill(97);
const chunk = new Uint8Array(1024).fill(97);
const octets = { headers: { "content-type": "application/octet-stream" } };

export const json = () => Response.json({ ok: true, message: "hello" });

export function item(request, id) {
  const page = new URL(request.url).searchParams.get("page");
  return Response.json({ id, page, client: request.headers.get("x-client") });
}

export const echo = async (request) => Response.json({ got: await request.json() });

export function created() {
  const headers = new Headers({
    location: "/items/42",
    etag: '"5d8c72a5edda8d6a"',
    "cache-control": "private, max-age=60",
    "x-served-by": "bench",
  });
  headers.append("set-cookie", "session=2f1c9a7e; Path=/; HttpOnly; SameSite=Lax");
  headers.append("set-cookie", "theme=dark; Path=/; Max-Age=31536000");
  return Response.json({ created: true }, { status: 201, headers });
}

export async function timer() {
  await new Promise((resolve) => setTimeout(resolve, 1));
  return Response.json({ ok: true, message: "hello" });
}

export async function fetched() {
  const answer = await fetch(process.env.UPSTREAM);
  const { message } = await answer.json();
  return Response.json({ upstream: message });
}

export const download = () => new Response(block, octets);

export async function upload(request) {
  let received = 0;
  for await (const part of request.body) received += part.byteLength;
  return Response.json({ received });
}

export function chunks() {
  let sent = 0;
  const stream = new ReadableStream({
    pull(controller) {
      controller.enqueue(chunk);
      if (++sent === 100) controller.close();
    },
  });
  return new Response(stream, octets);
}

export function hash(request) {
  const payload = request.headers.get("x-client") ?? "";
  return Response.json({ digest: createHash("sha256").update(payload).digest("hex") });
}

export const one = (route, id) => Response.json({ route, id });

/** By path, as people write a server without a router. */
export function dispatch(request) {
  const { pathname } = new URL(request.url);
  switch (pathname) {
    case "/json":
      return json();
    case "/echo":
      return echo(request);
    case "/headers":
      return created();
    case "/timer":
      return timer();
    case "/fetch":
      return fetched();
    case "/download":
      return download();
    case "/upload":
      return upload(request);
    case "/chunks":
      return chunks();
    case "/hash":
      return hash(request);
  }
  if (pathname.startsWith("/items/")) return item(request, pathname.slice(7));
  return new Response("Not Found", { status: 404 });
}
