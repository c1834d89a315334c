import { parseStringPromise, Builder, parseString } from 'xml2js';

export async function GET() {
  const obj = await parseStringPromise('<root a="1"><item>x</item><item>y</item><n> 2 </n></root>', { explicitArray: false, mergeAttrs: true, trim: true });
  const xml = new Builder({ headless: true, renderOpts: { pretty: false } }).buildObject({ r: { $: { id: 7 }, c: ['a', '<b>'] } });
  const cb = await new Promise((ok) => parseString('<a><b></a>', (err) => ok(err?.message.split('\n')[0])));
  const num = await parseStringPromise('<a>12</a>', { valueProcessors: [(v: string) => Number(v)], explicitRoot: false });
  return Response.json({ obj, xml, cb, num });
}
