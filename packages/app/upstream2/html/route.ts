export async function GET() { return new Response('<!doctype html><h1>Hé</h1>', { headers: { 'content-type': 'text/html; charset=utf-8' } }); }
