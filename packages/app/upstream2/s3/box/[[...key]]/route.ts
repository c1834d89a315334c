import { createHash } from 'node:crypto';

async function handle(request: Request, { params }: { params: Promise<{ key?: string[] }> }) {
  const key = ((await params).key ?? []).join('/');
  const signed = /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/us-east-1\/s3\/aws4_request, SignedHeaders=.*host.*, Signature=[0-9a-f]{64}$/.test(request.headers.get('authorization') ?? '');
  if (!signed) return new Response('<Error><Code>AccessDenied</Code><Message>bad signature</Message></Error>', { status: 403, headers: { 'content-type': 'application/xml' } });
  if (request.method === 'PUT') {
    const body = Buffer.from(await request.arrayBuffer());
    const ok = body.toString() === 'hello s3' && request.headers.get('x-amz-meta-who') === 'ada';
    return new Response(null, { status: ok ? 200 : 400, headers: { ETag: '"' + createHash('md5').update(body).digest('hex') + '"' } });
  }
  if (request.method === 'DELETE') return new Response(null, { status: 204 });
  if (new URL(request.url).searchParams.has('tagging')) return new Response('<?xml version="1.0"?><Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet><Tag><Key>k</Key><Value>a &amp; b</Value></Tag><Tag><Key>n</Key><Value>2</Value></Tag></TagSet></Tagging>', { headers: { 'content-type': 'application/xml' } });
  if (key !== 'dir/a.txt') return new Response('<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>nope</Key></Error>', { status: 404, headers: { 'content-type': 'application/xml' } });
  return new Response('hello s3', { headers: { 'content-type': 'text/plain', 'content-length': '8', 'x-amz-meta-who': 'ada' } });
}
export { handle as GET, handle as PUT, handle as HEAD, handle as DELETE };
