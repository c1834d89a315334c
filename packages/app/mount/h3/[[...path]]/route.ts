import { createEventStream, defineHandler, getCookie, getQuery, getRouterParam, getValidatedQuery, H3, HTTPError, readBody, redirect, setCookie, useSession } from 'h3'
import { z } from 'zod'

const app = new H3()
app.use((event) => { event.res.headers.set('x-middleware', 'yes') })
app.get('/mount/h3/users/:id', (event) => ({ id: getRouterParam(event, 'id'), q: getQuery(event).q }))
app.post('/mount/h3/users', async (event) => { event.res.status = 201; return await readBody(event) })
app.get('/mount/h3/valid', defineHandler(async (event) => await getValidatedQuery(event, z.object({ n: z.coerce.number() }))))
app.get('/mount/h3/cookie', (event) => { setCookie(event, 'seen', getCookie(event, 'seen') ?? 'first', { httpOnly: true }); return 'ok' })
app.get('/mount/h3/session', async (event) => { const s = await useSession<{ n?: number }>(event, { password: 'a password of at least thirty-two characters' }); await s.update((d) => ({ n: (d.n ?? 0) + 1 })); return s.data })
app.get('/mount/h3/old', () => redirect('/mount/h3/users/1'))
app.get('/mount/h3/throw', () => { throw new HTTPError({ status: 418, message: 'teapot', data: { a: 1 } }) })
app.get('/mount/h3/sse', (event) => { const s = createEventStream(event); setTimeout(async () => { await s.push('1'); await s.push({ event: 'n', data: '2' }); await s.close() }, 5); return s.send() })

const handler = (request: Request) => app.fetch(request)
export { handler as GET, handler as POST }
