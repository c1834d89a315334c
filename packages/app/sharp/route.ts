import sharp from 'sharp';

export async function GET() {
  const png = await sharp({ create: { width: 20, height: 10, channels: 3, background: 'red' } }).resize(10).png().toBuffer();
  const meta = await sharp(png).metadata();
  return Response.json({ format: meta.format, width: meta.width, height: meta.height });
}
