export async function GET(request: Request) {
  const call = async (path: string, init?: RequestInit) => { const r = await fetch(new URL(`/mount/itty${path}`, request.url), init); return [r.status, r.headers.get('content-type'), await r.text()] }
  const preflight = await fetch(new URL('/mount/itty/users', request.url), { method: 'OPTIONS', headers: { origin: 'https://example.com', 'access-control-request-method': 'POST' } })
  return Response.json({
    user: await call('/users/7?q=a%20b&t=1&t=2'), files: await call('/files/a/b/c.txt'), created: await call('/users', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":"Ada"}' }),
    teapot: await call('/teapot'), thrown: await call('/throw'), empty: (await call('/empty'))[0], missing: await call('/nope'),
    preflight: [preflight.status, preflight.headers.get('access-control-allow-origin')],
  })
}
