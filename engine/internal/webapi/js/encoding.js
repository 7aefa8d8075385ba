// TextEncoder, TextDecoder, their streams, atob and btoa. Short strings are converted here: a call into Go costs more than they do.
(function (core) {
  "use strict";
  const {
    ArrayPrototypeJoin, ArrayPrototypePush, Error, RangeError, RegExpPrototypeExec, RegExpPrototypeSymbolReplace, String, StringFromCharCode,
    StringPrototypeCharCodeAt, StringPrototypeSlice, StringPrototypeToLowerCase, SafeMap, TypeError, Uint16Array, Uint8Array,
    TypedArrayPrototypeSet, TypedArrayPrototypeSubarray, TypedArrayPrototypeGetLength, Uint8ArrayPrototypeSlice, JSONStringify, ReflectApply,
    Uint8ArrayPrototypeSubarray, TypedArrayPrototypeGetByteLength,
  } = core.primordials;
  const { str, usv, required, define, dictionary, bytesOf, isObject, isBufferSource } = core.use("webidl");

  // utf8Length is the length of s in UTF-8; lone surrogates count as U+FFFD.
  function utf8Length(s) {
    let n = s.length;
    for (let i = 0; i < s.length; i++) {
      const c = StringPrototypeCharCodeAt(s, i);
      if (c < 0x80) continue;
      if (c < 0x800) n++;
      else {
        n += 2;
        if (c >= 0xd800 && c <= 0xdbff && i + 1 < s.length) {
          const d = StringPrototypeCharCodeAt(s, i + 1);
          if (d >= 0xdc00 && d <= 0xdfff) i++;
        }
      }
    }
    return n;
  }

  // encodeInto writes s as UTF-8 and stops where a character does not fit. It sets lastRead, in UTF-16 units, and returns the bytes.
  let lastRead = 0;
  function encodeInto(s, dest) {
    const room = TypedArrayPrototypeGetLength(dest), len = s.length;
    let i = 0, at = 0;
    for (; i < len; i++) {
      let c = StringPrototypeCharCodeAt(s, i);
      if (c < 0x80) {
        if (at >= room) break;
        dest[at++] = c;
      } else if (c < 0x800) {
        if (at + 2 > room) break;
        dest[at++] = 0xc0 | (c >> 6);
        dest[at++] = 0x80 | (c & 63);
      } else {
        let pair = false;
        if (c >= 0xd800 && c <= 0xdfff) {
          const d = c <= 0xdbff && i + 1 < len ? StringPrototypeCharCodeAt(s, i + 1) : 0;
          if (d >= 0xdc00 && d <= 0xdfff) {
            c = 0x10000 + ((c - 0xd800) << 10) + (d - 0xdc00);
            pair = true;
          } else c = 0xfffd;
        }
        if (pair) {
          if (at + 4 > room) break;
          dest[at++] = 0xf0 | (c >> 18);
          dest[at++] = 0x80 | ((c >> 12) & 63);
          dest[at++] = 0x80 | ((c >> 6) & 63);
          dest[at++] = 0x80 | (c & 63);
          i++;
        } else {
          if (at + 3 > room) break;
          dest[at++] = 0xe0 | (c >> 12);
          dest[at++] = 0x80 | ((c >> 6) & 63);
          dest[at++] = 0x80 | (c & 63);
        }
      }
    }
    lastRead = i;
    return at;
  }

  // From these lengths on the getters of core.texts are faster than a loop here.
  const nativeFrom = 48, writeFrom = 96;
  const texts = core.texts;

  // onText and onBytes ask a getter of core.texts. What it gives is a string, or a number.
  function onText(getter, s) {
    texts.text = s;
    const r = texts[getter];
    texts.text = "";
    return r;
  }

  function onBytes(getter, bytes) {
    texts.bytes = bytes;
    const r = texts[getter];
    texts.bytes = undefined;
    return r;
  }

  // made returns the string that a getter gave; undefined where the input was malformed.
  function made(r) {
    if (typeof r === "string") return r;
    if (r === -1) return undefined;
    throw new RangeError(r === -2 ? "Invalid string length" : "There is no memory for the string");
  }

  // write has text written into bytes, and returns how many bytes that are; -1 where it cannot be done.
  function write(s, bytes) {
    texts.text = s;
    texts.bytes = bytes;
    const n = texts.utf8Write;
    texts.text = "";
    texts.bytes = undefined;
    return n;
  }

  // utf8Encode returns s as UTF-8.
  function utf8Encode(s) {
    if (s.length >= writeFrom) {
      const out = new Uint8Array(onText("utf8Length", s));
      write(s, out);
      return out;
    }
    const out = new Uint8Array(utf8Length(s));
    encodeInto(s, out);
    return out;
  }

  // utf8Decode turns UTF-8 into a string without looking at a byte order mark; malformed sequences become U+FFFD, or throw if fatal.
  function utf8Decode(bytes, fatal) {
    const n = TypedArrayPrototypeGetLength(bytes);
    if (n === 0) return "";
    if (n >= nativeFrom) {
      let s = made(onBytes("utf8", bytes));
      if (s === undefined && !fatal) s = made(onBytes("utf8Replace", bytes));
      if (s !== undefined) return s;
      if (fatal) throw new TypeError("The encoded data was not valid for encoding utf-8");
    }
    return decodeSmall(bytes, n, fatal);
  }

  function decodeSmall(bytes, n, fatal) {
    let out = "", k = 0;
    let i = 0;
    const buf = [];
    while (i < n) {
      let c = bytes[i];
      if (c < 0x80) {
        buf[k++] = c;
        i++;
      } else {
        let need = 0, lower = 0x80, upper = 0xbf, cp = 0;
        if (c >= 0xc2 && c <= 0xdf) { need = 1; cp = c & 31; }
        else if (c >= 0xe0 && c <= 0xef) {
          if (c === 0xe0) lower = 0xa0;
          else if (c === 0xed) upper = 0x9f;
          need = 2; cp = c & 15;
        } else if (c >= 0xf0 && c <= 0xf4) {
          if (c === 0xf0) lower = 0x90;
          else if (c === 0xf4) upper = 0x8f;
          need = 3; cp = c & 7;
        }
        i++;
        let ok = need > 0;
        for (let j = 0; j < need; j++) {
          const d = i < n ? bytes[i] : -1;
          if (d < lower || d > upper) {
            ok = false;
            break;
          }
          lower = 0x80;
          upper = 0xbf;
          cp = (cp << 6) | (d & 63);
          i++;
        }
        if (!ok) {
          if (fatal) throw new TypeError("The encoded data was not valid for encoding utf-8");
          buf[k++] = 0xfffd;
        } else if (cp < 0x10000) buf[k++] = cp;
        else {
          buf[k++] = 0xd800 + ((cp - 0x10000) >> 10);
          buf[k++] = 0xdc00 + ((cp - 0x10000) & 1023);
        }
      }
      if (k >= 1024) {
        out += ReflectApply(StringFromCharCode, null, buf);
        buf.length = k = 0;
      }
    }
    return k === 0 ? out : out + ReflectApply(StringFromCharCode, null, buf);
  }

  // utf8DecodeBOM is the standard's "UTF-8 decode": a leading byte order mark is dropped.
  function utf8DecodeBOM(bytes) {
    const n = TypedArrayPrototypeGetLength(bytes);
    if (n >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes = Uint8ArrayPrototypeSubarray(bytes, 3);
    return utf8Decode(bytes, false);
  }

  // incompleteTail returns how many bytes at the end of bytes may be the beginning of a longer UTF-8 sequence.
  function incompleteTail(bytes) {
    const n = TypedArrayPrototypeGetLength(bytes);
    for (let back = 1; back <= 3 && back <= n; back++) {
      const c = bytes[n - back];
      if (c >= 0x80 && c <= 0xbf) continue;
      const need = c >= 0xc2 && c <= 0xdf ? 2 : c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
      if (back >= need) return 0;
      // The second byte may already make the sequence impossible.
      if (back >= 2) {
        const d = bytes[n - back + 1];
        if ((c === 0xe0 && d < 0xa0) || (c === 0xed && d > 0x9f) || (c === 0xf0 && d < 0x90) || (c === 0xf4 && d > 0x8f)) return 0;
      }
      return back;
    }
    return 0;
  }

  const empty = new Uint8Array(0);
  function concat(a, b) {
    const na = TypedArrayPrototypeGetLength(a), nb = TypedArrayPrototypeGetLength(b);
    if (na === 0) return b;
    const out = new Uint8Array(na + nb);
    TypedArrayPrototypeSet(out, a, 0);
    TypedArrayPrototypeSet(out, b, na);
    return out;
  }

  class TextEncoder {
    #brand = true;
    constructor() {}
    get encoding() { this.#brand; return "utf-8"; }
    encode(input = "") {
      this.#brand;
      return utf8Encode(str(input));
    }
    encodeInto(source, destination) {
      this.#brand;
      required(arguments.length, 2, "TextEncoder.encodeInto");
      source = str(source);
      if (core.primordials.TypedArrayPrototypeGetSymbolToStringTag(destination) !== "Uint8Array") {
        throw new TypeError("TextEncoder.encodeInto: the destination is not a Uint8Array");
      }
      if (source.length >= nativeFrom) {
        const written = write(source, destination);
        if (written >= 0) return { read: texts.read, written };
      }
      const written = encodeInto(source, destination);
      return { read: lastRead, written };
    }
  }
  define(TextEncoder, "TextEncoder");

  const trim = /^[\t\n\f\r ]+|[\t\n\f\r ]+$/g;
  const utf8Labels = { __proto__: null, "utf-8": 1, utf8: 1, "unicode-1-1-utf-8": 1, unicode11utf8: 1, unicode20utf8: 1, "x-unicode20utf8": 1 };

  class TextDecoder {
    #encoding; #fatal; #ignoreBOM;
    #pending = empty; #bomSeen = false; #stream = false;
    constructor(label = "utf-8", options = undefined) {
      label = str(label);
      // Only ASCII is folded: the Kelvin sign is no k.
      if (RegExpPrototypeExec(/[^\x00-\x7f]/, label) === null) label = StringPrototypeToLowerCase(RegExpPrototypeSymbolReplace(trim, label, ""));
      options = dictionary(options, "TextDecoder's options");
      this.#fatal = !!options?.fatal;
      this.#ignoreBOM = !!options?.ignoreBOM;
      if (label in utf8Labels) this.#encoding = "utf-8";
      else {
        const name = core.use("encodings").nameOf(label);
        if (name === undefined || name === "replacement") throw new RangeError(`TextDecoder: "${label}" is not a known encoding`);
        this.#encoding = name;
      }
    }
    get encoding() { return this.#encoding; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBOM; }
    decode(input = undefined, options = undefined) {
      const encoding = this.#encoding;
      if (input !== undefined && !isBufferSource(input)) throw new TypeError("TextDecoder.decode: the input is not an ArrayBuffer or a view on one");
      const more = !!dictionary(options, "TextDecoder.decode's options")?.stream;
      let bytes = input === undefined ? empty : bytesOf(input);
      if (!this.#stream) {
        this.#pending = empty;
        this.#bomSeen = false;
      }
      this.#stream = more;
      try {
        if (encoding !== "utf-8") {
          bytes = concat(this.#pending, bytes);
          const r = core.use("encodings").decode(encoding, bytes, this.#fatal, !more);
          this.#pending = more ? r.rest : empty;
          return this.#dropBOM(r.text);
        }
        const n = TypedArrayPrototypeGetLength(bytes);
        if (TypedArrayPrototypeGetLength(this.#pending) > 0) bytes = concat(this.#pending, bytes);
        let rest = empty;
        if (more) {
          const tail = incompleteTail(bytes);
          if (tail > 0) {
            const all = TypedArrayPrototypeGetLength(bytes);
            rest = Uint8ArrayPrototypeSlice(bytes, all - tail);
            bytes = Uint8ArrayPrototypeSubarray(bytes, 0, all - tail);
          }
        }
        this.#pending = rest;
        return this.#dropBOM(utf8Decode(bytes, this.#fatal));
      } catch (e) {
        this.#stream = false;
        throw e;
      }
    }
    #dropBOM(text) {
      if (!this.#bomSeen && text !== "") {
        this.#bomSeen = true;
        if (!this.#ignoreBOM && StringPrototypeCharCodeAt(text, 0) === 0xfeff &&
          (this.#encoding === "utf-8" || this.#encoding === "utf-16le" || this.#encoding === "utf-16be")) {
          return StringPrototypeSlice(text, 1);
        }
      }
      return text;
    }
  }
  define(TextDecoder, "TextDecoder");
  const TextDecoderPrototypeDecode = core.primordials.uncurryThis(TextDecoder.prototype.decode);

  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const values = new Uint8Array(128);
  for (let i = 0; i < 128; i++) values[i] = 255;
  for (let i = 0; i < 64; i++) values[StringPrototypeCharCodeAt(alphabet, i)] = i;

  function refuse(message) {
    const { DOMException } = core.use("domexception");
    throw new DOMException(message, "InvalidCharacterError");
  }

  function btoa(data) {
    required(arguments.length, 1, "btoa");
    const s = str(data), n = s.length;
    if (n >= nativeFrom) return made(onText("btoa", s)) ?? refuse("btoa: the string has a character above U+00FF");
    let out = "";
    for (let i = 0; i < n; i += 3) {
      const a = StringPrototypeCharCodeAt(s, i);
      const b = i + 1 < n ? StringPrototypeCharCodeAt(s, i + 1) : 0;
      const c = i + 2 < n ? StringPrototypeCharCodeAt(s, i + 2) : 0;
      if (a > 255 || b > 255 || c > 255) refuse("btoa: the string has a character above U+00FF");
      out += alphabet[a >> 2] + alphabet[((a & 3) << 4) | (b >> 4)] +
        (i + 1 < n ? alphabet[((b & 15) << 2) | (c >> 6)] : "=") + (i + 2 < n ? alphabet[c & 63] : "=");
    }
    return out;
  }

  const whitespace = /[\t\n\f\r ]+/g;
  // forgivingDecode is the standard's forgiving-base64 decode; null where the input is not base64.
  function forgivingDecode(s) {
    if (RegExpPrototypeExec(/[\t\n\f\r ]/, s) !== null) s = RegExpPrototypeSymbolReplace(whitespace, s, "");
    let n = s.length;
    if (n % 4 === 0 && n > 0 && s[n - 1] === "=") n -= s[n - 2] === "=" ? 2 : 1;
    if (n % 4 === 1) return null;
    const out = new Uint8Array(((n * 3) / 4) | 0);
    let at = 0, acc = 0, bits = 0;
    for (let i = 0; i < n; i++) {
      const c = StringPrototypeCharCodeAt(s, i);
      const v = c < 128 ? values[c] : 255;
      if (v === 255) return null;
      acc = ((acc << 6) | v) & 0xffffff;
      bits += 6;
      if (bits >= 8) {
        bits -= 8;
        out[at++] = (acc >> bits) & 255;
      }
    }
    return out;
  }

  // single decodes bytes by a table of 256 characters, a Uint16Array.
  function single(table, bytes) {
    texts.table = table;
    const s = made(onBytes("single", bytes));
    texts.table = undefined;
    return s;
  }

  let identity;

  // latin1 makes a string with one character a byte.
  function latin1(bytes) {
    const n = TypedArrayPrototypeGetLength(bytes);
    if (n >= nativeFrom) {
      if (identity === undefined) {
        identity = new Uint16Array(256);
        for (let i = 0; i < 256; i++) identity[i] = i;
      }
      return single(identity, bytes);
    }
    const part = [];
    for (let i = 0; i < n; i++) part[i] = bytes[i];
    return ReflectApply(StringFromCharCode, null, part);
  }

  function atob(data) {
    required(arguments.length, 1, "atob");
    const s = str(data);
    if (s.length >= nativeFrom) return made(onText("atob", s)) ?? refuse("atob: the string is not base64");
    const bytes = forgivingDecode(s);
    return bytes === null ? refuse("atob: the string is not base64") : latin1(bytes);
  }

  // newDecoder returns a decoder of UTF-8 that leaves a byte order mark where it is.
  function newDecoder() {
    const d = new TextDecoder("utf-8", { ignoreBOM: true });
    return (bytes, stream) => TextDecoderPrototypeDecode(d, bytes, { stream });
  }

  return {
    TextEncoder, TextDecoder, atob, btoa, utf8Encode, utf8Decode, utf8DecodeBOM, utf8Length, forgivingDecode, latin1, concat, alphabet, nativeFrom,
    onBytes, made, single, newDecoder,
  };
});
