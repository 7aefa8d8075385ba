// event: demo.milestone, published by heartbeat or with POST /api/v1/events
import { scripts, NonRetryableError } from "jsruntime";

export default {
  async event(event: { id: string; type: string; data: { beats: number; at: string } }) {
    if (typeof event.data?.beats !== "number") throw new NonRetryableError("data.beats must be a number");
    return { headline: await scripts.invoke("headline", { beats: event.data.beats }) };
  },
};
