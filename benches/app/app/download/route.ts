const bytes = new Uint8Array(1024 * 1024).fill(97);

export function GET() {
  return new Response(bytes, { headers: { "content-type": "application/octet-stream" } });
}
