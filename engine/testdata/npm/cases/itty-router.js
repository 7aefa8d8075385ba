import { AutoRouter, cors, error } from "itty-router";
const { preflight, corsify } = cors({ origin: "http://x.test" });
const router = AutoRouter({ before: [preflight], finally: [corsify] });
router.get("/u/:id", ({ id, query }) => ({ id, query })).get("/no", () => error(418, { why: "tea" }));
export default { async run() {
  const get = async (path, init) => { const r = await router.fetch(new Request("http://a.test" + path, init)); return [r.status, r.headers.get("access-control-allow-origin"), await r.text()]; };
  return [await get("/u/7?a=1"), await get("/no"), await get("/u/1", { method: "OPTIONS", headers: { origin: "http://x.test" } })];
} };
