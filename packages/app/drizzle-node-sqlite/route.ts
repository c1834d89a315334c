import { DatabaseSync } from 'node:sqlite';
import { drizzle } from 'drizzle-orm/sqlite-proxy';
import { sqliteTable, integer, text } from 'drizzle-orm/sqlite-core';
import { eq } from 'drizzle-orm';

const notes = sqliteTable('notes', { id: integer('id').primaryKey(), body: text('body').notNull() });

export async function GET() {
  const raw = new DatabaseSync(':memory:');
  raw.exec('create table notes (id integer primary key, body text not null)');
  const db = drizzle(async (query, params, method) => {
    const st = raw.prepare(query);
    if (method === 'run') { st.run(...(params as any[])); return { rows: [] }; }
    const rows = (st.all(...(params as any[])) as any[]).map((r) => Object.values(r));
    return { rows: method === 'get' ? rows[0] as any : rows };
  });
  await db.insert(notes).values([{ id: 1, body: 'one' }, { id: 2, body: 'two' }]);
  await db.update(notes).set({ body: 'TWO' }).where(eq(notes.id, 2));
  const all = await db.select().from(notes);
  raw.close();
  return Response.json(all);
}
