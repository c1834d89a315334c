import * as cheerio from 'cheerio';
export async function GET(request: Request) {
  const $ = await cheerio.fromURL(new URL('/upstream2/html', request.url));
  return Response.json({ h: $('h1').text() });
}
