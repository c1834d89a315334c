import QRCode from 'qrcode';

export async function GET() {
  const svg = await QRCode.toString('https://e.com', { type: 'svg' });
  const term = await QRCode.toString('hi', { type: 'utf8' });
  const url = await QRCode.toDataURL('hello', { errorCorrectionLevel: 'H', width: 100 });
  const png = await QRCode.toBuffer('hello', { scale: 2 });
  const q = QRCode.create('12345', { errorCorrectionLevel: 'M' });
  const cb = await new Promise((ok) => QRCode.toDataURL('x'.repeat(5000), (err) => ok(err?.message.slice(0, 24))));
  return Response.json({ svg: svg.startsWith('<svg'), term, url: url.slice(0, 22), urlLen: url.length > 200, png: [png.subarray(1, 4).toString(), png.readUInt32BE(16)], version: q.version, size: q.modules.size, cb });
}
