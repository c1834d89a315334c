export async function GET(request: Request) {
  const call = async (path: string, init?: RequestInit) => { const r = await fetch(new URL(`/mount/express${path}`, request.url), { redirect: 'manual', ...init }); return [r.status, r.headers.get('content-type'), await r.text()] }
  const cookie = await fetch(new URL('/mount/express/cookie', request.url))
  return Response.json({
    user: await call('/users/7?q=a%20b'), created: await call('/users', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":"Ada"}' }),
    form: await call('/users', { method: 'POST', body: new URLSearchParams({ 'a[b]': '1' }) }), malformed: (await call('/users', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' }))[0],
    cookie: [cookie.headers.get('set-cookie'), cookie.headers.get('x-middleware'), cookie.headers.get('etag') !== null], old: (await call('/old'))[0], thrown: await call('/throw'), big: ((await call('/big'))[2] as string).length, missing: (await call('/nope'))[0],
  })
}
