import Papa from 'papaparse';
import { Readable } from 'node:stream';

export async function GET() {
  const a = Papa.parse('name,age\n"Ada, L",36\nBay,x\n', { header: true, dynamicTyping: true, skipEmptyLines: true });
  const csv = Papa.unparse([{ a: 1, b: 'x,y' }, { a: 2, b: 'q"q' }]);
  const rows: unknown[] = [];
  await new Promise((ok, no) => Readable.from(['a;b\n1;', '2\n3;4\n']).pipe(Papa.parse(Papa.NODE_STREAM_INPUT, { header: true, delimiter: ';' })).on('data', (r) => rows.push(r)).on('end', ok).on('error', no));
  return Response.json({ data: a.data, delim: a.meta.delimiter, errors: Papa.parse('a,b\n1', { header: true }).errors.map((e) => e.code), csv, rows });
}
