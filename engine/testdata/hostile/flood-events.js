// expect: completed or failed exception, within 5 s
import { events } from "jsruntime";
export default { async run() { const r = await Promise.allSettled(Array.from({ length: 1000 }, (_, i) => events.publish("t", { i }))); return r.length; } };
