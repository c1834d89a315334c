export async function GET() {
  await new Promise((r) => setTimeout(r, 1500))
  return new Response('late')
}
