import NodeCache from 'node-cache';

export async function GET() {
  const c = new NodeCache({ stdTTL: 100, checkperiod: 0, useClones: true });
  const events: string[] = [];
  c.on('set', (k) => events.push('set ' + k)).on('del', (k) => events.push('del ' + k)).on('expired', (k) => events.push('exp ' + k));
  const obj = { n: 1 };
  c.set('a', obj); obj.n = 2;
  c.mset([{ key: 'b', val: [1] }, { key: 'short', val: 1, ttl: 0.02 }]);
  await new Promise((ok) => setTimeout(ok, 50));
  const expired = c.get('short') ?? null;
  const taken = c.take('b');
  let err = '';
  try { c.set({} as any, 1); } catch (e: any) { err = e.errorcode; }
  const out = { a: c.get('a'), expired, taken, keys: c.keys(), hits: c.getStats().hits, misses: c.getStats().misses, events, err, ttl: (c.getTtl('a') ?? 0) > Date.now() + 90000 };
  c.close();
  return Response.json(out);
}
