// expect: completed, within 2 s
import { log } from "jsruntime";
const host = function (v) { log.info(v); return "ok"; };
export default {
  async run() {
    host.call(null);new host(); return (Reflect.construct(host,[])+'');
  },
};
