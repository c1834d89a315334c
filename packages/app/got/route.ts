import got, { HTTPError, TimeoutError } from 'got'

export async function GET(request: Request) {
  const api = got.extend({
    prefixUrl: new URL('/upstream', request.url).href, headers: { 'x-custom': 'pk1' }, timeout: { request: 5000 },
    hooks: { beforeRequest: [(o) => { o.headers.authorization = 'Bearer t' }], beforeRetry: [(_e, n) => undefined] },
  })
  const get = await api('echo', { searchParams: { q: 'a b' } }).json()
  const post = await api.post('echo', { json: { hello: 'wörld' } }).json()
  const form = await api.post('echo', { form: { a: '1' } }).json()
  const response = await api('redirect', { responseType: 'json' })
  const gzip = await api('gzip').json<{ packed: string }>()
  let text = ''
  for await (const chunk of api.stream('stream')) text += chunk
  const retried = await api('flaky', { retry: { limit: 1, calculateDelay: ({ attemptCount, computedValue }) => computedValue && 10 * attemptCount }, hooks: { beforeRetry: [(e) => { e.options.headers['x-attempt'] = '2' }] } }).json()
  const missing = await api('status/404').catch((e: HTTPError) => [e.name, e.code, e.response.statusCode])
  const timeout = await api('slow', { timeout: { request: 200 }, retry: { limit: 0 } }).catch((e: TimeoutError) => [e.name, e.code, e.event])
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 50)
  const aborted = await api('slow', { signal: controller.signal }).catch((e) => e.name)
  return Response.json({ get, post, form, redirects: response.redirectUrls.length, url: new URL(response.url).pathname, gzip: gzip.packed.length, text, retried, missing, timeout, aborted })
}
