import { Resend } from 'resend';
function Mail({ name }: { name: string }) { return <p>Hi {name}</p>; }
export async function GET(request: Request) {
  const resend = new Resend('re_123', { baseUrl: new URL('/upstream2/resend', request.url).href } as any);
  const html = await resend.emails.send({ from: 'a@b.c', to: ['d@e.f'], subject: 's', html: '<p>plain</p>' });
  const react = await resend.emails.send({ from: 'a@b.c', to: ['d@e.f'], subject: 's', react: <Mail name="Ada" /> });
  return Response.json({ html: html.data ?? html.error, react: react.data ?? react.error });
}
