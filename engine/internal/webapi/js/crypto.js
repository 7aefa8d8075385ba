// crypto: random bytes and UUIDs here, subtle in a file of its own.
(function (core) {
  "use strict";
  const {
    ArrayBufferIsView, TypeError, TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteLength, TypedArrayPrototypeGetByteOffset, TypedArrayPrototypeGetSymbolToStringTag,
    TypedArrayPrototypeSet, Uint8Array,
  } = core.primordials;
  const { define, illegal, required } = core.use("webidl");

  class Crypto {
    #brand = true;
    constructor(token) {
      if (token !== illegal) throw new TypeError("Illegal constructor");
    }
    get subtle() {
      this.#brand;
      return core.use("subtle").subtle;
    }
    getRandomValues(array) {
      this.#brand;
      required(arguments.length, 1, "getRandomValues");
      if (!ArrayBufferIsView(array)) throw new TypeError("getRandomValues: the argument is not a typed array");
      const tag = TypedArrayPrototypeGetSymbolToStringTag(array);
      const { DOMException } = core.use("domexception");
      if (tag === undefined || tag === "Float32Array" || tag === "Float64Array" || tag === "Float16Array") {
        throw new DOMException("getRandomValues: the argument is not an array of whole numbers", "TypeMismatchError");
      }
      const n = TypedArrayPrototypeGetByteLength(array);
      if (n > 65536) throw new DOMException(`getRandomValues: ${n} bytes are more than 65536`, "QuotaExceededError");
      if (n > 0) TypedArrayPrototypeSet(new Uint8Array(TypedArrayPrototypeGetBuffer(array), TypedArrayPrototypeGetByteOffset(array), n), core.native("random", `${n}`));
      return array;
    }
    randomUUID() {
      this.#brand;
      return core.native("uuid");
    }
  }
  define(Crypto, "Crypto");

  return { Crypto, crypto: new Crypto(illegal) };
});
