// Web IDL conversions and the shape of interfaces, shared by all files.
(function (core) {
  "use strict";
  const {
    ArrayPrototypePush, ArrayPrototypeSplice, Error, FunctionPrototypeSymbolHasInstance, MathTrunc, NumberIsInteger, ObjectCreate, ObjectDefineProperties,
    ObjectDefineProperty, ObjectGetOwnPropertyDescriptor, ObjectGetPrototypeOf, ReflectOwnKeys, RegExpPrototypeExec,
    StringPrototypeToWellFormed, SymbolAsyncIterator, SymbolIterator, SymbolToStringTag, TypeError, RangeError, ArrayBufferIsView,
    TypedArrayPrototypeGetSymbolToStringTag, TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteOffset,
    TypedArrayPrototypeGetByteLength, DataViewPrototypeGetBuffer, DataViewPrototypeGetByteOffset, DataViewPrototypeGetByteLength,
    ArrayBufferPrototypeGetByteLength, ArrayIteratorPrototype, Uint8Array, Uint8ArrayPrototypeSlice, ReflectGetOwnPropertyDescriptor,
    BigInt, Number, SafeMap,
  } = core.primordials;

  const illegal = core.primordials.Symbol("illegal constructor");

  // baseURL is what relative addresses are resolved against: nothing, but where the node put a baseURL into ctx (tests do).
  function baseURL() {
    return core.execution?.baseURL;
  }

  // loaded has the exports of those files that put themselves in, so that others can ask whether a value is of a class that is
  // untouched as yet, without running its file.
  const loaded = /** @type {any} */ ({ __proto__: null });

  function str(v) {
    if (typeof v === "string") return v;
    if (typeof v === "symbol") throw new TypeError("Cannot convert a Symbol value to a string");
    return `${v}`;
  }

  function usv(v) {
    return StringPrototypeToWellFormed(typeof v === "string" ? v : str(v));
  }

  const notByte = /[^\x00-\xff]/;
  function byteString(v, what) {
    v = str(v);
    if (RegExpPrototypeExec(notByte, v) !== null) {
      throw new TypeError(`${what ?? "The value"} has a character that is not a byte (above U+00FF)`);
    }
    return v;
  }

  function isObject(v) {
    return (typeof v === "object" && v !== null) || typeof v === "function";
  }

  // required throws as every Web API does when arguments are missing.
  function required(have, need, what) {
    if (have < need) {
      throw new TypeError(`${what}: ${need} argument${need === 1 ? "" : "s"} required, but only ${have} present`);
    }
  }

  // integer converts to an IDL integer of [min, max]; mode is "enforce", "clamp" or undefined (wrap).
  function integer(v, bits, signed, mode, what) {
    const max = bits === 64 ? 9007199254740991 : signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
    const min = !signed ? 0 : bits === 64 ? -9007199254740991 : -(2 ** (bits - 1));
    v = +v;
    if (mode === "enforce") {
      if (v !== v || v === Infinity || v === -Infinity) throw new TypeError(`${what ?? "The value"} is not a finite number`);
      v = MathTrunc(v);
      if (v < min || v > max) throw new TypeError(`${what ?? "The value"} is outside of ${min} to ${max}`);
      return v + 0;
    }
    if (v !== v) return 0;
    if (mode === "clamp") {
      v = v < min ? min : v > max ? max : v;
      const floor = MathTrunc(v), diff = v - floor;
      // Halves go to the even neighbour.
      if (diff > 0.5 || (diff === 0.5 && floor % 2 !== 0)) return floor + 1;
      if (diff < -0.5 || (diff === -0.5 && floor % 2 !== 0)) return floor - 1;
      return floor + 0;
    }
    if (v === Infinity || v === -Infinity) return 0;
    v = MathTrunc(v);
    if (v >= min && v <= max) return v + 0;
    if (bits === 64) {
      const m = core.primordials.BigIntAsUintN(64, BigInt(v));
      return Number(signed ? core.primordials.BigIntAsIntN(64, m) : m);
    }
    const mod = 2 ** bits;
    v = v % mod;
    if (v < 0) v += mod;
    return signed && v > max ? v - mod : v;
  }

  function dictionary(v, what) {
    if (v === undefined || v === null) return undefined;
    if (!isObject(v)) throw new TypeError(`${what ?? "The options"} must be an object`);
    return v;
  }

  function callback(v, what) {
    if (typeof v !== "function") throw new TypeError(`${what} is not a function`);
    return v;
  }

  function enumeration(v, values, what) {
    v = str(v);
    for (let i = 0; i < values.length; i++) if (values[i] === v) return v;
    throw new TypeError(`${what}: "${v}" is not one of ${core.primordials.ArrayPrototypeJoin(values, ", ")}`);
  }

  // sequence reads an iterable into an array through convert.
  function sequence(v, convert, what) {
    if (!isObject(v)) throw new TypeError(`${what ?? "The value"} is not iterable`);
    const method = v[SymbolIterator];
    if (typeof method !== "function") throw new TypeError(`${what ?? "The value"} is not iterable`);
    return sequenceFrom(v, method, convert);
  }

  function sequenceFrom(v, method, convert) {
    const it = core.primordials.ReflectApply(method, v, []);
    if (!isObject(it)) throw new TypeError("The iterator is not an object");
    const next = it.next;
    const out = [];
    for (;;) {
      const r = core.primordials.ReflectApply(next, it, []);
      if (!isObject(r)) throw new TypeError("The iterator's result is not an object");
      if (r.done) return out;
      const value = r.value;
      ArrayPrototypePush(out, convert === undefined ? value : convert(value));
    }
  }

  // pairs reads what Headers and URLSearchParams take: sequence<sequence<T>> or record<T, T>, as [name, value, name, value …].
  function pairs(init, key, value, what) {
    const out = [];
    const method = init[SymbolIterator];
    if (method !== undefined && method !== null) {
      if (typeof method !== "function") throw new TypeError(`${what} is not iterable`);
      const list = sequenceFrom(init, method, (p) => sequence(p, undefined, "Each pair"));
      for (let i = 0; i < list.length; i++) {
        if (list[i].length !== 2) throw new TypeError(`${what}: each pair must have a name and a value`);
        ArrayPrototypePush(out, key(list[i][0]), value(list[i][1]));
      }
      return out;
    }
    const keys = ReflectOwnKeys(init);
    const at = { __proto__: null };
    for (let i = 0; i < keys.length; i++) {
      const d = ReflectGetOwnPropertyDescriptor(init, keys[i]);
      if (d !== undefined && d.enumerable) {
        const k = key(keys[i]), v = value(init[keys[i]]);
        // Two keys may become one by conversion (lone surrogates): the later value wins.
        if (k in at) out[at[k] + 1] = v;
        else {
          at[k] = out.length;
          ArrayPrototypePush(out, k, v);
        }
      }
    }
    return out;
  }

  // bufferView returns {buffer, offset, length} of an ArrayBuffer or a view, without touching what a script may have changed.
  function isBufferSource(v) {
    return ArrayBufferIsView(v) || isArrayBuffer(v);
  }
  function isArrayBuffer(v) {
    if (typeof v !== "object" || v === null) return false;
    try {
      ArrayBufferPrototypeGetByteLength(v);
      return true;
    } catch {
      return false;
    }
  }
  // bytesOf returns a Uint8Array over the same memory as the buffer source v.
  function bytesOf(v) {
    if (ArrayBufferIsView(v)) {
      const tag = TypedArrayPrototypeGetSymbolToStringTag(v);
      if (tag === "Uint8Array" && ObjectGetPrototypeOf(v) === core.primordials.Uint8ArrayPrototype) return v;
      if (tag !== undefined) {
        return new Uint8Array(TypedArrayPrototypeGetBuffer(v), TypedArrayPrototypeGetByteOffset(v), TypedArrayPrototypeGetByteLength(v));
      }
      return new Uint8Array(DataViewPrototypeGetBuffer(v), DataViewPrototypeGetByteOffset(v), DataViewPrototypeGetByteLength(v));
    }
    if (isArrayBuffer(v)) return new Uint8Array(v);
    throw new TypeError("The value is not an ArrayBuffer or a view on one");
  }
  // copyBytes returns a fresh Uint8Array with a copy of the buffer source v.
  function copyBytes(v) {
    return Uint8ArrayPrototypeSlice(bytesOf(v));
  }

  // interfaces has the prototypes of our own classes, with their names; console prints their attributes.
  const interfaces = new SafeMap();

  // define gives a class the property attributes that Web IDL wants: members enumerable, Symbol.toStringTag its name.
  function define(Class, name, statics) {
    const proto = Class.prototype;
    const keys = ReflectOwnKeys(proto);
    for (let i = 0; i < keys.length; i++) {
      const k = keys[i];
      if (typeof k === "symbol" || k === "constructor") continue;
      ObjectDefineProperty(proto, k, { __proto__: null, enumerable: true });
    }
    ObjectDefineProperty(proto, SymbolToStringTag, { __proto__: null, value: name, configurable: true, enumerable: false, writable: false });
    if (statics !== undefined) {
      for (let i = 0; i < statics.length; i++) ObjectDefineProperty(Class, statics[i], { __proto__: null, enumerable: true });
    }
    ObjectDefineProperty(Class, "prototype", { __proto__: null, writable: false });
    interfaces.set(proto, name);
    return Class;
  }

  function constants(Class, map) {
    const keys = ReflectOwnKeys(map);
    for (let i = 0; i < keys.length; i++) {
      const d = { __proto__: null, value: map[keys[i]], enumerable: true, writable: false, configurable: false };
      ObjectDefineProperty(Class, keys[i], d);
      ObjectDefineProperty(Class.prototype, keys[i], d);
    }
  }

  const IteratorPrototype = ObjectGetPrototypeOf(ArrayIteratorPrototype);

  // pairIterable gives Class the methods of an iterable<K, V>. list(obj) returns a flat array [k, v, k, v …] that may change
  // between steps, as the standard's live iterators see it; it throws where obj is not of Class.
  function pairIterable(Class, name, list) {
    class State {
      #target; #index = 0; #kind;
      constructor(target, kind) {
        this.#target = target;
        this.#kind = kind;
      }
      static step(it) {
        if (!isObject(it) || !(#target in it)) throw new TypeError(`next() was not called on a ${name} Iterator`);
        const l = list(it.#target), i = it.#index;
        if (i >= l.length) return { value: undefined, done: true };
        it.#index = i + 2;
        const kind = it.#kind;
        return { value: kind === 0 ? [l[i], l[i + 1]] : kind === 1 ? l[i] : l[i + 1], done: false };
      }
    }
    const step = State.step;
    const proto = State.prototype;
    core.primordials.ObjectSetPrototypeOf(proto, IteratorPrototype);
    ObjectDefineProperties(proto, {
      next: { __proto__: null, value: { next() { return step(this); } }.next, writable: true, enumerable: true, configurable: true },
      [SymbolToStringTag]: { __proto__: null, value: `${name} Iterator`, configurable: true },
    });
    delete State.prototype.constructor;
    const methods = {
      entries() { list(this); return new State(this, 0); },
      keys() { list(this); return new State(this, 1); },
      values() { list(this); return new State(this, 2); },
      forEach(fn, thisArg = undefined) {
        list(this);
        required(arguments.length, 1, `${name}.forEach`);
        callback(fn, `${name}.forEach: parameter 1`);
        for (let i = 0; ; i += 2) {
          const l = list(this);
          if (i >= l.length) return;
          core.primordials.ReflectApply(fn, thisArg, [l[i + 1], l[i], this]);
        }
      },
    };
    const keys = ReflectOwnKeys(methods);
    for (let i = 0; i < keys.length; i++) {
      ObjectDefineProperty(Class.prototype, keys[i], { __proto__: null, value: methods[keys[i]], writable: true, enumerable: true, configurable: true });
    }
    ObjectDefineProperty(Class.prototype, SymbolIterator, { __proto__: null, value: methods.entries, writable: true, enumerable: false, configurable: true });
  }

  // The lists of headers, search parameters and forms are flat: [name, value, name, value …].
  function firstOf(list, name) {
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) return list[i + 1];
  }
  function allOf(list, name) {
    const out = [];
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) ArrayPrototypePush(out, list[i + 1]);
    return out;
  }
  // setPair gives the first pair of that name the value, and drops the others.
  function setPair(list, name, value) {
    let found = false;
    for (let i = 0; i < list.length; ) {
      if (list[i] !== name) i += 2;
      else if (!found) {
        found = true;
        list[i + 1] = value;
        i += 2;
      } else ArrayPrototypeSplice(list, i, 2);
    }
    if (!found) ArrayPrototypePush(list, name, value);
  }

  return {
    illegal, str, usv, byteString, isObject, required, integer, dictionary, callback, enumeration, sequence, sequenceFrom, pairs,
    isBufferSource, isArrayBuffer, bytesOf, copyBytes, define, constants, pairIterable, IteratorPrototype, loaded, interfaces, baseURL, firstOf, allOf, setPair,
  };
});
