// Goes on until its client leaves.
export function GET(request: Request) {
  const token = new URL(request.url).searchParams.get("token");
  let timer: ReturnType<typeof setInterval>;
  const body = new ReadableStream({
    start(controller) {
      const tell = () => controller.enqueue(new TextEncoder().encode(`data: ${token}\n\n`));
      tell();
      timer = setInterval(tell, 20);
    },
    cancel() {
      clearInterval(timer);
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}
