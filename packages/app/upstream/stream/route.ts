export function GET() {
  const encoder = new TextEncoder()
  return new Response(new ReadableStream({
    async start(controller) {
      for (const part of ['one\n', 'two\n', 'three\n']) {
        controller.enqueue(encoder.encode(part))
        await new Promise((r) => setTimeout(r, 20))
      }
      controller.close()
    },
  }), { headers: { 'content-type': 'text/plain' } })
}
