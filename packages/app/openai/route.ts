import OpenAI from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import { z } from 'zod'

export async function GET(request: Request) {
  const openai = new OpenAI({ apiKey: 'sk-test', baseURL: new URL('/upstream/openai/v1', request.url).href, maxRetries: 0 })
  const messages = [{ role: 'user' as const, content: 'Hi' }]
  const { data: completion, request_id } = await openai.chat.completions.create({ model: 'gpt-4o', messages }).withResponse()
  let streamed = ''
  for await (const chunk of await openai.chat.completions.create({ model: 'gpt-4o', messages, stream: true })) streamed += chunk.choices[0]?.delta?.content ?? ''
  const final = await openai.chat.completions.stream({ model: 'gpt-4o', messages }).finalContent()
  const parsed = await openai.chat.completions.parse({ model: 'gpt-4o', messages, response_format: zodResponseFormat(z.object({ name: z.string(), age: z.number() }), 'person') })
  const tool = await openai.chat.completions.create({ model: 'gpt-4o', messages, tools: [{ type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }] })
  const missing = await openai.chat.completions.create({ model: 'none', messages }).catch((e) => [e instanceof OpenAI.NotFoundError, e.status, e.code, e.message])
  return Response.json({ content: completion.choices[0].message.content, usage: completion.usage, request_id, streamed, final, parsed: parsed.choices[0].message.parsed, tool: tool.choices[0].message.tool_calls, missing })
}
