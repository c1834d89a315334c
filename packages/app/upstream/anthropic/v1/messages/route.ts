export async function POST(request: Request) {
  const { model, messages, stream, system } = await request.json()
  if (request.headers.get('authorization') !== 'Bearer sk-ant') return Response.json({ type: 'error', error: { type: 'authentication_error', message: 'invalid x-api-key' } }, { status: 401 })
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model, content: [] as unknown[], stop_reason: null as string | null, stop_sequence: null, usage: { input_tokens: 3, output_tokens: 1 } }
  if (!stream) return Response.json({ ...message, content: [{ type: 'text', text: `${system}: ${messages.at(-1).content}` }], stop_reason: 'end_turn' }, { headers: { 'request-id': 'r1' } })
  const events: [string, object][] = [
    ['message_start', { message }], ['content_block_start', { index: 0, content_block: { type: 'text', text: '' } }], ['ping', {}],
    ...['Hel', 'lo ', 'wörld'].map((text): [string, object] => ['content_block_delta', { index: 0, delta: { type: 'text_delta', text } }]),
    ['content_block_stop', { index: 0 }], ['message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 3 } }], ['message_stop', {}],
  ]
  const text = events.map(([event, data]) => `event: ${event}\ndata: ${JSON.stringify({ type: event, ...data })}\n\n`).join('')
  return new Response(text, { headers: { 'content-type': 'text/event-stream' } })
}
