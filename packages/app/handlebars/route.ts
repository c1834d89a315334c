import Handlebars from 'handlebars';

Handlebars.registerHelper('upper', (s: string) => s.toUpperCase());
Handlebars.registerPartial('item', '<li>{{upper name}}{{#if price}} ({{price}}){{/if}}</li>');

export async function GET() {
  const t = Handlebars.compile('<h1>{{title}}</h1><ul>{{#each items}}{{> item}}{{else}}none{{/each}}</ul>{{{raw}}}{{#with user}}{{first}} {{../title}}{{/with}}');
  const html = t({ title: 'A & B', items: [{ name: 'x', price: 3 }, { name: 'y' }], raw: '<b>r</b>', user: { first: 'Ada' } });
  const pre = Handlebars.precompile('{{a}}').toString().includes('compiler');
  let err = '';
  try { Handlebars.compile('{{#if}}')({}); } catch (e: any) { err = e.message.split('\n')[0]; }
  return Response.json({ html, pre, err, safe: new Handlebars.SafeString('<i>').toString(), esc: Handlebars.escapeExpression('<i>') });
}
