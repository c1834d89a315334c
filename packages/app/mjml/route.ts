import mjml2html from 'mjml';

export async function GET() {
  const { html, errors } = await mjml2html('<mjml><mj-head><mj-title>T</mj-title></mj-head><mj-body><mj-section><mj-column><mj-text color="red">Hello {{name}}</mj-text><mj-button href="https://e.com">Go</mj-button></mj-column></mj-section></mj-body></mjml>');
  const bad = await mjml2html('<mjml><mj-body><mj-text foo="1">x</mj-text></mj-body></mjml>', { validationLevel: 'soft' });
  return Response.json({ doctype: html.startsWith('<!doctype html>'), hello: /color:red;?"[^>]*>Hello \{\{name\}\}/.test(html), link: html.includes('href="https://e.com"'), errors: errors.length, bad: bad.errors.map((e: any) => e.tagName), size: html.length });
}
