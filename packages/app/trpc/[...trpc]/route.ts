import { fetchRequestHandler } from '@trpc/server/adapters/fetch'
import { appRouter } from '../../../lib/trpc'

const handler = (req: Request) => fetchRequestHandler({ endpoint: '/trpc', req, router: appRouter, createContext: () => ({ user: req.headers.get('x-user') }) })
export { handler as GET, handler as POST }
