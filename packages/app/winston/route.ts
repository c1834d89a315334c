import winston from 'winston';
import { Writable } from 'node:stream';

const logger = winston.createLogger({ level: 'info', format: winston.format.json(), transports: [new winston.transports.Console()] });

export async function GET() {
  const lines: string[] = [];
  const sink = new Writable({ write(c, _e, cb) { lines.push(c.toString().trim()); cb(); } });
  const { combine, label, printf, splat, errors, json, colorize } = winston.format;
  const log = winston.createLogger({ level: 'verbose', format: combine(errors({ stack: false }), splat(), label({ label: 'api' }), printf((i) => `${i.label} ${i.level}: ${i.message}${i.id ? ' #' + i.id : ''}`)), transports: [new winston.transports.Stream({ stream: sink })] });
  log.info('hello %s', 'you');
  log.child({ id: 7 }).warn('careful');
  log.debug('hidden');
  log.error(new Error('boom'));
  logger.info('to stdout', { route: '/winston' });
  const j = combine(json()).transform({ level: 'info', message: 'm', a: 1 } as any, {}) as any;
  await new Promise((ok) => log.on('finish', ok).end());
  return Response.json({ lines, json: j[Symbol.for('message')], color: typeof colorize().transform, level: log.isLevelEnabled('debug') });
}
