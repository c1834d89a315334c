import log from 'loglevel';

export async function GET() {
  const lines: unknown[] = [];
  const original = log.methodFactory;
  const l = log.getLogger('api');
  l.methodFactory = (name, level, logger) => { const raw = original(name, level, logger); return (...a) => { lines.push([name, ...a]); raw(...a); }; };
  l.setLevel('info');
  l.debug('hidden');
  l.info('hello', { a: 1 });
  l.error('bad');
  return Response.json({ lines, level: l.getLevel(), names: Object.keys(log.levels), loggers: Object.keys(log.getLoggers()).filter((name) => name === 'api') });
}
