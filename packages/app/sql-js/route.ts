import initSqlJs from 'sql.js';

export async function GET() {
  const SQL = await initSqlJs();
  const db = new SQL.Database();
  db.run('create table t (a int, b text); insert into t values (1, "x"), (2, "y"), (3, "z")');
  const stmt = db.prepare('select * from t where a >= :min order by a desc');
  stmt.bind({ ':min': 2 });
  const rows: unknown[] = [];
  while (stmt.step()) rows.push(stmt.getAsObject());
  stmt.free();
  db.create_function('twice', (x: number) => x * 2);
  const [res] = db.exec('select sum(a) as s, twice(21) as f, group_concat(b) as g from t');
  const copy = new SQL.Database(db.export());
  const [again] = copy.exec('select count(*) from t');
  return Response.json({ rows, res, count: again.values[0][0] });
}
