import { Algorithm, hash, verify } from '@node-rs/argon2'

export async function GET() {
  const hashed = await hash('correct horse', { memoryCost: 19456, timeCost: 2, parallelism: 1 })
  return Response.json({
    prefix: hashed.slice(0, 29),
    right: await verify(hashed, 'correct horse'),
    wrong: await verify(hashed, 'battery staple'),
    algorithm: Algorithm.Argon2id,
  })
}
