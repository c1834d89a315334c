import Busboy from 'busboy';
import { Readable } from 'node:stream';
import { createHash } from 'node:crypto';

export async function POST(request: Request) {
  const out: any = { fields: {}, files: [] };
  await new Promise<void>((ok, no) => {
    const bb = Busboy({ headers: Object.fromEntries(request.headers) as any, limits: { fileSize: 1 << 20 } });
    bb.on('field', (n, v) => { out.fields[n] = v; });
    bb.on('file', (field, stream, info) => {
      const h = createHash('sha256');
      let size = 0;
      stream.on('data', (d) => { h.update(d); size += d.length; }).on('end', () => out.files.push({ field, ...info, size, sha: h.digest('hex').slice(0, 12) }));
    });
    bb.on('error', no).on('close', ok);
    Readable.fromWeb(request.body as any).pipe(bb);
  });
  return Response.json(out);
}

export async function GET(request: Request) {
  const form = new FormData();
  form.set('name', 'Ada ü');
  form.append('doc', new File(['hello world'], 'a.txt', { type: 'text/plain' }));
  form.append('big', new File([new Uint8Array(300000).fill(65)], 'b.bin'));
  const res = await fetch(request.url, { method: 'POST', body: form });
  return Response.json(await res.json(), { status: res.status });
}
