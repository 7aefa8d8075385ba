import { events, kv, log, NonRetryableError, scripts, type Context, type Env, type Event, type ScheduledController } from "jsruntime";

interface Order {
  id: string;
  total: number;
}

export default {
  async scheduled(controller: ScheduledController, _env: Env, ctx: Context) {
    const due = new Date(controller.scheduledTime);
    let cursor: string | undefined;
    do {
      const page = await kv.list({ prefix: "order:", cursor, limit: 50 });
      for (const key of page.keys) await events.publish("order.stale", { name: key.name }, { id: `${key.name}@${due.toISOString()}` });
      cursor = page.cursor;
    } while (cursor !== undefined);
    return { left: ctx.remainingTimeMs() };
  },

  async event(event: Event<Order>, env: Env) {
    if (event.data.total < 0) throw new NonRetryableError("no such order", { cause: event.id });
    const receipt = await scripts.invoke<{ number: string }>("receipt", { order: event.data.id, key: env.KEY });
    log.debug(receipt.number, { attempt: event.attempt });
    const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(env.KEY), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(receipt.number)));
    return { mac: btoa(String.fromCharCode(...mac)) };
  },
};
