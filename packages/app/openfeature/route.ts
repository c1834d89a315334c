import { OpenFeature, InMemoryProvider, ProviderEvents, ErrorCode } from '@openfeature/server-sdk';

const provider = new InMemoryProvider({
  'new-ui': { variants: { on: true, off: false }, disabled: false, defaultVariant: 'off', contextEvaluator: (ctx: any) => (ctx.plan === 'pro' ? 'on' : 'off') },
  limit: { variants: { low: 1, high: 100 }, disabled: false, defaultVariant: 'high' },
  theme: { variants: { a: { color: 'red' } }, disabled: false, defaultVariant: 'a' },
});

export async function GET() {
  let ready = 0;
  await OpenFeature.setProviderAndWait(provider);
  const client = OpenFeature.getClient('app');
  client.addHandler(ProviderEvents.Ready, () => { ready++; });
  const seen: string[] = [];
  client.addHooks({ before: (c) => { seen.push(c.flagKey); } });
  const pro = await client.getBooleanValue('new-ui', false, { plan: 'pro' });
  const free = await client.getBooleanDetails('new-ui', false, { plan: 'free' });
  const missing = await client.getStringDetails('nope', 'dflt');
  return Response.json({ pro, free, limit: await client.getNumberValue('limit', 0), theme: await client.getObjectValue('theme', {}), missing: [missing.value, missing.errorCode === ErrorCode.FLAG_NOT_FOUND], seen, ready });
}
