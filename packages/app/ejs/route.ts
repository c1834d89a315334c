import ejs from 'ejs';
import path from 'node:path';

export async function GET() {
  const html = ejs.render('<h1><%= title %></h1><% for (const i of items) { %><li><%- i %></li><% } %>', { title: '<Hi>', items: ['<b>1</b>', 2] });
  const fn = ejs.compile('Hello <%= await name() %>', { async: true });
  const asyncOut = await fn({ name: async () => 'Ada' });
  const file = await ejs.renderFile(path.join(process.cwd(), 'views', 'page.ejs'), { user: 'Bay' });
  let err = '';
  try { ejs.render('<%= missing %>', {}); } catch (e: any) { err = e.message.split('\n').pop(); }
  return Response.json({ html, asyncOut, file: file.trim(), err });
}
