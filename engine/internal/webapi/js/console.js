// console, and the text that it prints for a value: what a Node user expects to read.
(function (core) {
  "use strict";
  const P = core.primordials;
  const {
    ArrayIsArray, ArrayPrototypeIncludes, ArrayPrototypeIndexOf, ArrayPrototypeJoin, ArrayPrototypePop, ArrayPrototypePush, ArrayPrototypeSlice, BigIntPrototypeValueOf,
    BooleanPrototypeValueOf, DatePrototypeToISOString, DatePrototypeGetTime, ErrorPrototype, FunctionPrototypeToString, JSONStringify, MapPrototypeForEach,
    MapPrototypeGetSize, MathFloor, MathMax, MathMin, MathRound, MathSqrt, Number, NumberPrototypeToFixed, NumberPrototypeValueOf, ObjectGetOwnPropertyDescriptor,
    ObjectGetPrototypeOf, ObjectIs, ObjectKeys, ObjectPrototypeToString, ObjectPrototype, ObjectPrototypePropertyIsEnumerable, PromisePrototypeThen, ReflectApply,
    ReflectOwnKeys, RegExpPrototypeExec, RegExpPrototypeSymbolReplace, RegExpPrototypeToString, RegExpPrototypeGetSource, SafeMap, SafeSet, SetPrototypeForEach, SetPrototypeGetSize, String,
    StringPrototypeIncludes, StringPrototypeIndexOf, StringPrototypePadEnd, StringPrototypePadStart, StringPrototypeRepeat, StringPrototypeReplaceAll,
    StringPrototypeSlice, StringPrototypeSplit, StringPrototypeStartsWith, StringPrototypeValueOf, SymbolFor, SymbolPrototypeToString, SymbolPrototypeValueOf,
    SymbolToStringTag, SymbolIterator, TypedArrayPrototypeGetLength, TypedArrayPrototypeGetSymbolToStringTag, WeakMapPrototypeHas, WeakSetPrototypeHas,
    ArrayBufferIsView, ArrayBufferPrototypeGetByteLength, Uint8Array, DataViewPrototypeGetByteLength, DataViewPrototypeGetByteOffset, DataViewPrototypeGetBuffer,
    NumberPrototypeToString, StringPrototypeCharCodeAt, MathMax: max, isNaN,
  } = P;
  const { interfaces, isObject } = core.use("webidl");

  const custom = SymbolFor("nodejs.util.inspect.custom");
  const identifier = /^[a-zA-Z_][a-zA-Z_0-9]*$/;
  // A value may be as large as the heap; what is printed is cut at 8 KiB a line anyway, so work stops here.
  const budget = 16384;

  function inspect(value, options) {
    const o = isObject(options) ? options : {};
    const ctx = {
      __proto__: null, seen: [], circular: undefined, level: 0, indent: 0, room: budget, options: o,
      depth: o.depth === null ? Infinity : o.depth === undefined ? 2 : +o.depth,
      breakLength: o.breakLength === undefined ? 80 : +o.breakLength,
      compact: o.compact === undefined || o.compact === true ? 3 : +o.compact,
      maxArray: o.maxArrayLength === null ? Infinity : o.maxArrayLength === undefined ? 100 : +o.maxArrayLength,
      maxString: o.maxStringLength === null ? Infinity : o.maxStringLength === undefined ? 10000 : +o.maxStringLength,
      showHidden: !!o.showHidden, sorted: !!o.sorted, getters: !!o.getters,
    };
    return format(ctx, value, 0, false);
  }

  function quote(s) {
    let q = "'";
    if (StringPrototypeIncludes(s, "'")) {
      if (!StringPrototypeIncludes(s, '"')) q = '"';
      else if (!StringPrototypeIncludes(s, "`") && !StringPrototypeIncludes(s, "${")) q = "`";
    }
    let out = q;
    for (let i = 0; i < s.length; i++) {
      const c = StringPrototypeCharCodeAt(s, i), ch = s[i];
      if (ch === q) out += "\\" + q;
      else if (ch === "\\") out += "\\\\";
      else if (c === 10) out += "\\n";
      else if (c === 9) out += "\\t";
      else if (c === 13) out += "\\r";
      else if (c === 8) out += "\\b";
      else if (c === 12) out += "\\f";
      else if (c === 11) out += "\\v";
      else if (c < 0x20 || c === 0x7f) out += "\\x" + (c < 16 ? "0" : "") + P.StringPrototypeToUpperCase(NumberPrototypeToString(c, 16));
      else if (c >= 0xd800 && c <= 0xdfff) {
        const d = c < 0xdc00 && i + 1 < s.length ? StringPrototypeCharCodeAt(s, i + 1) : 0;
        if (d >= 0xdc00 && d <= 0xdfff) {
          out += ch + s[++i];
        } else out += "\\u" + P.StringPrototypeToUpperCase(NumberPrototypeToString(c, 16));
      } else out += ch;
    }
    return out + q;
  }

  function number(n) {
    return ObjectIs(n, -0) ? "-0" : `${n}`;
  }

  function primitive(ctx, v) {
    switch (typeof v) {
      case "string": {
        let rest = "";
        if (v.length > ctx.maxString) {
          const more = v.length - ctx.maxString;
          v = StringPrototypeSlice(v, 0, ctx.maxString);
          rest = `... ${more} more character${more > 1 ? "s" : ""}`;
        }
        if (v.length > 16 && v.length > ctx.breakLength - ctx.indent - 4 && StringPrototypeIncludes(v, "\n")) {
          const lines = StringPrototypeSplit(v, "\n");
          let out = "";
          for (let i = 0; i < lines.length; i++) {
            const last = i === lines.length - 1;
            if (last && lines[i] === "") break;
            if (i > 0) out += ` +\n${StringPrototypeRepeat(" ", ctx.indent + 2)}`;
            out += quote(last ? lines[i] : lines[i] + "\n");
          }
          return out + rest;
        }
        return quote(v) + rest;
      }
      case "number": return number(v);
      case "bigint": return `${v}n`;
      case "symbol": return SymbolPrototypeToString(v);
      default: return `${v}`;
    }
  }

  // as calls getter on v and returns undefined where v is not of that kind: the one way to know that no script can fake.
  function as(getter, v) {
    try {
      return getter(v);
    } catch {
      return undefined;
    }
  }

  function constructorName(v) {
    for (let o = v, hops = 0; o !== null && hops < 50; hops++) {
      const d = ObjectGetOwnPropertyDescriptor(o, "constructor");
      if (d !== undefined && typeof d.value === "function" && typeof d.value.name === "string" && d.value.name !== "") return { name: d.value.name, own: hops <= 1, prototype: o };
      o = ObjectGetPrototypeOf(o);
    }
    return null;
  }

  function format(ctx, v, depth, typed) {
    if (!isObject(v)) return primitive(ctx, v);
    if (ctx.room <= 0) return "...";
    let fn;
    try {
      fn = v[custom];
    } catch {
      fn = undefined;
    }
    if (typeof fn === "function" && fn !== inspect) {
      const left = ctx.depth - depth;
      const r = ReflectApply(fn, v, [left, { ...ctx.options, depth: left }, inspect]);
      if (r !== v) return typeof r === "string" ? StringPrototypeReplaceAll(r, "\n", `\n${StringPrototypeRepeat(" ", ctx.indent)}`) : format(ctx, r, depth, typed);
    }
    if (ArrayPrototypeIncludes(ctx.seen, v)) {
      ctx.circular ??= new SafeMap();
      let i = ctx.circular.get(v);
      if (i === undefined) {
        i = ctx.circular.size + 1;
        ctx.circular.set(v, i);
      }
      return `[Circular *${i}]`;
    }
    try {
      return raw(ctx, v, depth);
    } catch (e) {
      if (e instanceof P.RangeError) throw e;
      return "[an object that cannot be inspected]";
    }
  }

  // Attributes of our own interfaces that a reader wants to see.
  const attributes = {
    __proto__: null,
    URL: ["href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "searchParams", "hash"],
    Request: ["method", "url", "headers", "destination", "referrer", "referrerPolicy", "mode", "credentials", "cache", "redirect", "integrity", "keepalive", "bodyUsed", "signal"],
    Response: ["status", "statusText", "headers", "bodyUsed", "ok", "redirected", "type", "url"],
    AbortSignal: ["aborted"], AbortController: ["signal"], Blob: ["size", "type"], File: ["size", "type", "name", "lastModified"],
    Event: ["type", "defaultPrevented", "cancelable", "timeStamp"], CustomEvent: ["type", "defaultPrevented", "cancelable", "timeStamp", "detail"],
    ReadableStream: ["locked"], WritableStream: ["locked"], TransformStream: ["readable", "writable"],
    CryptoKey: ["type", "extractable", "algorithm", "usages"], TextDecoder: ["encoding", "fatal", "ignoreBOM"], TextEncoder: ["encoding"],
    URLPattern: ["protocol", "username", "password", "hostname", "port", "pathname", "search", "hash"],
  };

  function raw(ctx, v, depth) {
    const ctor = constructorName(v);
    const ownName = interfaces.get(ObjectGetPrototypeOf(v));
    let tag;
    try {
      tag = v[SymbolToStringTag];
    } catch {
      tag = undefined;
    }
    if (typeof tag !== "string" || tag === "" || (ctor !== null && tag === ctor.name)) tag = "";
    const prefix = (fallback, size) => {
      const sized = size === undefined ? "" : `(${size})`;
      if (ctor === null) return `[${fallback}${sized}: null prototype] ${tag !== "" ? `[${tag}] ` : ""}`;
      return `${ctor.name}${sized} ${tag !== "" ? `[${tag}] ` : ""}`;
    };
    let keys = enumerable(ctx, v);
    let base = "", open = "{", close = "}", array = false;
    let entries = () => [];
    let length;

    if (ArrayIsArray(v)) {
      const p = ctor !== null && ctor.name === "Array" && tag === "" ? "" : prefix("Array", v.length);
      open = `${p}[`;
      close = "]";
      array = true;
      keys = notIndexes(keys);
      if (v.length === 0 && keys.length === 0) return `${open}]`;
      entries = () => arrayEntries(ctx, v, depth);
    } else if ((length = as(SetPrototypeGetSize, v)) !== undefined) {
      open = `${prefix("Set", length)}{`;
      if (length === 0 && keys.length === 0) return `${open}}`;
      entries = () => {
        const out = [];
        ctx.indent += 2;
        SetPrototypeForEach(v, (e) => { if (out.length < ctx.maxArray) ArrayPrototypePush(out, spend(ctx, format(ctx, e, depth + 1, false))); });
        ctx.indent -= 2;
        if (length > out.length) ArrayPrototypePush(out, more(length - out.length, "item"));
        return out;
      };
    } else if ((length = as(MapPrototypeGetSize, v)) !== undefined) {
      open = `${prefix("Map", length)}{`;
      if (length === 0 && keys.length === 0) return `${open}}`;
      entries = () => {
        const out = [];
        ctx.indent += 2;
        MapPrototypeForEach(v, (e, k) => {
          if (out.length < ctx.maxArray) ArrayPrototypePush(out, spend(ctx, `${format(ctx, k, depth + 1, false)} => ${format(ctx, e, depth + 1, false)}`));
        });
        ctx.indent -= 2;
        if (length > out.length) ArrayPrototypePush(out, more(length - out.length, "item"));
        return out;
      };
    } else if (ArrayBufferIsView(v) && TypedArrayPrototypeGetSymbolToStringTag(v) !== undefined) {
      length = TypedArrayPrototypeGetLength(v);
      open = `${prefix(TypedArrayPrototypeGetSymbolToStringTag(v), length)}[`;
      close = "]";
      array = true;
      keys = notIndexes(keys);
      if (length === 0 && keys.length === 0) return `${open}]`;
      entries = () => {
        const out = [];
        const n = MathMin(length, ctx.maxArray);
        for (let i = 0; i < n; i++) ArrayPrototypePush(out, spend(ctx, primitive(ctx, v[i])));
        if (length > n) ArrayPrototypePush(out, more(length - n, "item"));
        return out;
      };
    } else if (ArrayBufferIsView(v)) {
      open = `${prefix("DataView")}{`;
      entries = () => [`byteLength: ${DataViewPrototypeGetByteLength(v)}`, `byteOffset: ${DataViewPrototypeGetByteOffset(v)}`, `buffer: ${nested(ctx, DataViewPrototypeGetBuffer(v), depth)}`];
    } else if ((length = as(ArrayBufferPrototypeGetByteLength, v)) !== undefined) {
      open = `${prefix("ArrayBuffer")}{`;
      entries = () => {
        const bytes = [], u = new Uint8Array(v);
        for (let i = 0; i < MathMin(50, length); i++) ArrayPrototypePush(bytes, (u[i] < 16 ? "0" : "") + NumberPrototypeToString(u[i], 16));
        return [`[Uint8Contents]: <${ArrayPrototypeJoin(bytes, " ")}${length > 50 ? ` ${more(length - 50, "byte")}` : ""}>`, `byteLength: ${length}`];
      };
    } else if (typeof v === "function") {
      base = functionBase(v, ctor, tag);
      if (keys.length === 0) return base;
    } else if (isError(v)) {
      base = errorText(ctx, v, keys);
      if (ArrayPrototypeIncludes(ReflectOwnKeys(v), "cause") && !ArrayPrototypeIncludes(keys, "cause")) ArrayPrototypePush(keys, "cause");
      if (ArrayIsArray(ownValue(v, "errors")) && !ArrayPrototypeIncludes(keys, "errors")) ArrayPrototypePush(keys, "errors");
      if (keys.length === 0) return base;
    } else if (as(RegExpPrototypeGetSource, v) !== undefined && v !== P.RegExpPrototype) {
      base = RegExpPrototypeToString(v);
      if (keys.length === 0) return base;
    } else if ((length = as(DatePrototypeGetTime, v)) !== undefined) {
      base = isNaN(length) ? "Invalid Date" : DatePrototypeToISOString(v);
      if (keys.length === 0) return base;
    } else if (boxed(v) !== undefined) {
      const b = boxed(v);
      base = `[${b[0]}: ${primitive(ctx, b[1])}]`;
      if (b[0] === "String") keys = notIndexes(keys);
      if (keys.length === 0) return base;
    } else if (ownName !== undefined) {
      const special = interfaceEntries(ctx, v, ownName, depth);
      open = `${ctor?.name ?? ownName} {`;
      if (special === null) {
        if (keys.length === 0) return `${open}}`;
      } else {
        entries = () => special;
        if (special.length === 0 && keys.length === 0) return `${open}}`;
      }
    } else if (v instanceof P.Promise) open = `${prefix("Promise")}{`;
    else if (as((x) => WeakSetPrototypeHas(x, x), v) !== undefined) return `${prefix("WeakSet")}{ <items unknown> }`;
    else if (as((x) => WeakMapPrototypeHas(x, x), v) !== undefined) return `${prefix("WeakMap")}{ <items unknown> }`;
    else {
      const toString = ObjectPrototypeToString(v);
      if (toString === "[object Arguments]") {
        open = "[Arguments] [";
        close = "]";
        array = true;
        keys = notIndexes(keys);
        entries = () => arrayEntries(ctx, v, depth);
      } else {
        if (ctor === null || ctor.name !== "Object" || tag !== "") open = `${prefix("Object")}{`;
        if (keys.length === 0) return `${open}}`;
      }
    }

    if (depth > ctx.depth) {
      const name = array ? "Array" : ctor === null ? "Object: null prototype" : ctor.name;
      return `[${name === "Object" && tag !== "" ? `Object ${tag}` : name}]`;
    }
    ArrayPrototypePush(ctx.seen, v);
    ctx.level = depth;
    const output = entries();
    for (let i = 0; i < keys.length; i++) {
      if (ctx.room <= 0) {
        ArrayPrototypePush(output, more(keys.length - i, "propert", true));
        break;
      }
      ArrayPrototypePush(output, spend(ctx, property(ctx, v, keys[i], depth, array)));
    }
    ArrayPrototypePop(ctx.seen);
    const mark = ctx.circular?.get(v);
    if (mark !== undefined) {
      if (base !== "") base = `<ref *${mark}> ${base}`;
      else open = `<ref *${mark}> ${open}`;
    }
    return join(ctx, output, base, open, close, array, depth, v);
  }

  function spend(ctx, text) {
    ctx.room -= text.length;
    return text;
  }

  function nested(ctx, v, depth) {
    ctx.indent += 2;
    const text = format(ctx, v, depth + 1, false);
    ctx.indent -= 2;
    return text;
  }

  function more(n, word, y) {
    return `... ${n} more ${word}${y ? (n > 1 ? "ies" : "y") : n > 1 ? "s" : ""}`;
  }

  function enumerable(ctx, v) {
    const all = ReflectOwnKeys(v), out = [];
    for (let i = 0; i < all.length; i++) {
      if (ctx.showHidden || ObjectPrototypePropertyIsEnumerable(v, all[i])) ArrayPrototypePush(out, all[i]);
    }
    if (ctx.sorted) P.ArrayPrototypeSort(out);
    return out;
  }

  const index = /^(?:0|[1-9][0-9]*)$/;
  function notIndexes(keys) {
    const out = [];
    for (let i = 0; i < keys.length; i++) {
      if (typeof keys[i] === "symbol" || (RegExpPrototypeExec(index, keys[i]) === null && keys[i] !== "length")) ArrayPrototypePush(out, keys[i]);
    }
    return out;
  }

  function arrayEntries(ctx, v, depth) {
    const out = [], n = MathMin(v.length, ctx.maxArray);
    let i = 0;
    for (; i < v.length && out.length < n; i++) {
      if (ctx.room <= 0) break;
      if (!P.ObjectHasOwn(v, i)) {
        let holes = 1;
        while (i + holes < v.length && holes < 1e6 && !P.ObjectHasOwn(v, i + holes)) holes++;
        if (holes >= 1e6) holes = v.length - i;
        ArrayPrototypePush(out, `<${holes} empty item${holes > 1 ? "s" : ""}>`);
        i += holes - 1;
      } else ArrayPrototypePush(out, spend(ctx, property(ctx, v, i, depth, true, true)));
    }
    if (i < v.length) ArrayPrototypePush(out, more(v.length - i, "item"));
    return out;
  }

  function property(ctx, v, key, depth, array, bare) {
    const d = ObjectGetOwnPropertyDescriptor(v, key);
    let text;
    if (d === undefined) text = format(ctx, v[key], depth + 1, false);
    else if (d.get !== undefined) text = d.set !== undefined ? "[Getter/Setter]" : "[Getter]";
    else if (d.set !== undefined) text = "[Setter]";
    else {
      const indent = bare ? 2 : 2;
      ctx.indent += indent;
      text = format(ctx, d.value, depth + 1, false);
      ctx.indent -= indent;
    }
    if (bare) return text;
    let name = typeof key === "symbol" ? `[${SymbolPrototypeToString(key)}]`
      : key === "__proto__" ? "['__proto__']" : RegExpPrototypeExec(identifier, key) !== null ? key : quote(key);
    if (d !== undefined && !d.enumerable) name = `[${key}]`;
    return `${name}: ${text}`;
  }

  function ownValue(v, key) {
    const d = ObjectGetOwnPropertyDescriptor(v, key);
    return d === undefined ? undefined : d.value;
  }

  function boxed(v) {
    let x;
    if ((x = as(NumberPrototypeValueOf, v)) !== undefined) return ["Number", x];
    if ((x = as(StringPrototypeValueOf, v)) !== undefined) return ["String", x];
    if ((x = as(BooleanPrototypeValueOf, v)) !== undefined) return ["Boolean", x];
    if ((x = as(BigIntPrototypeValueOf, v)) !== undefined) return ["BigInt", x];
    if ((x = as(SymbolPrototypeValueOf, v)) !== undefined) return ["Symbol", x];
    return undefined;
  }

  function functionBase(v, ctor, tag) {
    const source = FunctionPrototypeToString(v);
    const name = typeof v.name === "string" && v.name !== "" ? v.name : "";
    if (StringPrototypeStartsWith(source, "class") && source[source.length - 1] === "}") {
      const parent = ObjectGetPrototypeOf(v);
      const extended = typeof parent === "function" && parent.name ? ` extends ${parent.name}` : "";
      return `[class ${name === "" ? "(anonymous)" : name}${extended}]`;
    }
    const kind = ctor !== null && RegExpPrototypeExec(/^(?:Async|Generator|AsyncGenerator)Function$/, ctor.name) !== null ? ctor.name : "Function";
    return `[${kind}${name === "" ? " (anonymous)" : `: ${name}`}]`;
  }

  function isError(v) {
    if (ObjectPrototypeToString(v) === "[object Error]") return true;
    return v instanceof P.Error;
  }

  function errorText(ctx, v, keys) {
    let stack = v.stack;
    // An object in place of a text is not asked for one: it may never answer.
    const part = (x) => isObject(x) ? "" : typeof x === "symbol" ? SymbolPrototypeToString(x) : `${x}`;
    const name = part(v.name), message = part(v.message);
    const head = message === "" ? name : `${name}: ${message}`;
    if (typeof stack !== "string" || stack === "") stack = `[${head}]`;
    else if (!StringPrototypeIncludes(stack, message) || (!StringPrototypeStartsWith(stack, name) && StringPrototypeStartsWith(stack, "Error"))) {
      // The message or the name changed after the error was made.
      const at = StringPrototypeIndexOf(stack, "\n    at ");
      stack = at < 0 ? head : head + StringPrototypeSlice(stack, at);
    }
    for (let i = keys.length - 1; i >= 0; i--) {
      if (keys[i] === "name" || keys[i] === "message" || keys[i] === "stack") {
        const own = ownValue(v, keys[i]);
        if (typeof own === "string" && StringPrototypeIncludes(stack, own)) P.ArrayPrototypeSplice(keys, i, 1);
      }
    }
    if (!StringPrototypeIncludes(stack, "\n    at ") && stack[0] !== "[") stack = `[${stack}]`;
    return ctx.indent === 0 ? stack : StringPrototypeReplaceAll(stack, "\n", `\n${StringPrototypeRepeat(" ", ctx.indent)}`);
  }

  function interfaceEntries(ctx, v, name, depth) {
    const list = name === "Headers" || name === "URLSearchParams" || name === "FormData";
    if (list) {
      const out = [];
      if (depth > ctx.depth) return out;
      try {
        const it = v.entries();
        for (let r = it.next(); !r.done; r = it.next()) {
          const pair = r.value;
          ArrayPrototypePush(out, `${name === "Headers" && RegExpPrototypeExec(identifier, pair[0]) !== null ? pair[0] : quote(pair[0])}${name === "Headers" ? ":" : " =>"} ${nested(ctx, pair[1], depth)}`);
        }
      } catch {
        return null;
      }
      return out;
    }
    const names = attributes[name];
    if (names === undefined) return null;
    if (depth > ctx.depth) return [];
    const out = [];
    ArrayPrototypePush(ctx.seen, v);
    for (let i = 0; i < names.length; i++) {
      let value;
      try {
        value = v[names[i]];
      } catch {
        continue;
      }
      ArrayPrototypePush(out, `${names[i]}: ${nested(ctx, value, depth)}`);
    }
    ArrayPrototypePop(ctx.seen);
    return out;
  }

  function join(ctx, output, base, open, close, array, depth, v) {
    const count = output.length;
    if (array && count > 6) output = columns(ctx, output, v);
    if (ctx.level - depth < ctx.compact && count === output.length) {
      // One line holds the innermost levels, if it is short.
      const start = output.length + ctx.indent + open.length + base.length + 10;
      let total = output.length + start;
      let fits = true;
      for (let i = 0; i < output.length && fits; i++) {
        total += output[i].length;
        fits = total <= ctx.breakLength && !StringPrototypeIncludes(output[i], "\n");
      }
      if (fits && !StringPrototypeIncludes(base, "\n")) {
        return `${base === "" ? "" : `${base} `}${open} ${ArrayPrototypeJoin(output, ", ")} ${close}`;
      }
    }
    const line = `\n${StringPrototypeRepeat(" ", ctx.indent)}`;
    return `${base === "" ? "" : `${base} `}${open}${line}  ${ArrayPrototypeJoin(output, `,${line}  `)}${line}${close}`;
  }

  // columns puts the members of a long array into a table of about the shape that Node gives it.
  function columns(ctx, output, v) {
    const marker = output.length > 0 && StringPrototypeStartsWith(output[output.length - 1], "... ") ? 1 : 0;
    const n = output.length - marker;
    const widths = [];
    let total = 0, widest = 0;
    for (let i = 0; i < n; i++) {
      const w = output[i].length;
      if (StringPrototypeIncludes(output[i], "\n")) return output;
      ArrayPrototypePush(widths, w);
      total += w + 2;
      if (w > widest) widest = w;
    }
    const cell = widest + 2;
    if (cell * 3 + ctx.indent >= ctx.breakLength || !(total / cell > 5 || widest <= 6)) return output;
    const biased = MathMax(cell - 3 - MathSqrt(cell - total / output.length), 1);
    const per = MathMin(MathRound(MathSqrt(2.5 * biased * n) / biased), MathFloor((ctx.breakLength - ctx.indent) / cell), ctx.compact * 4, 15);
    if (per <= 1) return output;
    const columnWidths = [];
    for (let c = 0; c < per; c++) {
      let w = 0;
      for (let i = c; i < n; i += per) if (widths[i] > w) w = widths[i];
      ArrayPrototypePush(columnWidths, w + 2);
    }
    let numeric = true;
    for (let i = 0; i < n && numeric; i++) numeric = typeof v[i] === "number" || typeof v[i] === "bigint";
    const out = [];
    for (let i = 0; i < n; i += per) {
      const end = MathMin(i + per, n);
      let row = "";
      for (let j = i; j < end - 1; j++) {
        row += numeric ? StringPrototypePadStart(`${output[j]}, `, columnWidths[j - i]) : StringPrototypePadEnd(`${output[j]}, `, columnWidths[j - i]);
      }
      row += numeric ? StringPrototypePadStart(output[end - 1], columnWidths[end - 1 - i] - 2) : output[end - 1];
      ArrayPrototypePush(out, row);
    }
    if (marker === 1) ArrayPrototypePush(out, output[n]);
    return out;
  }

  // ---- console.log's format strings

  function text(v) {
    return typeof v === "string" ? v : inspect(v);
  }

  function formatArgs(args) {
    const first = args[0];
    let at = 0, out = "", sep = "";
    if (args.length > 1 && typeof first === "string" && StringPrototypeIncludes(first, "%")) {
      at = 1;
      let from = 0;
      for (let i = 0; i < first.length - 1; i++) {
        if (first[i] !== "%") continue;
        const c = first[i + 1];
        if (c === "%") {
          out += StringPrototypeSlice(first, from, i) + "%";
          from = i + 2;
          i++;
          continue;
        }
        if (at >= args.length) continue;
        let piece;
        const a = args[at];
        switch (c) {
          case "s":
            piece = typeof a === "number" ? number(a) : typeof a === "bigint" ? `${a}n` : typeof a === "symbol" ? SymbolPrototypeToString(a)
              : !isObject(a) ? `${a}` : hasOwnToString(a) ? `${a}` : inspect(a, { depth: 0, compact: 3 });
            break;
          case "d": piece = typeof a === "bigint" ? `${a}n` : typeof a === "symbol" ? "NaN" : isObject(a) ? "NaN" : number(Number(a)); break;
          case "i": piece = typeof a === "bigint" ? `${a}n` : typeof a === "symbol" || isObject(a) ? "NaN" : number(P.parseInt(a, 10)); break;
          case "f": piece = typeof a === "symbol" ? "NaN" : number(P.parseFloat(a)); break;
          case "j":
            try {
              piece = JSONStringify(a);
            } catch {
              piece = "[Circular]";
            }
            break;
          case "o": piece = inspect(a, { showHidden: true, depth: 4 }); break;
          case "O": piece = inspect(a); break;
          case "c": piece = ""; break;
          default: continue;
        }
        out += StringPrototypeSlice(first, from, i) + piece;
        from = i + 2;
        i++;
        at++;
      }
      out += StringPrototypeSlice(first, from);
      sep = " ";
    }
    for (; at < args.length; at++) {
      out += sep + text(args[at]);
      sep = " ";
    }
    return out;
  }

  function hasOwnToString(v) {
    if (isError(v) || typeof v === "function") return isError(v) ? false : false;
    if (as(DatePrototypeGetTime, v) !== undefined) return true;
    for (let o = v, hops = 0; o !== null && hops < 50; hops++, o = ObjectGetPrototypeOf(o)) {
      const d = ObjectGetOwnPropertyDescriptor(o, "toString");
      if (d !== undefined) return typeof d.value === "function" && o !== ObjectPrototype && o !== P.ArrayPrototype && o !== ErrorPrototype;
    }
    return false;
  }

  let indentation = "";
  let counts = new SafeMap(), timers = new SafeMap();
  function print(level, message) {
    if (indentation !== "") message = indentation + StringPrototypeReplaceAll(message, "\n", "\n" + indentation);
    core.log(level, message);
  }

  function label(v) {
    return v === undefined ? "default" : `${v}`;
  }

  function elapsed(ms) {
    if (ms >= 60000) return `${NumberPrototypeToFixed(ms / 60000, 3)}m`;
    return ms >= 1000 ? `${NumberPrototypeToFixed(ms / 1000, 3)}s` : `${Number(NumberPrototypeToFixed(ms, 3))}ms`;
  }

  function table(rows, wanted) {
    if (!isObject(rows)) return text(rows);
    const names = [], values = [];
    let plain = false;
    const keysOfRows = [];
    const add = (key, row) => {
      ArrayPrototypePush(keysOfRows, key);
      const cells = { __proto__: null };
      if (isObject(row)) {
        const keys = ObjectKeys(row);
        for (let i = 0; i < keys.length; i++) {
          if (wanted !== undefined && !ArrayPrototypeIncludes(wanted, keys[i])) continue;
          if (!ArrayPrototypeIncludes(names, keys[i])) ArrayPrototypePush(names, keys[i]);
          cells[keys[i]] = inspect(row[keys[i]], { depth: 0 });
        }
      } else {
        plain = true;
        cells[""] = inspect(row);
      }
      ArrayPrototypePush(values, cells);
    };
    if (as(MapPrototypeGetSize, rows) !== undefined) MapPrototypeForEach(rows, (v, k) => add(text(k), v));
    else {
      const keys = ObjectKeys(rows);
      for (let i = 0; i < keys.length && i < 1000; i++) add(keys[i], rows[keys[i]]);
    }
    const head = ["(index)"];
    for (let i = 0; i < names.length; i++) ArrayPrototypePush(head, names[i]);
    if (plain) ArrayPrototypePush(head, "Values");
    const lines = [];
    const widths = [];
    for (let c = 0; c < head.length; c++) widths[c] = head[c].length;
    for (let r = 0; r < values.length; r++) {
      const line = [keysOfRows[r]];
      for (let i = 0; i < names.length; i++) ArrayPrototypePush(line, values[r][names[i]] ?? "");
      if (plain) ArrayPrototypePush(line, values[r][""] ?? "");
      for (let c = 0; c < line.length; c++) widths[c] = MathMax(widths[c], line[c].length);
      ArrayPrototypePush(lines, line);
    }
    const rule = (l, m, r) => {
      let s = l;
      for (let c = 0; c < widths.length; c++) s += StringPrototypeRepeat("─", widths[c] + 2) + (c < widths.length - 1 ? m : r);
      return s;
    };
    const row = (cells) => {
      let s = "│";
      for (let c = 0; c < widths.length; c++) s += ` ${StringPrototypePadEnd(cells[c], widths[c])} │`;
      return s;
    };
    let out = `${rule("┌", "┬", "┐")}\n${row(head)}\n${rule("├", "┼", "┤")}\n`;
    for (let i = 0; i < lines.length; i++) out += `${row(lines[i])}\n`;
    return out + rule("└", "┴", "┘");
  }

  const console = {
    log(...args) { print(1, formatArgs(args)); },
    info(...args) { print(1, formatArgs(args)); },
    debug(...args) { print(0, formatArgs(args)); },
    warn(...args) { print(2, formatArgs(args)); },
    error(...args) { print(3, formatArgs(args)); },
    trace(...args) {
      const e = /** @type {any} */ ({ name: "Trace", message: formatArgs(args) });
      P.ErrorCaptureStackTrace(e, console.trace);
      const stack = typeof e.stack === "string" ? e.stack : ""; // a script may format stacks itself
      const at = StringPrototypeIndexOf(stack, "\n    at ");
      print(3, `Trace${e.message === "" ? "" : `: ${e.message}`}${at < 0 ? "" : StringPrototypeSlice(stack, at)}`);
    },
    dir(value, options) { print(1, inspect(value, options)); },
    dirxml(...args) { print(1, formatArgs(args)); },
    table(rows, wanted) { print(1, table(rows, ArrayIsArray(wanted) ? wanted : undefined)); },
    assert(condition, ...args) {
      if (condition) return;
      if (typeof args[0] === "string") args[0] = `Assertion failed: ${args[0]}`;
      else P.ArrayPrototypeUnshift(args, "Assertion failed");
      print(3, formatArgs(args));
    },
    count(name) {
      name = label(name);
      const n = (counts.get(name) ?? 0) + 1;
      counts.set(name, n);
      print(1, `${name}: ${n}`);
    },
    countReset(name) {
      name = label(name);
      if (counts.has(name)) counts.delete(name);
      else print(2, `Count for '${name}' does not exist`);
    },
    group(...args) {
      if (args.length > 0) print(1, formatArgs(args));
      if (indentation.length < 100) indentation += "  ";
    },
    groupCollapsed(...args) { ReflectApply(console.group, console, args); },
    groupEnd() { indentation = StringPrototypeSlice(indentation, 2); },
    time(name) {
      name = label(name);
      if (timers.has(name)) print(2, `Label '${name}' already exists for console.time()`);
      else timers.set(name, core.now());
    },
    timeLog(name, ...args) {
      name = label(name);
      const t = timers.get(name);
      if (t === undefined) print(2, `No such label '${name}' for console.timeLog()`);
      else print(1, `${name}: ${elapsed(core.now() - t)}${args.length > 0 ? ` ${formatArgs(args)}` : ""}`);
    },
    timeEnd(name) {
      name = label(name);
      const t = timers.get(name);
      if (t === undefined) print(2, `No such label '${name}' for console.timeEnd()`);
      else {
        timers.delete(name);
        print(1, `${name}: ${elapsed(core.now() - t)}`);
      }
    },
    clear() { indentation = ""; },
  };
  // A namespace object has an empty object between itself and Object.prototype.
  P.ObjectSetPrototypeOf(console, {});
  P.ObjectDefineProperty(console, SymbolToStringTag, { __proto__: null, value: "console", configurable: true });

  return { console, inspect, format: formatArgs };
});
