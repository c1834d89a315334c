import createDebug from 'debug';
import { format } from 'node:util';

export async function GET() {
  const lines: string[] = [];
  createDebug.enable('app:*,-app:secret');
  const log = createDebug('app:web');
  log.log = (...args: unknown[]) => { lines.push((format as any)(...args)); };
  log('hello %s %d %o', 'you', 42, { a: 1 });
  log.extend('sub')('x');
  const secret = createDebug('app:secret');
  const stderr = createDebug('app:stderr');
  stderr('written to stderr %j', { ok: true });
  const was = [log.enabled, secret.enabled];
  const off = createDebug.disable();
  return Response.json({ line: lines[0].replace(/\x1b\[[0-9;]*m/g, '').replace(/^.*?(hello)/s, '$1').replace(/ \+\d+ms$/, ''), was, now: log.enabled, off });
}
