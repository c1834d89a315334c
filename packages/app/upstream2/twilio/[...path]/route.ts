export async function POST(request: Request, { params }: { params: Promise<{ path: string[] }> }) {
  const form = new URLSearchParams(await request.text());
  const auth = Buffer.from((request.headers.get('authorization') ?? '').replace('Basic ', ''), 'base64').toString();
  return Response.json({ sid: 'SM1', body: form.get('Body') + '|' + (await params).path.at(-1) + '|' + auth.endsWith(':12345'), date_created: 'Thu, 01 Feb 2024 10:00:00 +0000' }, { status: 201 });
}
