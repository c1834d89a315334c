export async function POST(request: Request) { const b = await request.json(); return Response.json({ id: b.html.replace(/<!DOCTYPE[^>]*>/, '') }); }
