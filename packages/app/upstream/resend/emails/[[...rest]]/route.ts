export async function POST(request: Request) {
  const body = await request.json()
  if (request.headers.get('authorization') !== 'Bearer re_123') return Response.json({ statusCode: 401, name: 'invalid_api_key', message: 'API key is invalid' }, { status: 401 })
  return Response.json(Array.isArray(body) ? { data: body.map((_, i) => ({ id: `b${i}` })) } : { id: 'e1', echo: body, idempotency: request.headers.get('idempotency-key') })
}
export const GET = async (_: Request, { params }: { params: Promise<{ rest?: string[] }> }) => Response.json({ object: 'email', id: (await params).rest?.[0], last_event: 'delivered' })
