import ky, { HTTPError, TimeoutError } from 'ky'

export async function GET(request: Request) {
  const api = ky.create({
    prefix: new URL('/upstream', request.url), headers: { 'x-custom': 'pk1' }, retry: { limit: 2, delay: () => 10 },
    hooks: {
      beforeRequest: [({ request }) => request.headers.set('authorization', 'Bearer t')],
      beforeRetry: [({ request, retryCount }) => request.headers.set('x-attempt', String(retryCount))],
    },
  })
  const get = await api.get('echo', { searchParams: { q: 'a b' } }).json()
  const post = await api.post('echo', { json: { hello: 'wörld' } }).json()
  const form = new FormData()
  form.set('name', 'Ada')
  form.set('file', new File(['data'], 'a.txt', { type: 'text/plain' }))
  const put = await api.put('echo', { body: form }).json()
  const retried = await api('flaky').json()
  const redirected = await api('redirect')
  const missing = await api('status/404').catch(async (e: HTTPError) => [e.name, e.response.status, e.message.replace(/http:\S+/, 'URL')])
  const timeout = await api('slow', { timeout: 200, retry: 0 }).catch((e: TimeoutError) => e.name)
  const text = await api('stream').text()
  return Response.json({ get, post, put, retried, redirected: redirected.redirected, missing, timeout, text })
}
