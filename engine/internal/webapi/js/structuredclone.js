// structuredClone. There is one realm, so that serialising and deserialising are one walk.
(function (core) {
  "use strict";
  const P = core.primordials;
  const {
    ArrayBufferIsView, ArrayBufferPrototypeGetByteLength, ArrayBufferPrototypeGetDetached, ArrayBufferPrototypeSlice, ArrayBufferPrototypeTransfer, ArrayIsArray, ArrayPrototypePush,
    BigIntPrototypeValueOf, BooleanPrototypeValueOf, DataView, DataViewPrototypeGetBuffer, DataViewPrototypeGetByteLength, DataViewPrototypeGetByteOffset, Date, DatePrototypeGetTime,
    Error, MapPrototypeForEach, MapPrototypeGetSize, Map, NumberPrototypeValueOf, Object, ObjectDefineProperty, ObjectGetOwnPropertyDescriptor, ObjectGetPrototypeOf, ObjectHasOwn, ObjectKeys,
    ObjectPrototypeToString, ObjectCreate, ReflectGetOwnPropertyDescriptor, RegExp, RegExpPrototypeGetSource, RegExpPrototypeGetFlags, SafeMap, SafeSet, Set, SetPrototypeAdd, SetPrototypeForEach, SetPrototypeGetSize,
    StringPrototypeValueOf, MapPrototypeSet, TypeError, TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteOffset, TypedArrayPrototypeGetLength, TypedArrayPrototypeGetByteLength,
    TypedArrayPrototypeGetSymbolToStringTag, SymbolPrototypeValueOf,
  } = P;
  const { dictionary, interfaces, isArrayBuffer, isObject, loaded, required, sequence, str } = core.use("webidl");
  const { DOMException, isDOMException, domExceptionParts } = core.use("domexception");

  function refuse(what) {
    throw new DOMException(`${what} could not be cloned`, "DataCloneError");
  }

  // as is undefined where v does not have the internal slot that getter reads.
  function as(getter, v) {
    try {
      return getter(v);
    } catch {
      return undefined;
    }
  }

  function isResizable(b) {
    return P.ArrayBufferPrototypeGetResizable !== undefined && P.ArrayBufferPrototypeGetResizable(b);
  }

  function cloneBuffer(b) {
    if (ArrayBufferPrototypeGetDetached(b)) refuse("A detached ArrayBuffer");
    const length = ArrayBufferPrototypeGetByteLength(b);
    if (isResizable(b)) {
      const out = new P.ArrayBuffer(length, { maxByteLength: P.ArrayBufferPrototypeGetMaxByteLength(b) });
      P.TypedArrayPrototypeSet(new P.Uint8Array(out), new P.Uint8Array(b));
      return out;
    }
    return ArrayBufferPrototypeSlice(b, 0, length);
  }

  const errors = { __proto__: null, EvalError: P.EvalError, RangeError: P.RangeError, ReferenceError: P.ReferenceError, SyntaxError: P.SyntaxError, TypeError: P.TypeError, URIError: P.URIError };

  function set(target, key, value) {
    ObjectDefineProperty(target, key, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
  }

  // kinds has the prototypes of what may have internal slots. A value with none of them in its chain is taken for a plain object without
  // asking for each slot: that would throw for each. The others are asked, first by what their prototype says.
  const PLAIN = 1, DATE = 2, MAP = 3, SET = 4, ERROR = 5, REGEXP = 6, BOOLEAN = 7, NUMBER = 8, BIGINT = 9, STRING = 10, OTHER = 11;
  const kinds = new SafeMap();
  const others = ["Symbol", "WeakMap", "WeakSet", "WeakRef", "Promise", "Array", "ArrayBuffer", "DataView", "TypedArray"];
  for (let i = 0; i < others.length; i++) kinds.set(P[others[i] + "Prototype"], OTHER);
  kinds.set(P.DatePrototype, DATE);
  kinds.set(P.MapPrototype, MAP);
  kinds.set(P.SetPrototype, SET);
  kinds.set(P.ErrorPrototype, ERROR);
  kinds.set(P.RegExpPrototype, REGEXP);
  kinds.set(P.BooleanPrototype, BOOLEAN);
  kinds.set(P.NumberPrototype, NUMBER);
  kinds.set(P.BigIntPrototype, BIGINT);
  kinds.set(P.StringPrototype, STRING);
  // boxes has the method that unwraps what each kind wraps.
  const boxes = { __proto__: null, [BOOLEAN]: BooleanPrototypeValueOf, [NUMBER]: NumberPrototypeValueOf, [BIGINT]: BigIntPrototypeValueOf, [STRING]: StringPrototypeValueOf };

  function kindOf(v) {
    let p = ObjectGetPrototypeOf(v);
    if (p === P.ObjectPrototype || p === null) return kinds.has(v) ? OTHER : PLAIN;
    for (let hops = 0; p !== null && p !== P.ObjectPrototype; p = ObjectGetPrototypeOf(p)) {
      const kind = kinds.get(p);
      if (kind !== undefined) return kind;
      if (hops++ >= 50 || interfaces.has(p)) return OTHER;
    }
    return PLAIN;
  }

  function walk(v, memory) {
    if (!isObject(v)) {
      if (typeof v === "symbol") refuse(P.SymbolPrototypeToString(v));
      return v;
    }
    const seen = memory.get(v);
    if (seen !== undefined) return seen;
    if (typeof v === "function") refuse(`The function ${v.name}`);
    if (ArrayIsArray(v)) {
      const out = [];
      memory.set(v, out);
      out.length = v.length;
      return properties(v, out, memory);
    }
    const kind = kindOf(v);
    if (kind === PLAIN) {
      const out = {};
      memory.set(v, out);
      return properties(v, out, memory);
    }
    return slotted(v, kind, memory);
  }

  // slotted clones what may have internal slots.
  function slotted(v, guess, memory) {
    let x;
    const remember = (copy) => {
      memory.set(v, copy);
      return copy;
    };
    if (guess === ERROR && isNativeError(v) && !isDOMException(v)) return error(v, memory, remember);
    if (guess === MAP && as(MapPrototypeGetSize, v) !== undefined) return cloneMap(v, remember(new Map()), memory);
    if (guess === DATE && (x = as(DatePrototypeGetTime, v)) !== undefined) return remember(new Date(x));
    if (guess === SET && as(SetPrototypeGetSize, v) !== undefined) return cloneSet(v, remember(new Set()), memory);
    if (guess === REGEXP && v !== P.RegExpPrototype && (x = as(RegExpPrototypeGetSource, v)) !== undefined) return remember(new RegExp(x, RegExpPrototypeGetFlags(v)));
    if (guess >= BOOLEAN && guess <= STRING && (x = as(boxes[guess], v)) !== undefined) return remember(Object(x));
    if (isDOMException(v)) return remember(cloneDOMException(v));
    if (ArrayBufferIsView(v)) {
      const tag = TypedArrayPrototypeGetSymbolToStringTag(v);
      if (tag === undefined) {
        let length, offset;
        try {
          length = DataViewPrototypeGetByteLength(v);
          offset = DataViewPrototypeGetByteOffset(v);
        } catch {
          refuse("A DataView on a detached ArrayBuffer");
        }
        return remember(new DataView(walk(DataViewPrototypeGetBuffer(v), memory), offset, length));
      }
      const buffer = TypedArrayPrototypeGetBuffer(v);
      const copy = walk(buffer, memory);
      return remember(new P[tag](copy, TypedArrayPrototypeGetByteOffset(v), TypedArrayPrototypeGetLength(v)));
    }
    if (isArrayBuffer(v)) return remember(cloneBuffer(v));
    if ((x = as(DatePrototypeGetTime, v)) !== undefined) return remember(new Date(x));
    if (as(MapPrototypeGetSize, v) !== undefined) return cloneMap(v, remember(new Map()), memory);
    if (as(SetPrototypeGetSize, v) !== undefined) return cloneSet(v, remember(new Set()), memory);
    if (v !== P.RegExpPrototype && (x = as(RegExpPrototypeGetSource, v)) !== undefined) return remember(new RegExp(x, RegExpPrototypeGetFlags(v)));
    if ((x = as(BooleanPrototypeValueOf, v)) !== undefined) return remember(Object(x));
    if ((x = as(NumberPrototypeValueOf, v)) !== undefined) return remember(Object(x));
    if ((x = as(BigIntPrototypeValueOf, v)) !== undefined) return remember(Object(x));
    if ((x = as(StringPrototypeValueOf, v)) !== undefined) return remember(Object(x));
    if (as(SymbolPrototypeValueOf, v) !== undefined) refuse("A Symbol object");
    const kind = interfaces.get(ownInterface(v));
    if (kind !== undefined) return remember(platformObject(v, kind));
    if (isNativeError(v)) return error(v, memory, remember);
    if (isExotic(v)) refuse(ObjectPrototypeToString(v));
    return properties(v, remember({}), memory);
  }

  function cloneMap(v, out, memory) {
    const list = [];
    MapPrototypeForEach(v, (value, key) => ArrayPrototypePush(list, key, value));
    for (let i = 0; i < list.length; i += 2) MapPrototypeSet(out, walk(list[i], memory), walk(list[i + 1], memory));
    return out;
  }

  function cloneSet(v, out, memory) {
    const list = [];
    SetPrototypeForEach(v, (value) => ArrayPrototypePush(list, value));
    for (let i = 0; i < list.length; i++) SetPrototypeAdd(out, walk(list[i], memory));
    return out;
  }

  // ownInterface returns the prototype of ours that v is made with, for classes and what extends them.
  function ownInterface(v) {
    for (let p = ObjectGetPrototypeOf(v), hops = 0; p !== null && hops < 50; p = ObjectGetPrototypeOf(p), hops++) {
      if (interfaces.has(p)) return p;
    }
    return undefined;
  }

  function isExotic(v) {
    // What has internal slots that cannot be cloned: found by asking for them.
    return as((x) => P.WeakMapPrototypeHas(x, x), v) !== undefined || as((x) => P.WeakSetPrototypeHas(x, x), v) !== undefined ||
      as(P.WeakRefPrototypeDeref, v) !== undefined || as((x) => P.PromisePrototypeThen(x), v) !== undefined;
  }

  function isNativeError(v) {
    return P.ErrorIsError !== undefined ? P.ErrorIsError(v) : ObjectPrototypeToString(v) === "[object Error]" && v instanceof Error;
  }

  // untraced makes an error without a stack of its own, which would cost more than all the rest. No code of the script runs meanwhile.
  function untraced(make, a, b) {
    const limit = ReflectGetOwnPropertyDescriptor(Error, "stackTraceLimit");
    if (limit === undefined || typeof limit.value !== "number" || limit.writable !== true) return make(a, b);
    Error.stackTraceLimit = 0;
    try {
      return make(a, b);
    } finally {
      Error.stackTraceLimit = limit.value;
    }
  }

  const makeError = (Ctor, message) => new Ctor(message), makeCaused = (Ctor, message) => new Ctor(message, { cause: undefined }), makeDOMException = (message, name) => new DOMException(message, name);

  // setStack gives a new error the stack of another. Where it has one of its own, V8 keeps the text in its place.
  function setStack(to, stack) {
    if (ObjectHasOwn(to, "stack")) to.stack = stack;
    else hide(to, "stack", stack);
  }

  function hide(to, key, value) {
    ObjectDefineProperty(to, key, { __proto__: null, value, writable: true, configurable: true, enumerable: false });
  }

  function cloneDOMException(v) {
    const p = domExceptionParts(v), stack = v.stack;
    const copy = untraced(makeDOMException, p.message, p.name);
    setStack(copy, `${stack}`);
    return copy;
  }

  function error(v, memory, remember) {
    let name = v.name;
    name = name === undefined ? "Error" : str(name);
    const d = ObjectGetOwnPropertyDescriptor(v, "message");
    const message = d !== undefined && "value" in d ? str(d.value) : undefined;
    const stack = v.stack;
    const caused = ObjectHasOwn(v, "cause");
    const out = remember(untraced(caused ? makeCaused : makeError, errors[name] ?? Error, message));
    if (typeof stack === "string") setStack(out, stack);
    if (caused) out.cause = walk(v.cause, memory);
    return out;
  }

  function platformObject(v, kind) {
    switch (kind) {
      case "Blob": {
        const b = core.use("blob");
        return b.newBlob(b.bytesOfBlob(v), b.typeOf(v));
      }
      case "File": {
        const b = core.use("blob");
        return new b.File([b.newBlob(b.bytesOfBlob(v), b.typeOf(v))], v.name, { type: b.typeOf(v), lastModified: v.lastModified });
      }
      case "CryptoKey": return core.use("subtle").cloneKey(v);
      default: return refuse(`A ${kind}`);
    }
  }

  function properties(from, to, memory) {
    const keys = ObjectKeys(from);
    for (let i = 0; i < keys.length; i++) {
      // A getter may have deleted a later key.
      const key = keys[i];
      if (!ObjectHasOwn(from, key)) continue;
      const value = walk(from[key], memory);
      // A setter or a fixed property of a prototype must not catch it.
      if (key in to) set(to, key, value);
      else to[key] = value;
    }
    return to;
  }

  function structuredClone(value, options = undefined) {
    required(arguments.length, 1, "structuredClone");
    const o = dictionary(options, "structuredClone: the options");
    return cloneWith(value, o?.transfer === undefined ? [] : sequence(o.transfer, undefined, "structuredClone: transfer")).copy;
  }

  // cloneWith clones value and transfers what is in list: array buffers and ports. It returns the new ports in list's order too.
  function cloneWith(value, list) {
    const ports = [];
    if (list.length === 0) return { copy: walk(value, new SafeMap()), ports };
    const unique = new SafeSet(), messaging = loaded.messaging;
    for (let i = 0; i < list.length; i++) {
      const t = list[i];
      if (unique.has(t)) refuse("A value that is transferred twice");
      unique.add(t);
      if (!isObject(t)) throw new TypeError("structuredClone: a member of transfer is not an object");
      if (messaging?.isPort(t)) {
        if (messaging.isDetached(t)) refuse("A MessagePort that was closed or transferred");
        continue;
      }
      if (!isArrayBuffer(t)) {
        const s = loaded.streams;
        if (s === undefined || !(s.isReadableStream(t) || s.isWritableStream(t) || s.isTransformStream(t))) refuse(`${ObjectPrototypeToString(t)} in transfer`);
        refuse("A stream"); // streams stay where they are: there is no other realm
      }
      if (ArrayBufferPrototypeGetDetached(t)) refuse("A detached ArrayBuffer");
    }
    // The walk puts new objects in the place of transferred objects, so that a failure detaches nothing.
    const trial = new SafeMap();
    for (let i = 0; i < list.length; i++) {
      trial.set(list[i], messaging?.isPort(list[i]) ? messaging.blank() : new P.ArrayBuffer(ArrayBufferPrototypeGetByteLength(list[i])));
    }
    const copy = walk(value, trial);
    for (let i = 0; i < list.length; i++) {
      // A getter that the walk called may have transferred it.
      if (messaging?.isPort(list[i]) ? messaging.isDetached(list[i]) : ArrayBufferPrototypeGetDetached(list[i])) refuse("A value that was transferred meanwhile");
    }
    for (let i = 0; i < list.length; i++) {
      const to = trial.get(list[i]);
      if (messaging?.isPort(to)) {
        messaging.move(list[i], to);
        ArrayPrototypePush(ports, to);
        continue;
      }
      const moved = ArrayBufferPrototypeTransfer(list[i]);
      P.TypedArrayPrototypeSet(new P.Uint8Array(to), new P.Uint8Array(moved));
    }
    return { copy, ports };
  }

  return { structuredClone, cloneWith, clone: (v) => walk(v, new SafeMap()) };
});
