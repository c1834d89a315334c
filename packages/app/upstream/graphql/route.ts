export async function POST(request: Request) {
  const { query, variables, operationName } = await request.json()
  if (query.includes('broken')) return Response.json({ data: null, errors: [{ message: 'Cannot query field "broken"', locations: [{ line: 1, column: 3 }] }] })
  return Response.json({ data: { user: { id: variables.id, name: 'Ada', token: request.headers.get('authorization'), operationName: operationName ?? null, query: query.replace(/\s+/g, ' ') } } })
}
