// expect: completed or failed exception, within 5 s
import { kv } from "jsruntime";
export default { async run() { const r = await Promise.allSettled(Array.from({ length: 5000 }, (_, i) => kv.get("k" + i))); return r.length; } };
