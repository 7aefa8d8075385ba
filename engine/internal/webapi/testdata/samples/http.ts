import { kv, log, RateLimitError, type Handlers } from "jsruntime";

interface Visit {
  path: string;
  at: number;
}

export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    const pattern = new URLPattern({ pathname: "/users/:id" });
    const match = pattern.exec(url.href);
    if (match !== null) return Response.json({ id: match.pathname.groups.id, params: ctx.params });
    if (request.method === "POST") {
      const form = await request.formData();
      const file = form.get("file");
      return new Response(file instanceof File ? file.stream() : `${file}`);
    }
    try {
      const n: number = await kv.increment("visits", 1, { expirationTtl: 3600 });
      await kv.put(`visit:${n}`, { path: url.pathname, at: Date.now() } satisfies Visit);
      const last = await kv.get<Visit>(`visit:${n - 1}`);
      ctx.waitUntil(fetch("https://example.com/ping", { signal: ctx.signal }));
      log.info("visit", { n, path: last?.path });
      return new Response(`visit ${n} with ${env.API_KEY.length}`, { headers: { "x-version": String(ctx.version) } });
    } catch (e) {
      if (e instanceof RateLimitError) return new Response("later", { status: 429, headers: { "retry-after": String(Math.ceil(e.retryAfter / 1000)) } });
      throw e;
    }
  },
} satisfies Handlers;
