export async function GET(request: Request) {
  const call = async (path: string, init?: RequestInit) => { const r = await fetch(new URL(`/mount/fastify${path}`, request.url), { redirect: 'manual', ...init }); return [r.status, r.headers.get('content-type'), await r.text()] }
  const json = (body: unknown) => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  return Response.json({
    user: await call('/users/7?q=a%20b', { headers: { 'x-agent': 'pk1' } }), badParam: await call('/users/x'), created: await call('/users', json({ name: 'Ada' })), invalid: await call('/users', json({ name: 'A' })),
    old: (await call('/old'))[0], thrown: await call('/throw'), missing: (await call('/nope'))[0],
  })
}
