// What node:http is without a framework; with the argument h2c the same over HTTP/2.

import { createHash } from "node:crypto";
import * as http from "node:http";
import * as http2 from "node:http2";

const block = Buffer.alloc(1024 * 1024, 97);
const chunk = Buffer.alloc(1024, 97);

function json(response, value, status = 200) {
  const body = JSON.stringify(value);
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
}

async function echo(request, response) {
  const parts = [];
  for await (const part of request) parts.push(part);
  json(response, { got: JSON.parse(Buffer.concat(parts).toString()) });
}

async function upload(request, response) {
  let received = 0;
  for await (const part of request) received += part.length;
  json(response, { received });
}

async function fetched(response) {
  const answer = await fetch(process.env.UPSTREAM);
  const { message } = await answer.json();
  json(response, { upstream: message });
}

async function chunks(response) {
  response.writeHead(200, { "content-type": "application/octet-stream" });
  for (let sent = 0; sent < 100; sent++) {
    if (response.destroyed) return;
    if (!response.write(chunk)) {
      await new Promise((resolve) => response.once("drain", resolve).once("close", resolve));
    }
  }
  response.end();
}

function serve(request, response) {
  const url = new URL(request.url, "http://localhost");
  const client = request.headers["x-client"] ?? null;
  switch (url.pathname) {
    case "/json":
      return json(response, { ok: true, message: "hello" });
    case "/echo":
      return echo(request, response);
    case "/headers":
      response.setHeader("location", "/items/42");
      response.setHeader("etag", '"5d8c72a5edda8d6a"');
      response.setHeader("cache-control", "private, max-age=60");
      response.setHeader("x-served-by", "bench");
      response.setHeader("set-cookie", [
        "session=2f1c9a7e; Path=/; HttpOnly; SameSite=Lax",
        "theme=dark; Path=/; Max-Age=31536000",
      ]);
      return json(response, { created: true }, 201);
    case "/timer":
      return setTimeout(() => json(response, { ok: true, message: "hello" }), 1);
    case "/fetch":
      return fetched(response);
    case "/download":
      response.writeHead(200, { "content-type": "application/octet-stream", "content-length": block.length });
      return response.end(block);
    case "/upload":
      return upload(request, response);
    case "/chunks":
      return chunks(response);
    case "/hash":
      return json(response, { digest: createHash("sha256").update(client ?? "").digest("hex") });
  }
  if (url.pathname.startsWith("/items/")) {
    return json(response, { id: url.pathname.slice(7), page: url.searchParams.get("page"), client });
  }
  response.writeHead(404, { "content-type": "text/plain" });
  response.end("Not Found");
}

/** A client that leaves in the middle ends its request, not the server. */
function answer(request, response) {
  const done = serve(request, response);
  if (done instanceof Promise) done.catch(() => response.destroy());
}

const server = process.argv[2] === "h2c" ? http2.createServer(answer) : http.createServer(answer);
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
