import { AIMessage, HumanMessage, SystemMessage } from '@langchain/core/messages'
import { JsonOutputParser, StringOutputParser, StructuredOutputParser } from '@langchain/core/output_parsers'
import { ChatPromptTemplate, MessagesPlaceholder, PromptTemplate } from '@langchain/core/prompts'
import { RunnableLambda, RunnablePassthrough, RunnableSequence } from '@langchain/core/runnables'
import { FakeListChatModel } from '@langchain/core/utils/testing'
import { tool } from '@langchain/core/tools'
import { z } from 'zod'

export async function GET() {
  const chat = ChatPromptTemplate.fromMessages([['system', 'You are a {role}'], new MessagesPlaceholder('history'), ['human', '{question}']])
  const messages = await chat.formatMessages({ role: 'poet', question: 'Why?', history: [new HumanMessage('hi'), new AIMessage('hello')] })
  const model = new FakeListChatModel({ responses: ['Because.', 'abc', '```json\n{"name":"Ada","age":36}\n```'] })
  const answer = await chat.pipe(model).pipe(new StringOutputParser()).invoke({ role: 'poet', question: 'Why?', history: [] })
  const chunks: string[] = []
  for await (const c of await RunnableSequence.from([PromptTemplate.fromTemplate('Say {x}'), model, new StringOutputParser()]).stream({ x: 'abc' })) chunks.push(c)
  const parser = StructuredOutputParser.fromZodSchema(z.object({ name: z.string(), age: z.number() }))
  const structured = await PromptTemplate.fromTemplate('Who? {format}').pipe(model).pipe(parser).invoke({ format: parser.getFormatInstructions() })
  const parallel = await RunnablePassthrough.assign({ double: RunnableLambda.from((i: { n: number }) => i.n * 2) }).batch([{ n: 1 }, { n: 2 }])
  const add = tool(async ({ a, b }) => String(a + b), { name: 'add', description: 'adds', schema: z.object({ a: z.number(), b: z.number() }) })
  return Response.json({
    messages: messages.map((m) => [m.getType(), m.content]), system: messages[0] instanceof SystemMessage, answer, chunks, structured, parallel,
    json: await new JsonOutputParser().parse('```json\n{"a":[1,2]}\n```'), sum: await add.invoke({ a: 1, b: 2 }), instructions: parser.getFormatInstructions().includes('"age"'),
  })
}
