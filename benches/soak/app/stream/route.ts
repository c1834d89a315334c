export function GET(request: Request) {
  const token = new URL(request.url).searchParams.get("token");
  async function* chunks() {
    for (let i = 0; i < 8; i++) {
      yield `${token}\n`;
      await new Promise((done) => setTimeout(done, 5));
    }
  }
  return new Response(ReadableStream.from(chunks()).pipeThrough(new TextEncoderStream()));
}
