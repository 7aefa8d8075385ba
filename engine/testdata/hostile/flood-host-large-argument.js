// expect: failed exception or failed exceeded_memory, within 5 s
import { kv } from "jsruntime";
export default { async run() { await kv.put("k", "x".repeat(3e7)); } };
