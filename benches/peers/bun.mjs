// Bun's server has a router of its own.
import * as handlers from "./handlers.js";

const routes = {
  "/json": handlers.json,
  "/items/:id": (request) => handlers.item(request, request.params.id),
  "/echo": { POST: handlers.echo },
  "/headers": handlers.created,
  "/timer": handlers.timer,
  "/fetch": handlers.fetched,
  "/download": handlers.download,
  "/upload": { POST: handlers.upload },
  "/chunks": handlers.chunks,
  "/hash": handlers.hash,
};
if (process.env.MANY) {
  for (let n = 0; n < handlers.ROUTES; n++) {
    routes[`/r${n}/:id`] = (request) => handlers.one(n, request.params.id);
  }
}
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  routes,
  fetch: () => new Response("Not Found", { status: 404 }),
});
console.log(`http://127.0.0.1:${server.port}/`);
