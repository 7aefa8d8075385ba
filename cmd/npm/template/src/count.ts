import { kv, type Handlers } from "jsruntime";

export default {
  async scheduled(controller) {
    console.log("due at", new Date(controller.scheduledTime).toISOString());
    return { runs: await kv.increment("runs") };
  },
} satisfies Handlers;
