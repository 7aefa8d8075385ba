// expect: failed boot_error, within 2 s
Promise.reject(new Error('top'));
export default { run() {} };
