export async function GET(request: Request) {
  const call = async (path: string, init?: RequestInit) => { const r = await fetch(new URL(`/mount/h3${path}`, request.url), { redirect: 'manual', ...init }); return [r.status, r.headers.get('content-type'), await r.text()] }
  const session = await fetch(new URL('/mount/h3/session', request.url))
  const again = await fetch(new URL('/mount/h3/session', request.url), { headers: { cookie: session.headers.getSetCookie().at(-1)!.split(';')[0] } })
  const cookie = await fetch(new URL('/mount/h3/cookie', request.url), { headers: { cookie: 'seen=again' } })
  return Response.json({
    user: await call('/users/7?q=a%20b'), created: await call('/users', { method: 'POST', body: '{"name":"Ada"}', headers: { 'content-type': 'application/json' } }),
    valid: await call('/valid?n=5'), invalid: (await call('/valid?n=x'))[0], cookie: [cookie.headers.get('set-cookie'), cookie.headers.get('x-middleware')],
    session: [await session.json(), await again.json()], old: (await call('/old')).slice(0, 1), thrown: await call('/throw'), sse: await call('/sse'), missing: (await call('/nope'))[0],
  })
}
