// Blob and File. The bytes are in memory, and never change.
(function (core) {
  "use strict";
  const {
    ArrayPrototypePush, DateNow, MathMax, MathMin, PromiseReject, PromiseResolve, RegExpPrototypeExec, RegExpPrototypeSymbolReplace, StringPrototypeToLowerCase,
    SymbolIterator, TypeError, TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteLength, TypedArrayPrototypeSet, Uint8Array, Uint8ArrayPrototypeSlice,
    Uint8ArrayPrototypeSubarray, ObjectDefineProperty,
  } = core.primordials;
  const { define, dictionary, enumeration, integer, isBufferSource, copyBytes, isObject, loaded, required, sequenceFrom, str, usv } = core.use("webidl");
  const encoding = core.use("encoding");

  const lineEndings = /\r\n?|\n/g;

  function typeFrom(v) {
    return RegExpPrototypeExec(/[^\x20-\x7e]/, v) === null ? StringPrototypeToLowerCase(v) : "";
  }

  function concat(parts) {
    if (parts.length === 1) return parts[0];
    let total = 0;
    for (let i = 0; i < parts.length; i++) total += TypedArrayPrototypeGetByteLength(parts[i]);
    const out = new Uint8Array(total);
    let at = 0;
    for (let i = 0; i < parts.length; i++) {
      TypedArrayPrototypeSet(out, parts[i], at);
      at += TypedArrayPrototypeGetByteLength(parts[i]);
    }
    return out;
  }

  let isBlob, bytesOfBlob, typeOf, newBlob;
  class Blob {
    #bytes; #type = "";
    constructor(blobParts = undefined, options = undefined) {
      let parts = [];
      if (blobParts !== undefined) {
        const method = isObject(blobParts) ? blobParts[SymbolIterator] : undefined;
        if (typeof method !== "function") throw new TypeError("Blob: the parts are not a sequence");
        // Members are converted while they are read, as Web IDL has it; their bytes are taken when all are known.
        parts = sequenceFrom(blobParts, method, (v) => (isObject(v) && (isBlob(v) || isBufferSource(v)) ? v : usv(v)));
      }
      options = dictionary(options, "Blob: the options");
      const endings = options?.endings === undefined ? "transparent" : enumeration(options.endings, ["transparent", "native"], "Blob: endings");
      if (options?.type !== undefined) this.#type = typeFrom(str(options.type));
      const chunks = [];
      for (let i = 0; i < parts.length; i++) {
        const p = parts[i];
        if (typeof p === "string") ArrayPrototypePush(chunks, encoding.utf8Encode(endings === "native" ? RegExpPrototypeSymbolReplace(lineEndings, p, "\n") : p));
        else if (isBlob(p)) ArrayPrototypePush(chunks, p.#bytes);
        else ArrayPrototypePush(chunks, copyBytes(p));
      }
      this.#bytes = concat(chunks);
    }
    get size() { return TypedArrayPrototypeGetByteLength(this.#bytes); }
    get type() { return this.#type; }
    slice(start = 0, end = undefined, contentType = "") {
      const bytes = this.#bytes, size = TypedArrayPrototypeGetByteLength(bytes);
      start = integer(start, 64, true, "clamp");
      end = end === undefined ? size : integer(end, 64, true, "clamp");
      const from = start < 0 ? MathMax(size + start, 0) : MathMin(start, size);
      const to = end < 0 ? MathMax(size + end, 0) : MathMin(end, size);
      return newBlob(Uint8ArrayPrototypeSubarray(bytes, from, MathMax(from, to)), typeFrom(str(contentType)));
    }
    text() {
      try {
        return PromiseResolve(encoding.utf8DecodeBOM(this.#bytes));
      } catch (e) {
        return PromiseReject(e);
      }
    }
    arrayBuffer() {
      try {
        return PromiseResolve(TypedArrayPrototypeGetBuffer(Uint8ArrayPrototypeSlice(this.#bytes)));
      } catch (e) {
        return PromiseReject(e);
      }
    }
    bytes() {
      try {
        return PromiseResolve(Uint8ArrayPrototypeSlice(this.#bytes));
      } catch (e) {
        return PromiseReject(e);
      }
    }
    stream() { return core.use("streams").fromWhole(this.#bytes); }
    static {
      isBlob = (v) => isObject(v) && #bytes in v;
      bytesOfBlob = (b) => b.#bytes;
      typeOf = (b) => b.#type;
      newBlob = (bytes, type) => {
        const b = new Blob();
        b.#bytes = bytes;
        b.#type = type;
        return b;
      };
    }
  }
  define(Blob, "Blob");

  let isFile;
  class File extends Blob {
    #name; #lastModified;
    constructor(fileBits, fileName, options = undefined) {
      required(arguments.length, 2, "File");
      const method = isObject(fileBits) ? fileBits[SymbolIterator] : undefined;
      if (typeof method !== "function") throw new TypeError("File: the parts are not a sequence");
      super(fileBits, options);
      this.#name = usv(fileName);
      const lastModified = dictionary(options, "File: the options")?.lastModified;
      this.#lastModified = lastModified === undefined ? DateNow() : integer(lastModified, 64, true);
    }
    get name() { return this.#name; }
    get lastModified() { return this.#lastModified; }
    get webkitRelativePath() {
      this.#name;
      return "";
    }
    static {
      isFile = (v) => isObject(v) && #name in v;
    }
  }
  define(File, "File");

  const exports = { Blob, File, isBlob, isFile, bytesOfBlob, typeOf, newBlob };
  loaded.blob = exports;
  return exports;
});
