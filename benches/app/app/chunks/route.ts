const chunk = new Uint8Array(1024).fill(97);

export function GET() {
  let sent = 0;
  const stream = new ReadableStream({
    pull(controller) {
      controller.enqueue(chunk);
      if (++sent === 100) controller.close();
    },
  });
  return new Response(stream, { headers: { "content-type": "application/octet-stream" } });
}
