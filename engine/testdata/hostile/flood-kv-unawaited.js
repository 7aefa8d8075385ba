// expect: completed or failed exception, within 2 s
import { kv } from "jsruntime";
export default { run() { for (let i = 0; i < 2000; i++) kv.put("k" + i, i).catch(() => {}); return 1; } };
