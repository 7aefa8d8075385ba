// expect: failed boot_error, within 2 s
throw null;
export default { run() {} };
