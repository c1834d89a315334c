// The body goes back while it is still arriving.
export function POST(request: Request) {
  return new Response(request.body, { headers: { "content-type": request.headers.get("content-type") ?? "text/plain" } });
}
