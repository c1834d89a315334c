import * as jose from 'jose'

const secret = new TextEncoder().encode('0123456789abcdef0123456789abcdef')

export async function GET() {
  const hs = await new jose.SignJWT({ role: 'admin' }).setProtectedHeader({ alg: 'HS256' }).setSubject('u1').setIssuedAt(1700000000).setIssuer('pk1').sign(secret)
  const { payload, protectedHeader } = await jose.jwtVerify(hs, secret, { issuer: 'pk1' })
  const asymmetric: Record<string, unknown> = {}
  for (const alg of ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA']) {
    const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true })
    const jwt = await new jose.SignJWT({ alg }).setProtectedHeader({ alg, kid: 'k' }).setExpirationTime('2h').sign(privateKey)
    const jwks = jose.createLocalJWKSet({ keys: [{ ...(await jose.exportJWK(publicKey)), kid: 'k', alg }] })
    const pem = await jose.importSPKI(await jose.exportSPKI(publicKey), alg)
    asymmetric[alg] = (await jose.jwtVerify(jwt, jwks)).payload.alg === alg && (await jose.jwtVerify(jwt, pem)).payload.alg === alg
  }
  const dir = await new jose.EncryptJWT({ secret: 42 }).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(secret)
  const ecdh = await jose.generateKeyPair('ECDH-ES+A256KW')
  const jwe = await new jose.CompactEncrypt(new TextEncoder().encode('hidden')).setProtectedHeader({ alg: 'ECDH-ES+A256KW', enc: 'A256GCM' }).encrypt(ecdh.publicKey)
  const expired = await jose.jwtVerify(await new jose.SignJWT({}).setProtectedHeader({ alg: 'HS256' }).setExpirationTime(1).sign(secret), secret).catch((e) => e.code)
  const thumbprint = await jose.calculateJwkThumbprint({ kty: 'EC', crv: 'P-256', x: 'jJ6Flys3zK9jUhnOHf6G49Dyp5hah6CNP84-gY-n9eo', y: 'nhI6iD5eFXgBTLt_1p3aip-5VbZeMhxeFSpjfEAf7Ww' })
  return Response.json({
    hs, payload, protectedHeader, asymmetric, expired, thumbprint,
    dir: (await jose.jwtDecrypt(dir, secret)).payload, jwe: new TextDecoder().decode((await jose.compactDecrypt(jwe, ecdh.privateKey)).plaintext),
  })
}
