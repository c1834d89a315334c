import { load, loadAll, dump, YAMLException } from 'js-yaml';

export async function GET() {
  const doc = load('a: 1\nlist:\n  - x\n  - {y: 2, z: [true, null]}\ntext: |\n  line1\n  line2\nref: &r {k: v}\nuse: *r\nfloat: 1.5e3\nhex: 0x1F\nfold: >\n  a\n  b\n');
  let err: unknown;
  try { load('a: [1,\nb: }'); } catch (e: any) { err = [e.name, e instanceof YAMLException, e.mark.line]; }
  return Response.json({ doc, all: loadAll('---\n1\n---\ntwo\n'), out: dump({ b: [1, 'x: y', { c: null }], a: 'multi\nline' }, { sortKeys: true }), err });
}
