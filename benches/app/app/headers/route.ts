export function GET() {
  const headers = new Headers({
    location: "/items/42",
    etag: '"5d8c72a5edda8d6a"',
    "cache-control": "private, max-age=60",
    "x-served-by": "bench",
  });
  headers.append("set-cookie", "session=2f1c9a7e; Path=/; HttpOnly; SameSite=Lax");
  headers.append("set-cookie", "theme=dark; Path=/; Max-Age=31536000");
  return Response.json({ created: true }, { status: 201, headers });
}
