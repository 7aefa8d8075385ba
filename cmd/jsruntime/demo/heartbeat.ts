// scheduled: every minute
import { events, kv, log } from "jsruntime";

export default {
  async scheduled(controller: { cron: string; scheduledTime: number }) {
    const beats = await kv.increment("heartbeats", 1);
    const at = new Date(controller.scheduledTime).toISOString();
    if (beats % 10 === 0) await events.publish("demo.milestone", { beats, at });
    log.info("heartbeat", { beats });
    return { beats, at };
  },
};
