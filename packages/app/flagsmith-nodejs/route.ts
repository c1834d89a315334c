import { Flagsmith } from 'flagsmith-nodejs';

export async function GET(request: Request) {
  const flagsmith = new Flagsmith({ environmentKey: 'env-key', apiUrl: new URL('/upstream2/flagsmith/', request.url).href, defaultFlagHandler: (name) => ({ enabled: false, value: 'default:' + name }) as any });
  const env = await flagsmith.getEnvironmentFlags();
  const id = await flagsmith.getIdentityFlags('ada', { plan: 'pro' });
  const out = { on: env.isFeatureEnabled('banner'), value: env.getFeatureValue('banner'), missing: env.getFeatureValue('nope'), all: env.allFlags().length, mine: id.getFeatureValue('banner') };
  await flagsmith.close?.();
  return Response.json(out);
}
