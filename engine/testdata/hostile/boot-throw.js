// expect: failed boot_error, within 2 s
throw new Error('top');
export default { run() {} };
