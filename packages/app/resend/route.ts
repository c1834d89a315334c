import { Resend } from 'resend'

export async function GET(request: Request) {
  process.env.RESEND_BASE_URL = new URL('/upstream/resend', request.url).href
  const resend = new Resend('re_123')
  const sent = await resend.emails.send({ from: 'a@example.com', to: ['b@example.com'], subject: 'Hi', html: '<p>Hi</p>', replyTo: 'r@example.com', attachments: [{ filename: 'a.txt', content: Buffer.from('data') }] }, { idempotencyKey: 'k1' })
  const batch = await resend.batch.send([{ from: 'a@example.com', to: 'b@example.com', subject: '1', text: '1' }, { from: 'a@example.com', to: 'c@example.com', subject: '2', text: '2' }])
  const status = await resend.emails.get('e1')
  const denied = await new Resend('re_bad').emails.send({ from: 'a@example.com', to: 'b@example.com', subject: 'Hi', text: 'Hi' })
  return Response.json({ sent: sent.data, error: sent.error, batch: batch.data, status: status.data, denied: denied.error })
}
