async function handle(request: Request, { params }: { params: Promise<{ path: string[] }> }) {
  const path = (await params).path.join('/');
  const flag = (value: unknown) => ({ id: 1, enabled: true, feature_state_value: value, feature: { id: 5, name: 'banner', type: 'STANDARD' } });
  if (path.startsWith('flags')) return Response.json([flag('env ' + request.headers.get('x-environment-key'))]);
  if (path.startsWith('identities')) { const b = await request.json(); return Response.json({ flags: [flag(b.identifier + ' ' + b.traits[0].trait_value)], traits: [] }); }
  return Response.json({ path }, { status: 404 });
}
export { handle as GET, handle as POST };
