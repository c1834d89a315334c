import { generateKeyPairSync } from 'crypto'
import jwt from 'jsonwebtoken'

const secret = 'a-shared-secret-of-enough-length'
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const attempt = (run: () => unknown) => { try { return run() } catch (e) { return `${(e as Error).name}: ${(e as Error).message}` } }

export async function GET() {
  const hs = jwt.sign({ sub: 'user-1', role: 'admin', iat: 1700000000 }, secret, { issuer: 'pk1' })
  const rs = jwt.sign({ sub: 'user-2' }, privateKey, { algorithm: 'RS256', expiresIn: '1h', keyid: 'k1' })
  const es = jwt.sign({ sub: 'user-3' }, ec.privateKey, { algorithm: 'ES256', audience: 'web' })
  const ps = jwt.sign({ sub: 'user-4' }, privateKey, { algorithm: 'PS256' })
  const viaCallback = await new Promise((ok, no) => jwt.verify(rs, publicKey, { algorithms: ['RS256'] }, (e, d) => (e ? no(e) : ok((d as jwt.JwtPayload).sub))))
  const claims = jwt.verify(rs, publicKey) as jwt.JwtPayload
  return Response.json({
    hs, hsClaims: jwt.verify(hs, secret, { issuer: 'pk1' }), viaCallback,
    hour: claims.exp! - claims.iat!, header: jwt.decode(rs, { complete: true })?.header,
    es: (jwt.verify(es, ec.publicKey, { audience: 'web' }) as jwt.JwtPayload).sub, ps: (jwt.verify(ps, publicKey) as jwt.JwtPayload).sub,
    wrong: attempt(() => jwt.verify(hs, 'another')), expired: attempt(() => jwt.verify(jwt.sign({ exp: 1 }, secret), secret)),
    wrongAlg: attempt(() => jwt.verify(hs, publicKey)), weak: attempt(() => jwt.sign({}, secret, { algorithm: 'RS256' })),
  })
}
