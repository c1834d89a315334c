import pino from 'pino';
const log = pino({ transport: { target: 'pino/file', options: { destination: 1 } } });
export async function GET() {
  log.info('via worker');
  await new Promise((ok) => setTimeout(ok, 300));
  return Response.json({ ok: true });
}
