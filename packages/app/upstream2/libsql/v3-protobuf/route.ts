export async function GET() { return new Response('no', { status: 404 }); }
