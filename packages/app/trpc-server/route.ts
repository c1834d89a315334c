import { createTRPCClient, httpBatchLink, httpBatchStreamLink, TRPCClientError } from '@trpc/client'
import type { AppRouter } from '../../lib/trpc'

export async function GET(request: Request) {
  const url = new URL('/trpc', request.url).href
  const client = createTRPCClient<AppRouter>({ links: [httpBatchLink({ url, headers: { 'x-user': 'ada' } })] })
  const [greet, me] = await Promise.all([client.greet.query({ name: 'Grove' }), client.me.query()])
  const added = await client.todo.add.mutate({ text: 'ship' })
  const invalid = await client.greet.query({ name: 'x' }).catch((e) => [e instanceof TRPCClientError, e.data.code, e.data.httpStatus])
  const stream = createTRPCClient<AppRouter>({ links: [httpBatchStreamLink({ url })] })
  const numbers: number[] = []
  for await (const n of await stream.count.query(3)) numbers.push(n)
  const denied = await stream.me.query().catch((e) => e.data.code)
  const sse = await fetch(`${url}/ticks`, { headers: { accept: 'text/event-stream' } })
  const raw = await (await fetch(`${url}/greet?input=${encodeURIComponent('{"name":"Raw"}')}`)).json()
  return Response.json({ greet, me, added, invalid, numbers, denied, raw, sse: [sse.headers.get('content-type'), (await sse.text()).match(/data: "\w"/g)] })
}
