// expect: failed boot_error or failed exception or failed handler_missing, within 2 s
export default { get run() { throw new Error('getter'); } };
