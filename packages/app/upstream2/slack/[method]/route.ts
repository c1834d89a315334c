export async function POST(request: Request, { params }: { params: Promise<{ method: string }> }) {
  const { method } = await params;
  if (request.headers.get('authorization') !== 'Bearer xoxb-token') return Response.json({ ok: false, error: 'not_authed' });
  const form = new URLSearchParams(await request.text());
  if (method === 'auth.test') return Response.json({ ok: true, user: 'bot' });
  if (method === 'chat.postMessage') return Response.json({ ok: true, ts: '1.2', message: { text: form.get('text'), blocks: JSON.parse(form.get('blocks')!).length } });
  if (method === 'conversations.list') return Response.json(form.get('cursor') ? { ok: true, channels: [{ name: 'two' }] } : { ok: true, channels: [{ name: 'one' }], response_metadata: { next_cursor: 'c2' } });
  return Response.json({ ok: false, error: 'channel_not_found' });
}
