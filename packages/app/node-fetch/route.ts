import fetch, { AbortError, Blob, FormData, Headers, Request as NodeRequest } from 'node-fetch'

export async function GET(request: Request) {
  const at = (path: string) => new URL(`/upstream/${path}`, request.url).href
  const headers = new Headers({ 'x-custom': 'pk1', authorization: 'Bearer t' })
  const get = await fetch(at('echo?q=1'), { headers })
  const post = await fetch(new NodeRequest(at('echo'), { method: 'POST', body: JSON.stringify({ hello: 'wörld' }), headers: { 'content-type': 'application/json' } }))
  const form = new FormData()
  form.set('name', 'Ada')
  form.set('file', new Blob(['data'], { type: 'text/plain' }), 'a.txt')
  const multipart = await fetch(at('echo'), { method: 'PUT', body: form })
  const redirected = await fetch(at('redirect'))
  const manual = await fetch(at('redirect'), { redirect: 'manual' })
  const gzip = (await (await fetch(at('gzip'))).json()) as { packed: string }
  let text = ''
  for await (const chunk of (await fetch(at('stream'))).body!) text += chunk
  const aborted = await fetch(at('slow'), { signal: AbortSignal.timeout(100) }).catch((e) => e instanceof AbortError)
  const refused = await fetch('http://127.0.0.1:1/').catch((e) => [e.name, e.code])
  return Response.json({
    get: [get.ok, get.headers.get('x-answer'), await get.json()], post: await post.json(), multipart: await multipart.json(),
    redirected: redirected.redirected, manual: manual.status, gzip: gzip.packed.length, text, aborted, refused,
    cookies: (await fetch(at('cookies'))).headers.raw()['set-cookie'],
  })
}
