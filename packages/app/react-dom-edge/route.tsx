
export const runtime = 'edge';

export async function GET() {
  const { renderToStaticMarkup, renderToReadableStream } = await import('react-dom/server.edge');
  const stat = renderToStaticMarkup(<a href="/x?a=1&b=2">A &amp; B</a>);
  const stream = await renderToReadableStream(<main><h1>Hi</h1></main>);
  return Response.json({ stat, streamed: await new Response(stream).text() });
}
