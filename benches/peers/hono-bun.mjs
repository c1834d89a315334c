import { app } from "./hono.mjs";

const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: app.fetch });
console.log(`http://127.0.0.1:${server.port}/`);
