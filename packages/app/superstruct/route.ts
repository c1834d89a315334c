import { array, assert, coerce, create, date, defaulted, define, enums, is, number, object, optional, refine, size, string, StructError, validate } from 'superstruct'

const email = () => define<string>('email', (v) => typeof v === 'string' && /^\S+@\S+\.\S+$/.test(v))
const User = object({
  id: refine(number(), 'positive', (n) => n > 0 || 'id must be positive'),
  name: size(string(), 1, 20),
  email: email(),
  role: defaulted(enums(['admin', 'user']), 'user'),
  joined: coerce(date(), string(), (s) => new Date(s)),
  tags: optional(array(string())),
})

export function GET() {
  const user = create({ id: 1, name: 'Ada', email: 'ada@example.com', joined: '2024-01-02T00:00:00.000Z' }, User)
  const [error] = validate({ id: -1, name: '', email: 'x', role: 'root', joined: 1, more: true }, User)
  let thrown = ''
  try { assert({ id: 'x' }, User) } catch (e) { if (e instanceof StructError) thrown = e.message }
  return Response.json({ user, is: is(user, User), failures: error?.failures().map((f) => [f.key, f.type, f.refinement ?? null, f.message]), thrown })
}
