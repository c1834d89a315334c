import { randomUUID } from "node:crypto";

export const GET = () => Response.json({ ok: true, message: "hello", id: randomUUID().length });
