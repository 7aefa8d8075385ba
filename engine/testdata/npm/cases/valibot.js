import * as v from "valibot";
const User = v.pipe(v.object({ name: v.pipe(v.string(), v.minLength(2)), email: v.pipe(v.string(), v.email()), tags: v.optional(v.array(v.string()), ["none"]) }), v.transform((u) => ({ ...u, seen: true })));
export default { run() { const r = v.safeParse(User, { name: "A", email: "x" }); return [v.parse(User, { name: "Ada", email: "a@b.test" }), r.issues.map((i) => [v.getDotPath(i), i.message])]; } };
