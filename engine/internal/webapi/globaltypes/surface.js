// Answers the members of every global that is not ECMAScript's. A test of cmd/jsruntime compares the answer with surface.json.
const own = new Set(["constructor", "length", "prototype", "Symbol(Symbol.toStringTag)"]);
const members = (object) => Reflect.ownKeys(object).map(String).filter((name) => !own.has(name) && !(name === "name" && typeof object === "function")).sort();
const language = new Set(
  ("Object Function Array Number Boolean String Symbol Date Promise RegExp Error AggregateError EvalError RangeError ReferenceError SyntaxError " +
    "TypeError URIError SuppressedError ArrayBuffer Uint8Array Int8Array Uint16Array Int16Array Uint32Array Int32Array BigUint64Array BigInt64Array " +
    "Uint8ClampedArray Float16Array Float32Array Float64Array DataView Map BigInt Set Iterator WeakMap WeakSet Proxy FinalizationRegistry WeakRef " +
    "DisposableStack AsyncDisposableStack Infinity NaN undefined globalThis JSON Math Intl Atomics Reflect Temporal parseFloat parseInt decodeURI " +
    "decodeURIComponent encodeURI encodeURIComponent escape unescape eval isFinite isNaN").split(" "),
);

export default {
  run() {
    const surface = {};
    for (const name of Object.getOwnPropertyNames(globalThis)) {
      if (language.has(name)) continue;
      const value = globalThis[name];
      surface[name] = { kind: typeof value };
      if (typeof value === "function" && value.prototype && /^[A-Z]/.test(name)) {
        const parent = Object.getPrototypeOf(value).name;
        surface[name] = { kind: "class", ...(parent && { parent }), statics: members(value), members: members(value.prototype) };
      } else if (name === "console") {
        surface[name].members = members(value);
      }
    }
    return surface;
  },
};
