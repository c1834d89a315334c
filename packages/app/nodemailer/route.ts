import nodemailer from 'nodemailer'
import { generateKeyPairSync } from 'node:crypto'

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } })

export async function GET() {
  const mail = {
    from: 'Ada Lovelace <ada@example.com>', to: ['grove@example.com', 'Jürgen <j@example.com>'], cc: 'cc@example.com', subject: 'Grüße',
    text: 'Hello wörld', html: '<p>Hello <b>wörld</b><img src="cid:logo"></p>', date: new Date(0), messageId: '<fixed@example.com>',
    attachments: [{ filename: 'a.txt', content: 'attached' }, { filename: 'l.png', content: Buffer.from([1, 2, 3]), cid: 'logo' }],
  }
  const json = await nodemailer.createTransport({ jsonTransport: true }).sendMail(mail)
  const message = JSON.parse(json.message as string)
  const streamed = await nodemailer.createTransport({ streamTransport: true, buffer: true, newline: 'unix' }).sendMail(mail)
  const raw = streamed.message.toString()
  const plain = await nodemailer.createTransport({ streamTransport: true, buffer: true, newline: 'unix' }).sendMail({ from: mail.from, to: mail.to, subject: mail.subject, text: mail.text, date: mail.date, messageId: mail.messageId })
  const signed = await nodemailer.createTransport({ streamTransport: true, buffer: true, dkim: { domainName: 'example.com', keySelector: 'k', privateKey } }).sendMail(mail)
  return Response.json({
    envelope: json.envelope, id: json.messageId, subject: message.subject, attached: message.attachments.map((a: any) => [a.filename, a.content]),
    parts: raw.match(/^Content-Type: [^;\n]+/gm), base64: raw.includes('YXR0YWNoZWQ='), plain: plain.message.toString(),
    dkim: /DKIM-Signature: v=1; a=rsa-sha256; c=relaxed\/relaxed; d=example.com;/.test(signed.message.toString()),
  })
}
