// AsyncLocalStorage and the rest of node:async_hooks, over what V8 keeps for the reactions of promises (core.frames). A frame is an
// array of storages and their stores, in turns. It does not change once it is made: whatever has taken it sees the stores of then.
(function (core) {
  "use strict";
  const {
    ArrayPrototypePush, ArrayPrototypeUnshift, Error, FunctionPrototypeBind, ObjectDefineProperty, ObjectIs, ObjectFreeze, ReflectApply,
    TypeError, RangeError, NumberIsInteger, String,
  } = core.primordials;
  const { isObject } = core.use("webidl");
  const { frames } = core;
  frames.used = true;

  function nodeError(Base, code, message) {
    const e = new Base(message);
    ObjectDefineProperty(e, "code", { __proto__: null, value: code, writable: true, enumerable: true, configurable: true });
    return e;
  }

  function kind(v) {
    return v === null ? "null" : v === undefined ? "undefined" : typeof v === "function" ? "a function" : isObject(v) ? "an object" : `type ${typeof v}`;
  }

  function callable(fn, what) {
    if (typeof fn !== "function") {
      throw nodeError(TypeError, "ERR_INVALID_ARG_TYPE", `The "${what}" argument must be of type function. Received ${kind(fn)}`);
    }
  }

  // withStore is the frame in which storage has store. undefined is as good as none.
  function withStore(frame, storage, store) {
    const out = [];
    if (frame !== undefined) {
      for (let i = 0; i < frame.length; i += 2) if (frame[i] !== storage) ArrayPrototypePush(out, frame[i], frame[i + 1]);
    }
    if (store !== undefined) ArrayPrototypePush(out, storage, store);
    return out.length === 0 ? undefined : out;
  }

  class AsyncLocalStorage {
    #enabled = false;
    static bind(fn) {
      return AsyncResource.bind(fn);
    }
    static snapshot() {
      return AsyncLocalStorage.bind((fn, ...args) => ReflectApply(fn, undefined, args));
    }
    getStore() {
      if (!this.#enabled) return undefined;
      const frame = frames.get();
      if (frame === undefined) return undefined;
      for (let i = 0; i < frame.length; i += 2) if (frame[i] === this) return frame[i + 1];
      return undefined;
    }
    run(store, callback, ...args) {
      if (ObjectIs(store, this.getStore())) return ReflectApply(callback, null, args);
      this.#enabled = true;
      return frames.run(withStore(frames.get(), this, store), callback, null, args);
    }
    exit(callback, ...args) {
      if (!this.#enabled) return ReflectApply(callback, null, args);
      return frames.run(withStore(frames.get(), this, undefined), callback, null, args);
    }
    enterWith(store) {
      this.#enabled = true;
      frames.set(withStore(frames.get(), this, store));
    }
    disable() {
      this.#enabled = false;
    }
  }

  let lastId = 1;

  class AsyncResource {
    #frame = frames.get();
    #id = ++lastId;
    #trigger;
    constructor(type, options = undefined) {
      if (typeof type !== "string") throw nodeError(TypeError, "ERR_INVALID_ARG_TYPE", `The "type" argument must be of type string. Received ${kind(type)}`);
      const trigger = typeof options === "number" ? options : options?.triggerAsyncId;
      if (trigger !== undefined && !(NumberIsInteger(trigger) && trigger >= -1)) {
        throw nodeError(RangeError, "ERR_INVALID_ASYNC_ID", `Invalid triggerAsyncId value: ${String(trigger)}`);
      }
      this.#trigger = trigger ?? 0;
    }
    static bind(fn, type = undefined, thisArg = undefined) {
      callable(fn, "fn");
      return new AsyncResource(type || fn.name || "bound-anonymous-fn").bind(fn, thisArg);
    }
    bind(fn, thisArg = undefined) {
      callable(fn, "fn");
      const resource = this;
      let bound;
      if (thisArg === undefined) {
        bound = function (...args) {
          ArrayPrototypeUnshift(args, fn, this);
          return ReflectApply(resource.runInAsyncScope, resource, args);
        };
      } else {
        bound = FunctionPrototypeBind(resource.runInAsyncScope, resource, fn, thisArg);
      }
      ObjectDefineProperty(bound, "length", { __proto__: null, value: fn.length, writable: false, enumerable: false, configurable: true });
      return bound;
    }
    runInAsyncScope(fn, thisArg, ...args) {
      return frames.run(this.#frame, fn, thisArg, args);
    }
    emitDestroy() {
      return this;
    }
    asyncId() {
      return this.#id;
    }
    triggerAsyncId() {
      return this.#trigger;
    }
  }

  // There are no hooks and no ids of executions: what asks for them gets what Cloudflare's workerd answers, a hook that is never called,
  // and 0.
  class AsyncHook {
    enable() {
      return this;
    }
    disable() {
      return this;
    }
  }

  return {
    AsyncLocalStorage,
    AsyncResource,
    asyncWrapProviders: ObjectFreeze({ __proto__: null, NONE: 0 }),
    createHook: () => new AsyncHook(),
    executionAsyncId: () => 0,
    executionAsyncResource: () => ({ __proto__: null }),
    triggerAsyncId: () => 0,
  };
});
