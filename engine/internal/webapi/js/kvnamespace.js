// env.NAME of a kv namespace: Workers KV's methods over kv. A namespace is a prefix of keys. Texts are kept as JSON strings, so that kv reads
// them as such; bytes that are no text as {"base64": …}. What kv has written otherwise is read as its JSON.
(function (core) {
  "use strict";
  const {
    ArrayIsArray, ArrayPrototypePush, DateNow, JSONParse, JSONStringify, Map, MapPrototypeSet, NumberIsFinite, ObjectHasOwn, ObjectKeys, Promise, PromisePrototypeThen,
    PromiseReject, RangeError, String, StringPrototypeIncludes, StringPrototypeSlice, TypeError, TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetLength,
  } = core.primordials;
  const { isObject, isBufferSource, copyBytes, define } = core.use("webidl");
  const encoding = core.use("encoding");

  const maxBulk = 100; // keys of one get

  function keyOf(key, method) {
    if (typeof key !== "string") throw new TypeError(`${method}: the key must be a string`);
    if (key === "") throw new TypeError(`${method}: the key must not be empty`);
    if (key === "." || key === "..") throw new TypeError(`${method}: "." and ".." are no keys`);
    return key;
  }

  function typeOf(options, method) {
    const type = typeof options === "string" ? options : isObject(options) ? options.type ?? "text" : "text";
    switch (type) {
      case "text": case "json": case "arrayBuffer": case "stream": return type;
    }
    throw new TypeError(`${method}: the type must be "text", "json", "arrayBuffer" or "stream", not ${String(type)}`);
  }

  // isBinary reports whether a stored value is {"base64": …}.
  function isBinary(value) {
    return isObject(value) && !ArrayIsArray(value) && ObjectHasOwn(value, "base64") && typeof value.base64 === "string" && ObjectKeys(value).length === 1;
  }

  function bytesOf(value) {
    if (isBinary(value)) {
      const bytes = encoding.forgivingDecode(value.base64);
      if (bytes !== null) return bytes;
    }
    return encoding.utf8Encode(typeof value === "string" ? value : JSONStringify(value));
  }

  function textOf(value) {
    if (typeof value === "string") return value;
    return isBinary(value) ? encoding.utf8Decode(bytesOf(value), false) : JSONStringify(value);
  }

  function converted(value, type) {
    switch (type) {
      case "text": return textOf(value);
      case "json": return typeof value === "string" || isBinary(value) ? JSONParse(textOf(value)) : value;
      case "arrayBuffer": return TypedArrayPrototypeGetBuffer(bytesOf(value));
    }
    return core.use("streams").fromWhole(bytesOf(value));
  }

  // stored is what kv keeps of text or bytes: Postgres holds no NUL in a text.
  function stored(value) {
    if (typeof value === "string") {
      if (!StringPrototypeIncludes(value, "\0")) return core.primordials.StringPrototypeToWellFormed(value);
      value = encoding.utf8Encode(value);
    }
    let text;
    try {
      text = encoding.utf8Decode(value, true);
    } catch {
      text = undefined;
    }
    // A byte order mark is not in the decoded text.
    if (text !== undefined && !StringPrototypeIncludes(text, "\0") && encoding.utf8Length(text) === TypedArrayPrototypeGetLength(value)) return text;
    return { __proto__: null, base64: encoding.btoa(encoding.latin1(value)) };
  }

  // secondsToLive reads expiration and expirationTtl; 0: it stays.
  function secondsToLive(o) {
    const number = (v, name) => {
      const n = typeof v === "string" ? +v : v;
      if (typeof n !== "number" || !NumberIsFinite(n) || n <= 0) throw new TypeError(`put: ${name} must be a number of seconds, more than 0`);
      return n;
    };
    if (o.expirationTtl !== undefined && o.expirationTtl !== null) return number(o.expirationTtl, "expirationTtl");
    if (o.expiration === undefined || o.expiration === null) return 0;
    const left = number(o.expiration, "expiration") - DateNow() / 1000;
    if (left <= 0) throw new RangeError("put: expiration must be in the future");
    return left;
  }

  class KVNamespace {
    #prefix;
    constructor(token, prefix) {
      if (token !== made) throw new TypeError("Illegal constructor");
      this.#prefix = prefix;
    }

    #read(key, method) {
      return PromisePrototypeThen(core.hostCall("kv.get", { __proto__: null, key: this.#prefix + keyOf(key, method) }).promise, (r) => r.value);
    }

    // bulk reads several keys into a Map, in their order.
    #bulk(keys, options, method, convert) {
      const type = typeOf(options, method);
      if (type !== "text" && type !== "json") throw new TypeError(`${method}: several keys are read as "text" or "json"`);
      const n = keys.length;
      if (n > maxBulk) throw new RangeError(`${method}: at most ${maxBulk} keys at one time`);
      for (let i = 0; i < n; i++) keyOf(keys[i], method);
      const out = new Map();
      const next = (i) => {
        if (i === n) return out;
        return PromisePrototypeThen(this.#read(keys[i], method), (v) => {
          MapPrototypeSet(out, keys[i], convert(v, type));
          return next(i + 1);
        });
      };
      return next(0);
    }

    get(key, options = undefined) {
      return attempt(() => {
        const convert = (v, type) => (v.present ? converted(v.value, type) : null);
        if (ArrayIsArray(key)) return this.#bulk(key, options, "get", convert);
        const type = typeOf(options, "get");
        return PromisePrototypeThen(this.#read(key, "get"), (v) => convert(v, type));
      });
    }

    getWithMetadata(key, options = undefined) {
      return attempt(() => {
        if (ArrayIsArray(key)) {
          return this.#bulk(key, options, "getWithMetadata", (v, type) => ({ value: v.present ? converted(v.value, type) : null, metadata: v.metadata ?? null }));
        }
        const type = typeOf(options, "getWithMetadata");
        return PromisePrototypeThen(this.#read(key, "getWithMetadata"), (v) => ({
          value: v.present ? converted(v.value, type) : null, metadata: v.metadata ?? null, cacheStatus: null,
        }));
      });
    }

    put(key, value, options = undefined) {
      return attempt(() => {
        const name = this.#prefix + keyOf(key, "put");
        const o = isObject(options) ? options : {};
        const expirationTtl = secondsToLive(o);
        const metadata = o.metadata ?? null;
        const write = (v) => PromisePrototypeThen(core.hostCall("kv.put", { __proto__: null, key: name, value: stored(v), expirationTtl, metadata }).promise, () => undefined);
        if (isBufferSource(value)) return write(copyBytes(value));
        if (isObject(value) && core.use("streams").isReadableStream(value)) {
          return new Promise((resolve, reject) => {
            const streams = core.use("streams");
            if (streams.isLocked(value) || streams.isDisturbed(value)) throw new TypeError("put: the stream is locked or was read from");
            streams.readAll(value, (bytes) => resolve(write(bytes)), reject);
          });
        }
        if (isObject(value) || typeof value === "symbol" || value === undefined) {
          throw new TypeError("put: the value must be a string, an ArrayBuffer, a view of one or a ReadableStream; make JSON.stringify of an object");
        }
        return write(String(value));
      });
    }

    delete(key) {
      return attempt(() => PromisePrototypeThen(core.hostCall("kv.delete", { __proto__: null, key: this.#prefix + keyOf(key, "delete") }).promise, () => undefined));
    }

    list(options = undefined) {
      return attempt(() => {
        const o = isObject(options) ? options : {};
        const prefix = o.prefix ?? "", cursor = o.cursor ?? "", limit = o.limit ?? 1000;
        if (typeof prefix !== "string" || typeof cursor !== "string") throw new TypeError("list: prefix and cursor must be strings");
        const args = { __proto__: null, prefix: this.#prefix + prefix, cursor, limit };
        return PromisePrototypeThen(core.hostCall("kv.list", args).promise, (r) => {
          const v = r.value, keys = [], skip = this.#prefix.length;
          for (let i = 0; i < v.keys.length; i++) {
            const k = v.keys[i], key = /** @type {any} */ ({ name: StringPrototypeSlice(k.name, skip) });
            if (typeof k.expiration === "number") key.expiration = k.expiration;
            if (k.metadata !== undefined && k.metadata !== null) key.metadata = k.metadata;
            ArrayPrototypePush(keys, key);
          }
          if (v.complete) return { keys, list_complete: true, cacheStatus: null };
          return { keys, list_complete: false, cursor: v.cursor, cacheStatus: null };
        });
      });
    }
  }
  define(KVNamespace, "KvNamespace");

  // attempt is a method's promise, also where it throws.
  function attempt(fn) {
    try {
      return fn();
    } catch (e) {
      return PromiseReject(e);
    }
  }

  const made = { __proto__: null };

  // make returns a namespace of keys that begin with prefix.
  function make(prefix) {
    return new KVNamespace(made, prefix);
  }

  return { make };
});
