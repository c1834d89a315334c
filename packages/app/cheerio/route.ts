import * as cheerio from 'cheerio';

export async function GET() {
  const $ = cheerio.load('<ul id="f"><li class="a">Apple</li><li class="b" data-n="2">Pear</li><li>Fig</li></ul><p>x</p>');
  const items = $('#f > li').map((i, el) => $(el).text()).get();
  $('li.a').addClass('red').attr('title', 'A & B').after('<li>New</li>');
  $('p').remove();
  const data = $.extract({ names: ['li'], second: { selector: 'li.b', value: 'data-n' } });
  const xml = cheerio.load('<a><b c="1"/></a>', { xml: true });
  return Response.json({ items, html: $('ul').prop('outerHTML'), data, sib: $('li:nth-child(2)').next().text(), n: $('.b').data('n'), xml: xml.xml(), has: $('li:contains("Fig")').length });
}
