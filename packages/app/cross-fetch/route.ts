import crossFetch, { fetch, Headers, Request as CrossRequest, Response as CrossResponse } from 'cross-fetch'

export async function GET(request: Request) {
  const at = (path: string) => new URL(`/upstream/${path}`, request.url).href
  const get = await fetch(at('echo?q=1'), { headers: new Headers({ 'x-custom': 'pk1' }) })
  const post = await crossFetch(new CrossRequest(at('echo'), { method: 'POST', body: JSON.stringify({ hello: 'wörld' }), headers: { 'content-type': 'application/json' } }))
  const form = await crossFetch(at('echo'), { method: 'POST', body: new URLSearchParams({ a: '1' }) })
  const redirected = await crossFetch(at('redirect'))
  const gzip = await (await crossFetch(at('gzip'))).json()
  const missing = await crossFetch(at('status/404'))
  return Response.json({
    get: [get.ok, get.headers.get('x-answer'), await get.json()], post: await post.json(), form: await form.json(),
    redirected: (await redirected.json()).query, gzip: gzip.packed.length, missing: [missing.ok, missing.status, await missing.json()],
    local: await new CrossResponse('{"a":1}').json(),
  })
}
