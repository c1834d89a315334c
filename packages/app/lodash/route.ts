import _ from 'lodash';
import groupBy from 'lodash/groupBy';

export async function GET() {
  const people = [{ n: 'Ada', a: 36, t: ['x'] }, { n: 'Bay', a: 20, t: ['x', 'y'] }, { n: 'Cy', a: 36, t: [] }];
  let calls = 0;
  const d = _.debounce(() => { calls++; }, 10);
  d(); d(); d();
  await new Promise((ok) => setTimeout(ok, 40));
  return Response.json({
    group: _.mapValues(groupBy(people, 'a'), (v) => _.map(v, 'n')), chain: _.chain(people).sortBy(['a', 'n']).map('n').reverse().value(), merge: _.merge({ a: { b: 1 } }, { a: { c: [1] } }), get: _.get(people, '[1].t[1]'),
    clone: _.isEqual(_.cloneDeep({ d: new Date(0), m: new Map([[1, { x: 2 }]]), b: Buffer.from('a') }).m.get(1), { x: 2 }), chunk: _.chunk(_.range(5), 2), tpl: _.template('<%= a %>-<%- b %>')({ a: 1, b: '<' }), calls,
    camel: _.camelCase('foo bar-baz'), kebab: _.kebabCase('fooBar'), uniq: _.uniqBy(people, 'a').length, memo: _.memoize((x: number) => x * 2)(4), buf: _.isBuffer(Buffer.alloc(1)),
  });
}
