import type { Context, Env, Handlers, ScheduledController } from "jsruntime";

export default {
  async scheduled(controller: ScheduledController, env: Env, ctx: Context) {
    const due = new Date(controller.scheduledTime).toISOString();
    console.log("due at", due);
    return { due };
  },
} satisfies Handlers;
