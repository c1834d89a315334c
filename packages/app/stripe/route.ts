import Stripe from 'stripe'

export async function GET(request: Request) {
  const { hostname, port } = new URL(request.url)
  const stripe = new Stripe('sk_test_pk1', { host: hostname, port, protocol: 'http', maxNetworkRetries: 0 })
  const intent = await stripe.paymentIntents.create({ amount: 2000, currency: 'eur', metadata: { order: '7' }, payment_method_types: ['card'] }, { idempotencyKey: 'key-1' })
  const declined = await stripe.paymentIntents.create({ amount: 1, currency: 'eur' }).catch((e) => [e instanceof Stripe.errors.StripeCardError, e.type, e.code, e.param, e.requestId])
  const emails: (string | null)[] = []
  for await (const customer of stripe.customers.list({ limit: 2 })) emails.push(customer.email)
  const denied = await new Stripe('sk_wrong', { host: hostname, port, protocol: 'http' }).customers.list().catch((e) => e.type)

  const payload = JSON.stringify({ id: 'evt_1', object: 'event', type: 'checkout.session.completed' })
  const header = stripe.webhooks.generateTestHeaderString({ payload, secret: 'whsec_1' })
  const event = stripe.webhooks.constructEvent(payload, header, 'whsec_1')
  const async_ = await stripe.webhooks.constructEventAsync(Buffer.from(payload), header, 'whsec_1')
  let forged = ''
  try { stripe.webhooks.constructEvent(payload + ' ', header, 'whsec_1') } catch (e) { forged = (e as Error).constructor.name }
  return Response.json({ intent: [intent.id, (intent as any).form, (intent as any).idempotency, intent.lastResponse.requestId], declined, emails, denied, event: event.type, async: async_.id, forged })
}
