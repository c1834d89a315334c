export async function GET(request: Request) {
  const call = async (path: string, init?: RequestInit) => { const r = await fetch(new URL(`/mount/hono${path}`, request.url), init); return [r.status, r.headers.get('content-type'), await r.text()] }
  const [, , token] = await call('/token')
  const json = (body: unknown) => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  const preflight = await fetch(new URL('/mount/hono/users', request.url), { method: 'OPTIONS', headers: { origin: 'https://example.com', 'access-control-request-method': 'POST' } })
  return Response.json({
    user: await call('/users/7?q=a%20b'), created: await call('/users', json({ name: 'Ada' })), invalid: await call('/users', json({})),
    cookie: (await fetch(new URL('/mount/hono/cookie', request.url), { headers: { cookie: 'seen=again' } })).headers.get('set-cookie'),
    denied: await call('/private'), allowed: await call('/private', { headers: { authorization: `Bearer ${token}` } }), sse: await call('/sse'), stream: await call('/stream'),
    thrown: await call('/throw'), missing: await call('/nope'), preflight: [preflight.status, preflight.headers.get('access-control-allow-origin')],
  })
}
