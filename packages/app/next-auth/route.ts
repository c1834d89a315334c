import { decode, encode, getToken } from 'next-auth/jwt'
import { NextRequest } from 'next/server'

const secret = 'the-nextauth-secret'

export async function GET(request: NextRequest) {
  const token = await encode({ token: { name: 'Ada', email: 'ada@example.com', sub: '1' }, secret, maxAge: 60 })
  const decoded = await decode({ token, secret })
  const wrong = await decode({ token, secret: 'other' }).catch((e: Error) => e.message)
  const req = new NextRequest(request.url, { headers: { cookie: `next-auth.session-token=${token}` } })
  const session = await getToken({ req, secret, secureCookie: false })
  const header = JSON.parse(Buffer.from(token.split('.')[0], 'base64url').toString())
  return Response.json({ parts: token.split('.').length, header, name: decoded?.name, lifetime: Math.abs(Number(decoded!.exp) - Number(decoded!.iat) - 60) <= 1, wrong, session: session?.email })
}
