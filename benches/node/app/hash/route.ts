import { createHash } from "node:crypto";

export function GET(request: Request) {
  const payload = request.headers.get("x-client") ?? "";
  return Response.json({ digest: createHash("sha256").update(payload).digest("hex") });
}
