import { parseCookie, parseSetCookie, stringifyCookie, stringifySetCookie } from 'cookie'

export function GET(request: Request) {
  const sent = parseCookie(request.headers.get('cookie') ?? 'theme=dark; eq=E%3Dmc%5E2; name=%C3%BC')
  const set = stringifySetCookie({ name: 'session', value: 'a b', httpOnly: true, secure: true, sameSite: 'lax', path: '/', maxAge: 3600, expires: new Date(0) })
  let bad = ''
  try { stringifySetCookie({ name: 'a b', value: 'x' }) } catch (e) { bad = (e as Error).message }
  return Response.json({ sent, set, parsed: parseSetCookie(set), joined: stringifyCookie({ a: 'foo', b: 'ü' }), bad }, { headers: { 'set-cookie': set } })
}
