export async function GET(_: Request, { params }: { params: Promise<{ code: string }> }) {
  const { code } = await params
  return Response.json({ error: `status ${code}` }, { status: Number(code) })
}
