export async function GET(request: Request) {
  const call = async (path: string, init?: RequestInit) => { const r = await fetch(new URL(`/mount/elysia${path}`, request.url), init); return [r.status, r.headers.get('content-type'), await r.text()] }
  const json = (body: unknown) => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  const cookie = await fetch(new URL('/mount/elysia/cookie', request.url), { headers: { cookie: 'seen=before' } })
  return Response.json({
    user: await call('/users/7?q=a%20b', { headers: { 'x-agent': 'pk1' } }), badParam: await call('/users/x'), created: await call('/users', json({ name: 'Ada', age: 36 })), invalid: await call('/users', json({ name: 'A' })),
    cookie: [cookie.headers.get('set-cookie'), await cookie.text()], teapot: await call('/teapot'), stream: await call('/stream'), denied: await call('/private'), allowed: await call('/private', { headers: { authorization: 'x' } }), missing: await call('/nope'),
  })
}
