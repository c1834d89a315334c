import { ZipArchive, TarArchive } from 'archiver';
import JSZip from 'jszip';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';

function collect(s: NodeJS.ReadableStream) {
  const parts: Buffer[] = [];
  return new Promise<Buffer>((ok, no) => s.on('data', (d) => parts.push(d)).on('end', () => ok(Buffer.concat(parts))).on('error', no));
}

export async function GET() {
  const zip = new ZipArchive({ zlib: { level: 9 } });
  const zipped = collect(zip);
  zip.append('hello '.repeat(500), { name: 'a.txt' });
  zip.append(Buffer.from([1, 2, 3]), { name: 'dir/b.bin' });
  zip.directory(path.join(process.cwd(), 'views'), 'views');
  await zip.finalize();
  const back = await JSZip.loadAsync(await zipped);
  const tar = new TarArchive({ gzip: true });
  const tarred = collect(tar);
  tar.append('tar text', { name: 't.txt', date: new Date(0) });
  await tar.finalize();
  const raw = gunzipSync(await tarred);
  return Response.json({ names: Object.keys(back.files).filter((n) => !n.endsWith('/')).sort(), text: (await back.file('a.txt')!.async('string')).length, bytes: zip.pointer() > 200, tar: raw.subarray(0, 5).toString(), body: raw.subarray(512, 520).toString() });
}
