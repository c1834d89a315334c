export const runtime = "edge";

export function GET() {
  let evaluates = true;
  try {
    new Function("return 1")();
  } catch {
    evaluates = false;
  }
  return Response.json({ runtime: process.env.NEXT_RUNTIME, evaluates });
}
