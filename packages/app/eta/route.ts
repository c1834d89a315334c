import { Eta } from 'eta';
import path from 'node:path';

export async function GET() {
  const eta = new Eta({ views: path.join(process.cwd(), 'views'), cache: true });
  const str = eta.renderString('Hi <%= it.name %>! <% it.list.forEach((x) => { %>[<%~ x %>]<% }) %>', { name: '<Ada>', list: ['<b>', 2] });
  const file = eta.render('./page', { user: 'Bay' });
  eta.loadTemplate('@greet', 'Yo <%= it.n %>');
  const named = eta.render('@greet', { n: 1 });
  const asyncOut = await eta.renderStringAsync('<%= await it.p %>', { p: Promise.resolve('later') });
  let err = '';
  try { eta.renderString('<% if %>', {}); } catch (e: any) { err = e.name; }
  return Response.json({ str, file: file.trim(), named, asyncOut, err });
}
