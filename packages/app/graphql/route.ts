import { buildSchema, graphql, GraphQLError, GraphQLObjectType, GraphQLSchema, GraphQLString, introspectionFromSchema, parse, print, printSchema, specifiedRules, subscribe, validate, visit } from 'graphql'

const schema = buildSchema(`
  enum Role { ADMIN USER }
  type User { id: ID!, name(upper: Boolean = false): String!, role: Role }
  type Query { user(id: ID!): User, users: [User!]! }
  type Subscription { tick: Int }
`)
const users = [{ id: '1', name: ({ upper }: { upper: boolean }) => (upper ? 'ADA' : 'Ada'), role: 'ADMIN' }]
const rootValue = {
  users, user: ({ id }: { id: string }) => { const u = users.find((x) => x.id === id); if (!u) throw new GraphQLError('no such user', { extensions: { code: 'NOT_FOUND' } }); return u },
}

export async function GET() {
  const ok = await graphql({ schema, rootValue, source: 'query ($id: ID!) { user(id: $id) { ...f big: name(upper: true) } users { __typename id } } fragment f on User { id name role }', variableValues: { id: '1' } })
  const failed = await graphql({ schema, rootValue, source: '{ user(id: 9) { id } }' })
  const invalid = validate(schema, parse('{ user { nope } }'), specifiedRules).map((e) => e.message)
  const ticks: unknown[] = []
  const events = await subscribe({ schema, document: parse('subscription { tick }'), rootValue: { tick: async function* () { yield { tick: 1 }; yield { tick: 2 } } } })
  for await (const e of events as AsyncIterable<any>) ticks.push(e.data.tick)
  const renamed = print(visit(parse('{ a b }'), { Field: (n) => (n.name.value === 'a' ? { ...n, name: { ...n.name, value: 'z' } } : undefined) }))
  const built = new GraphQLSchema({ query: new GraphQLObjectType({ name: 'Query', fields: { hi: { type: GraphQLString, resolve: async () => 'yo' } } }) })
  return Response.json({ ok, failed, invalid, ticks, renamed, built: (await graphql({ schema: built, source: '{ hi }' })).data, sdl: printSchema(built), types: introspectionFromSchema(schema).__schema.types.length })
}
