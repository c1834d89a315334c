export async function GET(request: Request, { params }: { params: Promise<{ id: string }> }) {
  const { id } = await params;
  const page = new URL(request.url).searchParams.get("page");
  return Response.json({ id, page, client: request.headers.get("x-client") });
}
