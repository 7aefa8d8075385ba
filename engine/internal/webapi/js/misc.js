// performance, navigator, reportError and the event methods of the global object.
(function (core) {
  "use strict";
  const { TypeError, DateNow } = core.primordials;
  const { illegal, define, required } = core.use("webidl");
  const { EventTarget } = core.use("event");

  class Performance extends EventTarget {
    #origin = DateNow() - core.now();
    constructor(token) {
      if (token !== illegal) throw new TypeError("Illegal constructor");
      super();
    }
    // now counts from the beginning of the execution, so that no script sees how long its isolate has lived.
    now() { this.#origin; return core.now(); }
    get timeOrigin() { this.#origin; return core.execution === undefined ? this.#origin : DateNow() - core.now(); }
    toJSON() { return { timeOrigin: this.timeOrigin }; }
  }
  define(Performance, "Performance");

  class Navigator {
    #brand = true;
    constructor(token) { if (token !== illegal) throw new TypeError("Illegal constructor"); }
    get userAgent() { this.#brand; return "jsruntime"; }
    get language() { this.#brand; return "en"; }
    get hardwareConcurrency() { this.#brand; return 1; }
  }
  define(Navigator, "Navigator");

  const { addEventListener, removeEventListener, dispatchEvent } = EventTarget.prototype;
  const onGlobal = new EventTarget();
  return {
    Performance, performance: new Performance(illegal), Navigator, navigator: new Navigator(illegal),
    reportError(e) {
      required(arguments.length, 1, "reportError");
      core.reportError(e);
    },
    addEventListener(type, listener, options) { core.primordials.ReflectApply(addEventListener, onGlobal, [type, listener, options]); },
    removeEventListener(type, listener, options) { core.primordials.ReflectApply(removeEventListener, onGlobal, [type, listener, options]); },
    dispatchEvent(event) { return core.primordials.ReflectApply(dispatchEvent, onGlobal, [event]); },
  };
});
