import { initTRPC, TRPCError } from '@trpc/server'
import { z } from 'zod'

const t = initTRPC.context<{ user: string | null }>().create()
const authed = t.procedure.use(({ ctx, next }) => {
  if (!ctx.user) throw new TRPCError({ code: 'UNAUTHORIZED' })
  return next({ ctx: { user: ctx.user } })
})
export const appRouter = t.router({
  greet: t.procedure.input(z.object({ name: z.string().min(2) })).query(({ input }) => `Hello ${input.name}`),
  me: authed.query(({ ctx }) => ctx.user),
  todo: t.router({ add: t.procedure.input(z.object({ text: z.string() })).mutation(({ input }) => ({ id: 1, ...input })) }),
  count: t.procedure.input(z.number()).query(async function* ({ input }) { for (let i = 1; i <= input; i++) { await new Promise((r) => setTimeout(r, 5)); yield i } }),
  ticks: t.procedure.subscription(async function* () { yield 'a'; yield 'b' }),
})
export type AppRouter = typeof appRouter
