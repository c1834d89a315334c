export async function POST(request: Request) {
  const body = await request.json()
  if (request.headers.get('authorization') !== 'Bearer SG.key') return Response.json({ errors: [{ message: 'authorization required' }] }, { status: 401 })
  return new Response(null, { status: 202, headers: { 'x-message-id': 'm1', 'x-echo': encodeURIComponent(JSON.stringify(body)) } })
}
