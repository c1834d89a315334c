import { XMLParser, XMLBuilder, XMLValidator } from 'fast-xml-parser';

export async function GET() {
  const xml = '<?xml version="1.0"?><root a="1"><item id="x">1.50</item><item id="y">&lt;two&gt;</item><c><![CDATA[<raw>]]></c><e/></root>';
  const obj = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '@_', isArray: (n) => n === 'c' }).parse(xml);
  const back = new XMLBuilder({ ignoreAttributes: false, attributeNamePrefix: '@_', format: true }).build({ r: { '@_k': 'v', x: [1, 2], t: 'a<b' } });
  const bad: any = XMLValidator.validate('<a><b></a>');
  return Response.json({ obj, back, ok: XMLValidator.validate(xml), bad: bad.err.code });
}
