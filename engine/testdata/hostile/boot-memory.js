// expect: failed exceeded_memory or failed boot_error, within 9 s, limit 8 s
const a = []; for (;;) a.push({});
export default { run() {} };
