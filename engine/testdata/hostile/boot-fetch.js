// expect: failed boot_error, within 2 s
import { kv } from 'jsruntime';
kv.get('a');
export default { run() {} };
