// Server-sent events: one tick at a time, until the client leaves.
export const maxDuration = 60;

export function GET(request: Request) {
  const ticks = Number(new URL(request.url).searchParams.get("ticks") ?? 3);
  let count = 0;
  const stream = new ReadableStream({
    async pull(controller) {
      if (count === ticks) return controller.close();
      if (count > 0) await new Promise((resolve) => setTimeout(resolve, 100));
      controller.enqueue(`data: tick ${++count}\n\n`);
    },
    cancel() {
      console.log("the client left after", count, "ticks");
    },
  });
  return new Response(stream, { headers: { "content-type": "text/event-stream" } });
}
