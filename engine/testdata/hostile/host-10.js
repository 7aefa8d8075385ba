// expect: failed exception, within 2 s
import { log } from "jsruntime";
const host = function (v) { log.info(v); return "ok"; };
export default {
  async run() {
    return (typeof host.constructor('return this')());
  },
};
