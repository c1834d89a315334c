import JSZip from 'jszip';

export async function GET() {
  const zip = new JSZip();
  zip.file('a.txt', 'hello '.repeat(1000));
  zip.folder('dir')!.file('b.json', JSON.stringify({ x: 1 })).file('c.bin', new Uint8Array([1, 2, 3]));
  const buf = await zip.generateAsync({ type: 'nodebuffer', compression: 'DEFLATE', compressionOptions: { level: 9 } });
  const back = await JSZip.loadAsync(buf);
  const stream: Buffer[] = [];
  await new Promise((ok, no) => zip.generateNodeStream({ streamFiles: true }).on('data', (d) => stream.push(d)).on('end', ok).on('error', no));
  const again = await JSZip.loadAsync(Buffer.concat(stream));
  const blob = await zip.generateAsync({ type: 'blob' });
  return Response.json({ names: Object.keys(back.files), small: buf.length < 1000, text: (await back.file('a.txt')!.async('string')).length, json: JSON.parse(await back.file('dir/b.json')!.async('text')), bin: [...(await again.file('dir/c.bin')!.async('uint8array'))], blob: blob.size > 6000 });
}
