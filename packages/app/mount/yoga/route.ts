import { createSchema, createYoga } from 'graphql-yoga'

const { handleRequest } = createYoga({
  graphqlEndpoint: '/mount/yoga',
  fetchAPI: { Response },
  schema: createSchema({
    typeDefs: `type Query { hello(name: String = "world"): String, agent: String } type Mutation { add(a: Int!, b: Int!): Int } type Subscription { count(to: Int!): Int }`,
    resolvers: {
      Query: { hello: (_, { name }) => `Hello ${name}`, agent: (_, __, { request }) => request.headers.get('x-agent') },
      Mutation: { add: (_, { a, b }) => a + b },
      Subscription: { count: { subscribe: async function* (_, { to }) { for (let i = 1; i <= to; i++) { await new Promise((r) => setTimeout(r, 5)); yield { count: i } } } } },
    },
  }),
})
export { handleRequest as GET, handleRequest as POST, handleRequest as OPTIONS }
