// How long the first import of a built-in module takes, in milliseconds.
export async function GET(request: Request) {
  const name = new URL(request.url).searchParams.get("name");
  const began = performance.now();
  await import(`node:${name}`);
  return Response.json(performance.now() - began);
}
