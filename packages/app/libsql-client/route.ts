import { createClient } from '@libsql/client';

export async function GET() {
  const db = createClient({ url: 'file::memory:' });
  await db.batch(['create table t (a int, b text)', { sql: 'insert into t values (?, ?)', args: [1, 'x'] }], 'write');
  const rs = await db.execute('select * from t');
  return Response.json({ columns: rs.columns, rows: rs.rows });
}
