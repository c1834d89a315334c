import { Client } from '@sendgrid/client'
import sgMail from '@sendgrid/mail'

export async function GET(request: Request) {
  const client = new Client()
  sgMail.setClient(client)
  const useKey = (key: string) => {
    sgMail.setApiKey(key) // this sets the base URL, too
    client.setDefaultRequest('baseUrl', new URL('/upstream/sendgrid', request.url).href)
  }
  useKey('SG.key')
  const [response] = await sgMail.send({
    to: [{ email: 'b@example.com', name: 'B' }], from: 'Ada <ada@example.com>', subject: 'Hi {{name}}', text: 'Hello', html: '<b>Hello</b>',
    attachments: [{ content: Buffer.from('data').toString('base64'), filename: 'a.txt', type: 'text/plain', disposition: 'attachment' }], categories: ['test'],
  })
  useKey('SG.bad')
  const denied = await sgMail.send({ to: 'b@example.com', from: 'a@example.com', subject: 'x', text: 'x' }).catch((e) => [e.constructor.name, e.code, e.response.body])
  return Response.json({ status: response.statusCode, id: response.headers['x-message-id'], body: JSON.parse(decodeURIComponent(response.headers['x-echo'])), denied })
}
