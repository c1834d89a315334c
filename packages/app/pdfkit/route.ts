import PDFDocument from 'pdfkit';
import { PDFDocument as Reader } from 'pdf-lib';

export async function GET() {
  const doc = new PDFDocument({ size: 'A4', info: { Title: 'Report' } });
  const parts: Buffer[] = [];
  const done = new Promise<Buffer>((ok, no) => doc.on('data', (d: Buffer) => parts.push(d)).on('end', () => ok(Buffer.concat(parts))).on('error', no));
  doc.font('Helvetica-Bold').fontSize(20).text('Hello PDF', 100, 100);
  doc.font('Times-Roman').fontSize(12).text('lorem ipsum '.repeat(200), { columns: 2, align: 'justify' });
  const width = doc.widthOfString('abc');
  doc.addPage().rect(10, 10, 50, 50).fill('#ff0000');
  doc.image(Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64'), 200, 200, { width: 20 });
  doc.end();
  const pdf = await done;
  const back = await Reader.load(pdf);
  return Response.json({ head: pdf.subarray(0, 8).toString(), pages: back.getPageCount(), title: back.getTitle(), width, tail: pdf.subarray(-6).toString().trim() });
}
