import { createClient } from '@libsql/client/web';

export async function GET(request: Request) {
  const db = createClient({ url: new URL('/upstream2/libsql/', request.url).href, authToken: 'tok' });
  const rs = await db.execute({ sql: 'select id, name from users where id > ?', args: [1] });
  const out = { columns: rs.columns, rows: rs.rows.map((r) => ({ ...r })), affected: rs.rowsAffected };
  db.close();
  return Response.json(out);
}
