import { createHash } from "node:crypto";

export async function POST(request: Request) {
  const hash = createHash("sha256");
  for await (const chunk of request.body!) hash.update(chunk);
  return Response.json({ token: hash.digest("hex") });
}
