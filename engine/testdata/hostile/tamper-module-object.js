// expect: completed, within 2 s
import * as rt from "jsruntime";
export default { run() { try { rt.kv.get = 1; } catch {} try { Object.setPrototypeOf(rt.log, null); } catch {} return 1; } };
