import * as yup from 'yup'

const schema = yup.object({
  name: yup.string().trim().required(),
  email: yup.string().email('not an email').required(),
  age: yup.number().positive().integer().min(18, 'must be ${min} or older'),
  website: yup.string().url().nullable(),
  createdOn: yup.date().default(() => new Date('2024-01-02T03:04:05Z')),
  roles: yup.array().of(yup.string().oneOf(['admin', 'user'])).min(1),
})

export async function GET() {
  const user = await schema.validate({ name: ' Jo ', email: 'jo@example.com', age: '24', website: null, roles: ['admin'] })
  const errors = await schema
    .validate({ email: 'jo', age: 12, roles: ['root'] }, { abortEarly: false })
    .catch((e: yup.ValidationError) => e.inner.map((x) => [x.path, x.type, x.message]))
  return Response.json({ user, errors, valid: await schema.isValid({ name: 'x' }), cast: schema.cast({ age: '7', roles: [] }, { assert: false }) })
}
