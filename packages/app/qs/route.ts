import qs from 'qs';

export async function GET(request: Request) {
  const parsed = qs.parse('a[b][c]=1&d[]=x&d[]=y&e[0][f]=2&g=%20z&h', { strictNullHandling: true });
  return Response.json({ parsed, str: qs.stringify({ a: { b: [1, 2] }, n: null, d: new Date(0), u: undefined }, { arrayFormat: 'brackets', skipNulls: true }), enc: qs.stringify({ q: 'a b&ü' }, { addQueryPrefix: true, format: 'RFC1738' }), comma: qs.parse('a=1,2', { comma: true }), url: qs.parse(new URL(request.url).search.slice(1)), limit: qs.parse('a[b][c][d]=1', { depth: 1 }) });
}
