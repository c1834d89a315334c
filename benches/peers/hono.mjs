import { Hono } from "hono";
import * as handlers from "./handlers.js";

export const app = new Hono();

const raw = (handler) => (context) => handler(context.req.raw);

app.get("/json", (context) => context.json({ ok: true, message: "hello" }));
app.get("/items/:id", (context) => {
  const page = context.req.query("page") ?? null;
  return context.json({ id: context.req.param("id"), page, client: context.req.header("x-client") ?? null });
});
app.post("/echo", async (context) => context.json({ got: await context.req.json() }));
app.get("/headers", (context) => {
  context.header("location", "/items/42");
  context.header("etag", '"5d8c72a5edda8d6a"');
  context.header("cache-control", "private, max-age=60");
  context.header("x-served-by", "bench");
  context.header("set-cookie", "session=2f1c9a7e; Path=/; HttpOnly; SameSite=Lax", { append: true });
  context.header("set-cookie", "theme=dark; Path=/; Max-Age=31536000", { append: true });
  return context.json({ created: true }, 201);
});
app.get("/timer", raw(handlers.timer));
app.get("/fetch", raw(handlers.fetched));
app.get("/download", raw(handlers.download));
app.post("/upload", raw(handlers.upload));
app.get("/chunks", raw(handlers.chunks));
app.get("/hash", raw(handlers.hash));
if (process.env.MANY) {
  for (let n = 0; n < handlers.ROUTES; n++) {
    app.get(`/r${n}/:id`, (context) => context.json({ route: n, id: context.req.param("id") }));
  }
}
app.notFound((context) => context.text("Not Found", 404));
