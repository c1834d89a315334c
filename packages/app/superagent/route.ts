import superagent from 'superagent'

export async function GET(request: Request) {
  const at = (path: string) => new URL(`/upstream/${path}`, request.url).href
  const get = await superagent.get(at('echo')).query({ q: 'a b' }).set('X-Custom', 'pk1').auth('user', 'pass')
  const post = await superagent.post(at('echo')).send({ hello: 'wörld' }).accept('json')
  const form = await superagent.post(at('echo')).type('form').send({ a: 1 }).send({ b: 2 })
  const multipart = await superagent.put(at('echo')).field('name', 'Ada').attach('file', Buffer.from('data'), { filename: 'a.txt', contentType: 'text/plain' })
  const redirected = await superagent.get(at('redirect'))
  const gzip = await superagent.get(at('gzip'))
  const missing = await superagent.get(at('status/404')).catch((e) => [e.status, e.message, e.response.body])
  const tolerated = await superagent.get(at('status/404')).ok((r) => r.status < 500)
  const timeout = await superagent.get(at('slow')).timeout({ response: 200 }).catch((e) => [e.code, e.timeout])
  const agent = superagent.agent()
  await agent.get(at('cookies'))
  const second = await agent.get(at('cookies'))
  return Response.json({
    get: [get.status, get.type, get.headers['x-answer'], get.body], post: post.body, form: form.body, multipart: multipart.body,
    redirects: redirected.redirects.length, gzip: gzip.body.packed.length, missing, tolerated: tolerated.notFound, timeout, jar: second.body.seen,
  })
}
