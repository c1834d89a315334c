import { RateLimiterMemory, RateLimiterQueue, RateLimiterRes, BurstyRateLimiter, RLWrapperBlackAndWhite } from 'rate-limiter-flexible';

export async function GET() {
  const rl = new RateLimiterMemory({ points: 2, duration: 60, keyPrefix: 'k' + Math.random() });
  const a = await rl.consume('ip');
  await rl.consume('ip');
  const rej: any = await rl.consume('ip').catch((r) => r);
  await rl.penalty('other', 1);
  const got = await rl.get('other');
  await rl.delete('ip');
  const after = await rl.consume('ip');
  const q = new RateLimiterQueue(new RateLimiterMemory({ points: 1, duration: 1 }), { maxQueueSize: 5 });
  const start = Date.now();
  await q.removeTokens(1); await q.removeTokens(1);
  const bursty = new BurstyRateLimiter(new RateLimiterMemory({ points: 1, duration: 5 }), new RateLimiterMemory({ keyPrefix: 'b', points: 1, duration: 10 }));
  await bursty.consume('x'); await bursty.consume('x');
  const third = await bursty.consume('x').then(() => 'ok', () => 'rejected');
  const white = new RLWrapperBlackAndWhite({ limiter: new RateLimiterMemory({ points: 0, duration: 5 }), whiteList: ['vip'], blackList: ['bad'] });
  return Response.json({ left: a.remainingPoints, rejected: rej instanceof RateLimiterRes, ms: rej.msBeforeNext > 55000 && rej.msBeforeNext <= 60000, used: got?.consumedPoints, after: after.remainingPoints, queued: Date.now() - start >= 900, third, vip: (await white.consume('vip')).remainingPoints > 0, bad: await white.consume('bad').catch(() => 'no') });
}
