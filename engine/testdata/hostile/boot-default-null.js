// expect: failed boot_error or failed handler_missing, within 2 s
export default null;
