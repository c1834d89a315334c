import { ClientError, gql, GraphQLClient, request as send } from 'graphql-request'

const document = gql`
  query GetUser($id: ID!) {
    user(id: $id) { id name token }
  }
`

export async function GET(request: Request) {
  const endpoint = new URL('/upstream/graphql', request.url).href
  const client = new GraphQLClient(endpoint, { headers: () => ({ authorization: 'Bearer t' }), requestMiddleware: (r) => ({ ...r }) })
  const user = await client.request(document, { id: '7' })
  const raw = await client.rawRequest(document, { id: '8' })
  const direct = await send({ url: endpoint, document, variables: { id: '9' } })
  const error = await client.request('{ broken }').catch((e: ClientError) => [e instanceof ClientError, e.response.status, e.response.errors?.[0].message])
  const batch = await client.request(document, { id: '1' }, { authorization: 'Bearer other' })
  return Response.json({ user, raw: [raw.status, raw.headers.get('content-type'), (raw.data as any).user.id], direct, error, batch })
}
