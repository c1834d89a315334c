import Anthropic from '@anthropic-ai/sdk'

export async function GET(request: Request) {
  const baseURL = new URL('/upstream/anthropic', request.url).href
  const client = new Anthropic({ apiKey: 'sk-ant', baseURL, maxRetries: 0 })
  const params = { model: 'claude-sonnet-5', max_tokens: 64, system: 'Be short', messages: [{ role: 'user' as const, content: 'Hi' }] }
  const message = await client.messages.create(params)
  const deltas: string[] = []
  for await (const event of await client.messages.create({ ...params, stream: true })) if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') deltas.push(event.delta.text)
  const texts: string[] = []
  const stream = client.messages.stream(params).on('text', (t) => texts.push(t))
  const final = await stream.finalMessage()
  const denied = await new Anthropic({ apiKey: 'bad', baseURL, maxRetries: 0 }).messages.create(params).catch((e) => [e instanceof Anthropic.AuthenticationError, e.status, e.error.error.type])
  return Response.json({ content: message.content, usage: message.usage, requestId: message._request_id, deltas, texts, final: [final.content, final.stop_reason, final.usage.output_tokens], denied })
}
