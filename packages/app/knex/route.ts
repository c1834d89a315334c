import knex from 'knex';

const db = knex({ client: 'pg' });

export async function GET() {
  const q = db('users as u').join('posts as p', 'p.user_id', 'u.id').select('u.id', 'p.title').where('u.age', '>', 18)
    .andWhere((b) => b.whereIn('u.role', ['admin', 'editor']).orWhereNull('u.deleted_at')).orderBy('u.id', 'desc').limit(10);
  const ins = db('users').insert({ name: 'Ada', age: 36 }).onConflict('name').merge().returning('id');
  const ddl = db.schema.createTable('t', (t) => { t.increments('id'); t.string('name', 50).notNullable(); t.jsonb('data'); t.timestamps(true, true); });
  return Response.json({ sql: q.toString(), native: q.toSQL().toNative(), insert: ins.toString(), ddl: ddl.toString() });
}
