import bcrypt from 'bcrypt'

export async function GET() {
  const hash = await bcrypt.hash('correct horse', 8)
  return Response.json({
    length: hash.length,
    rounds: bcrypt.getRounds(hash),
    right: await bcrypt.compare('correct horse', hash),
    wrong: await bcrypt.compare('battery staple', hash),
    fixed: bcrypt.hashSync('secret', '$2b$04$abcdefghijklmnopqrstuu'),
  })
}
