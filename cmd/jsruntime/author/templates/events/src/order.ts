import type { Context, Env, Event, Handlers } from "jsruntime";

export interface Order {
  id: string;
  lines: { price: number; quantity: number }[];
}

export default {
  // A throw is retried after 2, 4 and 8 seconds; then the event is a dead letter.
  async event(event: Event<Order>, env: Env, ctx: Context) {
    const total = event.data.lines.reduce((sum, line) => sum + line.price * line.quantity, 0);
    console.log("order", event.data.id, "total", total);
    return { id: event.data.id, total };
  },
} satisfies Handlers;
