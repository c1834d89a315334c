async function handle(request: Request, { params }: { params: Promise<{ path: string[] }> }) {
  const path = (await params).path.join('/');
  const url = new URL(request.url);
  if (path === 'rest/v1/countries' && request.method === 'GET') {
    return Response.json([{ id: 1, name: url.search, key: request.headers.get('apikey'), prefer: request.headers.get('prefer') }], { headers: { 'content-range': '0-0/7' } });
  }
  if (path === 'rest/v1/countries') return Response.json({ id: 9, ...(await request.json()), accept: request.headers.get('accept') }, { status: 201 });
  if (path === 'rest/v1/rpc/add') { const { a, b } = await request.json(); return Response.json(a + b); }
  if (path === 'auth/v1/token') return Response.json({ code: 400, error_code: 'invalid_credentials', msg: 'Invalid login credentials' }, { status: 400 });
  if (path.startsWith('storage/v1/object/box')) {
    const file = /filename="[^"]*"[^]*?\r\n\r\n([^\r]*)/.exec(await request.text())?.[1];
    return Response.json({ Id: 'id1', Key: 'box/dir/a.txt#' + file });
  }
  if (path === 'functions/v1/hello') return Response.json({ hello: (await request.json()).name });
  return Response.json({ path, method: request.method }, { status: 404 });
}
export { handle as GET, handle as POST };
