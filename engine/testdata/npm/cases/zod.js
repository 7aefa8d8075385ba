import { z } from "zod";
const User = z.object({ name: z.string().min(2), email: z.email(), role: z.enum(["a", "b"]).default("a"), when: z.coerce.date().optional() }).strict();
export default { run() { const r = User.safeParse({ name: "A", email: "x", more: 1 }); return [User.parse({ name: "Ada", email: "a@b.test", when: 0 }), r.error.issues.map((i) => [i.path.join("."), i.code]), z.toJSONSchema(z.object({ a: z.array(z.int()).max(3) }))]; } };
