export const runtime = 'edge'

export { GET } from '../next-og/route'
