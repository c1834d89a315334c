import * as v from 'valibot'

const Login = v.pipe(
  v.object({
    email: v.pipe(v.string(), v.email('bad email')),
    password: v.pipe(v.string(), v.minLength(8, 'too short')),
    repeat: v.string(),
    born: v.pipe(v.string(), v.isoDate(), v.transform((s) => new Date(s).getUTCFullYear())),
    role: v.optional(v.picklist(['admin', 'user']), 'user'),
  }),
  v.forward(v.partialCheck([['password'], ['repeat']], (i) => i.password === i.repeat, 'passwords differ'), ['repeat']),
)

export async function GET() {
  const ok = v.parse(Login, { email: 'pine@example.com', password: '12345678', repeat: '12345678', born: '1990-02-03' })
  const bad = await v.safeParseAsync(Login, { email: 'pine', password: '123', repeat: '124', born: 'x' })
  const variant = v.variant('kind', [v.object({ kind: v.literal('a'), n: v.number() }), v.object({ kind: v.literal('b'), s: v.string() })])
  return Response.json({
    ok,
    flat: bad.success ? null : v.flatten<typeof Login>(bad.issues),
    paths: bad.success ? [] : bad.issues.map((i) => v.getDotPath(i)),
    is: [v.is(variant, { kind: 'a', n: 1 }), v.is(variant, { kind: 'b', s: 2 })],
  })
}
