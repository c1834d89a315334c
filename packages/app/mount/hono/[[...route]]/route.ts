import { Hono } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { cors } from 'hono/cors'
import { HTTPException } from 'hono/http-exception'
import { jwt, sign } from 'hono/jwt'
import { stream, streamSSE } from 'hono/streaming'
import { validator } from 'hono/validator'
import { handle } from 'hono/vercel'

const app = new Hono().basePath('/mount/hono')
app.use('*', cors({ origin: 'https://example.com' }))
app.get('/users/:id', (c) => c.json({ id: c.req.param('id'), q: c.req.query('q') }))
app.post('/users', validator('json', (v, c) => (v.name ? v : c.json({ error: 'name' }, 400))), (c) => c.json(c.req.valid('json'), 201))
app.get('/cookie', (c) => { setCookie(c, 'seen', getCookie(c, 'seen') ?? 'first', { httpOnly: true }); return c.text('ok') })
app.get('/token', async (c) => c.text(await sign({ sub: 'ada' }, 'secret', 'HS256')))
app.get('/private', jwt({ secret: 'secret', alg: 'HS256' }), (c) => c.json(c.get('jwtPayload')))
app.get('/sse', (c) => streamSSE(c, async (s) => { for (const data of ['1', '2']) { await s.writeSSE({ data, event: 'n' }); await s.sleep(5) } }))
app.get('/stream', (c) => stream(c, async (s) => { await s.write('a'); await s.sleep(5); await s.write('b') }))
app.get('/throw', () => { throw new HTTPException(418, { message: 'teapot' }) })
app.notFound((c) => c.json({ missing: c.req.path }, 404))

export const GET = handle(app)
export const POST = handle(app)
export const OPTIONS = handle(app)
