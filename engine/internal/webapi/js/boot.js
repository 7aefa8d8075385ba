// boot.js runs first in every context: it captures the built-ins, takes away what scripts must not have, makes core for the other
// files, and returns the functions that the worker calls. files holds the other files' functions by name, native is the one door
// to the worker's Go code.
(function (files, native) {
  "use strict";

  // ---- primordials ----

  const { ownKeys, getOwnPropertyDescriptor, defineProperty, setPrototypeOf, getPrototypeOf } = Reflect;
  const uncurryThis = Function.prototype.bind.bind(Function.prototype.call);
  const primordials = /** @type {any} */ ({ __proto__: null, uncurryThis });

  const constructors = [
    "AggregateError", "Array", "ArrayBuffer", "BigInt", "BigInt64Array", "BigUint64Array", "Boolean", "DataView", "Date", "Error",
    "EvalError", "FinalizationRegistry", "Float32Array", "Float64Array", "Function", "Int16Array", "Int32Array", "Int8Array", "Map",
    "Number", "Object", "Promise", "RangeError", "ReferenceError", "RegExp", "Set", "String", "Symbol", "SyntaxError", "TypeError",
    "URIError", "Uint16Array", "Uint32Array", "Uint8Array", "Uint8ClampedArray", "WeakMap", "WeakRef", "WeakSet",
  ];
  for (let i = 0; i < constructors.length; i++) {
    const name = constructors[i], C = globalThis[name];
    primordials[name] = C;
    primordials[name + "Prototype"] = C.prototype;
  }
  const typedArray = /** @type {any} */ (getPrototypeOf(Uint8Array));
  primordials.TypedArray = typedArray;
  primordials.TypedArrayPrototype = typedArray.prototype;
  const arrayIterator = getPrototypeOf([][Symbol.iterator]());
  const prototypes = {
    __proto__: null,
    Iterator: getPrototypeOf(arrayIterator),
    ArrayIterator: arrayIterator,
    StringIterator: getPrototypeOf(""[Symbol.iterator]()),
    MapIterator: getPrototypeOf(new Map()[Symbol.iterator]()),
    SetIterator: getPrototypeOf(new Set()[Symbol.iterator]()),
    Generator: getPrototypeOf(getPrototypeOf((function* () {})())),
    AsyncIterator: getPrototypeOf(getPrototypeOf(getPrototypeOf((async function* () {})()))),
    AsyncGenerator: getPrototypeOf(getPrototypeOf((async function* () {})())),
    AsyncFunction: getPrototypeOf(async function () {}),
    GeneratorFunction: getPrototypeOf(function* () {}),
    AsyncGeneratorFunction: getPrototypeOf(async function* () {}),
  };
  for (const name in prototypes) primordials[name + "Prototype"] = prototypes[name];
  // The methods and statics that the files name, by a function that package webapi generates.
  files.primordials(primordials, uncurryThis, typedArray, prototypes);
  const functions = ["decodeURI", "decodeURIComponent", "encodeURI", "encodeURIComponent", "isFinite", "isNaN", "parseFloat", "parseInt",
    "escape", "unescape", "queueMicrotask"];
  for (let i = 0; i < functions.length; i++) {
    if (typeof globalThis[functions[i]] === "function") primordials[functions[i]] = globalThis[functions[i]];
  }
  primordials.Intl = globalThis.Intl;
  primordials.Proxy = Proxy;
  primordials.Math = Math;
  primordials.JSON = JSON;
  primordials.Reflect = Reflect;
  primordials.globalThis = globalThis;

  // safe makes a subclass whose instances keep the built-in's methods whatever a script does to its prototype.
  function safe(Base) {
    const Safe = class extends Base {};
    for (let p = Base.prototype; p !== Object.prototype && p !== null; p = getPrototypeOf(p)) {
      const keys = ownKeys(p);
      for (let i = 0; i < keys.length; i++) {
        if (getOwnPropertyDescriptor(Safe.prototype, keys[i]) === undefined) {
          defineProperty(Safe.prototype, keys[i], /** @type {any} */ ({ __proto__: null, ...getOwnPropertyDescriptor(p, keys[i]) }));
        }
      }
    }
    setPrototypeOf(Safe.prototype, null);
    Object.freeze(Safe.prototype);
    Object.freeze(Safe);
    return Safe;
  }
  primordials.SafeMap = safe(Map);
  primordials.SafeSet = safe(Set);

  const {
    Array: ArrayCtor, ArrayIsArray, ArrayPrototypePush, ArrayPrototypeShift, ArrayPrototypeJoin, DateNow, Error: ErrorCtor, Float64Array: F64, Int32Array: I32, JSONParse,
    JSONStringify, MathMax, MathMin, Number: NumberCtor, ObjectAssign, ObjectDefineProperty, ObjectFreeze, ObjectHasOwn, ObjectKeys,
    ObjectPrototypeToString, Promise: PromiseCtor, PromisePrototypeThen, RangeError: RangeErrorCtor, ReflectApply, SafeMap,
    MapPrototypeGet, MapPrototypeSet, MapPrototypeDelete, MapPrototypeHas, MapPrototypeClear, MapPrototypeGetSize, MapPrototypeForEach,
    StringPrototypeCharCodeAt, StringPrototypeIndexOf, StringPrototypeSlice, StringPrototypeSplit, StringPrototypeStartsWith, StringPrototypeIncludes, SymbolPrototypeToString,
    TypeError: TypeErrorCtor, TypedArrayPrototypeGetLength, TypedArrayPrototypeSet, Uint8Array: U8, EvalError: EvalErrorCtor, SyntaxError: SyntaxErrorCtor,
    ReferenceError: ReferenceErrorCtor, URIError: URIErrorCtor, StringPrototypeLastIndexOf, ArrayIsArray: isArray,
  } = primordials;

  function isObject(v) {
    return (typeof v === "object" && v !== null) || typeof v === "function";
  }

  // bare takes the prototype of an object that a request reads or writes: what a script puts on Object.prototype is not found then. V8 keeps
  // an object literal with __proto__ in it as a hash table, which is several times slower.
  /** @template {object} T @param {T} o @returns {T} */
  function bare(o) {
    setPrototypeOf(o, null);
    return o;
  }

  // ---- shared memory with the worker, and what scripts must not have ----

  // Members of control. The worker's Go code has the same list.
  const STATE = 0, REPLY_KIND = 1, BYTES = 2, PENDING = 3, REJECTIONS = 4, HANDLER = 5, BODY_MODE = 6, WAITS = 7, WALL = 8, OUTPUT_LIMIT = 9,
    STOPPING = 10, RESULT = 11, STATUS = 12, HEADER_LINES = 13, STREAMED = 15, CALL = 16, OK = 17, STREAM = 18, LAST = 19, LOG_CLOSED = 20, NO_WASM = 21,
    CONTEXT_LENGTH = 22, TEXT_LENGTH = 23, ENDED = 24, SAID = 25, SAYS = 26;
  const IDLE = 0, RUNNING = 1, DONE = 2;
  const REPLY_BYTES = 1, REPLY_ERROR = 2, REPLY_HELD = 3;
  const RESPONSE = 1, OUTPUT = 2, FAILURE = 3;
  const FETCH = 1, SCHEDULED = 2, EVENT = 3, RUN = 4, LOAD = 5;

  const Shared = globalThis.SharedArrayBuffer;
  const shortText = 2048; // bytes of a result that is handed over without a call
  const saidSize = 4096; // bytes of what the script says, which the worker reads once the call into here returns
  const controlBuffer = new Shared(256 + shortText + saidSize);
  const control = new I32(controlBuffer, 0, 32);
  const nextDue = new F64(controlBuffer, 128, 1);
  const handedOver = new U8(controlBuffer, 256, shortText);
  const said = new U8(controlBuffer, 256 + shortText, saidSize);
  const publish = globalThis.Atomics.store;
  let exchange = new Shared(64 << 10);
  let exchangeSize = 64 << 10;

  control[NO_WASM] = typeof globalThis.WebAssembly === "undefined" ? 1 : 0; // how the worker knows that --jitless was taken
  delete globalThis.SharedArrayBuffer;
  delete globalThis.WebAssembly;
  delete globalThis.Atomics.wait;
  delete globalThis.Atomics.waitAsync;
  delete globalThis.console; // V8's own, which speaks to an inspector

  // ensure makes the exchange buffer hold n bytes and tells the worker of it.
  function ensure(n) {
    if (n <= exchangeSize) return;
    let size = exchangeSize;
    while (size < n) size *= 2;
    exchange = new Shared(size);
    exchangeSize = size;
    native("exchange", "", exchange);
  }

  // shrink gives back a large exchange buffer after an execution.
  function shrink() {
    if (exchangeSize > 1 << 20) {
      exchange = new Shared(64 << 10);
      exchangeSize = 64 << 10;
      native("exchange", "", exchange);
    }
  }

  function putBytes(bytes) {
    if (bytes === undefined || bytes === null) {
      control[BYTES] = -1;
      return;
    }
    const n = TypedArrayPrototypeGetLength(bytes);
    ensure(n);
    if (n > 0) TypedArrayPrototypeSet(new U8(exchange, 0, n), bytes);
    control[BYTES] = n;
  }

  function takeBytes() {
    const n = control[BYTES];
    if (n < 0) return null;
    const out = new U8(n);
    if (n > 0) TypedArrayPrototypeSet(out, new U8(exchange, 0, n));
    return out;
  }

  // ---- errors ----

  // The message of a boundary error: what a native op or the node reports.
  function makeError(json) {
    const r = JSONParse(json);
    const own = (k) => (ObjectHasOwn(r, k) ? r[k] : undefined);
    const name = own("name"), message = own("message") ?? "";
    let error;
    switch (name) {
      case "TypeError": error = new TypeErrorCtor(message); break;
      case "RangeError": error = new RangeErrorCtor(message); break;
      case "SyntaxError": error = new SyntaxErrorCtor(message); break;
      case undefined: case "Error": error = new ErrorCtor(message); break;
      default:
        if (files.domexception !== undefined && domNames[name] === true) {
          error = new (use("domexception").DOMException)(message, name);
        } else {
          error = new ErrorCtor(message);
          ObjectDefineProperty(error, "name", { __proto__: null, value: name, writable: true, configurable: true });
        }
    }
    const code = own("code"), retryAfter = own("retryAfter");
    if (typeof code === "string" && code !== "") {
      ObjectDefineProperty(error, "code", { __proto__: null, value: code, writable: true, enumerable: true, configurable: true });
    }
    if (typeof retryAfter === "number" && retryAfter > 0) {
      ObjectDefineProperty(error, "retryAfter", { __proto__: null, value: retryAfter, writable: true, enumerable: true, configurable: true });
    }
    return error;
  }
  const domNames = {
    __proto__: null, AbortError: true, TimeoutError: true, OperationError: true, DataError: true, InvalidAccessError: true, NotSupportedError: true,
    SyntaxError: true, QuotaExceededError: true, DataCloneError: true, InvalidCharacterError: true, NetworkError: true, EncodingError: true,
    InvalidStateError: true, NotAllowedError: true, NotFoundError: true, TypeMismatchError: true,
  };

  const maxMessage = 8192, maxStack = 16384;

  function cut(text, limit) {
    return text.length > limit ? StringPrototypeSlice(text, 0, limit) : text;
  }

  function property(v, key) {
    try {
      return v[key];
    } catch {
      return undefined;
    }
  }

  // messageOf says what was thrown, whatever it is: an Error's name and message, a plain object as JSON, a Response by its status, and
  // anything else as the console prints it.
  function messageOf(v) {
    try {
      switch (typeof v) {
        case "string": return cut(v, maxMessage) || "(empty string)";
        case "symbol": return cut(SymbolPrototypeToString(v), maxMessage);
        case "undefined": return "undefined";
        case "bigint": return v > -maxShown && v < maxShown ? `${v}n` : "a BigInt";
        case "number": case "boolean": return `${v}`;
      }
      if (v === null) return "null";
      const message = property(v, "message"), name = property(v, "name");
      if (typeof message === "string") {
        if (typeof name !== "string" || name === "") return cut(message, maxMessage) || "(no message)";
        return message === "" ? cut(name, maxMessage) : cut(name, 256) + ": " + cut(message, maxMessage);
      }
      // An Error's message may be anything, and to look at it may run the script's code.
      if (primordials.ErrorIsError?.(v) ?? primordials.ObjectPrototypeToString(v) === "[object Error]") return typeof name === "string" && name !== "" ? cut(name, maxMessage) : "an Error";
      const proto = getPrototypeOf(v);
      if (proto === null || proto === primordials.ObjectPrototype || ArrayIsArray(v)) {
        let text;
        try {
          text = JSONStringify(v);
        } catch {
          text = undefined;
        }
        if (typeof text === "string") return cut(text, maxMessage);
      } else if (use("response").isResponse(v)) {
        const text = property(v, "statusText");
        return `Response ${use("response").responseParts(v).status}${typeof text === "string" && text !== "" ? " " + cut(text, 256) : ""}`;
      }
      return cut(core.inspect(v, { depth: 2, breakLength: Infinity }), maxMessage);
    } catch {
      return typeof v === "object" ? "an object" : "a value that cannot be shown";
    }
  }
  const maxShown = 2n ** 256n;

  // stackOf is an error's stack, followed by those of its cause and of an AggregateError's errors, each a little further in. Values that
  // are no errors have no stack.
  function stackOf(v) {
    try {
      if (!isObject(v) || typeof property(v, "stack") !== "string") return "";
      const found = { __proto__: null, text: "", seen: [] };
      addStack(found, v, "", 0);
      return cut(found.text, maxStack);
    } catch {
      return ""; // a stack that cannot be read is no stack
    }
  }

  // Bounds of stackOf: how deep, how many errors of one, and how much of each but the first.
  const maxCauses = 8, maxErrors = 10, maxCauseStack = 4096;

  function addStack(found, v, indent, depth) {
    for (let i = 0; i < found.seen.length; i++) {
      if (found.seen[i] === v) {
        found.text += "[an error that stands above]";
        return;
      }
    }
    let stack = isObject(v) ? property(v, "stack") : undefined;
    // What is no error is shown as console shows it: JSON would call its getters.
    if (typeof stack !== "string" || stack === "") stack = isObject(v) ? core.inspect(v, { depth: 1 }) : messageOf(v);
    stack = cut(stack, depth === 0 ? maxStack >> 1 : maxCauseStack);
    found.text += indent === "" ? stack : ArrayPrototypeJoin(StringPrototypeSplit(stack, "\n"), "\n" + indent);
    if (!isObject(v) || found.text.length > maxStack) return;
    ArrayPrototypePush(found.seen, v);
    const cause = property(v, "cause"), errors = property(v, "errors"), isList = isArray(errors);
    if (depth === maxCauses) {
      if (cause !== undefined || isList) found.text += `\n${indent}[and what caused it]`;
      return;
    }
    if (cause !== undefined) {
      found.text += `\n${indent}Caused by: `;
      addStack(found, cause, indent + "  ", depth + 1);
    }
    if (isList) {
      const n = errors.length;
      for (let i = 0; i < n && i < maxErrors && found.text.length <= maxStack; i++) {
        found.text += `\n${indent}Error ${i + 1} of ${n}: `;
        addStack(found, property(errors, i), indent + "  ", depth + 1);
      }
      if (n > maxErrors) found.text += `\n${indent}[and ${n - maxErrors} more errors]`;
    }
  }

  // ---- stacks ----

  // V8 asks Error.prepareStackTrace for the text of a stack when the stack is first read: an error whose stack is not read costs nothing.
  // It is an ordinary property, as in Node: a script may put its own in.
  const ownOrigin = "jsruntime:webapi", scriptOrigin = "jsruntime:script"; // the names that the worker gives to its scripts
  const siteMethods = (() => {
    ErrorCtor.prepareStackTrace = (_, sites) => sites;
    const site = /** @type {any} */ (getPrototypeOf(new ErrorCtor().stack[0]));
    delete ErrorCtor.prepareStackTrace;
    return {
      __proto__: null, file: uncurryThis(site.getScriptNameOrSourceURL), line: uncurryThis(site.getLineNumber), column: uncurryThis(site.getColumnNumber),
      text: uncurryThis(site.toString),
    };
  })();

  // places keeps what native said of positions: programs fail at the same places again and again.
  let places = new SafeMap();
  const maxPlaces = 2000, maxColumn = 1 << 23;

  function placeOf(line, column) {
    const key = line * maxColumn + column;
    let place = MapPrototypeGet(places, key);
    if (place === undefined) {
      place = native("place", `${line}:${column}`);
      if (MapPrototypeGetSize(places) >= maxPlaces) MapPrototypeClear(places);
      MapPrototypeSet(places, key, place);
    }
    return place;
  }

  // frameOf is a frame's text, "" for a frame of ours.
  function frameOf(site) {
    const text = siteMethods.text(site);
    if (siteMethods.file(site) !== scriptOrigin) return text;
    const line = siteMethods.line(site), column = siteMethods.column(site), place = placeOf(line, column);
    if (place === "") return "";
    const raw = `${scriptOrigin}:${line}:${column}`, at = StringPrototypeLastIndexOf(text, raw);
    return at < 0 ? text : StringPrototypeSlice(text, 0, at) + place + StringPrototypeSlice(text, at + raw.length);
  }

  // headOf is what Error.prototype.toString gives, but for objects in place of texts: they are not asked for a text.
  function headOf(error) {
    const part = (key, otherwise) => {
      const v = property(error, key);
      return v === undefined || typeof v === "symbol" || isObject(v) ? otherwise : `${v}`;
    };
    const name = part("name", "Error"), message = part("message", "");
    return name === "" ? message : message === "" ? name : `${name}: ${message}`;
  }

  function formatStack(error, sites) {
    const text = headOf(error);
    // From the outermost on: a frame of V8's that one of ours has called is ours as well.
    let frames = "", ours = false;
    for (let i = sites.length - 1; i >= 0; i--) {
      const file = siteMethods.file(sites[i]);
      if (file === ownOrigin) ours = true;
      else if (file === scriptOrigin) ours = false;
      if (ours) continue;
      const frame = frameOf(sites[i]);
      if (frame !== "") frames = `\n    at ${frame}${frames}`;
    }
    return text + frames;
  }

  ObjectDefineProperty(ErrorCtor, "prepareStackTrace", {
    __proto__: null, writable: true, enumerable: false, configurable: true,
    value: { prepareStackTrace(error, sites) {
      try {
        return formatStack(error, sites);
      } catch {
        return "Error: its stack cannot be shown"; // there was no room on the stack for this, perhaps
      }
    } }.prepareStackTrace,
  });

  // CODES are the error codes of engine/outcome.go, which `make generate` writes here.
  const CODES = ObjectFreeze({
    exception: "exception",
    background_error: "background_error",
    exceeded_wall_time: "exceeded_wall_time",
    exceeded_cpu: "exceeded_cpu",
    exceeded_memory: "exceeded_memory",
    output_too_large: "output_too_large",
    invalid_output: "invalid_output",
    boot_error: "boot_error",
    handler_missing: "handler_missing",
    unsettled: "unsettled",
    sandbox_violation: "sandbox_violation",
    loop_detected: "loop_detected",
    worker_lost: "worker_lost",
    cancelled: "cancelled",
    quarantined: "quarantined",
    overloaded: "overloaded",
    concurrency_limit: "concurrency_limit",
    quota_exceeded: "quota_exceeded",
  });

  // failure makes the text of a failed execution's result. It is put together by hand: JSON.stringify would look for toJSON
  // methods on prototypes that belong to the script.
  function failure(code, message, stack, noRetry) {
    return `[${JSONStringify(code)},${JSONStringify(cut(message, maxMessage))},${JSONStringify(stack)},${noRetry ? "true" : "false"}]`;
  }

  function thrown(code, prefix, v) {
    return failure(code, prefix + messageOf(v), stackOf(v), isObject(v) && property(v, "name") === "NonRetryableError");
  }

  // ---- asynchronous context ----

  // A frame is what the stores of all AsyncLocalStorages are at a time: undefined for none of them, else a list that does not change (see
  // asynchooks.js). V8 keeps the current one for the reactions of promises. What runs a function of the script later for another reason
  // keeps it itself: take() then, and run() later. used is set by the first AsyncLocalStorage: before, nothing of this costs anything.
  const frames = bare({
    used: false,
    outside: false, // while the worker, and not the script, aborts a signal: a listener then runs in the frame in which it was added
    get: undefined,
    set: undefined,
    take() {
      return frames.used ? frames.get() : undefined;
    },
    run(frame, fn, self, args) {
      if (!frames.used) return ReflectApply(fn, self, args);
      const before = frames.get();
      frames.set(frame);
      try {
        return ReflectApply(fn, self, args);
      } finally {
        frames.set(before);
      }
    },
    // clear is called where the worker's call ends: a script may have changed the frame for good (enterWith).
    clear() {
      if (frames.used) frames.set(undefined);
    },
  });

  // ---- core ----

  const used = { __proto__: null };

  function use(name) {
    let exports = used[name];
    if (exports === undefined) {
      const file = files[name];
      if (file === undefined) throw new ErrorCtor(`no file ${name}`);
      exports = used[name] = file(core) ?? {};
    }
    return exports;
  }

  // holder is where native leaves a long text. It also has the getters of v8text_linux.cc, which work on what is put here: core.texts.
  const holder = { text: "", bytes: undefined, table: undefined, read: 0 };

  function nativeOp(op, text, bytes) {
    putBytes(bytes);
    control[REPLY_KIND] = 0;
    const reply = native(op, typeof text === "string" ? text : text === undefined ? "" : `${text}`);
    switch (control[REPLY_KIND]) {
      case REPLY_BYTES: return takeBytes();
      case REPLY_ERROR: throw makeError(reply);
      case REPLY_HELD: {
        const text = holder.text;
        holder.text = "";
        return text;
      }
      default: return reply;
    }
  }

  // say leaves a record for the worker, which costs less than a call: a host call (kind 1) with its method and arguments, or a log line (2). aux
  // is a line's level. False: it is long, not ASCII, there is no room, or the worker reads none; what was said before is sent before any call of native.
  const sayMost = 1024;

  function say(kind, aux, number, method, text) {
    const m = method.length, n = text.length, from = control[SAID];
    let at = from + 8;
    if (control[SAYS] === 0 || m + n > sayMost || m + n > saidSize - at) return false;
    for (let i = 0; i < m; i++) {
      const c = StringPrototypeCharCodeAt(method, i);
      if (c > 127) return false;
      said[at++] = c;
    }
    for (let i = 0; i < n; i++) {
      const c = StringPrototypeCharCodeAt(text, i);
      if (c > 127) return false;
      said[at++] = c;
    }
    said[from] = kind;
    said[from + 1] = aux;
    said[from + 2] = n & 255;
    said[from + 3] = n >> 8;
    said[from + 4] = number & 255;
    said[from + 5] = (number >>> 8) & 255;
    said[from + 6] = (number >>> 16) & 255;
    said[from + 7] = number >>> 24;
    publish(control, SAID, at); // the watchdog may read it from now on
    return true;
  }

  function notWhileLoading(what) {
    throw new ErrorCtor(`${what} is not available while the script loads or between executions: call it in a handler`);
  }

  const levels = ["0", "1", "2", "3"];
  function log(level, text) {
    if (execution === undefined || control[LOG_CLOSED] !== 0) return;
    // A text with the origin of the script's code, or of this one, is put right by the worker.
    if (text.length <= sayMost && !StringPrototypeIncludes(text, "jsruntime:") && say(2, level, now(), "", text)) return;
    native("log", levels[level] + cut(text, 8192));
  }

  const core = {
    primordials,
    files,
    use,
    native: nativeOp,
    texts: holder,
    hostCall,
    now,
    execution: undefined,
    log,
    stackOf,
    inspect(value, options) {
      return use("console").inspect(value, options);
    },
    reportError,
    report: reportError,
    setTimer,
    clearTimer,
    frames,
    lazy(make, hidden, shown) {
      lend(make, "lazy", `\n${hidden}\n${shown}`);
    },
  };
  bare(core);

  // ---- time ----

  let beganAt = DateNow();
  let lastNow = 0;

  function now() {
    const t = DateNow() - beganAt;
    if (t > lastNow) lastNow = t;
    return lastNow;
  }

  // Timers are a binary heap by due time, then number.
  const maxTimers = 100000;
  let timers = [];
  let timerById = new SafeMap();
  let lastTimer = 0;

  function before(a, b) {
    return a.due < b.due || (a.due === b.due && a.order < b.order);
  }

  function heapSet(i, t) {
    timers[i] = t;
    t.index = i;
  }

  function siftUp(i, t) {
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(t, timers[parent])) break;
      heapSet(i, timers[parent]);
      i = parent;
    }
    heapSet(i, t);
  }

  function siftDown(i, t) {
    const n = timers.length;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= n) break;
      if (child + 1 < n && before(timers[child + 1], timers[child])) child++;
      if (!before(timers[child], t)) break;
      heapSet(i, timers[child]);
      i = child;
    }
    heapSet(i, t);
  }

  function heapPush(t) {
    const n = timers.length;
    ObjectDefineProperty(timers, n, { __proto__: null, value: t, writable: true, configurable: true, enumerable: true });
    siftUp(n, t);
    nextDue[0] = timers[0].due;
  }

  function heapRemove(i) {
    const n = timers.length - 1;
    const last = timers[n];
    timers.length = n;
    if (i < n) {
      siftDown(i, last);
      if (last.index === i) siftUp(i, last);
    }
    nextDue[0] = n > 0 ? timers[0].due : Infinity;
  }

  let lastOrder = 0;

  function setTimer(fn, ms, repeat, what) {
    if (execution === undefined) notWhileLoading(what ?? "a timer");
    if (timers.length >= maxTimers) throw new RangeErrorCtor(`too many timers (limit ${maxTimers})`);
    if (!(ms > 0)) ms = 0;
    const t = { __proto__: null, id: ++lastTimer, due: now() + ms, order: ++lastOrder, fn, every: repeat === true ? MathMax(ms, 1) : 0, index: 0,
      frame: frames.take() };
    MapPrototypeSet(timerById, t.id, t);
    heapPush(t);
    return t.id;
  }

  function clearTimer(id) {
    const t = MapPrototypeGet(timerById, id);
    if (t === undefined) return;
    MapPrototypeDelete(timerById, id);
    if (t.index >= 0) heapRemove(t.index);
  }

  // tick runs the first timer if it is due. The worker calls it once a timer, so that microtasks run between two.
  function tick() {
    if (timers.length === 0) return;
    const t = timers[0];
    if (t.due > now()) return;
    heapRemove(0);
    t.index = -1;
    if (t.every === 0) MapPrototypeDelete(timerById, t.id);
    const running = execution;
    try {
      frames.run(t.frame, t.fn, undefined, []);
    } catch (e) {
      if (execution === running) reportError(e);
    }
    if (t.every > 0 && MapPrototypeHas(timerById, t.id)) {
      t.due = MathMax(t.due + t.every, now());
      t.order = ++lastOrder;
      heapPush(t);
    }
  }

  function clearTimers() {
    if (timers.length > 0) timers = [];
    if (MapPrototypeGetSize(timerById) > 0) MapPrototypeClear(timerById);
    nextDue[0] = Infinity;
  }

  // ---- host calls ----

  const window_ = 256 << 10, chunkSize = 64 << 10; // of a stream to the node: see wire.StreamWindow
  const maxOpenCalls = 32, maxWaitingCalls = 10000;
  const calls = new SafeMap(); // number → call that waits for its reply, or whose body still comes
  let waiting = []; // calls beyond maxOpenCalls, in order
  let waitingAt = 0;
  let open = 0; // calls without a reply
  let lastCall = 0;

  function setPending() {
    control[PENDING] = MapPrototypeGetSize(calls) + (creditWaiter === undefined ? 0 : 1);
  }

  // hostCall asks the node for something. source, where it is given, is what follows bytes: {read, cancel} of a stream's parts.
  function hostCall(method, args, bytes, source) {
    if (execution === undefined) notWhileLoading(method);
    if (execution.trial) return endTrial(execution);
    const json = args === undefined ? "null" : JSONStringify(args);
    const call = { __proto__: null, id: ++lastCall, method, json, bytes, sent: false, settled: false, resolve: undefined, reject: undefined, stream: undefined,
      upload: source === undefined ? undefined : { __proto__: null, source, credits: window_, waiter: undefined } };
    const promise = new PromiseCtor((resolve, reject) => {
      call.resolve = resolve;
      call.reject = reject;
    });
    const cancel = () => cancelCall(call);
    if (waiting.length - waitingAt >= maxWaitingCalls) {
      call.settled = true;
      call.reject(new RangeErrorCtor(`too many calls under way (limit ${maxOpenCalls}, and ${maxWaitingCalls} waiting)`));
      return { __proto__: null, promise, cancel };
    }
    MapPrototypeSet(calls, call.id, call);
    if (open < maxOpenCalls) sendCall(call);
    else ArrayPrototypePush(waiting, call);
    setPending();
    return { __proto__: null, promise, cancel };
  }

  function sendCall(call) {
    open++;
    call.sent = true;
    try {
      if (call.upload !== undefined || call.bytes != null || !say(1, call.method.length, call.id, call.method, call.json)) {
        nativeOp(call.upload === undefined ? "hostCall" : "hostUpload", `${call.id}\n${call.method}\n${call.json}`, call.bytes);
      }
    } catch (e) {
      call.sent = false;
      open--;
      endCall(call);
      call.settled = true;
      call.reject(e);
    }
    call.json = call.bytes = undefined;
    if (call.upload !== undefined) PromisePrototypeThen(upload(call, call.upload), undefined, (e) => breakUpload(call, e));
  }

  // upload sends what the call's source gives, as the node takes it. It ends where the call's upload is undefined: stopUpload.
  async function upload(call, up) {
    for (;;) {
      const part = await up.source.read();
      if (call.upload !== up) return;
      if (part === null) break;
      const n = TypedArrayPrototypeGetLength(part);
      for (let at = 0; at < n; ) {
        const m = MathMin(n - at, chunkSize); // what credits allow at the moment may be a few bytes only: they would come back as few
        while (up.credits < m) {
          await new PromiseCtor((resolve) => {
            up.waiter = resolve;
          });
          if (call.upload !== up) return;
        }
        up.credits -= m;
        nativeOp("upload", `${call.id}\n0\n`, new U8(primordials.TypedArrayPrototypeGetBuffer(part), primordials.TypedArrayPrototypeGetByteOffset(part) + at, m));
        at += m;
      }
    }
    call.upload = undefined;
    native("upload", `${call.id}\n1\n`);
  }

  // breakUpload ends a call whose source failed: the node is told that the upload broke, and drops the connection.
  function breakUpload(call, e) {
    if (call.upload === undefined) return;
    call.upload = undefined;
    native("upload", `${call.id}\n1\nthe request's body failed`);
    const error = new TypeErrorCtor("the request's body failed: " + messageOf(e));
    ObjectDefineProperty(error, "cause", { __proto__: null, value: e, writable: true, configurable: true });
    const settled = call.settled;
    cancelCall(call);
    if (!settled) call.reject(error);
  }

  // stopUpload ends the upload of a call that has ended.
  function stopUpload(call) {
    const up = call.upload;
    call.upload = undefined;
    if (call.sent) native("upload", `${call.id}\n1\nthe call has ended`);
    up.waiter?.();
    up.source.cancel(new TypeErrorCtor("the request has ended"));
  }

  function sendWaiting() {
    while (open < maxOpenCalls && waitingAt < waiting.length) {
      const call = waiting[waitingAt];
      waiting[waitingAt++] = undefined;
      if (!call.settled) sendCall(call);
    }
    if (waitingAt === waiting.length && waitingAt > 0) {
      waiting = [];
      waitingAt = 0;
    }
  }

  function endCall(call) {
    if (call.upload !== undefined) stopUpload(call);
    MapPrototypeDelete(calls, call.id);
    setPending();
  }

  function cancelCall(call) {
    if (!MapPrototypeHas(calls, call.id)) return;
    endCall(call);
    if (call.sent) native("hostCancel", `${call.id}`);
    if (!call.settled) {
      if (call.sent) open--;
      call.settled = true;
      sendWaiting();
    }
    call.stream?.end("cancelled");
  }

  // reply settles a call. control has its number, whether it went well, whether its body goes on, and the bytes.
  function reply(payload) {
    const call = MapPrototypeGet(calls, control[CALL]);
    if (call === undefined || call.settled) return;
    const streams = control[STREAM] === 1;
    call.settled = true;
    open--;
    if (control[OK] !== 1) {
      endCall(call);
      call.reject(makeError(payload));
    } else {
      let value, bytes;
      try {
        bytes = takeBytes();
        value = payload === "" ? null : JSONParse(payload);
        if (streams) call.stream = new Source(call);
        else endCall(call);
        call.resolve({ __proto__: null, value, bytes, stream: streams ? call.stream.face : null });
      } catch (e) {
        endCall(call);
        call.reject(e);
      }
    }
    sendWaiting();
    setPending();
  }

  // Source is the body of a reply that comes in chunks.
  class Source {
    call; chunks = []; at = 0; ended = false; error = undefined; waiter = undefined; face;
    constructor(call) {
      this.call = call;
      this.face = { __proto__: null, read: () => this.read(), cancel: () => cancelCall(this.call) };
    }
    read() {
      return new PromiseCtor((resolve, reject) => {
        if (this.waiter !== undefined) {
          reject(new TypeErrorCtor("a read is under way already"));
        } else if (this.at < this.chunks.length) {
          const chunk = this.chunks[this.at];
          this.chunks[this.at++] = undefined;
          if (this.at === this.chunks.length) {
            this.chunks = [];
            this.at = 0;
          }
          this.credit(TypedArrayPrototypeGetLength(chunk));
          resolve(chunk);
        } else if (this.ended) {
          if (this.error === undefined) resolve(null);
          else reject(this.error);
        } else {
          this.waiter = { __proto__: null, resolve, reject };
        }
      });
    }
    credit(n) {
      if (!this.ended && n > 0) native("credit", `${this.call.id}\n${n}`);
    }
    push(chunk) {
      if (this.ended || TypedArrayPrototypeGetLength(chunk) === 0) return;
      if (this.waiter !== undefined) {
        const w = this.waiter;
        this.waiter = undefined;
        this.credit(TypedArrayPrototypeGetLength(chunk));
        w.resolve(chunk);
      } else {
        ArrayPrototypePush(this.chunks, chunk);
      }
    }
    end(message) {
      if (this.ended) return;
      this.ended = true;
      if (message !== "") this.error = new TypeErrorCtor(message);
      if (this.waiter !== undefined) {
        const w = this.waiter;
        this.waiter = undefined;
        if (this.error === undefined) w.resolve(null);
        else w.reject(this.error);
      }
    }
  }

  // chunk takes a part of a reply's body.
  function chunk(message) {
    const call = MapPrototypeGet(calls, control[CALL]);
    if (call === undefined || call.stream === undefined) return;
    const bytes = takeBytes();
    if (bytes !== null) call.stream.push(bytes);
    if (control[LAST] === 1) {
      endCall(call);
      call.stream.end(message);
    }
  }

  // ---- streamed response ----

  let credits = 0;
  let creditWaiter;

  // credit takes the node's word that it has taken control[BYTES] bytes: of the response's body, or of the upload of a call.
  function credit() {
    if (control[CALL] !== 0) {
      const up = MapPrototypeGet(calls, control[CALL])?.upload;
      if (up === undefined) return;
      up.credits += control[BYTES];
      const w = up.waiter;
      up.waiter = undefined;
      w?.();
      return;
    }
    credits += control[BYTES];
    if (creditWaiter !== undefined && credits > 0) {
      const w = creditWaiter;
      creditWaiter = undefined;
      setPending();
      w();
    }
  }

  async function pump(ex, source) {
    let total = 0;
    for (;;) {
      const part = await source.read();
      if (execution !== ex || ex.source !== source) return;
      if (part === null) break;
      const n = TypedArrayPrototypeGetLength(part);
      total += n;
      if (total > control[OUTPUT_LIMIT]) {
        tooLarge(total);
        ex.source = undefined;
        ex.bodyPending = false;
        source.cancel();
        complete(ex);
        return;
      }
      for (let at = 0; at < n; ) {
        const m = MathMin(n - at, chunkSize);
        while (credits < m) {
          await new PromiseCtor((resolve) => {
            creditWaiter = resolve;
            setPending();
          });
          if (execution !== ex || ex.source !== source) return;
        }
        credits -= m;
        nativeOp("chunk", "", new U8(primordials.TypedArrayPrototypeGetBuffer(part), primordials.TypedArrayPrototypeGetByteOffset(part) + at, m));
        at += m;
      }
    }
    ex.source = undefined;
    ex.bodyPending = false;
    complete(ex);
  }

  // discard cancels the stream of the response's body: its reader has left.
  function discard(ex, reason) {
    const source = ex.source;
    if (source === undefined) return;
    ex.source = undefined;
    ex.bodyPending = false;
    creditWaiter = undefined;
    setPending();
    try {
      frames.run(source.frame, source.cancel, source, [reason]);
    } catch {
      // what the stream's own code throws is no answer's any more
    }
  }

  // ---- executions ----

  let execution; // the current one, undefined while none runs
  let result = ""; // its text once control[STATE] is DONE
  const rejections = new SafeMap(); // promises that were rejected and have no handler

  // The script.
  let app;
  let define; // its function, while its top level, which awaits, has not settled
  let scriptType = "";
  let statics;
  let env;

  // Members are assigned and are no fields of the class: V8 defines each field by a call.
  class Execution {
    constructor() {
      this.loading = this.trial = this.settled = this.failed = false;
      this.signal = this.abort = undefined; // of ctx, and what aborts it: once the script has asked for it
      // What the handler gave: a response, and its body where that is bytes; text is its body, another output's JSON, or how the execution failed.
      this.text = "";
      this.response = this.bytes = undefined;
      this.kind = 0;
      // Of a streamed response: whether there is one, its stream while it is read, and whether that has an end to come.
      this.streamed = this.bodyPending = false;
      this.source = undefined;
      // Of waitUntil: the promises that have not settled, and the failure of the first that was rejected.
      this.waits = 0;
      this.background = "";
      this.answered = false; // the answer has left: what comes changes only how the execution ends
      this.stopReason = undefined; // once the execution is to end: nothing is answered any more
      this.left = undefined; // why the client has left
    }
  }
  bare(Execution.prototype);

  // Context is ctx: what a handler gets beside its input and env. own is Run.Context. signal is a getter of the class: one in an object literal
  // would give every ctx a hidden class of its own.
  class Context {
    #ex;
    constructor(ex, own, params) {
      this.#ex = ex;
      const deadline = beganAt + control[WALL], fixed = statics;
      if (fixed.other === undefined) {
        this.limits = fixed.limits;
        this.organizationId = fixed.organizationId;
        this.scriptId = fixed.scriptId;
        this.scriptName = fixed.scriptName;
        this.version = fixed.version;
        this.tenantId = fixed.tenantId;
        this.tenantSlug = fixed.tenantSlug;
      } else ObjectAssign(this, fixed.other);
      if (own.other === undefined) {
        this.executionId = own.executionId;
        this.trigger = own.trigger;
        this.attempt = own.attempt;
        this.auth = own.auth;
      } else ObjectAssign(this, own.other);
      this.params = params;
      // Not assigned as they are made: V8 puts a function that is made in an assignment to a member among what is old, where it keeps the
      // execution until a collection of everything.
      const waitUntil = (promise) => waitFor(ex, promise), remainingTimeMs = () => MathMax(0, deadline - DateNow());
      this.waitUntil = waitUntil;
      this.remainingTimeMs = remainingTimeMs;
    }
    get signal() {
      const ex = this.#ex;
      if (ex.signal === undefined) {
        const made = use("abort").makeSignal();
        ex.signal = made.signal;
        ex.abort = made.abort;
        if (ex.stopReason !== undefined) made.abort(ex.stopReason);
      }
      return ex.signal;
    }
    // usage is what of limits the execution has used so far.
    get usage() {
      if (execution !== this.#ex) throw new ErrorCtor("usage: the execution has ended");
      const used = JSONParse(native("usage", ""));
      return { execution_time_ms: now(), cpu_time_ms: used[0], memory_bytes: used[1], api_calls: lastCall, log_bytes: used[2] };
    }
    passThroughOnException() {}
  }

  // The names of what the node sends, in its order: Load.Static with the tenant's, and Run.Context. Where they are these, ctx gets its members
  // one by one, which takes a tenth of the time of Object.assign.
  const fixedNames = "limits,organizationId,scriptId,scriptName,version,tenantId,tenantSlug", ownNames = "executionId,trigger,attempt,auth";

  function namesOf(o) {
    return ArrayPrototypeJoin(ObjectKeys(o), ",");
  }

  // contextOf reads Run.Context, the first n characters of start. Of a script's requests mostly only the id differs: what comes after it is
  // compared with that of an earlier one.
  const idFrom = 16, idTo = 52; // of {"executionId":"…"
  let tail = "none", tailTrigger = "", tailAttempt = 0;

  function contextOf(start, n) {
    if (n === idTo + tail.length && StringPrototypeStartsWith(start, tail, idTo) && StringPrototypeStartsWith(start, '{"executionId":"')) {
      return { executionId: StringPrototypeSlice(start, idFrom, idTo), trigger: tailTrigger, attempt: tailAttempt, auth: null, other: undefined };
    }
    const own = JSONParse(StringPrototypeSlice(start, 0, n));
    if (namesOf(own) !== ownNames) return { executionId: "", trigger: "", attempt: 0, auth: null, other: own };
    if (own.auth === null && own.executionId === StringPrototypeSlice(start, idFrom, idTo)) {
      tail = JSONParse(JSONStringify(StringPrototypeSlice(start, idTo, n))); // a text of its own: a slice would keep start
      tailTrigger = own.trigger;
      tailAttempt = own.attempt;
    }
    return { executionId: own.executionId, trigger: own.trigger, attempt: own.attempt, auth: own.auth, other: undefined };
  }

  function waitFor(ex, promise) {
    if (execution !== ex) throw new ErrorCtor("waitUntil: the execution has ended");
    control[WAITS] = ++ex.waits;
    const done = () => {
      if (execution !== ex) return;
      control[WAITS] = --ex.waits;
      complete(ex);
      if (ex.left !== undefined && ex.waits === 0 && control[STATE] === RUNNING) stop("AbortError", ex.left);
    };
    PromisePrototypeThen(new PromiseCtor((resolve) => resolve(promise)), done, (e) => {
      failBackground(ex, "waitUntil: ", e);
      done();
    });
  }

  // failBackground logs what went wrong beside the answer, and lets the execution end with the first of it. It never touches the answer.
  function failBackground(ex, prefix, e) {
    if (execution !== ex) return;
    log(3, prefix + (stackOf(e) || messageOf(e)));
    if (ex.background === "") ex.background = thrown(CODES.background_error, prefix, e);
  }

  // load evaluates a script, the CommonJS function around it. Returns "" or a failure's text.
  function load(script, staticJSON, envJSON, tenantId, tenantSlug) {
    const fixed = JSONParse(staticJSON);
    scriptType = fixed.scriptType ?? "";
    delete fixed.scriptType;
    const namespaces = fixed.kvNamespaces;
    delete fixed.kvNamespaces;
    fixed.tenantId = tenantId;
    fixed.tenantSlug = tenantSlug;
    if (isObject(fixed.limits)) ObjectFreeze(fixed.limits);
    statics = {
      limits: fixed.limits, organizationId: fixed.organizationId, scriptId: fixed.scriptId, scriptName: fixed.scriptName, version: fixed.version,
      tenantId, tenantSlug, other: namesOf(fixed) === fixedNames ? undefined : fixed,
    };
    env = JSONParse(envJSON === "" ? "{}" : envJSON);
    if (namespaces !== undefined) {
      const names = ObjectKeys(namespaces), { make } = use("kvnamespace");
      for (let i = 0; i < names.length; i++) {
        ObjectDefineProperty(env, names[i], { __proto__: null, value: make(namespaces[names[i]]), enumerable: true, configurable: true });
      }
    }
    ObjectFreeze(env);
    if (getPrototypeOf(script) === primordials.AsyncFunctionPrototype) {
      define = script;
      return "";
    }
    const module = { exports: {} };
    try {
      evaluate(script, module);
      return adopt(module);
    } catch (e) {
      return thrown(CODES.boot_error, "", e);
    } finally {
      frames.clear();
    }
  }

  function evaluate(script, module) {
    return ReflectApply(script, undefined, [module, module.exports, require, { __proto__: null, url: "file:///script.js" }, importPattern, requirePattern, imported, imported]);
  }

  // adopt takes what the script exports. Returns "" or a failure's text.
  function adopt(module) {
    const exports = module.exports;
    app = isObject(exports) && exports.default !== undefined ? exports.default : exports;
    if (isObject(app) && typeof app !== "function" && ObjectHasOwn(app, "default") && isObject(app.default)) app = app.default;
    return isObject(app) ? "" : failure(CODES.boot_error, "the script has no default export", "", false);
  }

  // loadThen loads a script with a top-level await, and goes on. That is within its first execution, which has limits and may call the
  // node. Where the execution ends before, the next one loads the script again.
  function loadThen(ex, next) {
    const module = { exports: {} };
    ex.loading = true;
    const evaluated = evaluate(define, module);
    frames.clear(); // the handler begins without what the top level has entered
    return PromisePrototypeThen(evaluated, () => {
      if (execution !== ex || ex.settled || ex.stopReason !== undefined) return undefined;
      let text;
      try {
        text = adopt(module);
      } catch (e) {
        text = thrown(CODES.boot_error, "", e);
      }
      if (text !== "") return failLoad(ex, text);
      ex.loading = false;
      define = undefined;
      return next();
    }, (e) => failLoad(ex, thrown(CODES.boot_error, "", e)));
  }

  function failLoad(ex, text) {
    if (execution !== ex || ex.settled) return;
    fail(ex, text);
    ex.settled = true;
    complete(ex);
  }

  // tryLoad loads a script and calls no handler of it.
  function tryLoad(ex) {
    ex.trial = true;
    ex.kind = RUN;
    control[LOG_CLOSED] = 1;
    const check = () => {
      const name = ownHandler();
      if (handlerOf(name) === undefined) failLoad(ex, failure(CODES.handler_missing, `the script has no ${name} handler`, "", false));
      return null;
    };
    return define === undefined ? check() : loadThen(ex, check);
  }

  // endTrial ends tryLoad well where the top level asks the node for something: the trial has no effects.
  function endTrial(ex) {
    settle(ex, null, undefined, false);
    return { __proto__: null, promise: new PromiseCtor(() => {}), cancel() {} };
  }

  // loaded says whether the load left a rejection behind.
  function loaded() {
    return takeRejection(CODES.boot_error) ?? "";
  }

  // builtins has the modules that are not bundled, and the files that make them.
  const builtins = { __proto__: null, jsruntime: "module", "node:async_hooks": "asynchooks", async_hooks: "asynchooks", "jsruntime:inspect": "inspect" };

  // find returns a built-in module or one that the bundle has; undefined: there is none.
  function find(name) {
    if (typeof name !== "string") return undefined;
    if (builtins[name] !== undefined) return use(builtins[name]);
    const make = MapPrototypeGet(bundled, StringPrototypeStartsWith(name, "node:") ? StringPrototypeSlice(name, 5) : name);
    return make === undefined ? undefined : make();
  }

  // require fails for what is not in the upload as Node does, so that a script can go on without it.
  function require(name) {
    const found = find(name);
    if (found === undefined) throw notFound(`${name}`, "MODULE_NOT_FOUND");
    return found;
  }

  // imported is what an import() calls: see package compile.
  function imported(name) {
    const found = find(name);
    if (found === undefined) throw notFound(`${name}`, "ERR_MODULE_NOT_FOUND");
    return found;
  }

  // requirePattern is what package compile calls require, for names that it did not see: it adds modules that the bundle has.
  const bundled = new SafeMap();
  const requirePattern = (name) => require(name);
  ObjectDefineProperty(requirePattern, "add", { __proto__: null, value: (name, make) => void MapPrototypeSet(bundled, name, make) });

  ObjectDefineProperty(require, "resolve", {
    __proto__: null, writable: true, configurable: true,
    value(name) {
      if (typeof name === "string" && builtins[name] !== undefined) return name;
      throw notFound(`${name}`, "MODULE_NOT_FOUND");
    },
  });

  // importPattern is an import() whose argument is put together at run time from a relative path.
  async function importPattern(name) {
    throw notFound(`${name}`, "ERR_MODULE_NOT_FOUND");
  }

  function notFound(name, code) {
    const error = new ErrorCtor(`Cannot find module '${cut(name, 256)}': it is not in the upload; bundle npm packages and other files`);
    ObjectDefineProperty(error, "code", { __proto__: null, value: code, writable: true, enumerable: true, configurable: true });
    return error;
  }

  function handlerOf(name) {
    if (typeof app === "function") {
      const h = app[name];
      if (typeof h === "function") return { fn: h, self: app };
      return name === ownHandler() ? { fn: app, self: undefined } : undefined;
    }
    const h = app[name];
    return typeof h === "function" ? { fn: h, self: app } : undefined;
  }

  function ownHandler() {
    switch (scriptType) {
      case "http": return "fetch";
      case "scheduled": return "scheduled";
      case "event": return "event";
      default: return "run";
    }
  }

  const names = [undefined, "fetch", "scheduled", "event", "run"];

  // begin starts an execution: control has the handler, the body's mode and the limits, start is its context and then its request's
  // head. It is done when control[STATE] says so.
  function begin(start, body) {
    if (execution !== undefined) end(); // its result was handed over
    beganAt = DateNow();
    lastNow = 0;
    lastTimer = lastOrder = 0;
    credits = window_;
    control[STATE] = RUNNING;
    control[STREAMED] = 0;
    control[LOG_CLOSED] = 0;
    control[PENDING] = 0;
    control[WAITS] = 0;
    control[STOPPING] = 0;
    control[TEXT_LENGTH] = -1;
    control[ENDED] = 0;
    const ex = new Execution();
    execution = ex;
    core.execution = undefined;
    const bytes = control[HANDLER] === FETCH && control[BODY_MODE] === 2 ? takeBytes() : null;
    let value;
    try {
      if (control[HANDLER] === LOAD) value = tryLoad(ex);
      else if (define === undefined) value = invoke(ex, start, body, bytes);
      else value = loadThen(ex, () => invoke(ex, start, body, bytes));
    } catch (e) {
      frames.clear();
      settle(ex, undefined, e, true);
      return;
    }
    frames.clear();
    wait(ex, value);
    frames.clear();
  }

  function wait(ex, value) {
    let thenable;
    try {
      thenable = isObject(value) && typeof value.then === "function";
    } catch (e) {
      settle(ex, undefined, e, true);
      return;
    }
    if (!thenable) {
      settle(ex, value, undefined, false);
      return;
    }
    const good = (v) => settle(ex, v, undefined, false), bad = (e) => settle(ex, undefined, e, true);
    try {
      PromisePrototypeThen(value, good, bad);
      return;
    } catch {
      // not a promise, only something with a then method; or one whose constructor was tampered with
    }
    try {
      PromisePrototypeThen(new PromiseCtor((resolve) => resolve(value)), good, bad);
    } catch (e) {
      settle(ex, undefined, e, true);
    }
  }

  function invoke(ex, start, body, bytes) {
    let number = control[HANDLER];
    let name = names[number];
    let handler = handlerOf(name);
    ex.kind = number;
    let input;
    const own = contextOf(start, control[CONTEXT_LENGTH]);
    if (number === FETCH) {
      input = cutHead(start, control[CONTEXT_LENGTH]);
    } else if (handler === undefined && number === RUN && ownHandler() !== "run") {
      name = ownHandler();
      handler = handlerOf(name);
      if (name === "fetch" && handler !== undefined) {
        ex.kind = RUN + 1; // a manual run of an http script: its response becomes the output
        const made = requestFromInput(body);
        input = cutHead(made.head, 0);
        body = made.body;
        number = FETCH;
        control[BODY_MODE] = body === null ? 0 : 1;
      }
    }
    const ctx = /** @type {any} */ (new Context(ex, own, input === undefined ? {} : input.params));
    core.execution = ctx;
    if (handler === undefined) {
      fail(ex, failure(CODES.handler_missing, `the script has no ${name} handler`, "", false));
      ex.settled = true;
      complete(ex);
      return undefined;
    }
    switch (number) {
      case FETCH: {
        const mode = control[BODY_MODE];
        input = events().makeRequest(input, mode === 2 ? bytes : null, mode === 1 ? body : null);
        break;
      }
      case EVENT:
        input = body === "" ? null : JSONParse(body);
        if (isObject(input) && !ObjectHasOwn(input, "attempt")) input.attempt = ctx.attempt;
        break;
      default:
        input = body === "" ? null : JSONParse(body);
    }
    return ReflectApply(handler.fn, handler.self, [input, env, ctx]);
  }

  let fetchEvent;
  function events() {
    return (fetchEvent ??= use("fetchEvent"));
  }

  // cutHead reads Run.Head, which begins at from: method, URL and params are lines, and headers are what comes after them.
  function cutHead(text, from) {
    const a = StringPrototypeIndexOf(text, "\n", from), b = StringPrototypeIndexOf(text, "\n", a + 1), c = StringPrototypeIndexOf(text, "\n", b + 1);
    const params = c < 0 ? StringPrototypeSlice(text, b + 1) : StringPrototypeSlice(text, b + 1, c);
    return {
      method: StringPrototypeSlice(text, from, a), url: StringPrototypeSlice(text, a + 1, b),
      params: params === "" || params === "{}" ? {} : JSONParse(params), headers: c < 0 ? "" : StringPrototypeSlice(text, c + 1),
    };
  }

  // requestFromInput makes a request of the input of a manual run: {method, path, headers, query, body}.
  function requestFromInput(body) {
    const input = (body === "" ? null : JSONParse(body)) ?? {};
    const clean = (v) => ArrayPrototypeJoin(StringPrototypeSplit(`${v}`, "\n"), "");
    const method = clean(input.method ?? "GET");
    let path = clean(input.path ?? "/");
    if (!StringPrototypeStartsWith(path, "/")) path = "/" + path;
    let query = "";
    if (typeof input.query === "string") query = clean(input.query);
    else if (isObject(input.query)) {
      const keys = ObjectKeys(input.query);
      for (let i = 0; i < keys.length; i++) {
        query += (i > 0 ? "&" : "") + primordials.encodeURIComponent(keys[i]) + "=" + primordials.encodeURIComponent(`${input.query[keys[i]]}`);
      }
    }
    if (query !== "") path += (StringPrototypeIncludes(path, "?") ? "&" : "?") + query;
    let head = `${method}\nhttp://localhost${path}\n{}`;
    let text = input.body === undefined || input.body === null ? null : typeof input.body === "string" ? input.body : JSONStringify(input.body);
    let typed = false;
    if (isObject(input.headers)) {
      const keys = ObjectKeys(input.headers);
      for (let i = 0; i < keys.length; i++) {
        const key = primordials.StringPrototypeToLowerCase(clean(keys[i]));
        typed ||= key === "content-type";
        head += `\n${key}\n${clean(input.headers[keys[i]])}`;
      }
    }
    if (!typed && text !== null && typeof input.body !== "string") head += "\ncontent-type\napplication/json";
    if (method === "GET" || method === "HEAD") text = null;
    return { head, body: text };
  }

  // settle takes what the handler returned, or what it threw.
  function settle(ex, value, error, threw) {
    if (execution !== ex || ex.settled) return;
    ex.settled = true;
    if (ex.stopReason !== undefined) return; // the client has left
    if (threw) {
      fail(ex, thrown(CODES.exception, "", error));
    } else {
      switch (ex.kind) {
        case FETCH: respond(ex, value); break;
        case RUN + 1: respondAsOutput(ex, value); break;
        default: output(ex, value);
      }
    }
    complete(ex);
  }

  function tooLarge(observed) {
    fail(execution, failure(CODES.output_too_large, `max_output_size_bytes: limit ${control[OUTPUT_LIMIT]}, observed ${observed}`, "", false));
  }

  function output(ex, value) {
    let text;
    try {
      text = value === undefined ? "null" : JSONStringify(value);
    } catch (e) {
      const message = messageOf(e);
      if (StringPrototypeIncludes(message, "Invalid string length")) {
        fail(ex, failure(CODES.output_too_large, `max_output_size_bytes: limit ${control[OUTPUT_LIMIT]}, observed more than 536870888`, "", false));
        return;
      }
      const ours = StringPrototypeStartsWith(message, "TypeError: Converting circular") || StringPrototypeStartsWith(message, "TypeError: Do not know how to serialize") ||
        StringPrototypeStartsWith(message, "RangeError: Maximum call stack");
      if (ours) fail(ex, failure(CODES.invalid_output, "the output is not JSON: " + message, "", false));
      else fail(ex, thrown(CODES.exception, "while the output was made JSON: ", e));
      return;
    }
    if (typeof text !== "string") {
      fail(ex, failure(CODES.invalid_output, `the output is not JSON: a ${typeof value}`, "", false));
      return;
    }
    if (text.length > control[OUTPUT_LIMIT]) {
      tooLarge(text.length);
      return;
    }
    ex.text = text;
    control[RESULT] = OUTPUT;
    control[BYTES] = -1;
  }

  // headText is a response's head as the worker takes it: "name\nvalue\n…".
  function headText(r) {
    const list = r.list;
    let text = "";
    if (list !== null) {
      for (let i = 0; i < list.length; i++) text += i === 0 ? list[i] : "\n" + list[i];
    }
    return r.type === null ? text : text === "" ? "content-type\n" + r.type : text + "\ncontent-type\n" + r.type;
  }

  // answerText is what the handler gave: a response's head, and its body where that is a text.
  function answerText(ex) {
    const r = ex.response;
    if (r === undefined) return ex.text;
    const head = headText(r);
    return ex.text === "" ? head : control[HEADER_LINES] === 0 ? ex.text : head + "\n" + ex.text;
  }

  function respond(ex, value) {
    let r;
    try {
      r = events().takeResponse(value);
    } catch (e) {
      fail(ex, failure(CODES.invalid_output, messageOf(e), stackOf(e), false));
      return;
    }
    control[STATUS] = r.status;
    control[HEADER_LINES] = (r.list === null ? 0 : r.list.length) + (r.type === null ? 0 : 2);
    const body = r.body;
    if (body === null || typeof body === "string") {
      if (body !== null && body.length > control[OUTPUT_LIMIT]) {
        tooLarge(body.length);
        return;
      }
      ex.response = r;
      ex.text = body ?? "";
      control[RESULT] = RESPONSE;
      control[BYTES] = -1;
      return;
    }
    let isBytes = true, n = 0;
    try {
      n = TypedArrayPrototypeGetLength(body);
    } catch {
      isBytes = false;
    }
    if (isBytes) {
      if (n > control[OUTPUT_LIMIT]) {
        tooLarge(n);
        return;
      }
      ex.response = r;
      ex.bytes = body;
      control[RESULT] = RESPONSE;
      return;
    }
    if (ex.left !== undefined) {
      frames.run(body.frame, body.cancel, body, [leftReason(ex)]);
      ex.response = r;
      control[RESULT] = RESPONSE;
      control[BYTES] = -1;
      return;
    }
    nativeOp("head", headText(r));
    ex.streamed = true;
    ex.source = body;
    ex.bodyPending = true;
    PromisePrototypeThen(frames.run(body.frame, pump, undefined, [ex, body]), undefined, (e) => {
      if (execution !== ex || ex.source !== body) return;
      ex.source = undefined;
      ex.bodyPending = false;
      fail(ex, thrown(CODES.exception, "while the response's body was read: ", e));
      complete(ex);
    });
  }

  // respondAsOutput makes {status, headers, body} of a Response.
  function respondAsOutput(ex, value) {
    let r;
    try {
      r = events().takeResponse(value);
    } catch (e) {
      fail(ex, failure(CODES.invalid_output, messageOf(e), stackOf(e), false));
      return;
    }
    const headers = { __proto__: null };
    const head = headText(r), parts = head === "" ? [] : StringPrototypeSplit(head, "\n");
    for (let i = 0; i + 1 < parts.length; i += 2) {
      headers[parts[i]] = headers[parts[i]] === undefined ? parts[i + 1] : headers[parts[i]] + ", " + parts[i + 1];
    }
    const finish = (body) => output(ex, { __proto__: null, status: r.status, headers, body });
    if (r.body === null || typeof r.body === "string") {
      finish(r.body);
      return;
    }
    let isBytes = true;
    try {
      TypedArrayPrototypeGetLength(r.body);
    } catch {
      isBytes = false;
    }
    if (isBytes) {
      finish(use("encoding").utf8Decode(r.body, false));
      return;
    }
    ex.bodyPending = true;
    (async () => {
      const { newDecoder } = use("encoding");
      const decode = newDecoder();
      let text = "", total = 0;
      for (;;) {
        const part = await r.body.read();
        if (part === null || execution !== ex) break;
        total += TypedArrayPrototypeGetLength(part);
        if (total > control[OUTPUT_LIMIT]) {
          tooLarge(total);
          r.body.cancel();
          break;
        }
        text += decode(part, true);
      }
      text += decode(undefined, false);
      ex.bodyPending = false;
      if (execution === ex && !ex.failed) finish(text);
      complete(ex);
    })().then(undefined, (e) => {
      ex.bodyPending = false;
      fail(ex, thrown(CODES.exception, "while the response's body was read: ", e));
      complete(ex);
    });
  }

  // fail records the first failure of the execution.
  function fail(ex, text) {
    if (execution !== ex || ex === undefined || ex.failed) return;
    ex.failed = true;
    ex.response = undefined;
    ex.text = text;
    control[RESULT] = FAILURE;
    control[BYTES] = -1;
  }

  function reportError(error) {
    if (execution === undefined) return;
    const ex = execution;
    if (ex.answered) {
      failBackground(ex, "Uncaught ", error);
      return;
    }
    fail(ex, thrown(CODES.exception, "", error));
    ex.settled = true;
    complete(ex);
  }

  // complete ends the execution when nothing of it is left. Where only work of waitUntil is left, the answer leaves first. What is to
  // end for another reason ends by unsettled, or by its deadline.
  function complete(ex) {
    if (execution !== ex || control[STATE] !== RUNNING || ex.stopReason !== undefined) return;
    if (!ex.settled || (ex.bodyPending && !ex.failed)) return;
    if (ex.waits > 0) {
      answer(ex);
      return;
    }
    if (ex.background !== "") answer(ex);
    if (ex.streamed) control[STREAMED] = 1;
    if ((ex.streamed || ex.answered) && !ex.failed) {
      ex.response = undefined;
      ex.text = "";
      control[RESULT] = RESPONSE;
      control[BYTES] = -1;
      control[HEADER_LINES] = 0;
    }
    if (ex.background !== "") fail(ex, ex.background);
    control[STATE] = DONE;
    if (ex.failed) return;
    if (ex.bytes === undefined) handOver(ex);
    if (control[TEXT_LENGTH] >= 0) return;
    ex.text = answerText(ex); // now: the script may still change the response's headers
    ex.response = undefined;
  }

  // answer sends what the handler gave, or how it failed, while the execution goes on.
  function answer(ex) {
    if (ex.answered) return;
    ex.answered = true;
    if (ex.streamed) {
      native("last", ex.failed ? "the response's body failed" : "");
      return;
    }
    if (ex.bytes !== undefined) putBytes(ex.bytes);
    native("answer", answerText(ex));
    if (!ex.failed) ex.text = "";
    ex.response = ex.bytes = undefined;
  }

  // handOver puts a short answer of ASCII where the worker finds it without a call: take is then not called, unless a host call is under
  // way or a rejection comes after all, and the next begin does the rest of it.
  function handOver(ex) {
    const r = ex.response;
    let at = 0;
    if (r !== undefined) {
      const list = r.list;
      if (list !== null) {
        for (let i = 0; i < list.length; i++) at = put(i === 0 ? at : newline(at), list[i]);
      }
      if (r.type !== null) at = put(newline(put(at === 0 ? at : newline(at), "content-type")), r.type);
      if (ex.text !== "" && at > 0) at = newline(at);
    }
    control[TEXT_LENGTH] = put(at, ex.text);
  }

  // put writes a text at a place of what is handed over, and returns the place after it: -1 where it is too long, or not ASCII.
  function put(at, text) {
    const n = text.length;
    if (at < 0 || n > shortText - at) return -1;
    for (let i = 0; i < n; i++) {
      const c = StringPrototypeCharCodeAt(text, i);
      if (c > 127) return -1;
      handedOver[at + i] = c;
    }
    return at + n;
  }

  function newline(at) {
    return put(at, "\n");
  }

  // handedText reads what handOver has put.
  function handedText() {
    let text = "";
    for (let i = 0; i < control[TEXT_LENGTH]; i++) text += primordials.StringFromCharCode(handedOver[i]);
    return text;
  }

  // answered returns a response's text where it is one that handOver has not put, and leaves everything as it is: the next begin does the rest,
  // as after handOver.
  function answered() {
    const ex = execution;
    return ex !== undefined && ex.bytes === undefined && !ex.failed ? ex.text : undefined;
  }

  // take returns the result's text and ends the execution: what is left of it is cancelled.
  function take() {
    const ex = execution;
    const text = control[TEXT_LENGTH] < 0 ? ex.text : handedText();
    if (control[RESULT] === RESPONSE && ex.bytes !== undefined) putBytes(ex.bytes);
    end();
    return text;
  }

  function end() {
    if (MapPrototypeGetSize(calls) > 0) {
      MapPrototypeForEach(calls, (call) => {
        call.upload = undefined;
        if (call.sent) native("hostCancel", `${call.id}`);
      });
      MapPrototypeClear(calls);
    }
    if (waiting.length > 0) waiting = [];
    waitingAt = open = 0;
    lastCall = 0;
    creditWaiter = undefined;
    execution = undefined;
    core.execution = undefined;
    control[PENDING] = 0;
    control[STATE] = IDLE;
    control[ENDED] = 1;
    clearTimers();
    if (MapPrototypeGetSize(rejections) > 0) MapPrototypeClear(rejections);
    control[REJECTIONS] = 0;
  }

  // unsettled is called when nothing is left that could run: no timer, no call, no stream.
  function unsettled() {
    const ex = execution;
    if (ex === undefined) return;
    if (ex.stopReason !== undefined) {
      ex.stopReason = undefined;
      ex.answered = true;
    }
    if (ex.loading) {
      fail(ex, failure(CODES.boot_error, "a top-level await of the script can never settle: no timer, host call or stream is left that could settle it", "", false));
    } else if (!ex.settled || ex.bodyPending) {
      fail(ex, failure(CODES.unsettled, "the handler's promise can never settle: no timer, host call or stream is left that could settle it", "", false));
    }
    ex.settled = true;
    ex.bodyPending = false;
    ex.waits = 0;
    complete(ex);
  }

  // stop tells the script that the execution ends, and why: the stream of its response is cancelled and ctx.signal aborted. It goes on
  // until nothing of it is left, or until the worker ends it.
  function stop(name, message) {
    const ex = execution;
    if (ex === undefined || ex.stopReason !== undefined || control[STATE] !== RUNNING) return;
    ex.stopReason = new (use("domexception").DOMException)(message, name);
    control[STOPPING] = 1;
    discard(ex, ex.stopReason);
    if (ex.abort === undefined) return;
    frames.outside = true;
    try {
      ex.abort(ex.stopReason);
    } catch {
      // a listener's error changes nothing any more
    }
    frames.outside = false;
    frames.clear();
  }

  // left says that the client has left. While there is work of waitUntil, that changes nothing but the response's stream.
  function left(message) {
    const ex = execution;
    if (ex === undefined || ex.left !== undefined || control[STATE] !== RUNNING) return;
    if (ex.waits === 0) {
      stop("AbortError", message);
      return;
    }
    ex.left = message;
    discard(ex, leftReason(ex));
    complete(ex);
  }

  function leftReason(ex) {
    return new (use("domexception").DOMException)(ex.left, "AbortError");
  }

  // ---- unhandled rejections ----

  // onReject is V8's promise hook: event 0 is a rejection without a handler, 1 a handler that came later.
  function onReject(event, promise, reason) {
    if (event === 0) {
      MapPrototypeSet(rejections, promise, reason);
    } else if (event === 1) {
      MapPrototypeDelete(rejections, promise);
    } else {
      return;
    }
    control[REJECTIONS] = MapPrototypeGetSize(rejections);
  }

  function takeRejection(code) {
    let text;
    MapPrototypeForEach(rejections, (reason) => {
      text ??= thrown(code, "Unhandled rejection: ", reason);
    });
    MapPrototypeClear(rejections);
    control[REJECTIONS] = 0;
    return text;
  }

  // rejected fails the execution for a rejection that is unhandled at the end of the microtasks.
  function rejected() {
    const ex = execution;
    const text = takeRejection(ex === undefined ? CODES.exception : ex.answered ? CODES.background_error : ex.loading ? CODES.boot_error : CODES.exception);
    if (text === undefined || ex === undefined) return;
    if (ex.answered && control[STATE] !== DONE) {
      log(3, JSONParse(text)[1]);
      if (ex.background === "") ex.background = text;
      return;
    }
    if (control[STATE] === DONE) {
      if (ex.failed) return;
      ex.failed = true;
      ex.text = text;
      ex.response = ex.bytes = undefined;
      control[TEXT_LENGTH] = -1;
      control[RESULT] = FAILURE;
      control[BYTES] = -1;
      return;
    }
    fail(ex, text);
    ex.settled = true;
    ex.bodyPending = false;
    complete(ex);
  }

  const lent = "jsruntime:lent";

  // lend has native find fn under a name on the global object for the time of a call.
  function lend(fn, op, rest) {
    ObjectDefineProperty(globalThis, lent, { __proto__: null, value: fn, configurable: true });
    native(op, lent + rest);
    delete globalThis[lent];
  }

  // within lets the worker do something while this context is entered, and returns the value that it lends.
  function within() {
    native("within", "");
    const value = globalThis[lent];
    delete globalThis[lent];
    return value;
  }
  lend(onReject, "hook", "");
  lend({ __proto__: null, begin, end, reply, answered }, "warm", "");
  lend(holder, "holder", "");
  lend(frames, "continuation", "");
  frames.set(undefined); // the isolate's context before may have left one

  nextDue[0] = Infinity;
  control[ENDED] = 1;
  if (files.globals !== undefined) use("globals");

  // prepare makes what most scripts touch in their first execution, before there is any script.
  function prepare() {
    use("fetchEvent");
    use("request");
    use("response");
    use("headers");
    use("body");
    use("url");
  }

  return {
    control: controlBuffer, exchange, ensure, shrink, prepare, load, loaded, begin, take, end, tick, reply, chunk, credit, unsettled, stop, left, rejected, within,
  };
})
