import { randomUUID } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export async function GET(request: Request) {
  const path = join(tmpdir(), `edgehost-soak-${randomUUID()}`);
  await writeFile(path, new URL(request.url).searchParams.get("token")!);
  try {
    return Response.json({ token: await readFile(path, "utf8") });
  } finally {
    await rm(path);
  }
}
