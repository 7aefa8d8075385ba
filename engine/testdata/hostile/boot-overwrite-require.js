// expect: completed, within 2 s
export default { run() { try { require = null; module.exports = null; } catch {} return 1; } };
