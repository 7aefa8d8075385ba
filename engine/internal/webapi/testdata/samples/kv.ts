import type { Handlers, KVNamespace } from "jsruntime";

export default {
  async run(_input, env) {
    await env.SHOP.put("cart", JSON.stringify({ total: 3 }), { expirationTtl: 60, metadata: { by: "ann" } });
    await env.SHOP.put("bytes", new Uint8Array([1]), { expiration: 2e9 });
    const text: string | null = await env.SHOP.get("cart");
    const cart: { total: number } | null = await env.SHOP.get<{ total: number }>("cart", { type: "json", cacheTtl: 60 });
    const bytes: ArrayBuffer | null = await env.SHOP.get("bytes", "arrayBuffer");
    const stream: ReadableStream | null = await env.SHOP.get("bytes", "stream");
    const several: Map<string, string | null> = await env.SHOP.get(["cart", "none"]);
    const { value, metadata } = await env.SHOP.getWithMetadata<{ by: string }>("cart");
    let names: string[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await env.SHOP.list({ prefix: "c", cursor });
      names = [...names, ...page.keys.map((key) => key.name)];
      if (page.list_complete) break;
      cursor = page.cursor;
    }
    await env.SHOP.delete("cart");
    return { text, total: cart?.total, size: bytes?.byteLength, streamed: stream !== null, several: several.size, value, by: metadata?.by, names, region: env.REGION };
  },
} satisfies Handlers<{ SHOP: KVNamespace; REGION: string }>;
