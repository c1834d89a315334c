import { generate, generateSecret, generateSync, generateURI, verify, verifySync } from 'otplib'

// the 20 byte secret of RFC 4226 and RFC 6238, in base32
const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'

export async function GET() {
  const fresh = generateSecret()
  const token = await generate({ secret: fresh })
  const ok = await verify({ secret: fresh, token })
  return Response.json({
    secretLength: fresh.length, tokenLength: token.length, verified: ok.valid,
    rfc6238: [59, 1111111109, 2000000000].map((epoch) => generateSync({ secret, epoch, digits: 8 })),
    rfc4226: [0, 1, 9].map((counter) => generateSync({ secret, counter, strategy: 'hotp' })),
    at: verifySync({ secret, token: '94287082', epoch: 59, digits: 8 }).valid,
    late: verifySync({ secret, token: '94287082', epoch: 159, digits: 8 }).valid,
    uri: generateURI({ issuer: 'pk1', label: 'ada@example.com', secret }),
  })
}
