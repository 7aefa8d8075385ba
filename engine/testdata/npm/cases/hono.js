import { Hono } from "hono";
import { contextStorage, getContext } from "hono/context-storage";
import { sign, verify } from "hono/jwt";
import { streamText } from "hono/streaming";
import { validator } from "hono/validator";
const app = new Hono();
app.use(contextStorage());
app.use(async (c, next) => { c.set("who", "Ada"); await next(); });
const deep = async () => { await null; return getContext().var.who; };
app.get("/deep", async (c) => c.text(await deep()));
app.get("/jwt", async (c) => c.json(await verify(await sign({ sub: "x" }, "secret", "HS256"), "secret", "HS256")));
app.get("/stream", (c) => streamText(c, async (s) => { await s.write("a"); await s.write("b"); }));
app.post("/check", validator("json", (v, c) => (v.n > 1 ? v : c.text("small", 400))), (c) => c.json(c.req.valid("json")));
export default { async run() {
  const get = async (...a) => { const r = await app.request(...a); return [r.status, await r.text()]; };
  const post = (n) => ["/check", { method: "POST", body: JSON.stringify({ n }), headers: { "content-type": "application/json" } }];
  return [await get("/deep"), await get("/jwt"), await get("/stream"), await get(...post(1)), await get(...post(2)), await get("/none")];
} };
