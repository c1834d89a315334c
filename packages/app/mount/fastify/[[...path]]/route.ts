import Fastify, { type InjectOptions } from 'fastify'

const app = Fastify({ logger: false })
app.decorateRequest('agent', '')
app.addHook('onRequest', async (req) => { (req as any).agent = req.headers['x-agent'] ?? 'none' })
app.register(async (scope) => {
  scope.get('/users/:id', { schema: { params: { type: 'object', properties: { id: { type: 'integer' } } }, response: { 200: { type: 'object', properties: { id: { type: 'integer' }, q: { type: 'string' }, agent: { type: 'string' } } } } } }, async (req: any) => ({ id: req.params.id, q: req.query.q, agent: req.agent, dropped: true }))
  scope.post('/users', { schema: { body: { type: 'object', required: ['name'], properties: { name: { type: 'string', minLength: 2 } } } } }, async (req, reply) => reply.code(201).send(req.body))
  scope.get('/old', async (_req, reply) => reply.redirect('/mount/fastify/users/1'))
  scope.get('/throw', async () => { throw Object.assign(new Error('teapot'), { statusCode: 418 }) })
}, { prefix: '/mount/fastify' })

async function handler(request: Request) {
  const url = new URL(request.url)
  const body = request.method === 'GET' ? undefined : Buffer.from(await request.arrayBuffer())
  const res = await app.inject({ method: request.method as InjectOptions['method'], url: url.pathname + url.search, headers: Object.fromEntries(request.headers), payload: body })
  return new Response(res.rawPayload, { status: res.statusCode, headers: res.headers as Record<string, string> })
}
export { handler as GET, handler as POST }
