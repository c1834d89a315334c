import bcrypt from 'bcryptjs'

export async function GET() {
  const hash = await bcrypt.hash('correct horse', 8)
  const salt = bcrypt.genSaltSync(4)
  return Response.json({
    length: hash.length,
    prefix: hash.slice(0, 7),
    rounds: bcrypt.getRounds(hash),
    right: await bcrypt.compare('correct horse', hash),
    wrong: await bcrypt.compare('battery staple', hash),
    known: bcrypt.compareSync('abc', '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i'),
    fixed: bcrypt.hashSync('secret', '$2b$04$abcdefghijklmnopqrstuu'),
    salt: [salt.length, bcrypt.getSalt(bcrypt.hashSync('x', salt)) === salt],
    truncates: bcrypt.truncates('ü'.repeat(40)),
  })
}
