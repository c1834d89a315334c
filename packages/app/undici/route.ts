import { Agent, errors, fetch, interceptors, MockAgent, Pool, request as send, setGlobalDispatcher } from 'undici'

setGlobalDispatcher(new Agent({ keepAliveTimeout: 1000, connections: 4 }))

export async function GET(request: Request) {
  const at = (path: string) => new URL(`/upstream/${path}`, request.url).href
  const { statusCode, headers, body } = await send(at('echo'), { method: 'POST', query: { q: 'a b' }, headers: { 'content-type': 'application/json', 'x-custom': 'pk1' }, body: JSON.stringify({ hello: 'wörld' }) })
  const fetched = await fetch(at('redirect'))
  const gzip = (await (await fetch(at('gzip'))).json()) as { packed: string }
  let text = ''
  for await (const chunk of (await send(at('stream'))).body) text += chunk
  const pool = new Pool(new URL(request.url).origin, { connections: 2 }).compose(interceptors.redirect({ maxRedirections: 1 }))
  const pooled = await pool.request({ path: '/upstream/redirect', method: 'GET' })
  const redirected = ((await pooled.body.json()) as { query: unknown }).query
  await pool.close()
  const timeout = await send(at('slow'), { headersTimeout: 200, dispatcher: new Agent({ headersTimeout: 200 }) }).catch((e) => e instanceof errors.HeadersTimeoutError || e.code)
  const aborted = await send(at('slow'), { signal: AbortSignal.timeout(100) }).catch((e) => e.name)
  const mock = new MockAgent()
  mock.disableNetConnect()
  mock.get('http://example.test').intercept({ path: '/x' }).reply(200, { mocked: true })
  const mocked = await (await fetch('http://example.test/x', { dispatcher: mock })).json()
  return Response.json({ statusCode, answer: headers['x-answer'], post: await body.json(), fetched: [fetched.redirected, fetched.status], gzip: gzip.packed.length, text, redirected, timeout, aborted, mocked })
}
