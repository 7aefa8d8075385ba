// Timers. The worker's event loop asks next() when the first is due and calls run() once it is: one timer a call, so that
// microtasks run between two timers as the standard wants.
(function (core) {
  "use strict";
  const { ArrayPrototypePop, ArrayPrototypePush, ArrayPrototypeSlice, ReflectApply, SafeMap, TypeError, SymbolToPrimitive } = core.primordials;
  const { required, callback } = core.use("webidl");

  let heap = []; // by due, then by sequence
  let byId = new SafeMap();
  let lastId = 0, sequence = 0, live = 0;

  function before(a, b) {
    return a.due < b.due || (a.due === b.due && a.sequence < b.sequence);
  }

  function push(t) {
    let i = heap.length;
    ArrayPrototypePush(heap, t);
    while (i > 0) {
      const up = (i - 1) >> 1;
      if (!before(t, heap[up])) break;
      heap[i] = heap[up];
      i = up;
    }
    heap[i] = t;
  }

  function pop() {
    const top = heap[0], last = ArrayPrototypePop(heap);
    const n = heap.length;
    if (n > 0) {
      let i = 0;
      for (;;) {
        let c = 2 * i + 1;
        if (c >= n) break;
        if (c + 1 < n && before(heap[c + 1], heap[c])) c++;
        if (!before(heap[c], last)) break;
        heap[i] = heap[c];
        i = c;
      }
      heap[i] = last;
    }
    return top;
  }

  function dropCleared() {
    while (heap.length > 0 && heap[0].cleared) pop();
  }

  // A delay beyond 2^31-1 ms is 1 ms, as in browsers and Node.
  function delayOf(v) {
    v = +v;
    return v >= 1 && v <= 2147483647 ? core.primordials.MathTrunc(v) : v > 2147483647 ? 1 : 0;
  }

  function add(fn, args, delay, repeat) {
    const t = { id: ++lastId, fn, args, due: core.now() + delay, delay, repeat, sequence: sequence++, cleared: false };
    byId.set(t.id, t);
    live++;
    push(t);
    return t.id;
  }

  function clear(id) {
    const t = byId.get(id);
    if (t === undefined) return;
    byId.delete(id);
    t.cleared = true;
    t.fn = t.args = undefined;
    live--;
    if (live === 0) heap = [];
  }

  // schedule is setTimeout for the other files: fn is trusted and delay a number of milliseconds.
  function schedule(fn, delay) {
    return add(fn, [], delay < 0 ? 0 : delay, false);
  }

  // next returns when the first timer is due, in the milliseconds of core.now(), or -1 if there is none.
  function next() {
    dropCleared();
    return heap.length === 0 ? -1 : heap[0].due;
  }

  // run calls the first timer if it is due by now, and reports whether it did. What the callback throws goes to the caller.
  function run(now) {
    dropCleared();
    if (heap.length === 0 || heap[0].due > now) return false;
    const t = pop(), fn = t.fn, args = t.args;
    if (t.repeat) {
      t.due = now + (t.delay < 1 ? 1 : t.delay);
      t.sequence = sequence++;
      push(t);
    } else {
      byId.delete(t.id);
      live--;
    }
    ReflectApply(fn, core.globalThis, args);
    return true;
  }

  // reset forgets all timers: those of an execution do not outlive it.
  function reset() {
    heap = [];
    byId = new SafeMap();
    live = 0;
  }

  const functions = {
    setTimeout(handler, timeout = 0, ...args) {
      required(arguments.length, 1, "setTimeout");
      return add(callback(handler, "setTimeout: the callback"), args, delayOf(timeout), false);
    },
    setInterval(handler, timeout = 0, ...args) {
      required(arguments.length, 1, "setInterval");
      return add(callback(handler, "setInterval: the callback"), args, delayOf(timeout), true);
    },
    clearTimeout(id = 0) { clear(idOf(id)); },
    clearInterval(id = 0) { clear(idOf(id)); },
    // setImmediate is Node's; packages that look for it get a timer of 0 ms.
    setImmediate(handler, ...args) {
      required(arguments.length, 1, "setImmediate");
      return add(callback(handler, "setImmediate: the callback"), args, 0, false);
    },
    clearImmediate(id = 0) { clear(idOf(id)); },
    queueMicrotask(fn) {
      required(arguments.length, 1, "queueMicrotask");
      callback(fn, "queueMicrotask: the callback");
      core.primordials.PromisePrototypeThen(core.primordials.PromiseResolve(undefined), () => {
        try {
          ReflectApply(fn, undefined, []);
        } catch (e) {
          core.reportError(e);
        }
      });
    },
  };

  function idOf(v) {
    return typeof v === "number" ? v : typeof v === "string" ? +v : 0;
  }

  return { ...functions, schedule, clear, next, run, reset, pending: () => live };
});
