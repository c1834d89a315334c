import nunjucks from 'nunjucks';
import path from 'node:path';

const env = nunjucks.configure(path.join(process.cwd(), 'views'), { autoescape: true });
env.addFilter('shout', (s: string) => s.toUpperCase() + '!');

export async function GET() {
  const str = env.renderString('{% set x = 2 %}{{ name | shout }} {{ x * 21 }} {% for i in [1,2,3] %}{{ loop.index }}:{{ i }}{% if not loop.last %},{% endif %}{% endfor %} {{ "<b>" }}', { name: 'ada' });
  const page = env.render('child.njk', { user: 'Bay' });
  const viaCallback = await new Promise((ok, no) => env.renderString('{{ a.b.c | default("none") }}', { a: { b: {} } }, (e, r) => (e ? no(e) : ok(r))));
  return Response.json({ str, page: page.trim(), viaCallback });
}
