import { z } from 'zod'

const User = z.object({
  id: z.uuid(),
  name: z.string().trim().min(2).max(40),
  email: z.email(),
  age: z.coerce.number().int().positive(),
  role: z.enum(['admin', 'user']).default('user'),
  tags: z.array(z.string()).max(3).optional(),
  website: z.url().nullish(),
})
const Event = z.discriminatedUnion('type', [
  z.object({ type: z.literal('click'), x: z.number(), y: z.number() }),
  z.object({ type: z.literal('key'), key: z.string().transform((k) => k.toUpperCase()) }),
])

export async function GET() {
  const good = User.parse({ id: '7b0b1d1e-6f0a-4c5e-9a53-0c4a8c5f4a11', name: '  Ada ', email: 'ada@example.com', age: '36', website: null })
  const bad = User.safeParse({ id: 'x', name: 'A', email: 'nope', age: -1 })
  const event = await Event.parseAsync({ type: 'key', key: 'enter' })
  return Response.json({
    good,
    issues: bad.success ? [] : bad.error.issues.map((i) => [i.path.join('.'), i.code, i.message]),
    flattened: bad.success ? null : z.flattenError(bad.error).fieldErrors,
    event,
    schema: z.toJSONSchema(Event, { io: 'input' }),
  })
}
