import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql } from "kysely";
const db = new Kysely({ dialect: { createAdapter: () => new PostgresAdapter(), createDriver: () => new DummyDriver(), createIntrospector: (d) => new PostgresIntrospector(d), createQueryCompiler: () => new PostgresQueryCompiler() } });
export default { async run() {
  const q = db.selectFrom("person").innerJoin("pet", "pet.owner_id", "person.id").select(["person.id", sql`count(*)`.as("n")]).where("pet.name", "in", ["a", "b"]).groupBy("person.id").compile();
  return [q.sql, q.parameters, await db.selectFrom("x").selectAll().execute(), db.insertInto("t").values({ a: 1 }).onConflict((c) => c.doNothing()).compile().sql];
} };
