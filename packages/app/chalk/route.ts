import chalk, { Chalk, supportsColor } from 'chalk';

export async function GET() {
  const c = new Chalk({ level: 3 });
  return Response.json({ red: c.red.bold('x'), hex: c.hex('#ff8800')('y'), bg: c.bgBlue(c.white('z')), nested: c.red(`a ${c.blue('b')} c`), tpl: c.underline('u') + c.rgb(1, 2, 3)('r'), none: new Chalk({ level: 0 }).red('plain'), level: typeof chalk.level, support: supportsColor === false || typeof supportsColor === 'object', multi: c.green('a\nb') });
}
