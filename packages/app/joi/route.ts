import Joi from 'joi'

const schema = Joi.object({
  username: Joi.string().alphanum().min(3).max(30).required(),
  password: Joi.string().pattern(/^[a-zA-Z0-9]{3,30}$/),
  repeat_password: Joi.ref('password'),
  token: [Joi.string(), Joi.number()],
  birth_year: Joi.number().integer().min(1900).max(2013),
  email: Joi.string().email({ minDomainSegments: 2, tlds: { allow: ['com', 'net'] } }),
  host: Joi.string().hostname(),
  ip: Joi.string().ip({ version: ['ipv4', 'ipv6'] }),
  when: Joi.date().iso(),
})
  .with('username', 'birth_year')
  .xor('password', 'token')

export async function GET() {
  const ok = await schema.validateAsync({
    username: 'abc', birth_year: '1994', password: 'secret1', repeat_password: 'secret1',
    email: 'a@example.com', host: 'example.com', ip: '2001:db8::1', when: '2024-05-06T07:08:09Z',
  })
  const { error } = schema.validate({ username: 'a!', email: 'a@example.org', ip: '300.1.1.1', host: '-' }, { abortEarly: false })
  return Response.json({ ok, errors: error?.details.map((d) => [d.path.join('.'), d.type, d.message]) })
}
