// FormData, and multipart/form-data both ways.
(function (core) {
  "use strict";
  const {
    ArrayPrototypePush, ArrayPrototypeSplice, RegExpPrototypeExec, RegExpPrototypeSymbolReplace, StringPrototypeCharCodeAt, StringPrototypeIndexOf, StringPrototypeSlice,
    StringPrototypeToLowerCase, StringPrototypeTrim, TypeError, TypedArrayPrototypeGetByteLength, TypedArrayPrototypeSet, Uint8Array,
    Uint8ArrayPrototypeSubarray, Uint8ArrayPrototypeIndexOf, Uint8ArrayPrototypeSlice,
  } = core.primordials;
  const { allOf, define, firstOf, isObject, loaded, pairIterable, required, usv, setPair } = core.use("webidl");
  const encoding = core.use("encoding");
  const blob = core.use("blob");

  let listOf, isFormData, newForm;
  class FormData {
    #list = [];
    constructor(form = undefined) {
      if (form !== undefined) throw new TypeError("FormData: there are no form elements here");
    }
    append(name, value, filename = undefined) {
      const list = this.#list;
      required(arguments.length, 2, "FormData.append");
      ArrayPrototypePush(list, usv(name), entry(value, arguments.length, filename, "FormData.append"));
    }
    delete(name) {
      const list = this.#list;
      required(arguments.length, 1, "FormData.delete");
      name = usv(name);
      for (let i = 0; i < list.length; ) {
        if (list[i] === name) ArrayPrototypeSplice(list, i, 2);
        else i += 2;
      }
    }
    get(name) {
      const list = this.#list;
      required(arguments.length, 1, "FormData.get");
      name = usv(name);
      return firstOf(list, name) ?? null;
    }
    getAll(name) {
      const list = this.#list;
      required(arguments.length, 1, "FormData.getAll");
      name = usv(name);
      return allOf(list, name);
    }
    has(name) {
      const list = this.#list;
      required(arguments.length, 1, "FormData.has");
      name = usv(name);
      for (let i = 0; i < list.length; i += 2) if (list[i] === name) return true;
      return false;
    }
    set(name, value, filename = undefined) {
      const list = this.#list;
      required(arguments.length, 2, "FormData.set");
      name = usv(name);
      value = entry(value, arguments.length, filename, "FormData.set");
      setPair(list, name, value);
    }
    static {
      listOf = (f) => f.#list;
      isFormData = (v) => isObject(v) && #list in v;
      newForm = (list) => {
        const f = new FormData();
        f.#list = list;
        return f;
      };
    }
  }

  function entry(value, count, filename, what) {
    if (blob.isBlob(value)) {
      const named = count >= 3 && filename !== undefined;
      if (!blob.isFile(value)) return new blob.File([value], named ? usv(filename) : "blob", { type: blob.typeOf(value) });
      return named ? new blob.File([value], usv(filename), { type: blob.typeOf(value), lastModified: value.lastModified }) : value;
    }
    if (count >= 3) throw new TypeError(`${what}: a file name is for Blobs only`);
    return usv(value);
  }

  define(FormData, "FormData");
  pairIterable(FormData, "FormData", (f) => listOf(f));

  // ---- multipart

  const breaks = /\r\n?|\n/g;
  function escapeName(s) {
    return RegExpPrototypeSymbolReplace(/"/g, RegExpPrototypeSymbolReplace(/\r/g, RegExpPrototypeSymbolReplace(/\n/g, s, "%0A"), "%0D"), "%22");
  }
  function crlf(s) {
    return RegExpPrototypeSymbolReplace(breaks, s, "\r\n");
  }

  function encode(form) {
    const random = core.native("random", "16");
    let boundary = "----jsruntime";
    for (let i = 0; i < 16; i++) boundary += encoding.alphabet[random[i] % 62];
    const list = listOf(form), chunks = [];
    let total = 0;
    const push = (bytes) => {
      ArrayPrototypePush(chunks, bytes);
      total += TypedArrayPrototypeGetByteLength(bytes);
    };
    for (let i = 0; i < list.length; i += 2) {
      const value = list[i + 1];
      let head = `--${boundary}\r\ncontent-disposition: form-data; name="${escapeName(crlf(list[i]))}"`;
      if (typeof value === "string") push(encoding.utf8Encode(`${head}\r\n\r\n${crlf(value)}\r\n`));
      else {
        const type = blob.typeOf(value);
        head += `; filename="${escapeName(value.name)}"\r\ncontent-type: ${type === "" ? "application/octet-stream" : type}\r\n\r\n`;
        push(encoding.utf8Encode(head));
        push(blob.bytesOfBlob(value));
        push(encoding.utf8Encode("\r\n"));
      }
    }
    push(encoding.utf8Encode(`--${boundary}--\r\n`));
    const bytes = new Uint8Array(total);
    let at = 0;
    for (let i = 0; i < chunks.length; i++) {
      TypedArrayPrototypeSet(bytes, chunks[i], at);
      at += TypedArrayPrototypeGetByteLength(chunks[i]);
    }
    return { bytes, type: `multipart/form-data; boundary=${boundary}` };
  }

  // find returns where needle begins in bytes at or after from, or -1.
  function find(bytes, needle, from) {
    const n = TypedArrayPrototypeGetByteLength(bytes), m = TypedArrayPrototypeGetByteLength(needle);
    for (let at = Uint8ArrayPrototypeIndexOf(bytes, needle[0], from); at >= 0 && at + m <= n; at = Uint8ArrayPrototypeIndexOf(bytes, needle[0], at + 1)) {
      let j = 1;
      while (j < m && bytes[at + j] === needle[j]) j++;
      if (j === m) return at;
    }
    return -1;
  }

  function startsWith(bytes, at, text) {
    for (let i = 0; i < text.length; i++) if (bytes[at + i] !== StringPrototypeCharCodeAt(text, i)) return false;
    return true;
  }

  const bad = () => new TypeError("The body is not valid multipart/form-data");

  // closes reports whether the quotation mark at p ends its value. Browsers write one within a value as %22, and a backslash as it is, so
  // that the first one does; clients of the old way write \", and go on with neither the end nor a semicolon.
  function closes(s, p) {
    if (s[p - 1] !== "\\") return true;
    p++;
    while (s[p] === " " || s[p] === "\t") p++;
    return p >= s.length || s[p] === ";";
  }

  // dispositionOf reads a content-disposition: {type, name, filename}, null where it has no such parameter. Of several parameters of a
  // name the first counts.
  function dispositionOf(s) {
    let p = StringPrototypeIndexOf(s, ";");
    if (p < 0) p = s.length;
    const out = { __proto__: null, type: StringPrototypeToLowerCase(StringPrototypeTrim(StringPrototypeSlice(s, 0, p))), name: null, filename: null };
    let extended = null;
    while (p < s.length) {
      p++; // the semicolon
      let end = p;
      while (end < s.length && s[end] !== ";" && s[end] !== "=") end++;
      const key = StringPrototypeToLowerCase(StringPrototypeTrim(StringPrototypeSlice(s, p, end)));
      p = end;
      if (s[p] !== "=") continue;
      p++;
      while (s[p] === " " || s[p] === "\t") p++;
      let value;
      if (s[p] === '"') {
        const from = ++p;
        while (p < s.length && !(s[p] === '"' && closes(s, p))) p++;
        value = unescape(StringPrototypeSlice(s, from, p));
        p = StringPrototypeIndexOf(s, ";", p);
        if (p < 0) p = s.length;
      } else {
        end = StringPrototypeIndexOf(s, ";", p);
        if (end < 0) end = s.length;
        value = StringPrototypeTrim(StringPrototypeSlice(s, p, end));
        p = end;
      }
      if (key === "name") out.name ??= value;
      else if (key === "filename") out.filename ??= value;
      else if (key === "filename*") extended ??= value;
    }
    if (out.filename === null && extended !== null) out.filename = extendedValue(extended);
    return out;
  }

  // unescape undoes what browsers escape in a quoted value, and \".
  function unescape(v) {
    if (RegExpPrototypeExec(/["%]/, v) === null) return v;
    v = RegExpPrototypeSymbolReplace(/\\"/g, v, '"');
    v = RegExpPrototypeSymbolReplace(/%22/g, v, '"');
    v = RegExpPrototypeSymbolReplace(/%0d/gi, v, "\r");
    return RegExpPrototypeSymbolReplace(/%0a/gi, v, "\n");
  }

  // extendedValue reads RFC 8187's UTF-8''a%20b, which some clients write though a form must not have it.
  function extendedValue(v) {
    const parts = RegExpPrototypeExec(/^utf-8'[^']*'(.*)$/i, v);
    if (parts === null) return v;
    return encoding.utf8Decode(core.use("url").percentDecode(encoding.utf8Encode(parts[1])), false);
  }

  function parseMultipart(bytes, boundary) {
    const list = [];
    const n = TypedArrayPrototypeGetByteLength(bytes);
    const first = encoding.utf8Encode("--" + boundary), delimiter = encoding.utf8Encode("\r\n--" + boundary);
    let p = find(bytes, first, 0);
    if (p < 0) throw bad();
    p += TypedArrayPrototypeGetByteLength(first);
    for (;;) {
      if (startsWith(bytes, p, "--")) return newForm(list);
      while (bytes[p] === 32 || bytes[p] === 9) p++;
      if (!startsWith(bytes, p, "\r\n")) throw bad();
      p += 2;
      let name = null, filename = null, type = null;
      for (;;) {
        if (startsWith(bytes, p, "\r\n")) {
          p += 2;
          break;
        }
        let end = p;
        while (end < n && !(bytes[end] === 13 && bytes[end + 1] === 10)) end++;
        if (end >= n) throw bad();
        const line = encoding.utf8Decode(Uint8ArrayPrototypeSubarray(bytes, p, end), false);
        const colon = StringPrototypeIndexOf(line, ":");
        if (colon < 0) throw bad();
        const key = StringPrototypeToLowerCase(StringPrototypeTrim(StringPrototypeSlice(line, 0, colon)));
        const value = StringPrototypeTrim(StringPrototypeSlice(line, colon + 1));
        if (key === "content-disposition") {
          const d = dispositionOf(value);
          if (d.type !== "form-data") throw bad();
          name = d.name;
          filename = d.filename;
        } else if (key === "content-type") type = value;
        p = end + 2;
      }
      if (name === null) throw bad();
      // An empty part may end with the delimiter that begins at its own line break.
      const end = find(bytes, delimiter, p - 2 >= 0 && startsWith(bytes, p - 2, "\r\n--" + boundary) ? p - 2 : p);
      if (end < 0) throw bad();
      const content = Uint8ArrayPrototypeSubarray(bytes, p, end < p ? p : end);
      if (filename !== null) {
        ArrayPrototypePush(list, usv(name), new blob.File([Uint8ArrayPrototypeSlice(content)], filename, { type: type ?? "text/plain" }));
      } else ArrayPrototypePush(list, usv(name), encoding.utf8DecodeBOM(content));
      p = end + TypedArrayPrototypeGetByteLength(delimiter);
    }
  }

  // parse makes FormData of a body by its content-type.
  function parse(bytes, contentType) {
    const mime = core.use("mime");
    const m = mime.parse(contentType);
    if (m !== null && m.essence === "multipart/form-data") {
      const boundary = mime.parameter(m, "boundary");
      if (boundary === undefined || boundary === "") throw new TypeError("formData: the content-type has no boundary");
      return parseMultipart(bytes, boundary);
    }
    if (m !== null && m.essence === "application/x-www-form-urlencoded") {
      return newForm(core.use("url").parseForm(encoding.utf8Decode(bytes, false)));
    }
    throw new TypeError(`formData: the content-type ${contentType === "" ? "is missing" : `"${contentType}" is not that of a form`}`);
  }

  const exports = { FormData, isFormData, encode, parse };
  loaded.formdata = exports;
  return exports;
});
