import Database from 'better-sqlite3';

export async function GET() {
  const db = new Database(':memory:');
  db.exec('create table t (a int, b text)');
  const ins = db.prepare('insert into t values (?, ?)');
  db.transaction((rows: [number, string][]) => { for (const r of rows) ins.run(...r); })([[1, 'x'], [2, 'y']]);
  return Response.json(db.prepare('select * from t order by a').all());
}
