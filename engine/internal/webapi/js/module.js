// What require("jsruntime") returns: kv, events, log, scripts and NonRetryableError. Arguments are checked here, so that a mistake
// is named before it costs a call.
(function (core) {
  "use strict";
  const {
    ArrayPrototypePush, Error, ErrorCaptureStackTrace, JSONParse, JSONStringify, NumberIsFinite, NumberIsInteger, NumberIsSafeInteger, ObjectDefineProperty,
    ObjectFreeze, ObjectKeys, PromisePrototypeThen, PromiseReject, RangeError, StringPrototypeIsWellFormed, StringPrototypeIncludes, StringPrototypeTrim, TypeError,
    DateNow, DatePrototypeGetTime, ErrorIsError,
  } = core.primordials;
  const { isObject } = core.use("webidl");

  const maxKey = 512;

  function kind(v) {
    return v === null ? "null" : core.primordials.ArrayIsArray(v) ? "an array" : typeof v === "object" ? "an object" : v === undefined ? "undefined" : `a ${typeof v}`;
  }

  function string(v, what) {
    if (typeof v !== "string") throw new TypeError(`${what} must be a string, not ${kind(v)}`);
    if (v === "") throw new TypeError(`${what} must not be empty`);
    return v;
  }

  function key(v, what) {
    string(v, what);
    if (StringPrototypeIncludes(v, "\0") || !StringPrototypeIsWellFormed(v)) throw new TypeError(`${what} must not have NUL characters or lone surrogates`);
    if (core.use("encoding").utf8Length(v) > maxKey) throw new RangeError(`${what} is longer than ${maxKey} bytes`);
    return v;
  }

  function options(v, what, known) {
    if (v === undefined) return {};
    if (!isObject(v) || typeof v === "function") throw new TypeError(`${what} must be an object, not ${kind(v)}`);
    const names = ObjectKeys(v);
    for (let i = 0; i < names.length; i++) {
      let found = false;
      for (let j = 0; j < known.length; j++) found ||= known[j] === names[i];
      if (!found) throw new TypeError(`${what}: ${names[i]} is not an option (${core.primordials.ArrayPrototypeJoin(known, ", ")})`);
    }
    return v;
  }

  function whole(v, what, min, max) {
    if (typeof v !== "number" || !NumberIsInteger(v)) throw new TypeError(`${what} must be a whole number, not ${typeof v === "number" ? v : kind(v)}`);
    if (v < min || v > max) throw new RangeError(`${what} must be from ${min} to ${max}, not ${v}`);
    return v;
  }

  // json makes sure that a value is one: what JSON.stringify would drop or choke on is an error here.
  function json(v, what) {
    let text;
    try {
      text = JSONStringify(v);
    } catch (e) {
      throw new TypeError(`${what} is not JSON: ${e?.message}`);
    }
    if (text === undefined) throw new TypeError(`${what} is not JSON: ${kind(v)}`);
    return v;
  }

  function call(method, make, take) {
    let c;
    try {
      c = core.hostCall(method, make());
    } catch (e) {
      return PromiseReject(e);
    }
    return PromisePrototypeThen(c.promise, (r) => take(r.value));
  }

  // An expirationTtl of the options, in seconds; 0 is never.
  function ttl(o, what) {
    return o.expirationTtl === undefined ? 0 : whole(o.expirationTtl, `${what}: expirationTtl`, 1, 10 * 365 * 86400);
  }

  // Metadata of the options: any JSON; null and undefined are none.
  function metadata(o, what) {
    return o.metadata === undefined || o.metadata === null ? null : json(o.metadata, `${what}: metadata`);
  }

  const kv = {
    get(k) {
      return call("kv.get", () => ({ key: key(k, "kv.get: key") }), (v) => (v.present ? v.value : null));
    },
    getWithMetadata(k) {
      return call("kv.get", () => ({ key: key(k, "kv.getWithMetadata: key") }), (v) => ({ value: v.present ? v.value : null, metadata: v.metadata ?? null }));
    },
    put(k, value, opts = undefined) {
      return call("kv.put", () => {
        const o = options(opts, "kv.put: options", ["expirationTtl", "metadata"]);
        return { key: key(k, "kv.put: key"), value: json(value, "kv.put: value"), expirationTtl: ttl(o, "kv.put"), metadata: metadata(o, "kv.put") };
      }, () => undefined);
    },
    compareAndSet(k, expected, value, opts = undefined) {
      return call("kv.compareAndSet", () => {
        const o = options(opts, "kv.compareAndSet: options", ["expirationTtl", "metadata"]);
        return {
          key: key(k, "kv.compareAndSet: key"), expected: json(expected, "kv.compareAndSet: expected"), value: json(value, "kv.compareAndSet: value"),
          expirationTtl: ttl(o, "kv.compareAndSet"), metadata: metadata(o, "kv.compareAndSet"),
        };
      }, (v) => v.written);
    },
    delete(k) {
      return call("kv.delete", () => ({ key: key(k, "kv.delete: key") }), (v) => v.deleted);
    },
    list(opts = undefined) {
      return call("kv.list", () => {
        const o = options(opts, "kv.list: options", ["prefix", "limit", "cursor"]);
        if (o.prefix !== undefined && typeof o.prefix !== "string") throw new TypeError(`kv.list: prefix must be a string, not ${kind(o.prefix)}`);
        if (o.cursor !== undefined && o.cursor !== null && typeof o.cursor !== "string") throw new TypeError(`kv.list: cursor must be a string, not ${kind(o.cursor)}`);
        return {
          prefix: o.prefix ?? "", cursor: o.cursor ?? "", limit: o.limit === undefined ? 100 : whole(o.limit, "kv.list: limit", 1, 1000),
        };
      }, (v) => {
        const keys = [];
        for (let i = 0; i < v.keys.length; i++) ArrayPrototypePush(keys, v.keys[i]);
        return { keys, complete: v.complete, cursor: v.complete ? undefined : v.cursor };
      });
    },
    increment(k, delta = 1, opts = undefined) {
      return call("kv.increment", () => {
        const o = options(opts, "kv.increment: options", ["expirationTtl"]);
        if (typeof delta !== "number" || !NumberIsSafeInteger(delta)) throw new TypeError(`kv.increment: delta must be a whole number, not ${typeof delta === "number" ? delta : kind(delta)}`);
        return { key: key(k, "kv.increment: key"), delta, expirationTtl: ttl(o, "kv.increment") };
      }, (v) => v.value);
    },
  };

  const events = {
    publish(type, data = null, opts = undefined) {
      return call("events.publish", () => {
        const o = options(opts, "events.publish: options", ["id", "delaySeconds"]);
        string(type, "events.publish: type");
        const args = /** @type {any} */ ({ type, data: json(data, "events.publish: data") });
        if (o.id !== undefined) args.id = string(o.id, "events.publish: id");
        if (o.delaySeconds !== undefined) args.delaySeconds = whole(o.delaySeconds, "events.publish: delaySeconds", 0, 2 ** 53 - 1);
        return args;
      }, (v) => v);
    },
  };

  const scripts = {
    invoke(name, input = null) {
      return call("scripts.invoke", () => ({ name: string(name, "scripts.invoke: name"), input: json(input, "scripts.invoke: input") }), (v) => v.output);
    },
  };

  // shown is what JSON has for a member of fields: an error's stack, of which JSON would show nothing.
  function shown(_, v) {
    return isError(v) ? core.stackOf(v) || `${v}` : v;
  }

  function isError(v) {
    return isObject(v) && (ErrorIsError !== undefined ? ErrorIsError(v) : v instanceof Error);
  }

  // Fields follow the message as JSON, so that a log line can be read by people and taken apart by programs.
  function line(level, name) {
    return (message, fields = undefined) => {
      const text = typeof message === "string" ? message : core.inspect(message);
      if (fields === undefined) {
        core.log(level, text);
        return;
      }
      let more;
      try {
        more = JSONStringify(fields, shown);
      } catch {
        more = undefined;
      }
      core.log(level, `${text} ${more ?? core.inspect(fields)}`);
    };
  }
  const log = { debug: line(0, "debug"), info: line(1, "info"), warn: line(2, "warn"), error: line(3, "error") };

  class NonRetryableError extends Error {
    constructor(message = "", opts = undefined) {
      super(message, opts);
      ObjectDefineProperty(this, "name", { __proto__: null, value: "NonRetryableError", writable: true, configurable: true, enumerable: false });
    }
  }

  // RateLimitError is the class of what hostCall rejects with; it is recognised by its name, so that instanceof works for all of them.
  class RateLimitError extends Error {
    constructor(message = "", opts = undefined) {
      super(message, opts);
      ObjectDefineProperty(this, "name", { __proto__: null, value: "RateLimitError", writable: true, configurable: true, enumerable: false });
      this.retryAfter = opts?.retryAfter;
    }
    static [core.primordials.SymbolHasInstance](v) {
      return isObject(v) && v instanceof Error && v.name === "RateLimitError";
    }
  }

  return {
    __esModule: true, kv: ObjectFreeze(kv), events: ObjectFreeze(events), scripts: ObjectFreeze(scripts), log: ObjectFreeze(log), NonRetryableError, RateLimitError,
    default: { kv, events, scripts, log, NonRetryableError, RateLimitError },
  };
});
