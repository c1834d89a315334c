import Mustache from 'mustache';

export async function GET() {
  const out = Mustache.render('{{title}} {{{raw}}} {{#items}}[{{name}}{{^last}},{{/last}}]{{/items}}{{^none}}empty{{/none}} {{> p}} {{#wrap}}x{{/wrap}}', {
    title: '<T>', raw: '<r>', items: [{ name: 'a' }, { name: 'b', last: true }], none: [], wrap: () => (text: string, render: (s: string) => string) => `<b>${render(text)}</b>`,
  }, { p: 'partial {{title}}' });
  const tags = Mustache.render('<% x %>', { x: 1 }, {}, ['<%', '%>']);
  return Response.json({ out, tags, parsed: Mustache.parse('a{{b}}').map((t) => t[0]) });
}
