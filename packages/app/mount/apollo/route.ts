import { ApolloServer } from '@apollo/server'
import { startServerAndCreateNextHandler } from '@as-integrations/next'
import { gql } from 'graphql-tag'
import { NextRequest } from 'next/server'

const server = new ApolloServer<{ token: string | null }>({
  typeDefs: gql`type Query { hello(name: String): String token: String }`,
  resolvers: { Query: { hello: (_, { name }) => `Hello ${name ?? 'world'}`, token: (_, __, { token }) => token } },
})
const handler = startServerAndCreateNextHandler<NextRequest, { token: string | null }>(server, { context: async (req) => ({ token: req.headers.get('authorization') }) })

export async function GET(request: NextRequest) { return handler(request) }
export async function POST(request: NextRequest) { return handler(request) }
