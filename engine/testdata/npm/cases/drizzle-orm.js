import { and, eq, gt, sql } from "drizzle-orm";
import { integer, pgTable, QueryBuilder, text } from "drizzle-orm/pg-core";
const users = pgTable("users", { id: integer("id").primaryKey(), name: text("name").notNull() });
export default { run() { return new QueryBuilder().select({ id: users.id, upper: sql`upper(${users.name})` }).from(users).where(and(eq(users.name, "Ada"), gt(users.id, 3))).limit(2).toSQL(); } };
