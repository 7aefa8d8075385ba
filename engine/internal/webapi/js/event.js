// Event, EventTarget and the events that scripts may make. There is no tree: an event has one target.
(function (core) {
  "use strict";
  const {
    ArrayPrototypePush, ArrayPrototypeSlice, ArrayPrototypeSplice, FunctionPrototypeCall, ObjectDefineProperty, ObjectFreeze, ObjectGetOwnPropertyDescriptor, ReflectApply, SafeMap, TypeError,
  } = core.primordials;
  const { str, usv, isObject, required, dictionary, define, constants, integer, sequence } = core.use("webidl");
  const { DOMException } = core.use("domexception");
  const { frames } = core;

  let setTarget, dispatch, markTrusted, isTrusted;
  class Event {
    #type; #bubbles = false; #cancelable = false; #composed = false;
    #target = null; #current = null; #phase = 0; #stop = false; #stopNow = false; #canceled = false;
    #passive = false; #dispatching = false; #initialized = true; #trusted = false; #time = core.now();
    constructor(type, init = undefined) {
      required(arguments.length, 1, "Event");
      this.#type = str(type);
      ObjectDefineProperty(this, "isTrusted", isTrusted);
      init = dictionary(init, "Event's second argument");
      if (init !== undefined) {
        this.#bubbles = !!init.bubbles;
        this.#cancelable = !!init.cancelable;
        this.#composed = !!init.composed;
      }
    }
    get type() { return this.#type; }
    get target() { return this.#target; }
    get srcElement() { return this.#target; }
    get currentTarget() { return this.#current; }
    composedPath() { return this.#current === null ? [] : [this.#current]; }
    get eventPhase() { return this.#phase; }
    stopPropagation() { this.#stop = true; }
    get cancelBubble() { return this.#stop; }
    set cancelBubble(v) { if (v) this.#stop = true; }
    stopImmediatePropagation() { this.#stop = true; this.#stopNow = true; }
    get bubbles() { return this.#bubbles; }
    get cancelable() { return this.#cancelable; }
    get returnValue() { return !this.#canceled; }
    set returnValue(v) { if (!v) this.preventDefault(); }
    preventDefault() { if (this.#cancelable && !this.#passive) this.#canceled = true; }
    get defaultPrevented() { return this.#canceled; }
    get composed() { return this.#composed; }
    get timeStamp() { return this.#time; }
    initEvent(type, bubbles = false, cancelable = false) {
      required(arguments.length, 1, "initEvent");
      type = str(type);
      if (this.#dispatching) return;
      this.#initialized = true;
      this.#stop = this.#stopNow = this.#canceled = this.#trusted = false;
      this.#target = null;
      this.#type = type;
      this.#bubbles = !!bubbles;
      this.#cancelable = !!cancelable;
    }
    static {
      // isTrusted is an own property that cannot be taken away.
      isTrusted = {
        __proto__: null, enumerable: true, configurable: false,
        get: ObjectGetOwnPropertyDescriptor({ get isTrusted() { return this.#trusted; } }, "isTrusted").get,
      };
      markTrusted = (e) => { e.#trusted = true; };
      dispatch = (target, event, listeners) => {
        event.#dispatching = true;
        event.#target = target;
        const list = listeners?.get(event.#type);
        if (list !== undefined && !event.#stop) {
          event.#current = target;
          // AT_TARGET; capturing listeners come first.
          event.#phase = 2;
          const snapshot = ArrayPrototypeSlice(list);
          for (let pass = 0; pass < 2; pass++) {
            if (event.#stop && pass === 1) break;
            for (let i = 0; i < snapshot.length; i++) {
              const l = snapshot[i];
              if (l.removed || l.capture !== (pass === 0)) continue;
              if (l.once) remove(list, l, listeners, event.#type);
              if (l.passive) event.#passive = true;
              try {
                if (frames.outside) callFromOutside(l, target, event);
                else call(l, target, event);
              } catch (e) {
                core.reportError(e);
              }
              event.#passive = false;
              if (event.#stopNow) break;
            }
            if (event.#stopNow) break;
          }
        }
        event.#phase = 0;
        event.#current = null;
        event.#dispatching = false;
        event.#stop = event.#stopNow = false;
        return !event.#canceled;
      };
      const call = (l, target, event) => {
        const cb = l.callback;
        if (l.handler) {
          const r = ReflectApply(cb, target, l.errorArgs?.(event) ?? [event]);
          if (r === false) event.preventDefault();
        } else if (typeof cb === "function") ReflectApply(cb, target, [event]);
        else {
          const fn = cb.handleEvent;
          if (typeof fn !== "function") throw new TypeError("The listener has no handleEvent function");
          ReflectApply(fn, cb, [event]);
        }
      };
      const callFromOutside = (l, target, event) => {
        frames.outside = false;
        try {
          frames.run(l.frame, call, undefined, [l, target, event]);
        } finally {
          frames.outside = true;
        }
      };
      setTarget = (e) => {
        if (!isObject(e) || !(#type in e)) throw new TypeError("dispatchEvent: parameter 1 is not an Event");
        if (e.#dispatching || !e.#initialized) throw new DOMException("The event is already being dispatched", "InvalidStateError");
        e.#trusted = false;
      };
    }
  }
  define(Event, "Event");
  constants(Event, { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 });

  function remove(list, l, listeners, type) {
    l.removed = true;
    for (let i = 0; i < list.length; i++) {
      if (list[i] === l) {
        ArrayPrototypeSplice(list, i, 1);
        break;
      }
    }
    if (list.length === 0) listeners.delete(type);
  }

  let listenersOf, fire, setHandler, getHandler;
  class EventTarget {
    #listeners;
    #handlers;
    addEventListener(type, callback, options = undefined) {
      const self = this;
      #listeners in self;
      required(arguments.length, 2, "addEventListener");
      type = str(type);
      let capture = false, once = false, passive = false, signal;
      if (isObject(options)) {
        capture = !!options.capture;
        once = !!options.once;
        passive = !!options.passive;
        signal = options.signal;
        if (signal !== undefined && !core.use("abort").isAbortSignal(signal)) {
          throw new TypeError("addEventListener: signal is not an AbortSignal");
        }
      } else capture = !!options;
      if (callback === null || callback === undefined) return;
      if (!isObject(callback)) throw new TypeError("addEventListener: the listener is neither a function nor an object");
      if (signal !== undefined && core.use("abort").isAborted(signal)) return;
      self.#listeners ??= new SafeMap();
      let list = self.#listeners.get(type);
      if (list === undefined) self.#listeners.set(type, (list = []));
      for (let i = 0; i < list.length; i++) if (list[i].callback === callback && list[i].capture === capture && !list[i].handler) return;
      const l = { callback, capture, once, passive, removed: false, handler: false, errorArgs: undefined, frame: frames.take() };
      ArrayPrototypePush(list, l);
      if (signal !== undefined) {
        core.use("abort").addAlgorithm(signal, () => {
          if (l.removed) return;
          const now = self.#listeners.get(type);
          if (now !== undefined) remove(now, l, self.#listeners, type);
        });
      }
    }
    removeEventListener(type, callback, options = undefined) {
      const self = this;
      #listeners in self;
      required(arguments.length, 2, "removeEventListener");
      type = str(type);
      const capture = isObject(options) ? !!options.capture : !!options;
      if (callback !== null && callback !== undefined && !isObject(callback)) throw new TypeError("removeEventListener: the listener is neither a function nor an object");
      const list = self.#listeners?.get(type);
      if (list === undefined) return;
      for (let i = 0; i < list.length; i++) {
        if (list[i].callback === callback && list[i].capture === capture && !list[i].handler) {
          remove(list, list[i], self.#listeners, type);
          return;
        }
      }
    }
    dispatchEvent(event) {
      const self = this;
      const listeners = self.#listeners;
      required(arguments.length, 1, "dispatchEvent");
      setTarget(event);
      return dispatch(self, event, listeners);
    }
    static {
      listenersOf = (t, type) => t.#listeners?.get(type);
      fire = (t, event) => {
        markTrusted(event);
        return dispatch(t, event, t.#listeners);
      };
      getHandler = (t, type) => t.#handlers?.get(type)?.callback ?? null;
      setHandler = (t, type, fn, errorArgs) => {
        if (!isObject(fn)) fn = null;
        t.#handlers ??= new SafeMap();
        const old = t.#handlers.get(type);
        if (fn === null) {
          if (old !== undefined) {
            t.#handlers.delete(type);
            const list = t.#listeners?.get(type);
            if (list !== undefined) remove(list, old, t.#listeners, type);
          }
          return;
        }
        if (old !== undefined) {
          old.callback = fn;
          old.frame = frames.take();
          return;
        }
        const l = { callback: fn, capture: false, once: false, passive: false, removed: false, handler: true, errorArgs, frame: frames.take() };
        t.#handlers.set(type, l);
        t.#listeners ??= new SafeMap();
        let list = t.#listeners.get(type);
        if (list === undefined) t.#listeners.set(type, (list = []));
        ArrayPrototypePush(list, l);
      };
    }
  }
  define(EventTarget, "EventTarget");

  // handlerAttribute defines an event handler attribute such as onabort on Class. after is called with the target that got a handler.
  function handlerAttribute(Class, type, after) {
    const name = "on" + type;
    const d = core.primordials.ObjectGetOwnPropertyDescriptor({
      get [name]() { return getHandler(this, type); },
      set [name](v) {
        setHandler(this, type, v);
        after?.(this);
      },
    }, name);
    ObjectDefineProperty(Class.prototype, name, { __proto__: null, get: d.get, set: d.set, enumerable: true, configurable: true });
  }

  class CustomEvent extends Event {
    #detail = null;
    constructor(type, init = undefined) {
      required(arguments.length, 1, "CustomEvent");
      super(type, init);
      if (init?.detail !== undefined) this.#detail = init.detail;
    }
    get detail() { return this.#detail; }
    initCustomEvent(type, bubbles = false, cancelable = false, detail = null) {
      required(arguments.length, 1, "initCustomEvent");
      this.initEvent(type, bubbles, cancelable);
      this.#detail = detail;
    }
  }
  define(CustomEvent, "CustomEvent");

  class ErrorEvent extends Event {
    #message = ""; #filename = ""; #lineno = 0; #colno = 0; #error;
    constructor(type, init = undefined) {
      required(arguments.length, 1, "ErrorEvent");
      super(type, init);
      if (init === undefined || init === null) return;
      if (init.message !== undefined) this.#message = str(init.message);
      if (init.filename !== undefined) this.#filename = usv(init.filename);
      if (init.lineno !== undefined) this.#lineno = integer(init.lineno, 32, false);
      if (init.colno !== undefined) this.#colno = integer(init.colno, 32, false);
      this.#error = init.error;
    }
    get message() { return this.#message; }
    get filename() { return this.#filename; }
    get lineno() { return this.#lineno; }
    get colno() { return this.#colno; }
    get error() { return this.#error; }
  }
  define(ErrorEvent, "ErrorEvent");

  class PromiseRejectionEvent extends Event {
    #promise; #reason;
    constructor(type, init) {
      required(arguments.length, 2, "PromiseRejectionEvent");
      super(type, init);
      if (!isObject(init?.promise)) throw new TypeError("PromiseRejectionEvent: promise is required");
      this.#promise = init.promise;
      this.#reason = init.reason;
    }
    get promise() { return this.#promise; }
    get reason() { return this.#reason; }
  }
  define(PromiseRejectionEvent, "PromiseRejectionEvent");

  const noPorts = ObjectFreeze([]);

  function port(v, what) {
    if (!core.use("messaging").isPort(v)) throw new TypeError(`${what} is not a MessagePort`);
    return v;
  }

  let messageOf;
  class MessageEvent extends Event {
    #data = null; #origin = ""; #lastEventId = ""; #source = null; #ports = noPorts;
    constructor(type, init = undefined) {
      required(arguments.length, 1, "MessageEvent");
      super(type, init);
      if (init === undefined || init === null) return;
      if (init.data !== undefined) this.#data = init.data;
      if (init.origin !== undefined) this.#origin = usv(init.origin);
      if (init.lastEventId !== undefined) this.#lastEventId = str(init.lastEventId);
      if (init.source !== undefined && init.source !== null) this.#source = port(init.source, "MessageEvent: source");
      if (init.ports !== undefined) this.#ports = ObjectFreeze(sequence(init.ports, (p) => port(p, "MessageEvent: a member of ports"), "MessageEvent: ports"));
    }
    get data() { return this.#data; }
    get origin() { return this.#origin; }
    get lastEventId() { return this.#lastEventId; }
    get source() { return this.#source; }
    get ports() { return this.#ports; }
    initMessageEvent(type, bubbles = false, cancelable = false, data = null, origin = "", lastEventId = "", source = null, ports = noPorts) {
      required(arguments.length, 1, "initMessageEvent");
      if (this.eventPhase !== 0) return;
      this.#data = data;
      this.#origin = usv(origin);
      this.#lastEventId = str(lastEventId);
      this.#source = source === null ? null : port(source, "initMessageEvent: source");
      this.#ports = ObjectFreeze(sequence(ports, (p) => port(p, "initMessageEvent: a member of ports"), "initMessageEvent: ports"));
      this.initEvent(type, bubbles, cancelable);
    }
    static {
      messageOf = (data, ports) => {
        const e = new MessageEvent("message");
        e.#data = data;
        if (ports.length > 0) e.#ports = ObjectFreeze(ports);
        return e;
      };
    }
  }
  define(MessageEvent, "MessageEvent");

  return { Event, EventTarget, CustomEvent, ErrorEvent, PromiseRejectionEvent, MessageEvent, messageOf, fire, handlerAttribute, listenersOf };
});
