import { LRUCache } from 'lru-cache';

export async function GET() {
  const gone: string[] = [];
  const c = new LRUCache<string, number>({ max: 2, dispose: (v, k, r) => { gone.push(`${k}:${r}`); } });
  c.set('a', 1).set('b', 2).get('a');
  c.set('c', 3);
  const t = new LRUCache<string, number>({ max: 5, ttl: 10 });
  t.set('x', 1);
  const before = t.get('x');
  await new Promise((ok) => setTimeout(ok, 30));
  const f = new LRUCache<string, string>({ max: 5, fetchMethod: async (k) => k.toUpperCase() });
  const sized = new LRUCache<string, string>({ maxSize: 10, sizeCalculation: (v) => v.length });
  sized.set('a', 'xxxxxx').set('b', 'yyyyyy');
  return Response.json({ keys: [...c.keys()], gone, before, after: t.get('x') ?? null, fetched: await f.fetch('abc'), sized: sized.calculatedSize, dump: c.dump().length });
}
