import { Kysely, DummyDriver, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql } from 'kysely';

interface DB { person: { id: number; name: string; age: number }; pet: { id: number; owner_id: number; species: string } }

const db = new Kysely<DB>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

export async function GET() {
  const q1 = db.selectFrom('person').innerJoin('pet', 'pet.owner_id', 'person.id').select(['person.name', 'pet.species'])
    .where('person.age', '>', 18).where((eb) => eb.or([eb('pet.species', '=', 'cat'), eb('pet.species', '=', 'dog')])).orderBy('person.name').limit(5).compile();
  const q2 = db.insertInto('person').values({ id: 1, name: 'Ada', age: 36 }).onConflict((oc) => oc.column('id').doNothing()).returningAll().compile();
  const q3 = db.updateTable('person').set({ age: sql`age + 1` }).where('id', '=', 1).compile();
  const rows = await db.selectFrom('person').selectAll().execute();
  return Response.json({ q1: [q1.sql, q1.parameters], q2: [q2.sql, q2.parameters], q3: [q3.sql, q3.parameters], rows });
}
