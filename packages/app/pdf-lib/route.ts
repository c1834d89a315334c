import { PDFDocument, StandardFonts, rgb } from 'pdf-lib';

export async function GET() {
  const pdf = await PDFDocument.create();
  const font = await pdf.embedFont(StandardFonts.HelveticaBold);
  const page = pdf.addPage([400, 300]);
  page.drawText('Hello', { x: 50, y: 200, size: 24, font, color: rgb(1, 0, 0) });
  page.drawRectangle({ x: 10, y: 10, width: 50, height: 20 });
  const png = await pdf.embedPng('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==');
  page.drawImage(png, { x: 100, y: 100, width: 10, height: 10 });
  pdf.setTitle('T');
  const form = pdf.getForm();
  form.createTextField('who').setText('Ada');
  const bytes = await pdf.save();
  const back = await PDFDocument.load(bytes);
  const copy = await PDFDocument.create();
  (await copy.copyPages(back, [0])).forEach((p) => copy.addPage(p));
  return Response.json({ head: Buffer.from(bytes.slice(0, 5)).toString(), pages: back.getPageCount(), title: back.getTitle(), size: back.getPage(0).getSize(), field: back.getForm().getTextField('who').getText(), width: font.widthOfTextAtSize('Hello', 24), copy: copy.getPageCount() });
}
