import { marked, Marked } from 'marked';

export async function GET() {
  const html = await marked.parse('# Hi *there*\n\n- [x] done\n- two\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n```js\nlet a = 1 < 2;\n```\n\nhttps://e.com');
  const m = new Marked({ gfm: true, breaks: true });
  m.use({ renderer: { heading({ tokens, depth }) { return `<h${depth} id="x">${this.parser.parseInline(tokens)}</h${depth}>`; } } });
  const custom = m.parse('## T `c`\na\nb');
  return Response.json({ html, custom, tokens: marked.lexer('a **b**\n\n> q').map((t) => t.type) });
}
