// crypto: random bytes and UUIDs here, subtle in a file of its own.
(function (core) {
  "use strict";
  const {
    ArrayBufferIsView, TypeError, TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteLength, TypedArrayPrototypeGetByteOffset, TypedArrayPrototypeGetSymbolToStringTag,
    TypedArrayPrototypeSet, Uint8Array,
  } = core.primordials;
  const { define, illegal, required } = core.use("webidl");

  const digits = "0123456789abcdef";
  const poolBytes = 2048;
  /** Random bytes that are to be used: a native call costs more than 128 UUIDs. The bytes of a UUID are cleared as it is made. */
  let pool = new Uint8Array(0);
  let used = 0;

  function uuid() {
    if (used === TypedArrayPrototypeGetByteLength(pool)) {
      pool = core.native("random", `${poolBytes}`);
      used = 0;
    }
    let id = "";
    for (let i = 0; i < 16; i++) {
      let b = pool[used];
      pool[used++] = 0;
      if (i === 6) b = b & 0x0f | 0x40; // version 4
      if (i === 8) b = b & 0x3f | 0x80; // variant of RFC 9562
      id += (i === 4 || i === 6 || i === 8 || i === 10 ? "-" : "") + digits[b >> 4] + digits[b & 15];
    }
    return id;
  }

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
      return uuid();
    }
  }
  define(Crypto, "Crypto");

  return { Crypto, crypto: new Crypto(illegal) };
});
