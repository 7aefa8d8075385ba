// What a new script may begin with.

export type ScriptType = "http" | "scheduled" | "event" | "oneoff" | "embedded";

export interface Template {
  name: string;
  about: string;
  type: ScriptType;
  source: string;
  path?: string;
  methods?: string[];
  cron?: string;
  types?: string[];
}

export const templates: Template[] = [
  { name: "JSON endpoint", about: "Answers HTTP requests", type: "http", path: "/hello/:name", methods: ["GET"], source: `export default {
  async fetch(request, env, ctx) {
    return Response.json({ hello: ctx.params.name });
  },
};
` },
  { name: "Webhook receiver", about: "Takes a POST and publishes an event", type: "http", path: "/hooks/orders", methods: ["POST"], source: `import { events } from "jsruntime";

interface Order { id: string; total: number }

export default {
  async fetch(request, env, ctx) {
    const order = (await request.json()) as Order;
    if (!order.id) return Response.json({ error: "id is missing" }, { status: 400 });
    await events.publish("order.created", order, { id: order.id });
    return new Response(null, { status: 202 });
  },
};
` },
  { name: "Counter", about: "Keeps a number in kv", type: "http", path: "/count", methods: ["GET", "POST"], source: `import { kv } from "jsruntime";

export default {
  async fetch(request, env, ctx) {
    const count = request.method === "POST" ? await kv.increment("count", 1) : (await kv.get("count")) ?? 0;
    return Response.json({ count });
  },
};
` },
  { name: "Nightly job", about: "Runs by a schedule", type: "scheduled", cron: "0 3 * * *", source: `import { kv } from "jsruntime";

export default {
  async scheduled(controller, env, ctx) {
    const response = await fetch("https://example.com/rates.json", { signal: ctx.signal });
    if (!response.ok) throw new Error(\`rates: \${response.status}\`);
    await kv.put("rates", await response.json(), { expirationTtl: 86400 });
    return { stored: true };
  },
};
` },
  { name: "Event handler", about: "Runs for each event, with retries", type: "event", types: ["order.created"], source: `import { log, NonRetryableError } from "jsruntime";

export default {
  async event(event, env, ctx) {
    if (!event.data.id) throw new NonRetryableError("an order without id");
    log.info("order", { id: event.data.id, attempt: ctx.attempt });
  },
};
` },
  { name: "Function", about: "Called by the API, JSON in and out", type: "oneoff", source: `interface Input { amount: number; rate?: number }

export default {
  async run(input: Input, env, ctx) {
    return { tax: Math.round(input.amount * (input.rate ?? 0.19)) };
  },
};
` },
  { name: "Embedded function", about: "Called by other scripts", type: "embedded", source: `export default {
  async run(input, env, ctx) {
    return { input, by: ctx.trigger };
  },
};
` },
];
