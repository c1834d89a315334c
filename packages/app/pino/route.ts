import pino from 'pino';
import { Writable } from 'node:stream';

const logger = pino({ level: 'debug' });

export async function GET() {
  const lines: any[] = [];
  const sink = new Writable({ write(chunk, _e, cb) { lines.push(JSON.parse(chunk.toString())); cb(); } });
  const log = pino({ level: 'info', base: { app: 'x' }, timestamp: pino.stdTimeFunctions.isoTime, redact: ['user.password'], serializers: { err: pino.stdSerializers.err } }, sink);
  log.info({ user: { name: 'Ada', password: 's' } }, 'hello %s', 'you');
  log.debug('hidden');
  log.child({ reqId: 7 }).warn('careful');
  log.error(new TypeError('boom'));
  logger.info({ route: '/pino' }, 'to stdout');
  logger.flush();
  return Response.json(lines.map(({ time, err, ...r }) => ({ ...r, iso: /^\d{4}-.*Z$/.test(time), ...(err && { err: [err.type, err.message, err.stack.startsWith('TypeError: boom')] }) })));
}
