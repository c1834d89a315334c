import { AutoRouter, cors, error, json, status, StatusError, withContent, withParams } from 'itty-router'

const { preflight } = cors({ origin: 'https://example.com' })
const router = AutoRouter({ base: '/mount/itty', before: [preflight] })
router
  .get('/users/:id', ({ id, query }) => ({ id, query }))
  .get('/files/:path+', ({ path }) => ({ path }))
  .post('/users', withContent, ({ content }) => json({ created: content }, { status: 201 }))
  .get('/teapot', () => error(418, 'teapot'))
  .get('/throw', () => { throw new StatusError(402, { needs: 'money' }) })
  .get('/empty', () => status(204))

const handler = (request: Request) => router.fetch(request)
export { handler as GET, handler as POST, handler as OPTIONS }
