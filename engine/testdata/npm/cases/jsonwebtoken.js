import jwt from "jsonwebtoken";
// It wants all of node:crypto, util and stream: what of it works is said.
export default { run() { try { const t = jwt.sign({ a: 1, iat: 1700000000 }, "secret"); return [t, jwt.verify(t, "secret")]; } catch (e) { return [e.name, e.message]; } } };
