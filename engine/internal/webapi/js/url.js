// URL and URLSearchParams after the WHATWG URL standard. Plain http addresses take a path of their own past the state machine.
(function (core) {
  "use strict";
  const {
    ArrayPrototypeJoin, ArrayPrototypePop, ArrayPrototypePush, ArrayPrototypeSlice, ArrayPrototypeSplice, ArrayPrototypeSort, MathFloor,
    NumberPrototypeToString, RegExpPrototypeExec, RegExpPrototypeSymbolReplace, String, StringPrototypeCharCodeAt, StringPrototypeCodePointAt,
    StringPrototypeEndsWith, StringPrototypeIncludes, StringPrototypeIndexOf, StringPrototypeLastIndexOf, StringPrototypeSlice,
    StringPrototypeSplit, StringPrototypeStartsWith, StringPrototypeToLowerCase, TypeError, Uint8Array, Uint8ArrayPrototypeSubarray,
    ObjectDefineProperty, decodeURIComponent,
  } = core.primordials;
  const { allOf, str, usv, required, define, firstOf, pairIterable, pairs, isObject, setPair } = core.use("webidl");
  const { utf8Encode, utf8Decode } = core.use("encoding");

  // Percent-encode sets, one bit each.
  const C0 = 1, FRAGMENT = 2, QUERY = 4, SPECIAL_QUERY = 8, PATH = 16, USERINFO = 32, COMPONENT = 64, FORM = 128;
  const sets = new Uint8Array(128);
  {
    const add = (chars, mask) => {
      for (let i = 0; i < chars.length; i++) sets[StringPrototypeCharCodeAt(chars, i)] |= mask;
    };
    for (let i = 0; i < 128; i++) if (i < 0x20 || i > 0x7e) sets[i] = 255;
    add(' "<>`', FRAGMENT);
    add(' "#<>', QUERY | SPECIAL_QUERY | PATH | USERINFO | COMPONENT | FORM);
    add("'", SPECIAL_QUERY);
    add("?^`{}", PATH | USERINFO | COMPONENT | FORM);
    add("/:;=@[\\]|", USERINFO | COMPONENT | FORM);
    add("$%&+,", COMPONENT | FORM);
    add("!'()~", FORM);
  }
  const hex = [];
  for (let i = 0; i < 256; i++) hex[i] = "%" + (i < 16 ? "0" : "") + core.primordials.StringPrototypeToUpperCase(NumberPrototypeToString(i, 16));

  function percentEncode(s, mask, spaceAsPlus) {
    const n = s.length;
    let out = "", from = 0;
    for (let i = 0; i < n; i++) {
      const c = StringPrototypeCharCodeAt(s, i);
      if (c < 128) {
        if ((sets[c] & mask) === 0) continue;
        if (from < i) out += StringPrototypeSlice(s, from, i);
        out += spaceAsPlus && c === 32 ? "+" : hex[c];
        from = i + 1;
        continue;
      }
      if (from < i) out += StringPrototypeSlice(s, from, i);
      const cp = StringPrototypeCodePointAt(s, i);
      if (cp < 0x800) out += hex[0xc0 | (cp >> 6)] + hex[0x80 | (cp & 63)];
      else if (cp < 0x10000) out += hex[0xe0 | (cp >> 12)] + hex[0x80 | ((cp >> 6) & 63)] + hex[0x80 | (cp & 63)];
      else {
        out += hex[0xf0 | (cp >> 18)] + hex[0x80 | ((cp >> 12) & 63)] + hex[0x80 | ((cp >> 6) & 63)] + hex[0x80 | (cp & 63)];
        i++;
      }
      from = i + 1;
    }
    return from === 0 ? s : out + StringPrototypeSlice(s, from);
  }

  function hexValue(c) {
    return c >= 48 && c <= 57 ? c - 48 : c >= 65 && c <= 70 ? c - 55 : c >= 97 && c <= 102 ? c - 87 : -1;
  }

  function percentDecode(bytes) {
    const n = core.primordials.TypedArrayPrototypeGetLength(bytes);
    const out = new Uint8Array(n);
    let at = 0;
    for (let i = 0; i < n; i++) {
      let c = bytes[i];
      if (c === 37 && i + 2 < n) {
        const a = hexValue(bytes[i + 1]), b = hexValue(bytes[i + 2]);
        if (a >= 0 && b >= 0) {
          c = a * 16 + b;
          i += 2;
        }
      }
      out[at++] = c;
    }
    return Uint8ArrayPrototypeSubarray(out, 0, at);
  }

  function percentDecodeString(s) {
    if (StringPrototypeIndexOf(s, "%") < 0) return s;
    try {
      return decodeURIComponent(s); // the same where all that is escaped is UTF-8
    } catch {
      // a "%" that escapes nothing, or other bytes
    }
    return utf8Decode(percentDecode(utf8Encode(s)), false);
  }

  const specialPorts = { __proto__: null, "http:": 80, "https:": 443, "ws:": 80, "wss:": 443, "ftp:": 21, "file:": null };
  function isSpecial(url) {
    return url.scheme in specialPorts;
  }

  function isAlpha(c) { return (c >= 65 && c <= 90) || (c >= 97 && c <= 122); }
  function isDigit(c) { return c >= 48 && c <= 57; }

  function driveLetterAt(s, p) {
    if (!isAlpha(StringPrototypeCharCodeAt(s, p))) return false;
    const c = StringPrototypeCharCodeAt(s, p + 1);
    return c === 58 || c === 124;
  }
  function isDriveLetter(s) { return s.length === 2 && driveLetterAt(s, 0); }
  function isNormalizedDriveLetter(s) { return s.length === 2 && isAlpha(StringPrototypeCharCodeAt(s, 0)) && s[1] === ":"; }
  function startsWithDriveLetter(s, p) {
    if (!driveLetterAt(s, p)) return false;
    if (p + 2 >= s.length) return true;
    const c = s[p + 2];
    return c === "/" || c === "\\" || c === "?" || c === "#";
  }

  const singleDot = /^(?:\.|%2e)$/i, doubleDot = /^(?:\.|%2e){2}$/i;

  // ---- hosts; null is failure

  const forbiddenHost = /[\x00\t\n\r #/:<>?@[\\\]^|]/;
  const forbiddenDomain = /[\x00-\x20#/:<>?@[\\\]^|%\x7f]/;
  const plainDomain = /^[a-z0-9._~!$&'()*+,;=-]*$/;

  function parseHost(input, special) {
    if (input[0] === "[") {
      if (input[input.length - 1] !== "]") return null;
      return parseIPv6(StringPrototypeSlice(input, 1, -1));
    }
    if (!special) {
      if (RegExpPrototypeExec(forbiddenHost, input) !== null) return null;
      return percentEncode(input, C0);
    }
    let domain = percentDecodeString(input);
    if (RegExpPrototypeExec(plainDomain, domain) === null || StringPrototypeIncludes(domain, "xn--")) {
      const lower = RegExpPrototypeExec(/[^\x00-\x7f]/, domain) === null ? StringPrototypeToLowerCase(domain) : domain;
      domain = lower !== domain && RegExpPrototypeExec(plainDomain, lower) !== null && !StringPrototypeIncludes(lower, "xn--")
        ? lower : core.native("url.toASCII", domain);
    }
    if (domain === "" || RegExpPrototypeExec(forbiddenDomain, domain) !== null) return null;
    if (endsInNumber(domain)) return parseIPv4(domain);
    return domain;
  }

  function endsInNumber(s) {
    let end = s.length;
    if (s[end - 1] === ".") {
      end--;
      if (end === 0) return false;
    }
    const from = StringPrototypeLastIndexOf(s, ".", end - 1) + 1;
    const last = StringPrototypeSlice(s, from, end);
    if (last === "") return false;
    if (!isDigit(StringPrototypeCharCodeAt(last, 0))) return false;
    return RegExpPrototypeExec(/^(?:[0-9]+|0[xX][0-9a-fA-F]*)$/, last) !== null;
  }

  function parseIPv4Number(s) {
    if (s === "") return -1;
    let radix = 10, i = 0;
    if (s.length >= 2 && s[0] === "0") {
      if (s[1] === "x" || s[1] === "X") {
        radix = 16;
        i = 2;
      } else {
        radix = 8;
        i = 1;
      }
    }
    let v = 0;
    for (; i < s.length; i++) {
      const d = hexValue(StringPrototypeCharCodeAt(s, i));
      if (d < 0 || d >= radix) return -1;
      v = v * radix + d;
    }
    return v;
  }

  function parseIPv4(s) {
    const parts = StringPrototypeSplit(s, ".");
    if (parts[parts.length - 1] === "" && parts.length > 1) ArrayPrototypePop(parts);
    if (parts.length > 4) return null;
    let ip = 0;
    for (let i = 0; i < parts.length; i++) {
      const v = parseIPv4Number(parts[i]);
      if (v < 0) return null;
      if (i < parts.length - 1) {
        if (v > 255) return null;
        ip += v * 256 ** (3 - i);
      } else {
        if (v >= 256 ** (5 - parts.length)) return null;
        ip += v;
      }
    }
    return `${MathFloor(ip / 16777216)}.${MathFloor(ip / 65536) % 256}.${MathFloor(ip / 256) % 256}.${ip % 256}`;
  }

  function parseIPv6(s) {
    const a = [0, 0, 0, 0, 0, 0, 0, 0];
    let piece = 0, compress = -1, p = 0;
    const at = (i) => (i < s.length ? StringPrototypeCharCodeAt(s, i) : -1);
    if (at(p) === 58) {
      if (at(p + 1) !== 58) return null;
      p += 2;
      compress = ++piece;
    }
    while (at(p) !== -1) {
      if (piece === 8) return null;
      if (at(p) === 58) {
        if (compress >= 0) return null;
        p++;
        compress = ++piece;
        continue;
      }
      let value = 0, length = 0;
      while (length < 4 && hexValue(at(p)) >= 0) {
        value = value * 16 + hexValue(at(p));
        p++;
        length++;
      }
      if (at(p) === 46) {
        if (length === 0) return null;
        p -= length;
        if (piece > 6) return null;
        let seen = 0;
        while (at(p) !== -1) {
          let v = -1;
          if (seen > 0) {
            if (at(p) === 46 && seen < 4) p++;
            else return null;
          }
          if (!isDigit(at(p))) return null;
          while (isDigit(at(p))) {
            const d = at(p) - 48;
            if (v === -1) v = d;
            else if (v === 0) return null;
            else v = v * 10 + d;
            if (v > 255) return null;
            p++;
          }
          a[piece] = a[piece] * 256 + v;
          seen++;
          if (seen === 2 || seen === 4) piece++;
        }
        if (seen !== 4) return null;
        break;
      } else if (at(p) === 58) {
        p++;
        if (at(p) === -1) return null;
      } else if (at(p) !== -1) return null;
      a[piece++] = value;
    }
    if (compress >= 0) {
      let swaps = piece - compress;
      piece = 7;
      while (piece !== 0 && swaps > 0) {
        const j = compress + swaps - 1, t = a[j];
        a[j] = a[piece];
        a[piece] = t;
        piece--;
        swaps--;
      }
    } else if (piece !== 8) return null;
    // The longest run of zeros, the first one of equals, is written as "::".
    let best = -1, bestLength = 1;
    for (let i = 0; i < 8; ) {
      let j = i;
      while (j < 8 && a[j] === 0) j++;
      if (j - i > bestLength) {
        best = i;
        bestLength = j - i;
      }
      i = j === i ? i + 1 : j;
    }
    let out = "[";
    for (let i = 0; i < 8; i++) {
      if (i === best) {
        out += i === 0 ? "::" : ":";
        i += bestLength - 1;
        continue;
      }
      out += NumberPrototypeToString(a[i], 16);
      if (i < 7) out += ":";
    }
    return out + "]";
  }

  // ---- the parser

  // A URL record. path is an array of segments, or a string where it is opaque; host, port, query and fragment may be null.
  function record() {
    return { scheme: "", username: "", password: "", host: null, port: null, path: [], query: null, fragment: null };
  }

  const SCHEME_START = 1, SCHEME = 2, NO_SCHEME = 3, SPECIAL_RELATIVE_OR_AUTHORITY = 4, PATH_OR_AUTHORITY = 5, RELATIVE = 6,
    RELATIVE_SLASH = 7, SPECIAL_AUTHORITY_SLASHES = 8, SPECIAL_AUTHORITY_IGNORE_SLASHES = 9, AUTHORITY = 10, HOST = 11, HOSTNAME = 12,
    PORT = 13, FILE = 14, FILE_SLASH = 15, FILE_HOST = 16, PATH_START = 17, PATH_STATE = 18, OPAQUE_PATH = 19, QUERY_STATE = 20,
    FRAGMENT_STATE = 21;

  function shorten(url) {
    const path = url.path;
    if (url.scheme === "file:" && path.length === 1 && isNormalizedDriveLetter(path[0])) return;
    if (path.length > 0) ArrayPrototypePop(path);
  }

  const edges = /^[\x00-\x20]+|[\x00-\x20]+$/g, breaks = /[\t\n\r]+/g;
  const needsTrim = /^[\x00-\x20]|[\x00-\x20]$/, hasBreak = /[\t\n\r]/;

  // parse is the basic URL parser: a record or null. With url and override it changes url and returns true, or null on failure.
  function parse(input, base, url, override) {
    if (override === undefined && RegExpPrototypeExec(needsTrim, input) !== null) input = RegExpPrototypeSymbolReplace(edges, input, "");
    if (RegExpPrototypeExec(hasBreak, input) !== null) input = RegExpPrototypeSymbolReplace(breaks, input, "");
    const n = input.length;
    const given = override !== undefined;
    url ??= record();
    let state = given ? override : SCHEME_START;
    let p = 0;
    for (;;) {
      const c = p < n ? StringPrototypeCharCodeAt(input, p) : -1;
      switch (state) {
        case SCHEME_START:
          if (isAlpha(c)) state = SCHEME;
          else if (!given) state = NO_SCHEME;
          else return null;
          break;
        case SCHEME: {
          let i = p;
          for (; i < n; i++) {
            const d = StringPrototypeCharCodeAt(input, i);
            if (!(isAlpha(d) || isDigit(d) || d === 43 || d === 45 || d === 46)) break;
          }
          if (i < n && input[i] === ":") {
            const scheme = StringPrototypeToLowerCase(StringPrototypeSlice(input, 0, i)) + ":";
            if (given) {
              if (isSpecial(url) !== scheme in specialPorts) return true;
              if ((url.username !== "" || url.password !== "" || url.port !== null) && scheme === "file:") return true;
              if (url.scheme === "file:" && url.host === "") return true;
              url.scheme = scheme;
              if (url.port !== null && url.port === specialPorts[scheme]) url.port = null;
              return true;
            }
            url.scheme = scheme;
            p = i + 1;
            if (scheme === "file:") state = FILE;
            else if (scheme in specialPorts) state = base !== null && base.scheme === scheme ? SPECIAL_RELATIVE_OR_AUTHORITY : SPECIAL_AUTHORITY_SLASHES;
            else if (input[p] === "/") {
              state = PATH_OR_AUTHORITY;
              p++;
            } else {
              url.path = "";
              state = OPAQUE_PATH;
            }
          } else if (!given) {
            state = NO_SCHEME;
            p = 0;
          } else return null;
          break;
        }
        case NO_SCHEME: {
          if (base === null) return null;
          if (typeof base.path === "string") {
            if (c !== 35) return null;
            url.scheme = base.scheme;
            url.path = base.path;
            url.query = base.query;
            url.fragment = "";
            p++;
            state = FRAGMENT_STATE;
          } else state = base.scheme !== "file:" ? RELATIVE : FILE;
          break;
        }
        case SPECIAL_RELATIVE_OR_AUTHORITY:
          if (c === 47 && input[p + 1] === "/") {
            state = SPECIAL_AUTHORITY_IGNORE_SLASHES;
            p += 2;
          } else state = RELATIVE;
          break;
        case PATH_OR_AUTHORITY:
          if (c === 47) {
            state = AUTHORITY;
            p++;
          } else {
            // The "/" that led here is the path's first character.
            p--;
            state = PATH_START;
          }
          break;
        case RELATIVE:
          url.scheme = base.scheme;
          if (c === 47 || (c === 92 && isSpecial(url))) {
            state = RELATIVE_SLASH;
            p++;
            break;
          }
          url.username = base.username;
          url.password = base.password;
          url.host = base.host;
          url.port = base.port;
          url.path = ArrayPrototypeSlice(base.path);
          url.query = base.query;
          if (c === 63) {
            url.query = "";
            p++;
            state = QUERY_STATE;
          } else if (c === 35) {
            url.fragment = "";
            p++;
            state = FRAGMENT_STATE;
          } else if (c !== -1) {
            url.query = null;
            shorten(url);
            state = PATH_STATE;
          } else return url;
          break;
        case RELATIVE_SLASH:
          if (isSpecial(url) && (c === 47 || c === 92)) {
            p++;
            state = SPECIAL_AUTHORITY_IGNORE_SLASHES;
          } else if (c === 47) {
            p++;
            state = AUTHORITY;
          } else {
            url.username = base.username;
            url.password = base.password;
            url.host = base.host;
            url.port = base.port;
            state = PATH_STATE;
          }
          break;
        case SPECIAL_AUTHORITY_SLASHES:
          if (c === 47 && input[p + 1] === "/") p += 2;
          state = SPECIAL_AUTHORITY_IGNORE_SLASHES;
          break;
        case SPECIAL_AUTHORITY_IGNORE_SLASHES:
          if (c === 47 || c === 92) p++;
          else state = AUTHORITY;
          break;
        case AUTHORITY: {
          const special = isSpecial(url);
          let end = p, at = -1;
          for (; end < n; end++) {
            const d = StringPrototypeCharCodeAt(input, end);
            if (d === 47 || d === 63 || d === 35 || (d === 92 && special)) break;
            if (d === 64) at = end;
          }
          if (at >= 0) {
            const info = StringPrototypeSlice(input, p, at);
            const colon = StringPrototypeIndexOf(info, ":");
            url.username = percentEncode(colon < 0 ? info : StringPrototypeSlice(info, 0, colon), USERINFO);
            if (colon >= 0) url.password = percentEncode(StringPrototypeSlice(info, colon + 1), USERINFO);
            if (at + 1 === end) return null;
            p = at + 1;
          }
          state = HOST;
          break;
        }
        case HOST:
        case HOSTNAME: {
          if (given && url.scheme === "file:") {
            state = FILE_HOST;
            break;
          }
          const special = isSpecial(url);
          let i = p, inside = false, colon = false;
          for (; i < n; i++) {
            const d = StringPrototypeCharCodeAt(input, i);
            if (d === 58 && !inside) {
              colon = true;
              break;
            }
            if (d === 47 || d === 63 || d === 35 || (d === 92 && special)) break;
            if (d === 91) inside = true;
            else if (d === 93) inside = false;
          }
          const buffer = StringPrototypeSlice(input, p, i);
          if (colon) {
            if (buffer === "") return null;
            if (override === HOSTNAME) return null;
            const host = parseHost(buffer, special);
            if (host === null) return null;
            url.host = host;
            p = i + 1;
            state = PORT;
            break;
          }
          if (special && buffer === "") return null;
          if (given && buffer === "" && (url.username !== "" || url.password !== "" || url.port !== null)) return null;
          const host = parseHost(buffer, special);
          if (host === null) return null;
          url.host = host;
          if (given) return true;
          p = i;
          state = PATH_START;
          break;
        }
        case PORT: {
          let i = p;
          while (i < n && isDigit(StringPrototypeCharCodeAt(input, i))) i++;
          const d = i < n ? StringPrototypeCharCodeAt(input, i) : -1;
          if (!(d === -1 || d === 47 || d === 63 || d === 35 || (d === 92 && isSpecial(url)) || given)) return null;
          if (i > p) {
            const port = +StringPrototypeSlice(input, p, i);
            if (port > 65535) return null;
            url.port = port === specialPorts[url.scheme] ? null : port;
          }
          if (given) return i > p ? true : null;
          p = i;
          state = PATH_START;
          break;
        }
        case FILE:
          url.scheme = "file:";
          url.host = "";
          if (c === 47 || c === 92) {
            p++;
            state = FILE_SLASH;
          } else if (base !== null && base.scheme === "file:") {
            url.host = base.host;
            url.path = ArrayPrototypeSlice(base.path);
            url.query = base.query;
            if (c === 63) {
              url.query = "";
              p++;
              state = QUERY_STATE;
            } else if (c === 35) {
              url.fragment = "";
              p++;
              state = FRAGMENT_STATE;
            } else if (c !== -1) {
              url.query = null;
              if (!startsWithDriveLetter(input, p)) shorten(url);
              else url.path = [];
              state = PATH_STATE;
            } else return url;
          } else state = PATH_STATE;
          break;
        case FILE_SLASH:
          if (c === 47 || c === 92) {
            p++;
            state = FILE_HOST;
          } else {
            if (base !== null && base.scheme === "file:") {
              url.host = base.host;
              if (!startsWithDriveLetter(input, p) && base.path.length > 0 && isNormalizedDriveLetter(base.path[0])) {
                ArrayPrototypePush(url.path, base.path[0]);
              }
            }
            state = PATH_STATE;
          }
          break;
        case FILE_HOST: {
          let i = p;
          for (; i < n; i++) {
            const d = input[i];
            if (d === "/" || d === "\\" || d === "?" || d === "#") break;
          }
          const buffer = StringPrototypeSlice(input, p, i);
          if (!given && isDriveLetter(buffer)) {
            state = PATH_STATE;
            break;
          }
          if (buffer === "") url.host = "";
          else {
            const host = parseHost(buffer, true);
            if (host === null) return null;
            url.host = host === "localhost" ? "" : host;
          }
          if (given) return true;
          p = i;
          state = PATH_START;
          break;
        }
        case PATH_START:
          if (isSpecial(url)) {
            if (c === 47 || c === 92) p++;
            state = PATH_STATE;
          } else if (!given && c === 63) {
            url.query = "";
            p++;
            state = QUERY_STATE;
          } else if (!given && c === 35) {
            url.fragment = "";
            p++;
            state = FRAGMENT_STATE;
          } else if (c !== -1) {
            if (c === 47) p++;
            state = PATH_STATE;
          } else {
            if (given && url.host === null) ArrayPrototypePush(url.path, "");
            return given ? true : url;
          }
          break;
        case PATH_STATE: {
          const special = isSpecial(url);
          const path = url.path;
          for (;;) {
            let i = p;
            let d = -1;
            for (; i < n; i++) {
              d = StringPrototypeCharCodeAt(input, i);
              if (d === 47 || (d === 92 && special) || (!given && (d === 63 || d === 35))) break;
            }
            if (i >= n) d = -1;
            const slash = d === 47 || (d === 92 && special);
            let segment = percentEncode(StringPrototypeSlice(input, p, i), PATH);
            if (segment.length <= 6 && RegExpPrototypeExec(doubleDot, segment) !== null) {
              shorten(url);
              if (!slash) ArrayPrototypePush(path, "");
            } else if (segment.length <= 3 && RegExpPrototypeExec(singleDot, segment) !== null) {
              if (!slash) ArrayPrototypePush(path, "");
            } else {
              if (url.scheme === "file:" && path.length === 0 && isDriveLetter(segment)) segment = segment[0] + ":";
              ArrayPrototypePush(path, segment);
            }
            p = i + 1;
            if (slash) continue;
            if (d === -1) return given ? true : url;
            if (d === 63) {
              url.query = "";
              state = QUERY_STATE;
            } else {
              url.fragment = "";
              state = FRAGMENT_STATE;
            }
            break;
          }
          break;
        }
        case OPAQUE_PATH: {
          let i = p;
          while (i < n && input[i] !== "?" && input[i] !== "#") i++;
          let path = percentEncode(StringPrototypeSlice(input, p, i), C0);
          // A space before the query or the fragment is encoded, so that the address reads back as itself.
          if (i < n && path[path.length - 1] === " ") path = StringPrototypeSlice(path, 0, -1) + "%20";
          url.path = path;
          if (i >= n) return url;
          p = i + 1;
          if (input[i] === "?") {
            url.query = "";
            state = QUERY_STATE;
          } else {
            url.fragment = "";
            state = FRAGMENT_STATE;
          }
          break;
        }
        case QUERY_STATE: {
          let i = given ? n : StringPrototypeIndexOf(input, "#", p);
          if (i < 0) i = n;
          url.query += percentEncode(StringPrototypeSlice(input, p, i), isSpecial(url) ? SPECIAL_QUERY : QUERY);
          if (i >= n) return given ? true : url;
          url.fragment = "";
          p = i + 1;
          state = FRAGMENT_STATE;
          break;
        }
        case FRAGMENT_STATE:
          url.fragment += percentEncode(StringPrototypeSlice(input, p), FRAGMENT);
          return given ? true : url;
      }
    }
  }

  // Addresses that are already as they will be written: no user, no port that is the default, no dot segment, nothing to encode.
  const plain = /^(https?:)\/\/([a-z0-9.-]*[a-z-])(?::([1-9][0-9]{0,4}))?(\/[A-Za-z0-9\-._~!$&'()*+,;=:@/%|]*)(?:\?([A-Za-z0-9\-._~!$&()*+,;=:@/?%|[\]{}^`\\]*))?(?:#([A-Za-z0-9\-._~!$&'()*+,;=:@/?%]*))?$/;
  const maybeDot = /\/(?:\.|%2e)/i;

  // The address before the path of the last one that was plain: most addresses of a script have the same. "http://host:port" as it is written.
  let known = "", knownScheme = "", knownHost = "", knownPort = null;
  // What may follow it as it is, a bit for each part.
  const IN_PATH = 1, IN_QUERY = 2, IN_FRAGMENT = 4;
  const asIs = new Uint8Array(128);
  {
    const add = (chars, mask) => {
      for (let i = 0; i < chars.length; i++) asIs[StringPrototypeCharCodeAt(chars, i)] |= mask;
    };
    add("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&()*+,;=:@/%", IN_PATH | IN_QUERY | IN_FRAGMENT);
    add("'", IN_PATH | IN_FRAGMENT);
    add("|", IN_PATH | IN_QUERY);
    add("?", IN_QUERY | IN_FRAGMENT);
    add("[]{}^`\\", IN_QUERY);
  }

  // parseKnown parses an address that begins as the last one did, and needs no change: null where another way must tell.
  function parseKnown(input) {
    const from = known.length, n = input.length;
    if (from === 0 || n <= from || StringPrototypeCharCodeAt(input, from) !== 47 || !StringPrototypeStartsWith(input, known)) return null;
    let part = IN_PATH, query = -1, fragment = -1;
    for (let i = from; i < n; i++) {
      const c = StringPrototypeCharCodeAt(input, i);
      if (c > 127) return null;
      if (c === 63 && part === IN_PATH) {
        query = i;
        part = IN_QUERY;
      } else if (c === 35 && fragment < 0) {
        fragment = i;
        part = IN_FRAGMENT;
      } else if ((asIs[c] & part) === 0) return null;
      else if (c === 47 && part === IN_PATH && i + 1 < n) {
        const d = StringPrototypeCharCodeAt(input, i + 1);
        if (d === 46 || (d === 37 && i + 2 < n && StringPrototypeCharCodeAt(input, i + 2) === 50)) return null; // it may be a dot segment: "." or "%2e"
      }
    }
    const end = fragment < 0 ? n : fragment, pathEnd = query < 0 ? end : query;
    return {
      scheme: knownScheme, username: "", password: "", host: knownHost, port: knownPort, path: StringPrototypeSlice(input, from, pathEnd),
      query: query < 0 ? null : StringPrototypeSlice(input, query + 1, end), fragment: fragment < 0 ? null : StringPrototypeSlice(input, fragment + 1),
      joined: true,
    };
  }

  // know keeps how an address begins whose parts are those of url.
  function know(input, url) {
    if (url === null || (url.scheme !== "http:" && url.scheme !== "https:") || url.username !== "" || url.password !== "") return;
    const before = `${url.scheme}//${url.host}${url.port === null ? "" : ":" + url.port}`;
    if (before.length > 256 || !StringPrototypeStartsWith(input, before) || StringPrototypeCharCodeAt(input, before.length) !== 47) return;
    known = before;
    knownScheme = url.scheme;
    knownHost = StringPrototypeSlice(before, url.scheme.length + 2, url.scheme.length + 2 + url.host.length); // url.host may keep all of input
    knownPort = url.port;
  }

  function parseAny(input, base) {
    const r = parseKnown(input);
    if (r !== null) return r;
    const url = parseOther(input, base);
    know(input, url);
    return url;
  }

  function parseOther(input, base) {
    const m = RegExpPrototypeExec(plain, input);
    if (m !== null && !StringPrototypeIncludes(m[2], "xn--") && RegExpPrototypeExec(maybeDot, m[4]) === null && !endsInNumber(m[2]) && m[2][0] !== ".") {
      const port = m[3] === undefined ? null : +m[3];
      if (port === null || (port <= 65535 && port !== specialPorts[m[1]])) {
        return {
          scheme: m[1], username: "", password: "", host: m[2], port, path: m[4], query: m[5] ?? null, fragment: m[6] ?? null, joined: true,
        };
      }
    }
    return parse(input, base);
  }

  // segments makes sure that the path of a record that parseAny made is an array.
  function segments(url) {
    if (url.joined) {
      url.joined = false;
      url.path = StringPrototypeSplit(StringPrototypeSlice(url.path, 1), "/");
    }
    return url;
  }

  function pathOf(url) {
    if (typeof url.path === "string") return url.path;
    return url.path.length === 0 ? "" : "/" + ArrayPrototypeJoin(url.path, "/");
  }

  function serialize(url, withoutFragment) {
    let out = url.scheme;
    if (url.host !== null) {
      out += "//";
      if (url.username !== "" || url.password !== "") {
        out += url.username;
        if (url.password !== "") out += ":" + url.password;
        out += "@";
      }
      out += url.host;
      if (url.port !== null) out += ":" + url.port;
    } else if (typeof url.path !== "string" && url.path.length > 1 && url.path[0] === "") out += "/.";
    out += pathOf(url);
    if (url.query !== null) out += "?" + url.query;
    if (!withoutFragment && url.fragment !== null) out += "#" + url.fragment;
    return out;
  }

  function originOf(url) {
    switch (url.scheme) {
      case "http:": case "https:": case "ws:": case "wss:": case "ftp:":
        return url.scheme + "//" + url.host + (url.port === null ? "" : ":" + url.port);
      case "blob:": {
        const inner = parse(pathOf(url), null);
        return inner !== null && (inner.scheme === "http:" || inner.scheme === "https:") ? originOf(inner) : "null";
      }
    }
    return "null";
  }

  function isOpaque(url) {
    return typeof url.path === "string" && !url.joined;
  }

  // ---- application/x-www-form-urlencoded

  function formDecode(s) {
    if (StringPrototypeIndexOf(s, "+") >= 0) s = RegExpPrototypeSymbolReplace(/\+/g, s, " ");
    return percentDecodeString(s);
  }

  // parseForm returns [name, value, name, value …].
  function parseForm(s) {
    const out = [];
    let p = 0;
    while (p <= s.length) {
      let end = StringPrototypeIndexOf(s, "&", p);
      if (end < 0) end = s.length;
      if (end > p) {
        const part = StringPrototypeSlice(s, p, end), eq = StringPrototypeIndexOf(part, "=");
        if (eq < 0) ArrayPrototypePush(out, formDecode(part), "");
        else ArrayPrototypePush(out, formDecode(StringPrototypeSlice(part, 0, eq)), formDecode(StringPrototypeSlice(part, eq + 1)));
      }
      p = end + 1;
    }
    return out;
  }

  function serializeForm(list) {
    let out = "";
    for (let i = 0; i < list.length; i += 2) {
      if (i > 0) out += "&";
      out += percentEncode(list[i], FORM, true) + "=" + percentEncode(list[i + 1], FORM, true);
    }
    return out;
  }

  let newParams, paramsList, setParams, queryChanged;
  class URLSearchParams {
    #list = [];
    #url = null;
    /** @param {any} init */
    constructor(init = "") {
      if (isObject(init)) {
        // An unchanged URLSearchParams is copied without its iterator.
        if (#list in init && init[core.primordials.SymbolIterator] === entries) this.#list = ArrayPrototypeSlice(init.#list);
        else this.#list = pairs(init, usv, usv, "URLSearchParams");
      } else {
        init = usv(init);
        this.#list = parseForm(init[0] === "?" ? StringPrototypeSlice(init, 1) : init);
      }
    }
    get size() { return this.#list.length / 2; }
    append(name, value) {
      const list = this.#list;
      required(arguments.length, 2, "URLSearchParams.append");
      ArrayPrototypePush(list, usv(name), usv(value));
      if (this.#url !== null) queryChanged(this.#url, list);
    }
    delete(name, value = undefined) {
      const list = this.#list;
      required(arguments.length, 1, "URLSearchParams.delete");
      name = usv(name);
      if (value !== undefined) value = usv(value);
      for (let i = 0; i < list.length; ) {
        if (list[i] === name && (value === undefined || list[i + 1] === value)) ArrayPrototypeSplice(list, i, 2);
        else i += 2;
      }
      if (this.#url !== null) queryChanged(this.#url, list);
    }
    get(name) {
      const list = this.#list;
      required(arguments.length, 1, "URLSearchParams.get");
      name = usv(name);
      return firstOf(list, name) ?? null;
    }
    getAll(name) {
      const list = this.#list;
      required(arguments.length, 1, "URLSearchParams.getAll");
      name = usv(name);
      return allOf(list, name);
    }
    has(name, value = undefined) {
      const list = this.#list;
      required(arguments.length, 1, "URLSearchParams.has");
      name = usv(name);
      if (value !== undefined) value = usv(value);
      for (let i = 0; i < list.length; i += 2) if (list[i] === name && (value === undefined || list[i + 1] === value)) return true;
      return false;
    }
    set(name, value) {
      const list = this.#list;
      required(arguments.length, 2, "URLSearchParams.set");
      name = usv(name);
      value = usv(value);
      setPair(list, name, value);
      if (this.#url !== null) queryChanged(this.#url, list);
    }
    sort() {
      const list = this.#list, sorted = [];
      for (let i = 0; i < list.length; i += 2) ArrayPrototypePush(sorted, [list[i], list[i + 1]]);
      ArrayPrototypeSort(sorted, (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
      for (let i = 0; i < sorted.length; i++) {
        list[2 * i] = sorted[i][0];
        list[2 * i + 1] = sorted[i][1];
      }
      if (this.#url !== null) queryChanged(this.#url, list);
    }
    toString() { return serializeForm(this.#list); }
    static {
      newParams = (url, query) => {
        const p = new URLSearchParams();
        p.#list = parseForm(query);
        p.#url = url;
        return p;
      };
      paramsList = (p) => p.#list;
      setParams = (p, query) => { p.#list = parseForm(query); };
    }
  }
  define(URLSearchParams, "URLSearchParams");
  pairIterable(URLSearchParams, "URLSearchParams", (p) => paramsList(p));
  const entries = URLSearchParams.prototype[core.primordials.SymbolIterator];
  function isURLSearchParams(v) {
    if (!isObject(v)) return false;
    try {
      paramsList(v);
      return true;
    } catch {
      return false;
    }
  }

  function parseWithBase(url, base, what) {
    let parsedBase = null;
    if (base !== undefined) {
      parsedBase = parseAny(usv(base), null);
      if (parsedBase === null) return null;
      segments(parsedBase);
    }
    return parseAny(url, parsedBase);
  }

  let recordOf;
  class URL {
    #record;
    #href = null;
    #params = null;
    constructor(url, base = undefined) {
      required(arguments.length, 1, "URL");
      url = usv(url);
      const r = parseWithBase(url, base);
      if (r === null) {
        const e = new TypeError("Invalid URL");
        e.code = "ERR_INVALID_URL";
        e.input = url;
        if (base !== undefined) e.base = usv(base);
        throw e;
      }
      this.#record = r;
    }
    static canParse(url, base = undefined) {
      required(arguments.length, 1, "URL.canParse");
      return parseWithBase(usv(url), base) !== null;
    }
    static parse(url, base = undefined) {
      required(arguments.length, 1, "URL.parse");
      try {
        return new URL(url, base);
      } catch {
        return null;
      }
    }
    get href() { return (this.#href ??= serialize(this.#record)); }
    set href(v) {
      const r = parseAny(usv(v), null);
      if (r === null) throw new TypeError("Invalid URL");
      this.#record = r;
      this.#href = null;
      if (this.#params !== null) setParams(this.#params, r.query ?? "");
    }
    get origin() { return originOf(this.#record); }
    get protocol() { return this.#record.scheme; }
    set protocol(v) { this.#change(usv(v) + ":", SCHEME_START); }
    get username() { return this.#record.username; }
    set username(v) {
      v = usv(v);
      const r = this.#record;
      if (r.host === null || r.host === "" || r.scheme === "file:") return;
      r.username = percentEncode(v, USERINFO);
      this.#href = null;
    }
    get password() { return this.#record.password; }
    set password(v) {
      v = usv(v);
      const r = this.#record;
      if (r.host === null || r.host === "" || r.scheme === "file:") return;
      r.password = percentEncode(v, USERINFO);
      this.#href = null;
    }
    get host() {
      const r = this.#record;
      return r.host === null ? "" : r.port === null ? r.host : r.host + ":" + r.port;
    }
    set host(v) {
      v = usv(v);
      if (!isOpaque(this.#record)) this.#change(v, HOST);
    }
    get hostname() { return this.#record.host ?? ""; }
    set hostname(v) {
      v = usv(v);
      if (!isOpaque(this.#record)) this.#change(v, HOSTNAME);
    }
    get port() {
      const port = this.#record.port;
      return port === null ? "" : `${port}`;
    }
    set port(v) {
      v = usv(v);
      const r = this.#record;
      if (r.host === null || r.host === "" || r.scheme === "file:") return;
      if (v === "") {
        r.port = null;
        this.#href = null;
      } else this.#change(v, PORT);
    }
    get pathname() { return pathOf(this.#record); }
    set pathname(v) {
      v = usv(v);
      const r = this.#record;
      if (isOpaque(r)) return;
      r.joined = false;
      r.path = [];
      this.#change(v, PATH_START);
    }
    get search() {
      const q = this.#record.query;
      return q === null || q === "" ? "" : "?" + q;
    }
    set search(v) {
      v = usv(v);
      const r = this.#record;
      this.#href = null;
      if (v === "") {
        r.query = null;
        this.#stripSpaces();
        if (this.#params !== null) setParams(this.#params, "");
        return;
      }
      if (v[0] === "?") v = StringPrototypeSlice(v, 1);
      r.query = "";
      parse(v, null, r, QUERY_STATE);
      if (this.#params !== null) setParams(this.#params, v);
    }
    get searchParams() {
      return (this.#params ??= newParams(this, this.#record.query ?? ""));
    }
    get hash() {
      const f = this.#record.fragment;
      return f === null || f === "" ? "" : "#" + f;
    }
    set hash(v) {
      v = usv(v);
      const r = this.#record;
      this.#href = null;
      if (v === "") {
        r.fragment = null;
        this.#stripSpaces();
        return;
      }
      r.fragment = "";
      parse(v[0] === "#" ? StringPrototypeSlice(v, 1) : v, null, r, FRAGMENT_STATE);
    }
    toString() { return this.href; }
    toJSON() { return this.href; }

    // #change runs the parser on one part; a failure changes nothing.
    #change(v, state) {
      const r = segments(this.#record);
      this.#href = null;
      const before = r.host, port = r.port;
      if (parse(v, null, r, state) === null && state !== HOST) {
        r.host = before;
        r.port = port;
      }
    }
    // Spaces at the end of an opaque path would be lost once nothing follows it.
    #stripSpaces() {
      const r = this.#record;
      if (isOpaque(r) && r.fragment === null && r.query === null) r.path = RegExpPrototypeSymbolReplace(/ +$/, r.path, "");
    }
    static {
      queryChanged = (url, list) => {
        url.#href = null;
        const q = serializeForm(list);
        url.#record.query = q === "" ? null : q;
        if (q === "") url.#stripSpaces();
      };
      recordOf = (u) => u.#record;
    }
  }
  define(URL, "URL", ["canParse", "parse"]);
  ObjectDefineProperty(URL.prototype, "toString", { __proto__: null, enumerable: true });

  // resolve is for the other files: the absolute address as a string, or null. credentials tells whether it has a user or password.
  function resolve(input, base) {
    const r = parseWithBase(usv(input), base);
    return r === null ? null : { href: serialize(r), credentials: r.username !== "" || r.password !== "", scheme: r.scheme };
  }

  const exports = {
    URL, URLSearchParams, isURLSearchParams, paramsList, parseForm, serializeForm, percentEncode, percentDecode, resolve, parse, parseAny, segments, record,
    serialize, pathOf, specialPorts, sets: { C0, FRAGMENT, QUERY, SPECIAL_QUERY, PATH, USERINFO, COMPONENT },
    states: { SCHEME_START, HOSTNAME, PORT, PATH_START, OPAQUE_PATH, QUERY_STATE, FRAGMENT_STATE }, isSpecialScheme: (s) => s + ":" in specialPorts,
  };
  core.use("webidl").loaded.url = exports;
  return exports;
});
