// Timers over the worker's loop, and queueMicrotask.
(function (core) {
  "use strict";
  const { MathTrunc, PromisePrototypeThen, PromiseResolve, ReflectApply } = core.primordials;
  const { required, callback } = core.use("webidl");

  // A delay beyond 2^31-1 ms is 1 ms, as in browsers and Node.
  function delayOf(v) {
    v = +v;
    return v >= 1 && v <= 2147483647 ? MathTrunc(v) : v > 2147483647 ? 1 : 0;
  }

  function start(fn, args, delay, repeat) {
    return core.setTimer(() => { ReflectApply(fn, core.primordials.globalThis, args); }, delay, repeat);
  }

  function stop(id) {
    if (typeof id === "string") id = +id;
    if (typeof id === "number") core.clearTimer(id);
  }

  const resolved = PromiseResolve(undefined);

  return {
    // schedule is setTimeout for the other files; the longest delay is about 24.8 days.
    schedule: (fn, delay) => core.setTimer(fn, delay > 2147483647 ? 2147483647 : delay, false),
    setTimeout(handler, timeout = 0, ...args) {
      required(arguments.length, 1, "setTimeout");
      return start(callback(handler, "setTimeout: the callback"), args, delayOf(timeout), false);
    },
    setInterval(handler, timeout = 0, ...args) {
      required(arguments.length, 1, "setInterval");
      return start(callback(handler, "setInterval: the callback"), args, delayOf(timeout), true);
    },
    clearTimeout(id = 0) { stop(id); },
    clearInterval(id = 0) { stop(id); },
    // setImmediate is Node's: packages that look for it get a timer of 0 ms.
    setImmediate(handler, ...args) {
      required(arguments.length, 1, "setImmediate");
      return start(callback(handler, "setImmediate: the callback"), args, 0, false);
    },
    clearImmediate(id = 0) { stop(id); },
    queueMicrotask(fn) {
      required(arguments.length, 1, "queueMicrotask");
      callback(fn, "queueMicrotask: the callback");
      PromisePrototypeThen(resolved, () => {
        try {
          ReflectApply(fn, undefined, []);
        } catch (e) {
          core.reportError(e);
        }
      });
    },
  };
});
