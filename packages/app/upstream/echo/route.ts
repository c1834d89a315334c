async function echo(request: Request) {
  const url = new URL(request.url)
  const type = request.headers.get('content-type') ?? ''
  let body: unknown = null
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    if (type.includes('json')) body = await request.json()
    else if (type.includes('multipart/form-data') || type.includes('urlencoded')) {
      body = {}
      for (const [k, v] of await request.formData()) (body as Record<string, unknown>)[k] = typeof v === 'string' ? v : { file: v.name, type: v.type, text: await v.text() }
    } else body = await request.text()
  }
  return Response.json({
    method: request.method, query: Object.fromEntries(url.searchParams), type: type.replace(/boundary=.*/, 'boundary'),
    auth: request.headers.get('authorization'), custom: request.headers.get('x-custom'), body,
  }, { headers: { 'x-answer': 'yes' } })
}
export { echo as GET, echo as POST, echo as PUT, echo as PATCH, echo as DELETE }
