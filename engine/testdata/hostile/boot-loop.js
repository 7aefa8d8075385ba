// expect: failed boot_error or timeout exceeded_wall_time, within 8 s
for (;;);
export default { run() {} };
