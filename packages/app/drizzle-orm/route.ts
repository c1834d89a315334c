import initSqlJs from 'sql.js';
import { drizzle } from 'drizzle-orm/sql-js';
import { sqliteTable, integer, text } from 'drizzle-orm/sqlite-core';
import { eq, gt, sql, desc } from 'drizzle-orm';

const users = sqliteTable('users', {
  id: integer('id').primaryKey({ autoIncrement: true }),
  name: text('name').notNull(),
  age: integer('age').notNull(),
  active: integer('active', { mode: 'boolean' }).default(true),
});
const posts = sqliteTable('posts', { id: integer('id').primaryKey(), userId: integer('user_id').references(() => users.id), title: text('title') });

export async function GET() {
  const SQL = await initSqlJs();
  const db = drizzle(new SQL.Database());
  db.run(sql`create table users (id integer primary key autoincrement, name text not null, age integer not null, active integer default 1)`);
  db.run(sql`create table posts (id integer primary key, user_id integer, title text)`);
  db.insert(users).values([{ name: 'Ada', age: 36 }, { name: 'Bay', age: 20, active: false }, { name: 'Cy', age: 50 }]).run();
  db.insert(posts).values({ id: 1, userId: 1, title: 'Notes' }).run();
  const updated = db.update(users).set({ age: 21 }).where(eq(users.name, 'Bay')).returning().all();
  const older = db.select().from(users).where(gt(users.age, 30)).orderBy(desc(users.age)).all();
  const joined = db.select({ who: users.name, title: posts.title }).from(posts).innerJoin(users, eq(posts.userId, users.id)).all();
  const count = db.select({ n: sql<number>`count(*)` }).from(users).get();
  return Response.json({ updated, older, joined, count });
}
