export async function POST(request: Request) {
  return Response.json({ got: await request.json() });
}
