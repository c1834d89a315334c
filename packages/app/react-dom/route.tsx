function Page({ title, items }: { title: string; items: string[] }) {
  return <main className="m" style={{ marginTop: 4 }}><h1>{title} {items.length}</h1><ul>{items.map((i) => <li key={i}>{i}</li>)}</ul></main>;
}

export async function GET() {
  const { renderToString, renderToStaticMarkup, renderToReadableStream } = await import('react-dom/server');
  const str = renderToString(<Page title="<ok>" items={['a', 'b']} />);
  const stat = renderToStaticMarkup(<><p dangerouslySetInnerHTML={{ __html: '<b>x</b>' }} /><input disabled defaultValue="v" /></>);
  const stream = await renderToReadableStream(<div><Page title="s" items={[]} /></div>);
  await stream.allReady;
  const html = await new Response(stream).text();
  return Response.json({ str, stat, html });
}
