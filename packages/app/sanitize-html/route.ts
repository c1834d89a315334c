import sanitizeHtml from 'sanitize-html';

export async function GET() {
  const a = sanitizeHtml('<p onclick="x()">Hi <script>alert(1)</script><b>b</b><img src="javascript:x"><a href="https://e.com" target="_blank">l</a></p>');
  const b = sanitizeHtml('<h1 class="ok bad" style="color:red;position:fixed">t</h1><i>z</i>', { allowedTags: ['h1'], allowedClasses: { h1: ['ok'] }, allowedAttributes: { h1: ['style'] }, allowedStyles: { '*': { color: [/^red$/] } } });
  const c = sanitizeHtml('<ol><li>x</li></ol>', { transformTags: { ol: 'ul', li: (t, attrs) => ({ tagName: t, attribs: { ...attrs, class: 'i' } }) }, allowedAttributes: { li: ['class'] } });
  return Response.json({ a, b, c, esc: sanitizeHtml('<x>1 < 2</x>', { disallowedTagsMode: 'escape' }) });
}
