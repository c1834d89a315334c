export const runtime = "edge";

export function GET(request: Request) {
  return Response.json({ token: new URL(request.url).searchParams.get("token") });
}
