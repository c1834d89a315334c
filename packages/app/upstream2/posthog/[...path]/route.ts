import { gunzipSync } from 'node:zlib';

async function handle(request: Request, { params }: { params: Promise<{ path: string[] }> }) {
  const path = (await params).path.join('/');
  let raw = Buffer.from(await request.arrayBuffer());
  if (raw[0] === 0x1f) raw = gunzipSync(raw);
  const body = raw.length ? JSON.parse(raw.toString()) : null;
  if (path.startsWith('flags')) return Response.json({ flags: { 'new-ui': { key: 'new-ui', enabled: true, variant: 'blue', metadata: { id: 1, version: 1 }, reason: { code: 'x' } }, 'off-flag': { key: 'off-flag', enabled: false, metadata: { id: 2, version: 1 } } }, errorsWhileComputingFlags: false, requestId: 'r', distinct: body?.distinct_id });
  if (path.startsWith('batch')) { console.log('posthog batch', body.batch.map((e: any) => e.event).join(',')); return Response.json({ status: 1 }); }
  return Response.json({ path }, { status: 404 });
}
export { handle as GET, handle as POST };
