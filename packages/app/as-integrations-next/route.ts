export async function GET(request: Request) {
  const url = new URL('/mount/apollo', request.url)
  const headers = { 'content-type': 'application/json', authorization: 'Bearer t' }
  const post = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query: 'query Q($n: String) { hello(name: $n) token }', variables: { n: 'Ada' } }) })
  const get = await fetch(`${url}?query=${encodeURIComponent('{ hello }')}`, { headers: { 'apollo-require-preflight': 'true' } })
  const csrf = await fetch(`${url}?query=${encodeURIComponent('{ hello }')}`)
  const landing = await fetch(url, { headers: { accept: 'text/html' } })
  return Response.json({ post: [post.status, post.headers.get('content-type'), await post.json()], get: await get.json(), csrf: csrf.status, landing: [landing.status, (await landing.text()).includes('Apollo')] })
}
