// the upstream of the Stripe SDK, whose paths always begin with /v1
const customers = Array.from({ length: 5 }, (_, i) => ({ id: `cus_${i + 1}`, object: 'customer', email: `c${i + 1}@example.com` }))

async function stripe(request: Request, { params }: { params: Promise<{ path: string[] }> }) {
  const path = (await params).path.join('/')
  const query = new URL(request.url).searchParams
  if (request.headers.get('authorization') !== 'Bearer sk_test_pk1') return Response.json({ error: { type: 'invalid_request_error', message: 'Invalid API Key' } }, { status: 401 })
  if (request.method === 'POST') {
    const form = Object.fromEntries(await request.formData())
    if (form.amount === '1') return Response.json({ error: { type: 'card_error', code: 'amount_too_small', message: 'Amount too small', param: 'amount' } }, { status: 402, headers: { 'request-id': 'req_2' } })
    return Response.json({ id: 'pi_1', object: path, form, idempotency: request.headers.get('idempotency-key') }, { headers: { 'request-id': 'req_1' } })
  }
  const from = customers.findIndex((c) => c.id === query.get('starting_after')) + 1
  const limit = Number(query.get('limit') ?? 10)
  return Response.json({ object: 'list', url: '/v1/customers', has_more: from + limit < customers.length, data: customers.slice(from, from + limit) })
}
export { stripe as GET, stripe as POST }
