// Headers. The list is flat, [name, value, name, value …] in lower case and in the order of appending.
(function (core) {
  "use strict";
  const {
    ArrayPrototypePush, ArrayPrototypeSort, ArrayPrototypeSplice, RegExpPrototypeExec, RegExpPrototypeSymbolReplace, StringPrototypeToLowerCase,
    TypeError, SymbolIterator, StringPrototypeSlice, StringPrototypeCharCodeAt,
  } = core.primordials;
  const { byteString, required, define, pairIterable, pairs, isObject, setPair } = core.use("webidl");

  const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
  const edge = /^[\t\n\r ]|[\t\n\r ]$/, edges = /^[\t\n\r ]+|[\t\n\r ]+$/g, badValue = /[\x00\n\r]/;

  // Names that are already in lower case, so that the common ones need no check.
  const known = { __proto__: null };
  {
    const names = ["content-type", "content-length", "accept", "authorization", "cookie", "set-cookie", "user-agent", "host", "cache-control",
      "location", "etag", "vary", "accept-encoding", "accept-language", "x-request-id", "origin", "referer", "date", "link", "if-none-match"];
    for (let i = 0; i < names.length; i++) known[names[i]] = names[i];
    known["Content-Type"] = "content-type";
    known["Authorization"] = "authorization";
    known["Location"] = "location";
  }

  function nameOf(v, what) {
    if (typeof v === "string") {
      const k = known[v];
      if (k !== undefined) return k;
    }
    v = byteString(v, what);
    if (RegExpPrototypeExec(token, v) === null) throw new TypeError(`${what}: "${v}" is not a header name`);
    return StringPrototypeToLowerCase(v);
  }

  function normalize(v) {
    return RegExpPrototypeExec(edge, v) === null ? v : RegExpPrototypeSymbolReplace(edges, v, "");
  }

  function valueOf(v, what, name) {
    v = normalize(byteString(v, what));
    if (RegExpPrototypeExec(badValue, v) !== null) throw new TypeError(`${what}: the value of "${name}" has a line break or NUL`);
    return v;
  }

  let listOf, newHeaders, isHeaders, setGuard, changed, iterationList, rawSet, copyList;
  class Headers {
    #list = [];
    #sorted = null;
    // immutable is set where the standard has the guard of that name: the headers of what fetch returned.
    #immutable = false;
    constructor(init = undefined) {
      if (init !== undefined) fill(this, init, "Headers");
    }
    append(name, value) {
      const list = this.#list;
      required(arguments.length, 2, "Headers.append");
      name = nameOf(name, "Headers.append");
      value = valueOf(value, "Headers.append", name);
      if (this.#immutable) throw new TypeError("Headers.append: these headers cannot be changed");
      ArrayPrototypePush(list, name, value);
      this.#sorted = null;
    }
    delete(name) {
      const list = this.#list;
      required(arguments.length, 1, "Headers.delete");
      name = nameOf(name, "Headers.delete");
      if (this.#immutable) throw new TypeError("Headers.delete: these headers cannot be changed");
      for (let i = 0; i < list.length; ) {
        if (list[i] === name) ArrayPrototypeSplice(list, i, 2);
        else i += 2;
      }
      this.#sorted = null;
    }
    get(name) {
      const list = this.#list;
      required(arguments.length, 1, "Headers.get");
      name = nameOf(name, "Headers.get");
      return combined(list, name);
    }
    getSetCookie() {
      const list = this.#list, out = [];
      for (let i = 0; i < list.length; i += 2) if (list[i] === "set-cookie") ArrayPrototypePush(out, list[i + 1]);
      return out;
    }
    has(name) {
      const list = this.#list;
      required(arguments.length, 1, "Headers.has");
      name = nameOf(name, "Headers.has");
      for (let i = 0; i < list.length; i += 2) if (list[i] === name) return true;
      return false;
    }
    set(name, value) {
      const list = this.#list;
      required(arguments.length, 2, "Headers.set");
      name = nameOf(name, "Headers.set");
      value = valueOf(value, "Headers.set", name);
      if (this.#immutable) throw new TypeError("Headers.set: these headers cannot be changed");
      setPair(list, name, value);
      this.#sorted = null;
    }
    static {
      isHeaders = (v) => isObject(v) && #list in v;
      listOf = (h) => h.#list;
      // newHeaders makes Headers over a list that is already valid and in lower case. The list is used, not copied.
      newHeaders = (list, immutable) => {
        const h = new Headers();
        h.#list = list;
        h.#immutable = immutable === true;
        return h;
      };
      setGuard = (h, immutable) => { h.#immutable = immutable; };
      changed = (h) => { h.#sorted = null; };
      rawSet = (h, name, value) => {
        setPair(h.#list, name, value);
        h.#sorted = null;
      };
      iterationList = (h) => (h.#sorted ??= sortAndCombine(h.#list));
    }
  }

  function combined(list, name) {
    let out = null;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === name) out = out === null ? list[i + 1] : out + ", " + list[i + 1];
    }
    return out;
  }

  function sortAndCombine(list) {
    const names = [], values = { __proto__: null };
    for (let i = 0; i < list.length; i += 2) {
      const name = list[i], have = values[name];
      if (have === undefined) {
        ArrayPrototypePush(names, name);
        values[name] = name === "set-cookie" ? [list[i + 1]] : list[i + 1];
      } else if (name === "set-cookie") ArrayPrototypePush(have, list[i + 1]);
      else values[name] = have + ", " + list[i + 1];
    }
    ArrayPrototypeSort(names);
    const out = [];
    for (let i = 0; i < names.length; i++) {
      const v = values[names[i]];
      if (typeof v === "string") ArrayPrototypePush(out, names[i], v);
      else for (let j = 0; j < v.length; j++) ArrayPrototypePush(out, names[i], v[j]);
    }
    return out;
  }

  // fill appends init, which is Headers, a sequence of pairs or a record.
  function fill(headers, init, what) {
    const list = listOf(headers);
    appendTo(list, init, what);
    changed(headers);
  }

  function appendTo(list, init, what) {
    if (init === null || !isObject(init)) throw new TypeError(`${what}: the headers are neither Headers, an object nor a sequence of pairs`);
    if (isHeaders(init) && init[SymbolIterator] === entries) {
      const from = listOf(init);
      for (let i = 0; i < from.length; i++) ArrayPrototypePush(list, from[i]);
      return;
    }
    const p = pairs(init, (k) => byteString(k, what), (v) => byteString(v, what), what);
    for (let i = 0; i < p.length; i += 2) {
      const name = nameOf(p[i], what);
      ArrayPrototypePush(list, name, valueOf(p[i + 1], what, name));
    }
  }

  define(Headers, "Headers");
  pairIterable(Headers, "Headers", (h) => iterationList(h));
  const entries = Headers.prototype[SymbolIterator];

  return { Headers, isHeaders, headersList: listOf, newHeaders, setGuard, rawSet, fill, appendTo, combined, nameOf, valueOf, normalize };
});
