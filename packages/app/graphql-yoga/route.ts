export async function GET(request: Request) {
  const url = new URL('/mount/yoga', request.url)
  const post = async (query: string, variables = {}, accept = 'application/json') => await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', accept, 'x-agent': 'pk1' }, body: JSON.stringify({ query, variables }) })
  const query = await (await post('query ($n: String) { hello(name: $n) agent }', { n: 'Ada' })).json()
  const mutation = await (await post('mutation { add(a: 1, b: 2) }')).json()
  const get = await (await fetch(`${url}?query={hello}`, { headers: { accept: 'application/json' } })).json()
  const invalid = await (await post('{ nope }')).json()
  const events = await post('subscription { count(to: 2) }', {}, 'text/event-stream')
  const graphiql = await fetch(url, { headers: { accept: 'text/html' } })
  const page = await graphiql.text()
  return Response.json({ query, mutation, get, invalid, sse: [events.headers.get('content-type'), (await events.text()).match(/data:.*\d+.*/g)], graphiql: [graphiql.headers.get('content-type'), page.includes('Yoga GraphiQL')] })
}
