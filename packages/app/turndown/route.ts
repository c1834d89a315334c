import TurndownService from 'turndown';

export async function GET() {
  const td = new TurndownService({ headingStyle: 'atx', codeBlockStyle: 'fenced', bulletListMarker: '-' });
  td.addRule('del', { filter: ['del'], replacement: (c) => `~~${c}~~` });
  const md = td.turndown('<h2>Hi <em>you</em></h2><ul><li>a</li><li>b <a href="https://e.com" title="t">l</a></li></ul><pre><code class="language-js">let a = 1;</code></pre><blockquote>q</blockquote><del>x</del><img src="i.png" alt="pic">');
  return Response.json({ md, keep: new TurndownService().keep(['u']).turndown('<p>a <u>b</u></p>') });
}
