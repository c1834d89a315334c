import { Unleash, InMemStorageProvider } from 'unleash-client';

export async function GET() {
  const unleash = new Unleash({
    appName: 'app', url: 'http://127.0.0.1:4739/api/', customHeaders: { Authorization: 't' }, refreshInterval: 0, disableMetrics: true, skipInstanceCountWarning: true,
    storageProvider: new InMemStorageProvider(),
    bootstrap: { data: [
      { name: 'on', enabled: true, strategies: [{ name: 'default' }] } as any,
      { name: 'users', enabled: true, strategies: [{ name: 'userWithId', parameters: { userIds: 'ada,bay' } }] },
      { name: 'half', enabled: true, strategies: [{ name: 'flexibleRollout', parameters: { rollout: '50', stickiness: 'userId', groupId: 'half' } }] },
      { name: 'ab', enabled: true, strategies: [{ name: 'default' }], variants: [{ name: 'blue', weight: 1000, weightType: 'variable', stickiness: 'userId', payload: { type: 'string', value: 'b' } }] },
    ] },
  });
  unleash.on('error', () => {}).on('warn', () => {});
  await new Promise((ok) => unleash.once('ready', ok));
  const half = Array.from({ length: 100 }, (_, i) => unleash.isEnabled('half', { userId: 'u' + i })).filter(Boolean).length;
  const out = { on: unleash.isEnabled('on'), ada: unleash.isEnabled('users', { userId: 'ada' }), eve: unleash.isEnabled('users', { userId: 'eve' }), missing: unleash.isEnabled('nope'), half, variant: unleash.getVariant('ab', { userId: 'x' }) };
  unleash.destroy();
  return Response.json(out);
}
