import { parse } from 'csv-parse';
import { parse as parseSync } from 'csv-parse/sync';
import { Readable } from 'node:stream';

export async function GET() {
  const sync = parseSync('id,name\n1,"A ""q"""\n2,B\n', { columns: true, cast: (v, c) => (c.column === 'id' && !c.header ? Number(v) : v) });
  const rows: unknown[] = [];
  const parser = Readable.from(['a|b\n1', '|2\n#c\n3|4\n']).pipe(parse({ delimiter: '|', comment: '#', from_line: 2 }));
  for await (const r of parser) rows.push(r);
  const cb = await new Promise((ok) => parse('a,b\n1,2,3', (err) => ok(err && (err as any).code)));
  return Response.json({ sync, rows, cb });
}
