import { FormatRegistry, Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { Value } from '@sinclair/typebox/value'

FormatRegistry.Set('email', (v) => /^\S+@\S+\.\S+$/.test(v))
const Product = Type.Object({
  id: Type.Integer({ minimum: 1 }),
  name: Type.String({ minLength: 2 }),
  contact: Type.String({ format: 'email' }),
  price: Type.Number({ default: 9.5 }),
  kind: Type.Union([Type.Literal('book'), Type.Literal('film')]),
  tags: Type.Optional(Type.Array(Type.String())),
}, { additionalProperties: false })
type Product = Static<typeof Product>
const compiled = TypeCompiler.Compile(Product)

export function GET() {
  const product: Product = Value.Parse(Product, { id: '7', name: 'Dune', contact: 'a@example.com', kind: 'book' })
  const When = Type.Transform(Type.String()).Decode((s) => new Date(s)).Encode((d) => d.toISOString())
  return Response.json({
    product,
    check: [compiled.Check(product), compiled.Check({ id: 0 })],
    errors: [...compiled.Errors({ id: 0, name: 'x', contact: 'x', price: 1, kind: 'game' })].map((e) => [e.path, e.message]),
    decoded: Value.Decode(When, '2024-01-02T00:00:00.000Z').getTime(),
    diff: Value.Diff({ a: 1, b: 2 }, { a: 1, b: 3 }),
    schema: Type.Pick(Product, ['id', 'name']),
  })
}
