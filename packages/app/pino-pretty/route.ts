import pino from 'pino';
import pretty from 'pino-pretty';
import { Writable } from 'node:stream';

export async function GET() {
  let out = '';
  const destination = new Writable({ write(c, _e, cb) { out += c; cb(); } });
  const log = pino({ level: 'debug', base: null }, pretty({ colorize: false, translateTime: false, ignore: 'time,pid,hostname', destination, sync: true } as any));
  log.info({ a: 1 }, 'hello');
  log.error(new Error('boom'));
  await new Promise((ok) => setTimeout(ok, 50));
  return Response.json({ out: out.split('\n').filter((l) => !/^\s+at /.test(l)).join('\n').slice(0, 80) });
}
