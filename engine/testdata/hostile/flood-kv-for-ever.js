// expect: timeout exceeded_wall_time or failed exceeded_memory or failed exception, within 2 s
import { kv } from "jsruntime";
export default { async run() { for (;;) kv.get("k").catch(() => {}); } };
