import { gzipSync } from 'node:zlib'

export const GET = () => new Response(gzipSync(JSON.stringify({ packed: 'x'.repeat(100) })), { headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' } })
