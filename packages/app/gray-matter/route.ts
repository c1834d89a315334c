import matter from 'gray-matter';

export async function GET() {
  const f = matter('---\ntitle: Hello\ntags: [a, b]\ndate: 2024-01-02\n---\nIntro\n---\n# Body');
  const ex = matter('---\na: 1\n---\nShort\n<!-- more -->\nlong', { excerpt_separator: '<!-- more -->' });
  const json = matter('---json\n{"x": 1}\n---\nbody');
  return Response.json({ data: f.data, content: f.content, excerpt: ex.excerpt, json: json.data, str: matter.stringify('text', { k: 'v' }), test: matter.test('---\na: 1\n---'), empty: matter('plain').isEmpty ?? null });
}
