import { kv, type Event, type Handlers } from "jsruntime";

export default {
  async event(event: Event<{ name: string }>) {
    await kv.put(`welcome:${event.data.name}`, { at: event.time });
    return `welcome, ${event.data.name}`;
  },
} satisfies Handlers;
