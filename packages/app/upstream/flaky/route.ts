export const GET = (request: Request) => {
  const attempt = request.headers.get('x-attempt')
  return attempt ? Response.json({ attempt }) : new Response('busy', { status: 503, headers: { 'retry-after': '0' } })
}
