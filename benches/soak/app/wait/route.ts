export async function GET(request: Request) {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, 200);
  await promise;
  return Response.json({ token: new URL(request.url).searchParams.get("token") });
}
