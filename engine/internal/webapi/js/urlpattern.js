// URLPattern after the WHATWG URL pattern standard: a tokenizer, a parser of patterns, a generator of regular expressions, and the parser
// of whole constructor strings.
(function (core) {
  "use strict";
  const {
    ArrayPrototypeIncludes, ArrayPrototypePush, MathMax, Object, ObjectHasOwn, RegExp, RegExpPrototypeExec, RegExpPrototypeSymbolReplace, StringFromCodePoint, StringPrototypeCodePointAt,
    StringPrototypeEndsWith, StringPrototypeLastIndexOf, StringPrototypeSlice, StringPrototypeStartsWith, StringPrototypeToLowerCase, TypeError,
  } = core.primordials;
  const { define, isObject, usv } = core.use("webidl");
  const u = core.use("url");

  const components = ["protocol", "username", "password", "hostname", "port", "pathname", "search", "hash"];

  // ---- tokens

  const nameStart = /^[$_\p{ID_Start}]$/u, namePart = /^[$_\u200c\u200d\p{ID_Continue}]$/u;
  function isName(c, first) {
    return c !== "" && RegExpPrototypeExec(first ? nameStart : namePart, c) !== null;
  }
  function charAt(s, i) {
    return i < s.length ? StringFromCodePoint(StringPrototypeCodePointAt(s, i)) : "";
  }

  function tokenize(s, lenient) {
    const out = [];
    let i = 0;
    const add = (type, end, from, to) => {
      ArrayPrototypePush(out, { type, index: i, value: StringPrototypeSlice(s, from, to) });
      i = end;
    };
    const bad = (end) => {
      if (!lenient) throw new TypeError(`URLPattern: the pattern "${s}" is not valid at ${i}`);
      add("invalid-char", end, i, end);
    };
    while (i < s.length) {
      const c = charAt(s, i), next = i + c.length;
      switch (c) {
        case "*": add("asterisk", next, i, next); continue;
        case "+": case "?": add("other-modifier", next, i, next); continue;
        case "\\": {
          const e = charAt(s, next);
          if (e === "") bad(next);
          else add("escaped-char", next + e.length, next, next + e.length);
          continue;
        }
        case "{": add("open", next, i, next); continue;
        case "}": add("close", next, i, next); continue;
        case ":": {
          let end = next;
          for (let d = charAt(s, end); isName(d, end === next); d = charAt(s, end)) end += d.length;
          if (end === next) bad(next);
          else add("name", end, next, end);
          continue;
        }
        case "(": {
          let depth = 1, p = next, error = false;
          while (p < s.length) {
            const d = charAt(s, p);
            if (d > "\x7f" || (p === next && d === "?")) {
              error = true;
              break;
            }
            if (d === "\\") {
              const e = charAt(s, p + 1);
              if (e === "" || e > "\x7f") {
                error = true;
                break;
              }
              p += 2;
              continue;
            }
            if (d === ")") {
              depth--;
              if (depth === 0) {
                p++;
                break;
              }
            } else if (d === "(") {
              depth++;
              if (s[p + 1] !== "?") {
                error = true;
                break;
              }
            }
            p++;
          }
          if (error || depth > 0 || p - 1 === next) bad(next);
          else add("regexp", p, next, p - 1);
          continue;
        }
        default: add("char", next, i, next);
      }
    }
    add("end", i, i, i);
    return out;
  }

  // ---- patterns

  const defaults = { delimiter: "", prefix: "" }, hostnameOptions = { delimiter: ".", prefix: "" }, pathnameOptions = { delimiter: "/", prefix: "/" };
  const fullWildcard = ".*";
  function escapeRegExp(s) {
    return RegExpPrototypeSymbolReplace(/[.+*?^${}()[\]|/\\]/g, s, "\\$&");
  }
  function escapePattern(s) {
    return RegExpPrototypeSymbolReplace(/[+*?:{}()\\]/g, s, "\\$&");
  }
  function segmentWildcard(options) {
    return `[^${escapeRegExp(options.delimiter)}]+?`;
  }

  function parsePattern(input, options, encode) {
    const tokens = tokenize(input, false), parts = [];
    const wildcard = segmentWildcard(options);
    let i = 0, pending = "", nextName = 0;
    const take = (type) => (tokens[i].type === type ? tokens[i++] : null);
    const need = (type) => {
      const t = take(type);
      if (t === null) throw new TypeError(`URLPattern: the pattern "${input}" is not valid at ${tokens[i].index}`);
      return t;
    };
    const takeMatcher = (name) => take("regexp") ?? (name === null ? take("asterisk") : null);
    const takeModifier = () => take("other-modifier") ?? take("asterisk");
    const text = () => {
      let s = "";
      for (let t = take("char") ?? take("escaped-char"); t !== null; t = take("char") ?? take("escaped-char")) s += t.value;
      return s;
    };
    const flush = () => {
      if (pending === "") return;
      ArrayPrototypePush(parts, { type: "fixed", value: encode(pending), modifier: "", name: "", prefix: "", suffix: "" });
      pending = "";
    };
    const add = (prefix, name, matcher, suffix, modifierToken) => {
      const modifier = modifierToken === null ? "" : modifierToken.value;
      if (name === null && matcher === null && modifier === "") {
        pending += prefix;
        return;
      }
      flush();
      if (name === null && matcher === null) {
        if (prefix !== "") ArrayPrototypePush(parts, { type: "fixed", value: encode(prefix), modifier, name: "", prefix: "", suffix: "" });
        return;
      }
      let value = matcher === null ? wildcard : matcher.type === "asterisk" ? fullWildcard : matcher.value;
      let type = "regexp";
      if (value === wildcard) {
        type = "segment";
        value = "";
      } else if (value === fullWildcard) {
        type = "full";
        value = "";
      }
      const label = name !== null ? name.value : `${nextName++}`;
      for (let k = 0; k < parts.length; k++) if (parts[k].name === label && label !== "") throw new TypeError(`URLPattern: the group ${label} is there twice`);
      ArrayPrototypePush(parts, { type, value, modifier, name: label, prefix: encode(prefix), suffix: encode(suffix) });
    };
    while (i < tokens.length) {
      const c = take("char"), name = take("name");
      let matcher = takeMatcher(name);
      if (name !== null || matcher !== null) {
        let prefix = c === null ? "" : c.value;
        if (prefix !== "" && prefix !== options.prefix) {
          pending += prefix;
          prefix = "";
        }
        flush();
        add(prefix, name, matcher, "", takeModifier());
        continue;
      }
      const fixed = c ?? take("escaped-char");
      if (fixed !== null) {
        pending += fixed.value;
        continue;
      }
      if (take("open") !== null) {
        const prefix = text(), inner = take("name");
        matcher = takeMatcher(inner);
        const suffix = text();
        need("close");
        add(prefix, inner, matcher, suffix, takeModifier());
        continue;
      }
      flush();
      need("end");
    }
    return parts;
  }

  function regExpOf(parts, options) {
    let out = "^";
    const names = [];
    for (let i = 0; i < parts.length; i++) {
      const p = parts[i];
      if (p.type === "fixed") {
        out += p.modifier === "" ? escapeRegExp(p.value) : `(?:${escapeRegExp(p.value)})${p.modifier}`;
        continue;
      }
      ArrayPrototypePush(names, p.name);
      const re = p.type === "segment" ? segmentWildcard(options) : p.type === "full" ? fullWildcard : p.value;
      const once = p.modifier === "" || p.modifier === "?";
      if (p.prefix === "" && p.suffix === "") {
        out += once ? `(${re})${p.modifier}` : `((?:${re})${p.modifier})`;
        continue;
      }
      const pre = escapeRegExp(p.prefix), suf = escapeRegExp(p.suffix);
      if (once) out += `(?:${pre}(${re})${suf})${p.modifier}`;
      else out += `(?:${pre}((?:${re})(?:${suf}${pre}(?:${re}))*)${suf})${p.modifier === "*" ? "?" : ""}`;
    }
    return { source: out + "$", names };
  }

  function patternString(parts, options) {
    let out = "";
    for (let i = 0; i < parts.length; i++) {
      const p = parts[i], previous = i > 0 ? parts[i - 1] : null, next = i + 1 < parts.length ? parts[i + 1] : null;
      if (p.type === "fixed") {
        out += p.modifier === "" ? escapePattern(p.value) : `{${escapePattern(p.value)}}${p.modifier}`;
        continue;
      }
      const custom = !(p.name[0] >= "0" && p.name[0] <= "9");
      let grouping = p.suffix !== "" || (p.prefix !== "" && p.prefix !== options.prefix);
      if (!grouping && custom && p.type === "segment" && p.modifier === "" && next !== null && next.prefix === "" && next.suffix === "") {
        grouping = next.type === "fixed" ? isName(charAt(next.value, 0), false) : next.name[0] >= "0" && next.name[0] <= "9";
      }
      if (!grouping && p.prefix === "" && previous !== null && previous.type === "fixed" && options.prefix !== "" && StringPrototypeEndsWith(previous.value, options.prefix)) grouping = true;
      if (grouping) out += "{";
      out += escapePattern(p.prefix);
      if (custom) out += ":" + p.name;
      if (p.type === "regexp") out += `(${p.value})`;
      else if (p.type === "segment" && !custom) out += `(${segmentWildcard(options)})`;
      else if (p.type === "full") {
        out += !custom && (previous === null || previous.type === "fixed" || previous.modifier !== "" || grouping || p.prefix !== "") ? "*" : `(${fullWildcard})`;
      }
      if (p.type === "segment" && custom && p.suffix !== "" && isName(charAt(p.suffix, 0), false)) out += "\\";
      out += escapePattern(p.suffix);
      if (grouping) out += "}";
      out += p.modifier;
    }
    return out;
  }

  function compile(input, encode, options, ignoreCase) {
    const parts = parsePattern(input, options, encode);
    const r = regExpOf(parts, options);
    let regexp;
    try {
      regexp = new RegExp(r.source, ignoreCase ? "vi" : "v");
    } catch (e) {
      throw new TypeError(`URLPattern: "${input}" has a regular expression that is not valid`);
    }
    let groups = false;
    for (let i = 0; i < parts.length; i++) groups ||= parts[i].type === "regexp";
    return { pattern: patternString(parts, options), regexp, names: r.names, groups };
  }

  // ---- canonical forms of components

  const invalid = (what, v) => new TypeError(`URLPattern: "${v}" is not a valid ${what}`);
  function dummy() {
    const r = u.record();
    r.scheme = "https:";
    r.host = "dummy.invalid";
    return r;
  }

  const canonical = {
    protocol(v) {
      if (v === "") return v;
      const r = u.parse(v + "://dummy.invalid", null);
      if (r === null) throw invalid("protocol", v);
      return StringPrototypeSlice(r.scheme, 0, -1);
    },
    username: (v) => u.percentEncode(v, u.sets.USERINFO),
    password: (v) => u.percentEncode(v, u.sets.USERINFO),
    hostname(v) {
      if (v === "") return v;
      // The parser would stop at the first three and skip the others.
      if (RegExpPrototypeExec(/[/\\?#\t\n\r]/, v) !== null) throw invalid("hostname", v);
      const r = dummy();
      if (u.parse(v, null, r, u.states.HOSTNAME) === null) throw invalid("hostname", v);
      return r.host;
    },
    ipv6(v) {
      if (RegExpPrototypeExec(/[^0-9a-fA-F[\]:]/, v) !== null) throw invalid("IPv6 address", v);
      return StringPrototypeToLowerCase(v);
    },
    port(v, protocol) {
      if (v === "") return v;
      const r = dummy();
      r.scheme = protocol === undefined || protocol === "" ? "" : protocol + ":";
      if (RegExpPrototypeExec(/^[0-9]+$/, v) === null || u.parse(v, null, r, u.states.PORT) === null) throw invalid("port", v);
      return r.port === null ? "" : `${r.port}`;
    },
    pathname(v) {
      if (v === "") return v;
      const slash = v[0] === "/";
      const r = dummy();
      u.parse(slash ? v : "/-" + v, null, r, u.states.PATH_START);
      const path = u.pathOf(r);
      return slash ? path : StringPrototypeSlice(path, 2);
    },
    opaque: (v) => u.percentEncode(v, u.sets.C0),
    search: (v) => u.percentEncode(v, u.sets.SPECIAL_QUERY),
    hash: (v) => u.percentEncode(v, u.sets.FRAGMENT),
  };

  const isSpecial = (protocol) => u.isSpecialScheme(protocol);

  // ---- URLPatternInit

  function readInit(v) {
    const out = /** @type {any} */ ({ __proto__: null });
    const names = ["baseURL", "hash", "hostname", "password", "pathname", "port", "protocol", "search", "username"];
    for (let i = 0; i < names.length; i++) {
      const m = v[names[i]];
      if (m !== undefined) out[names[i]] = usv(m);
    }
    return out;
  }

  function baseString(v, forPattern) {
    return forPattern ? escapePattern(v) : v;
  }

  function process(init, forPattern, start) {
    const out = /** @type {any} */ ({ __proto__: null });
    if (start !== undefined) for (let i = 0; i < components.length; i++) out[components[i]] = start;
    let base = null;
    const lacks = (...names) => {
      for (let i = 0; i < names.length; i++) if (init[names[i]] !== undefined) return false;
      return true;
    };
    if (init.baseURL !== undefined) {
      base = u.parse(init.baseURL, null);
      if (base === null) throw invalid("base URL", init.baseURL);
      if (lacks("protocol")) out.protocol = baseString(StringPrototypeSlice(base.scheme, 0, -1), forPattern);
      if (!forPattern && lacks("protocol", "hostname", "port", "username")) out.username = base.username;
      if (!forPattern && lacks("protocol", "hostname", "port", "username", "password")) out.password = base.password;
      if (lacks("protocol", "hostname")) out.hostname = baseString(base.host ?? "", forPattern);
      if (lacks("protocol", "hostname", "port")) out.port = base.port === null ? "" : `${base.port}`;
      if (lacks("protocol", "hostname", "port", "pathname")) out.pathname = baseString(u.pathOf(base), forPattern);
      if (lacks("protocol", "hostname", "port", "pathname", "search")) out.search = baseString(base.query ?? "", forPattern);
      if (lacks("protocol", "hostname", "port", "pathname", "search", "hash")) out.hash = baseString(base.fragment ?? "", forPattern);
    }
    if (init.protocol !== undefined) {
      const v = StringPrototypeEndsWith(init.protocol, ":") ? StringPrototypeSlice(init.protocol, 0, -1) : init.protocol;
      out.protocol = forPattern ? v : canonical.protocol(v);
    }
    if (init.username !== undefined) out.username = forPattern ? init.username : canonical.username(init.username);
    if (init.password !== undefined) out.password = forPattern ? init.password : canonical.password(init.password);
    if (init.hostname !== undefined) out.hostname = forPattern ? init.hostname : canonical.hostname(init.hostname);
    if (init.port !== undefined) out.port = forPattern ? init.port : canonical.port(init.port, out.protocol);
    if (init.pathname !== undefined) {
      let path = init.pathname;
      if (base !== null && typeof base.path !== "string" && !isAbsolute(path, forPattern)) {
        const basePath = baseString(u.pathOf(base), forPattern), slash = StringPrototypeLastIndexOf(basePath, "/");
        if (slash >= 0) path = StringPrototypeSlice(basePath, 0, slash + 1) + path;
      }
      out.pathname = forPattern ? path : out.protocol === undefined || out.protocol === "" || isSpecial(out.protocol) ? canonical.pathname(path) : canonical.opaque(path);
    }
    if (init.search !== undefined) {
      const v = init.search[0] === "?" ? StringPrototypeSlice(init.search, 1) : init.search;
      out.search = forPattern ? v : canonical.search(v);
    }
    if (init.hash !== undefined) {
      const v = init.hash[0] === "#" ? StringPrototypeSlice(init.hash, 1) : init.hash;
      out.hash = forPattern ? v : canonical.hash(v);
    }
    return out;
  }

  function isAbsolute(path, forPattern) {
    if (path === "") return false;
    return path[0] === "/" || (forPattern && path.length >= 2 && (StringPrototypeStartsWith(path, "\\/") || StringPrototypeStartsWith(path, "{/")));
  }

  // ---- whole constructor strings

  function parseConstructor(input) {
    const tokens = tokenize(input, true), result = /** @type {any} */ ({ __proto__: null });
    let i = 0, increment = 1, start = 0, depth = 0, brackets = 0, special = false, state = "init";
    const safe = (k) => (k < tokens.length ? tokens[k] : tokens[tokens.length - 1]);
    const is = (k, value) => {
      const t = safe(k);
      return t.value === value && (t.type === "char" || t.type === "escaped-char" || t.type === "invalid-char");
    };
    const component = () => StringPrototypeSlice(input, safe(start).index, tokens[i].index);
    const rewind = (next) => {
      i = start;
      increment = 0;
      if (next !== undefined) state = next;
    };
    const change = (next, skip) => {
      if (state !== "init" && state !== "authority" && state !== "done") result[state] = component();
      if (state !== "init" && next !== "done") {
        const at = (...names) => ArrayPrototypeIncludes(names, state);
        if (at("protocol", "authority", "username", "password") && ArrayPrototypeIncludes(["port", "pathname", "search", "hash"], next)) result.hostname ??= "";
        if (at("protocol", "authority", "username", "password", "hostname", "port") && (next === "search" || next === "hash")) result.pathname ??= special ? "/" : "";
        if (at("protocol", "authority", "username", "password", "hostname", "port", "pathname") && next === "hash") result.search ??= "";
      }
      state = next;
      i += skip;
      start = i;
      increment = 0;
    };
    const searchPrefix = () => {
      if (is(i, "?")) return true;
      if (tokens[i].value !== "?") return false;
      if (i === 0) return true;
      const t = safe(i - 1).type;
      return t !== "name" && t !== "regexp" && t !== "close" && t !== "asterisk";
    };
    for (; i < tokens.length; i += increment) {
      increment = 1;
      const t = tokens[i];
      if (t.type === "end") {
        if (state === "init") {
          rewind();
          if (is(i, "#")) change("hash", 1);
          else if (searchPrefix()) change("search", 1);
          else change("pathname", 0);
          continue;
        }
        if (state === "authority") {
          rewind("hostname");
          continue;
        }
        change("done", 0);
        break;
      }
      if (t.type === "open") {
        depth++;
        continue;
      }
      if (depth > 0) {
        if (t.type !== "close") continue;
        depth--;
      }
      switch (state) {
        case "init":
          if (is(i, ":")) rewind("protocol");
          break;
        case "protocol":
          if (is(i, ":")) {
            const c = compile(component(), canonical.protocol, defaults, false);
            special = matchesSpecial(c);
            if (is(i + 1, "/") && is(i + 2, "/")) change("authority", 3);
            else change(special ? "authority" : "pathname", 1);
          }
          break;
        case "authority":
          if (is(i, "@")) rewind("username");
          else if (is(i, "/") || searchPrefix() || is(i, "#")) rewind("hostname");
          break;
        case "username":
          if (is(i, ":")) change("password", 1);
          else if (is(i, "@")) change("hostname", 1);
          break;
        case "password":
          if (is(i, "@")) change("hostname", 1);
          break;
        case "hostname":
          if (is(i, "[")) brackets++;
          else if (is(i, "]")) brackets--;
          else if (is(i, ":") && brackets === 0) change("port", 1);
          else if (is(i, "/")) change("pathname", 0);
          else if (searchPrefix()) change("search", 1);
          else if (is(i, "#")) change("hash", 1);
          break;
        case "port":
          if (is(i, "/")) change("pathname", 0);
          else if (searchPrefix()) change("search", 1);
          else if (is(i, "#")) change("hash", 1);
          break;
        case "pathname":
          if (searchPrefix()) change("search", 1);
          else if (is(i, "#")) change("hash", 1);
          break;
        case "search":
          if (is(i, "#")) change("hash", 1);
          break;
      }
    }
    if (result.hostname !== undefined) result.port ??= "";
    return result;
  }

  const specials = ["http", "https", "ws", "wss", "ftp", "file"];
  function matchesSpecial(c) {
    for (let i = 0; i < specials.length; i++) if (RegExpPrototypeExec(c.regexp, specials[i]) !== null) return true;
    return false;
  }

  function isIPv6Pattern(v) {
    return v.length >= 2 && (v[0] === "[" || StringPrototypeStartsWith(v, "{[") || StringPrototypeStartsWith(v, "\\["));
  }

  class URLPattern {
    #c;
    constructor(input = undefined, baseOrOptions = undefined, options = undefined) {
      let base;
      if (arguments.length >= 3 || typeof baseOrOptions === "string") base = usv(baseOrOptions);
      else if (baseOrOptions !== undefined && !isObject(baseOrOptions) && baseOrOptions !== null) base = usv(baseOrOptions);
      else options = baseOrOptions;
      const ignoreCase = !!options?.ignoreCase;
      let init;
      if (input === undefined || isObject(input) || input === null) {
        if (base !== undefined) throw new TypeError("URLPattern: a base URL goes with a string only");
        init = isObject(input) ? readInit(input) : /** @type {any} */ ({ __proto__: null });
      } else {
        init = parseConstructor(usv(input));
        if (base === undefined && init.protocol === undefined) throw new TypeError("URLPattern: a relative pattern needs a base URL");
        if (base !== undefined) init.baseURL = base;
      }
      const p = process(init, true);
      for (let i = 0; i < components.length; i++) p[components[i]] ??= "*";
      if (isSpecial(p.protocol) && `${u.specialPorts[p.protocol + ":"]}` === p.port) p.port = "";
      const c = /** @type {any} */ ({ __proto__: null });
      c.protocol = compile(p.protocol, canonical.protocol, defaults, false);
      c.username = compile(p.username, canonical.username, defaults, false);
      c.password = compile(p.password, canonical.password, defaults, false);
      c.hostname = compile(p.hostname, isIPv6Pattern(p.hostname) ? canonical.ipv6 : canonical.hostname, hostnameOptions, false);
      c.port = compile(p.port, (v) => canonical.port(v), defaults, false);
      c.pathname = matchesSpecial(c.protocol) ? compile(p.pathname, canonical.pathname, pathnameOptions, ignoreCase) : compile(p.pathname, canonical.opaque, defaults, ignoreCase);
      c.search = compile(p.search, canonical.search, defaults, ignoreCase);
      c.hash = compile(p.hash, canonical.hash, defaults, ignoreCase);
      this.#c = c;
    }
    get protocol() { return this.#c.protocol.pattern; }
    get username() { return this.#c.username.pattern; }
    get password() { return this.#c.password.pattern; }
    get hostname() { return this.#c.hostname.pattern; }
    get port() { return this.#c.port.pattern; }
    get pathname() { return this.#c.pathname.pattern; }
    get search() { return this.#c.search.pattern; }
    get hash() { return this.#c.hash.pattern; }
    get hasRegExpGroups() {
      for (let i = 0; i < components.length; i++) if (this.#c[components[i]].groups) return true;
      return false;
    }
    test(input = undefined, baseURL = undefined) { return match(this.#c, input, baseURL) !== null; }
    exec(input = undefined, baseURL = undefined) { return match(this.#c, input, baseURL); }
  }
  define(URLPattern, "URLPattern");

  function match(c, input, baseURL) {
    const inputs = [];
    let v;
    if (input === undefined || input === null || isObject(input)) {
      if (baseURL !== undefined) throw new TypeError("URLPattern: a base URL goes with a string only");
      ArrayPrototypePush(inputs, input ?? {});
      const init = readInit(input ?? {});
      try {
        v = process(init, false, "");
      } catch {
        return null;
      }
    } else {
      const text = usv(input);
      ArrayPrototypePush(inputs, text);
      let base = null;
      if (baseURL !== undefined) {
        const b = usv(baseURL);
        base = u.parse(b, null);
        if (base === null) return null;
        ArrayPrototypePush(inputs, b);
      }
      const r = u.parse(text, base);
      if (r === null) return null;
      v = {
        protocol: StringPrototypeSlice(r.scheme, 0, -1), username: r.username, password: r.password, hostname: r.host ?? "", port: r.port === null ? "" : `${r.port}`,
        pathname: u.pathOf(r), search: r.query ?? "", hash: r.fragment ?? "",
      };
    }
    const out = { inputs };
    for (let i = 0; i < components.length; i++) {
      const name = components[i], part = c[name];
      const m = RegExpPrototypeExec(part.regexp, v[name]);
      if (m === null) return null;
      const groups = {};
      for (let g = 0; g < part.names.length; g++) groups[part.names[g]] = m[g + 1];
      out[name] = { input: v[name], groups };
    }
    return out;
  }

  return { URLPattern };
});
