// node:events: the package events, with what Node has added since.
const EventEmitter = require("jsruntime:vendor/events.js");

const errorMonitor = Symbol("events.errorMonitor");
const captureRejectionSymbol = Symbol.for("nodejs.rejection");
const { emit } = EventEmitter.prototype;
const waitOnce = EventEmitter.once;

EventEmitter.prototype.emit = function (type, ...args) {
  if (type === "error" && this._events?.[errorMonitor] !== undefined) emit.call(this, errorMonitor, ...args);
  return emit.call(this, type, ...args);
};

function aborted(signal) {
  const error = new Error("The operation was aborted", { cause: signal.reason });
  return Object.assign(error, { name: "AbortError", code: "ABORT_ERR" });
}

function addAbortListener(signal, listener) {
  if (signal.aborted) queueMicrotask(() => listener());
  else signal.addEventListener("abort", listener, { once: true });
  return { [Symbol.dispose ?? Symbol.for("Symbol.dispose")]: () => signal.removeEventListener("abort", listener) };
}

async function once(emitter, name, { signal } = {}) {
  if (signal === undefined || signal === null) return waitOnce(emitter, name);
  if (signal.aborted) throw aborted(signal);
  return new Promise((resolve, reject) => {
    const add = (type, fn) => (typeof emitter.once === "function" ? emitter.once(type, fn) : emitter.addEventListener(type, fn, { once: true }));
    const remove = (type, fn) => (typeof emitter.off === "function" ? emitter.off(type, fn) : emitter.removeEventListener(type, fn));
    const clear = () => {
      remove(name, event);
      if (name !== "error") remove("error", fail);
      signal.removeEventListener("abort", stop);
    };
    const event = (...args) => {
      clear();
      resolve(args);
    };
    const fail = (error) => {
      clear();
      reject(error);
    };
    const stop = () => fail(aborted(signal));
    add(name, event);
    if (name !== "error" && typeof emitter.once === "function") add("error", fail);
    signal.addEventListener("abort", stop, { once: true });
  });
}

// on is an asynchronous iterator over the events of a name. What comes between two steps is kept.
function on(emitter, name, { signal, close = [] } = {}) {
  if (signal?.aborted) throw aborted(signal);
  const values = [], waiters = [];
  let error, finished = false;
  const event = (...args) => (waiters.length > 0 ? waiters.shift().resolve({ value: args, done: false }) : values.push(args));
  const fail = (e) => {
    if (waiters.length > 0) waiters.shift().reject(e);
    else error = e;
    finish();
  };
  const stop = () => fail(aborted(signal));
  const add = (type, fn) => (typeof emitter.on === "function" ? emitter.on(type, fn) : emitter.addEventListener(type, fn));
  const remove = (type, fn) => (typeof emitter.off === "function" ? emitter.off(type, fn) : emitter.removeEventListener(type, fn));
  function finish() {
    if (finished) return;
    finished = true;
    remove(name, event);
    if (name !== "error") remove("error", fail);
    for (const type of close) remove(type, finish);
    signal?.removeEventListener("abort", stop);
    for (const w of waiters.splice(0)) w.resolve({ value: undefined, done: true });
  }
  add(name, event);
  if (name !== "error" && typeof emitter.on === "function") add("error", fail);
  for (const type of close) add(type, finish);
  signal?.addEventListener("abort", stop, { once: true });
  return {
    async next() {
      if (values.length > 0) return { value: values.shift(), done: false };
      if (error !== undefined) {
        const e = error;
        error = undefined;
        throw e;
      }
      if (finished) return { value: undefined, done: true };
      return new Promise((resolve, reject) => waiters.push({ resolve, reject }));
    },
    async return() {
      finish();
      return { value: undefined, done: true };
    },
    async throw(e) {
      fail(e);
      return { value: undefined, done: true };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

function getEventListeners(emitter, name) {
  return typeof emitter.listeners === "function" ? emitter.listeners(name) : [];
}

function setMaxListeners(n = EventEmitter.defaultMaxListeners, ...emitters) {
  if (emitters.length === 0) EventEmitter.defaultMaxListeners = n;
  for (const emitter of emitters) emitter.setMaxListeners?.(n);
}

function getMaxListeners(emitter) {
  return emitter.getMaxListeners?.() ?? EventEmitter.defaultMaxListeners;
}

module.exports = Object.assign(EventEmitter, {
  EventEmitter, addAbortListener, captureRejectionSymbol, captureRejections: false, errorMonitor, getEventListeners, getMaxListeners, on, once, setMaxListeners,
  usingDomains: false,
});
