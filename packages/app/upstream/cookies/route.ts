export const GET = (request: Request) => {
  const headers = new Headers()
  headers.append('set-cookie', 'a=1; Path=/')
  headers.append('set-cookie', 'b=2; Path=/; HttpOnly')
  return Response.json({ seen: request.headers.get('cookie') }, { headers })
}
