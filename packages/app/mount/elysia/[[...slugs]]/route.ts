import { Elysia, status, t } from 'elysia'

const app = new Elysia({ prefix: '/mount/elysia' })
  .derive(({ headers }) => ({ agent: headers['x-agent'] ?? null }))
  .get('/users/:id', ({ params: { id }, query, agent }) => ({ id, q: query.q, agent }), { params: t.Object({ id: t.Number() }), query: t.Object({ q: t.Optional(t.String()) }) })
  .post('/users', ({ body, set }) => { set.status = 201; return body }, { body: t.Object({ name: t.String({ minLength: 2 }), age: t.Optional(t.Number()) }) })
  .get('/cookie', ({ cookie: { seen } }) => { const before = seen.value ?? 'none'; seen.set({ value: 'yes', httpOnly: true }); return before })
  .get('/teapot', () => status(418, 'teapot'))
  .get('/stream', function* () { yield 'a'; yield 'b' })
  .guard({ beforeHandle: ({ headers }) => { if (!headers.authorization) return status(401, 'who?') } }, (g) => g.get('/private', () => 'hidden'))
  .onError(({ code }) => ({ code }))

export const GET = app.fetch
export const POST = app.fetch
