import { Jimp, rgbaToInt, intToRGBA } from 'jimp';

export async function GET() {
  const img = new Jimp({ width: 40, height: 20, color: 0xff0000ff });
  img.setPixelColor(rgbaToInt(0, 255, 0, 255), 5, 5).resize({ w: 20 }).rotate(90);
  const png = await img.getBuffer('image/png');
  const back = await Jimp.read(png);
  const jpg = await back.clone().greyscale().getBuffer('image/jpeg', { quality: 80 });
  const jback = await Jimp.read(jpg);
  const grey = intToRGBA(jback.getPixelColor(1, 1));
  return Response.json({ w: back.width, h: back.height, mime: back.mime, jpg: jback.mime, corner: intToRGBA(back.getPixelColor(0, 0)), grey: grey.r === grey.g && grey.g === grey.b, sig: png.subarray(1, 4).toString(), b64: (await back.getBase64('image/png')).slice(0, 22), bmp: (await back.getBuffer('image/bmp')).subarray(0, 2).toString() });
}
