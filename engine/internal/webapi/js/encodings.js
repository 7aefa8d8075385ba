// Encodings other than UTF-8: their labels, those of one byte a character and UTF-16; the rest is decoded in Go.
(function (core) {
  "use strict";
  const {
    ReflectApply, StringFromCharCode, StringPrototypeCharCodeAt, StringPrototypeIncludes, StringPrototypeIsWellFormed, StringPrototypeSplit, StringPrototypeToWellFormed, TypeError,
    TypedArrayPrototypeGetLength, Uint16Array, Uint8Array, Uint8ArrayPrototypeSlice, Uint8ArrayPrototypeSubarray, JSONStringify,
  } = core.primordials;

  // Each encoding with its other labels, as in the Encoding standard.
  const labels = {
    __proto__: null,
    "ibm866": "866 cp866 csibm866",
    "iso-8859-2": "csisolatin2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2",
    "iso-8859-3": "csisolatin3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3",
    "iso-8859-4": "csisolatin4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4",
    "iso-8859-5": "csisolatincyrillic cyrillic iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988",
    "iso-8859-6": "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6-e iso-8859-6-i iso-ir-127 iso8859-6 iso88596 " +
      "iso_8859-6 iso_8859-6:1987",
    "iso-8859-7": "csisolatingreek ecma-118 elot_928 greek greek8 iso-ir-126 iso8859-7 iso88597 iso_8859-7 iso_8859-7:1987 sun_eu_greek",
    "iso-8859-8": "csiso88598e csisolatinhebrew hebrew iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8 iso_8859-8:1988 visual",
    "iso-8859-8-i": "csiso88598i logical",
    "iso-8859-10": "csisolatin6 iso-ir-157 iso8859-10 iso885910 l6 latin6",
    "iso-8859-13": "iso8859-13 iso885913",
    "iso-8859-14": "iso8859-14 iso885914",
    "iso-8859-15": "csisolatin9 iso8859-15 iso885915 iso_8859-15 l9",
    "iso-8859-16": "",
    "koi8-r": "cskoi8r koi koi8 koi8_r",
    "koi8-u": "koi8-ru",
    "macintosh": "csmacintosh mac x-mac-roman",
    "windows-874": "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620",
    "windows-1250": "cp1250 x-cp1250",
    "windows-1251": "cp1251 x-cp1251",
    "windows-1252": "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1 " +
      "latin1 us-ascii x-cp1252",
    "windows-1253": "cp1253 x-cp1253",
    "windows-1254": "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5 x-cp1254",
    "windows-1255": "cp1255 x-cp1255",
    "windows-1256": "cp1256 x-cp1256",
    "windows-1257": "cp1257 x-cp1257",
    "windows-1258": "cp1258 x-cp1258",
    "x-mac-cyrillic": "x-mac-ukrainian",
    "gbk": "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 iso-ir-58 x-gbk",
    "gb18030": "",
    "big5": "big5-hkscs cn-big5 csbig5 x-x-big5",
    "euc-jp": "cseucpkdfmtjapanese x-euc-jp",
    "iso-2022-jp": "csiso2022jp",
    "shift_jis": "csshiftjis ms932 ms_kanji shift-jis sjis windows-31j x-sjis",
    "euc-kr": "cseuckr csksc56011987 iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949",
    "replacement": "csiso2022kr hz-gb-2312 iso-2022-cn iso-2022-cn-ext iso-2022-kr",
    "utf-16be": "unicodefffe",
    "utf-16le": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16",
    "x-user-defined": "",
  };
  const names = { __proto__: null };
  for (const name in labels) {
    names[name] = name;
    if (labels[name] === "") continue;
    const list = StringPrototypeSplit(labels[name], " ");
    for (let i = 0; i < list.length; i++) names[list[i]] = name;
  }

  const { nativeFrom, onBytes, made, single } = core.use("encoding");
  const none = new Uint8Array(0);
  const invalid = (encoding) => new TypeError(`The encoded data was not valid for encoding ${encoding}`);

  // decode turns bytes into {text, rest}; rest are bytes that wait for more where last is false.
  function decode(encoding, bytes, fatal, last) {
    switch (encoding) {
      case "utf-16le": return utf16(bytes, fatal, last, false);
      case "utf-16be": return utf16(bytes, fatal, last, true);
    }
    if (!(encoding in multi)) return { text: singleByte(encoding, bytes, fatal), rest: none };
    let rest = none;
    if (!last) {
      const n = TypedArrayPrototypeGetLength(bytes), whole = n - tail(encoding, bytes, n);
      rest = Uint8ArrayPrototypeSlice(bytes, whole);
      bytes = Uint8ArrayPrototypeSubarray(bytes, 0, whole);
    }
    if (TypedArrayPrototypeGetLength(bytes) === 0) return { text: "", rest };
    return { text: core.native("text.decode", JSONStringify({ label: encoding, fatal }), bytes), rest };
  }

  const multi = { __proto__: null, shift_jis: 1, "euc-jp": 1, "iso-2022-jp": 1, "euc-kr": 1, big5: 1, gbk: 1, gb18030: 1 };

  // tables has the characters of all bytes; U+FFFD stands for none.
  const tables = { __proto__: null };
  function tableOf(encoding) {
    let t = tables[encoding];
    if (t === undefined) {
      t = new Uint16Array(256);
      const one = new Uint8Array(1);
      for (let i = 0; i < 128; i++) t[i] = i;
      for (let i = 128; i < 256; i++) {
        if (encoding === "x-user-defined") {
          t[i] = 0xf700 + i;
          continue;
        }
        one[0] = i;
        const c = StringPrototypeCharCodeAt(core.native("text.decode", JSONStringify({ label: encoding, fatal: false }), one), 0);
        // The standard fills the holes among the control characters.
        t[i] = c === 0xfffd && i < 160 ? i : c;
      }
      tables[encoding] = t;
    }
    return t;
  }

  function singleByte(encoding, bytes, fatal) {
    const t = tableOf(encoding), n = TypedArrayPrototypeGetLength(bytes);
    let text = "";
    if (n >= nativeFrom) text = single(t, bytes);
    else for (let i = 0; i < n; i++) text += StringFromCharCode(t[bytes[i]]);
    if (fatal && StringPrototypeIncludes(text, "\ufffd")) throw invalid(encoding);
    return text;
  }

  // tail is how many bytes at the end may be the beginning of a character. bytes begins at a character.
  function tail(encoding, bytes, n) {
    let i = 0, length = 1;
    switch (encoding) {
      case "iso-2022-jp": return n; // escapes change what all later bytes mean
      case "shift_jis": case "euc-jp": case "euc-kr": case "big5": case "gbk": case "gb18030": break;
      default: return 0;
    }
    for (; i < n; i += length) {
      const c = bytes[i], d = i + 1 < n ? bytes[i + 1] : -1;
      length = 1;
      if (c < 0x80) continue;
      if (encoding === "shift_jis") length = (c >= 0x81 && c <= 0x9f) || (c >= 0xe0 && c <= 0xfc) ? 2 : 1;
      else if (encoding === "euc-jp") length = c === 0x8f ? 3 : c === 0x8e || c >= 0xa1 ? 2 : 1;
      else if ((encoding === "gbk" || encoding === "gb18030") && d >= 0x30 && d <= 0x39) length = 4;
      else length = c >= 0x81 && c <= 0xfe ? 2 : 1;
      // A second byte that cannot be one is a character of its own.
      if (length === 2 && d >= 0 && d < 0x40 && d !== -1) length = 1;
    }
    return i > n ? n - (i - length) : 0;
  }

  // bigUTF16 takes what ends at a whole character.
  function bigUTF16(bytes, n, fatal, last, big) {
    let whole = n - (n % 2);
    const high = bytes[big ? whole - 2 : whole - 1];
    if (high >= 0xd8 && high <= 0xdb) whole -= 2;
    const partial = whole < n;
    const text = made(onBytes(big ? "utf16be" : "utf16le", Uint8ArrayPrototypeSubarray(bytes, 0, whole)));
    if (fatal && ((partial && last) || !StringPrototypeIsWellFormed(text))) throw invalid(big ? "utf-16be" : "utf-16le");
    const clean = fatal ? text : StringPrototypeToWellFormed(text);
    if (last) return { text: partial ? clean + "\ufffd" : clean, rest: none };
    return { text: clean, rest: Uint8ArrayPrototypeSlice(bytes, whole) };
  }

  function utf16(bytes, fatal, last, big) {
    const n = TypedArrayPrototypeGetLength(bytes);
    if (n >= nativeFrom) return bigUTF16(bytes, n, fatal, last, big);
    let text = "", k = 0, i = 0, lead = 0;
    const units = [];
    const flush = () => {
      text += ReflectApply(StringFromCharCode, null, units);
      units.length = k = 0;
    };
    const bad = () => {
      if (fatal) throw invalid(big ? "utf-16be" : "utf-16le");
      units[k++] = 0xfffd;
    };
    for (; i + 1 < n; i += 2) {
      const u = big ? (bytes[i] << 8) | bytes[i + 1] : bytes[i] | (bytes[i + 1] << 8);
      if (u >= 0xdc00 && u <= 0xdfff) {
        if (lead === 0) bad();
        else {
          units[k++] = lead;
          units[k++] = u;
          lead = 0;
        }
      } else {
        if (lead !== 0) bad();
        lead = 0;
        if (u >= 0xd800 && u <= 0xdbff) lead = u;
        else units[k++] = u;
      }
      if (k >= 1024) flush();
    }
    let rest = none;
    if (!last) rest = Uint8ArrayPrototypeSlice(bytes, lead !== 0 ? i - 2 : i);
    // An odd byte or half a pair at the end is one error.
    else if (lead !== 0 || i < n) bad();
    if (k > 0) flush();
    return { text, rest };
  }

  return { nameOf: (label) => names[label], decode };
});
