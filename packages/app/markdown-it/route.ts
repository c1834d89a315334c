import MarkdownIt from 'markdown-it';

export async function GET() {
  const md = new MarkdownIt({ html: false, linkify: true, typographer: true });
  const html = md.render('# Hi\n\n"quoted" -- www.example.com <b>x</b>\n\n1. a\n2. b\n\n| a |\n|---|\n| 1 |\n\n~~del~~ `code`');
  md.renderer.rules.link_open = (tokens, idx, opts, env, self) => { tokens[idx].attrSet('target', '_blank'); return self.renderToken(tokens, idx, opts); };
  return Response.json({ html, link: md.renderInline('[a](https://e.com "t")'), types: md.parse('> q', {}).map((t) => t.type) });
}
