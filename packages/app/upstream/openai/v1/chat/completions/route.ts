export async function POST(request: Request) {
  const { model, messages, stream, tools, response_format } = await request.json()
  if (model === 'none') return Response.json({ error: { message: 'The model does not exist', type: 'invalid_request_error', code: 'model_not_found' } }, { status: 404 })
  const base = { id: 'c1', created: 1700000000, model }
  if (stream) {
    const chunks = ['Hel', 'lo', ' wörld'].map((content, i) => ({ ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta: i ? { content } : { role: 'assistant', content }, finish_reason: content === ' wörld' ? 'stop' : null }] }))
    const encoder = new TextEncoder()
    const lines = [...chunks.map((c) => `data: ${JSON.stringify(c)}\n\n`), 'data: [DONE]\n\n']
    return new Response(new ReadableStream({ async pull(c) { await new Promise((r) => setTimeout(r, 10)); const line = lines.shift(); line ? c.enqueue(encoder.encode(line)) : c.close() } }), { headers: { 'content-type': 'text/event-stream' } })
  }
  const message = tools
    ? { role: 'assistant', content: null, tool_calls: [{ id: 't1', type: 'function', function: { name: tools[0].function.name, arguments: '{"city":"Oslo"}' } }] }
    : { role: 'assistant', content: response_format ? '{"name":"Ada","age":36}' : `You said: ${messages.at(-1).content} (${request.headers.get('authorization')})` }
  return Response.json({ ...base, object: 'chat.completion', choices: [{ index: 0, message, finish_reason: tools ? 'tool_calls' : 'stop' }], usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 } }, { headers: { 'x-request-id': 'r1' } })
}
