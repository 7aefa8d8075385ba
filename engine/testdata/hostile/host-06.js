// expect: completed or failed exceeded_memory or failed exception, within 5 s
import { log } from "jsruntime";
const host = function (v) { log.info(v); return "ok"; };
export default {
  async run() {
    return (host('x'.repeat(2**28)));
  },
};
