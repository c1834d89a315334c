import { getIronSession, sealData, unsealData } from 'iron-session'
import { cookies } from 'next/headers'

interface Session { user?: string; visits?: number }
const options = { password: 'a password of at least thirty-two characters', cookieName: 'pk1', cookieOptions: { secure: false } }

export async function GET(request: Request) {
  const headers = new Headers()
  const res = new Response(null, { headers })
  const first = await getIronSession<Session>(request, res, options)
  first.user = 'ada'
  first.visits = (first.visits ?? 0) + 1
  await first.save()
  const cookie = res.headers.get('set-cookie')!
  const next = new Request(request.url, { headers: { cookie: cookie.split(';')[0] } })
  const second = await getIronSession<Session>(next, new Response(), options)
  const seal = await sealData({ n: 1 }, { password: options.password })
  const viaStore = await getIronSession<Session>(await cookies(), options)
  viaStore.user = 'grove'
  await viaStore.save()
  const store = (await cookies()).get('pk1')?.value
  return Response.json({
    attributes: cookie.split('; ').slice(1), sealed: cookie.startsWith('pk1=Fe26.2'), user: second.user, visits: second.visits,
    unsealed: await unsealData(seal, { password: options.password }), wrong: await unsealData(seal, { password: options.password + 'x' }),
    store: store ? await unsealData(store, { password: options.password }) : null,
  })
}
