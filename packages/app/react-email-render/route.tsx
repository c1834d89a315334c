import { render, toPlainText, pretty } from '@react-email/render';

function Mail({ name }: { name: string }) {
  return <html lang="en"><body><h1>Hello {name}</h1><p>Visit <a href="https://e.com">us</a></p><img src="x.png" alt="pic" /></body></html>;
}

export async function GET() {
  const html = await render(<Mail name="Ada" />);
  const text = await render(<Mail name="Ada" />, { plainText: true });
  const nice = await pretty(html);
  return Response.json({ html, text, plain: toPlainText(html), lines: nice.split('\n').length });
}
