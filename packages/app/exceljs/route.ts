import ExcelJS from 'exceljs';

export async function GET() {
  const wb = new ExcelJS.Workbook();
  const ws = wb.addWorksheet('Data', { views: [{ state: 'frozen', ySplit: 1 }] });
  ws.columns = [{ header: 'Name', key: 'name', width: 20 }, { header: 'Age', key: 'age' }];
  ws.addRows([{ name: 'Ada', age: 36 }, { name: 'Bay', age: 20 }]);
  ws.getCell('B4').value = { formula: 'SUM(B2:B3)', result: 56 };
  ws.getRow(1).font = { bold: true };
  ws.getCell('C2').value = new Date(Date.UTC(2024, 0, 2));
  const buf = await wb.xlsx.writeBuffer();
  const back = new ExcelJS.Workbook();
  await back.xlsx.load(buf);
  const s = back.getWorksheet('Data')!;
  const csv = await wb.csv.writeBuffer({ sheetName: 'Data', dateFormat: 'YYYY', dateUTC: true } as any);
  return Response.json({ rows: s.rowCount, a2: s.getCell('A2').value, sum: s.getCell('B4').value, bold: s.getRow(1).font.bold, date: s.getCell('C2').value, csv: csv.toString(), zip: Buffer.from(buf as any).subarray(0, 2).toString() });
}
