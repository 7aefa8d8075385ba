// What the packages ask of process. Scripts have none.
module.exports = {
  argv: [], browser: true, env: {}, noDeprecation: false, pid: 1, platform: "linux", stderr: undefined, stdout: undefined, version: "v22.0.0", versions: {},
  cwd: () => "/",
  emitWarning: (warning) => console.warn(String(warning)),
  nextTick: (fn, ...args) => queueMicrotask(() => fn(...args)),
  on() {},
};
