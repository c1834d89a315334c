import { ApolloServer } from '@apollo/server'
import { GraphQLError } from 'graphql'

const server = new ApolloServer<{ user?: string }>({
  typeDefs: `type Book { title: String! author: String } type Query { books(limit: Int): [Book!]! me: String secret: String } type Mutation { addBook(title: String!): Book }`,
  resolvers: {
    Query: {
      books: (_, { limit }) => [{ title: 'Dune', author: 'Herbert' }, { title: 'Emma' }].slice(0, limit ?? 10),
      me: (_, __, context) => context.user,
      secret: () => { throw new GraphQLError('Not allowed', { extensions: { code: 'FORBIDDEN' } }) },
    },
    Mutation: { addBook: (_, { title }) => ({ title }) },
  },
  plugins: [{ async requestDidStart() { return { async willSendResponse({ response }) { response.http.headers.set('x-plugin', 'yes') } } } }],
})

export async function GET() {
  const run = async (query: string, variables = {}) => {
    const { body, http } = await server.executeOperation({ query, variables, operationName: undefined }, { contextValue: { user: 'ada' } }).then((r) => ({ body: r.body, http: r.http }))
    if (body.kind !== 'single') return null
    return { data: body.singleResult.data, errors: body.singleResult.errors?.map((e) => [e.message, e.extensions?.code]), plugin: http.headers.get('x-plugin'), status: http.status ?? null }
  }
  return Response.json([await run('query ($l: Int) { books(limit: $l) { title author } me }', { l: 1 }), await run('mutation { addBook(title: "Ulysses") { title } }'), await run('{ secret }'), await run('{ nope }')])
}
