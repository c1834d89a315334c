import Ajv, { type JSONSchemaType } from 'ajv'
import addFormats from 'ajv-formats'

interface Order { id: string; email: string; total: number; items: string[]; at?: string }
const schema: JSONSchemaType<Order> = {
  type: 'object',
  properties: {
    id: { type: 'string', format: 'uuid' },
    email: { type: 'string', format: 'email' },
    total: { type: 'number', minimum: 0 },
    items: { type: 'array', items: { type: 'string' }, minItems: 1, uniqueItems: true },
    at: { type: 'string', format: 'date-time', nullable: true },
  },
  required: ['id', 'email', 'total', 'items'],
  additionalProperties: false,
}
const ajv = new Ajv({ allErrors: true, coerceTypes: true })
addFormats(ajv)
ajv.addKeyword({ keyword: 'even', type: 'number', validate: (on: boolean, n: number) => !on || n % 2 === 0 })
const validate = ajv.compile(schema)

export function GET() {
  const good = { id: '7b0b1d1e-6f0a-4c5e-9a53-0c4a8c5f4a11', email: 'a@example.com', total: '12.5', items: ['a'], at: '2024-01-01T00:00:00Z' }
  const ok = validate(good)
  const bad = validate({ id: '1', email: 'x', total: -1, items: ['a', 'a'], at: 'now', extra: 1 })
  const errors = validate.errors?.map((e) => [e.instancePath, e.keyword, e.message])
  return Response.json({ ok, good, bad, errors, text: ajv.errorsText(validate.errors), even: [ajv.validate({ even: true }, 4), ajv.validate({ even: true }, 3)] })
}
