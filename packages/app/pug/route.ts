import pug from 'pug';
import path from 'node:path';

export async function GET() {
  const html = pug.render('doctype html\nhtml\n  head: title= title\n  body\n    ul\n      each item in items\n        li(class=item.cls)= item.name\n      else\n        li none\n    p #{title.toUpperCase()} !{"<b>"}', { title: 'A&B', items: [{ name: 'x', cls: ['a', 'b'] }] });
  const fn = pug.compile('mixin hi(n)\n  p Hello #{n}\n+hi("Ada")\n+hi(who)');
  const file = pug.renderFile(path.join(process.cwd(), 'views', 'page.pug'), { user: 'Bay' });
  let err = '';
  try { pug.render('p(a="'); } catch (e: any) { err = e.code; }
  return Response.json({ html, mixin: fn({ who: 'Bay' }), file, err });
}
