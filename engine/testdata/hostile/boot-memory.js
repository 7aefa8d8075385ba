// expect: failed exceeded_memory or failed boot_error, within 8 s
const a = []; for (;;) a.push({});
export default { run() {} };
