// expect: failed boot_error, within 2 s
setTimeout(() => {}, 1);
export default { run() {} };
