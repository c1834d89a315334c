import { PostHog } from 'posthog-node';

export async function GET(request: Request) {
  const client = new PostHog('phc_test', { host: new URL('/upstream2/posthog', request.url).href, flushAt: 1, flushInterval: 0 });
  let sent = 0;
  client.on('flush', (batch: unknown[]) => { sent += batch.length; });
  client.capture({ distinctId: 'ada', event: 'clicked', properties: { n: 1 } });
  client.identify({ distinctId: 'ada', properties: { plan: 'pro' } });
  const flag = await client.getFeatureFlag('new-ui', 'ada');
  const enabled = await client.isFeatureEnabled('off-flag', 'ada');
  const all = await client.getAllFlags('ada');
  await client.shutdown();
  return Response.json({ flag, enabled, all, sent });
}
