import formidable from 'formidable';
import { Readable } from 'node:stream';
import { readFile, unlink } from 'node:fs/promises';

export async function POST(request: Request) {
  const req: any = Readable.fromWeb(request.body as any);
  req.headers = Object.fromEntries(request.headers);
  const form = formidable({ maxFileSize: 1 << 20, keepExtensions: true });
  const [fields, files] = await form.parse(req);
  const out = [];
  for (const f of Object.values(files).flat() as any[]) {
    out.push({ name: f.originalFilename, type: f.mimetype, size: f.size, text: (await readFile(f.filepath, 'utf8')).slice(0, 20), ext: f.filepath.endsWith('.txt') });
    await unlink(f.filepath);
  }
  return Response.json({ fields, files: out });
}

export async function GET(request: Request) {
  const form = new FormData();
  form.append('tag', 'a');
  form.append('tag', 'b');
  form.append('doc', new File(['hello world'], 'a.txt', { type: 'text/plain' }));
  const res = await fetch(request.url, { method: 'POST', body: form });
  return Response.json(await res.json(), { status: res.status });
}
