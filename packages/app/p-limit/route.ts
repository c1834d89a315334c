import pLimit from 'p-limit';

export async function GET() {
  const limit = pLimit(2);
  let running = 0, max = 0;
  const job = (n: number) => limit(async () => { max = Math.max(max, ++running); await new Promise((ok) => setTimeout(ok, 5)); running--; return n * 2; });
  const all = await Promise.all([1, 2, 3, 4, 5].map(job));
  const err = await limit(() => { throw new Error('bad'); }).catch((e) => e.message);
  const mapped = await limit.map([1, 2], async (x) => x + 1);
  return Response.json({ all, max, err, mapped, active: limit.activeCount, pending: limit.pendingCount });
}
