// MIME types (parse and serialise) and data: URLs.
(function (core) {
  "use strict";
  const { ArrayPrototypePush, RegExpPrototypeExec, RegExpPrototypeSymbolReplace, StringPrototypeIndexOf, StringPrototypeSlice, StringPrototypeToLowerCase, StringPrototypeEndsWith } = core.primordials;

  const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, quoted = /^[\t\x20-\x7e\x80-\xff]*$/;
  const edges = /^[\t\n\r ]+|[\t\n\r ]+$/g, tail = /[\t\n\r ]+$/;

  // parse returns {essence, parameters: [name, value …]} or null.
  function parse(s) {
    s = RegExpPrototypeSymbolReplace(edges, s, "");
    const slash = StringPrototypeIndexOf(s, "/");
    if (slash < 0) return null;
    const type = StringPrototypeSlice(s, 0, slash);
    if (RegExpPrototypeExec(token, type) === null) return null;
    let p = StringPrototypeIndexOf(s, ";", slash);
    if (p < 0) p = s.length;
    const subtype = RegExpPrototypeSymbolReplace(tail, StringPrototypeSlice(s, slash + 1, p), "");
    if (RegExpPrototypeExec(token, subtype) === null) return null;
    const parameters = [];
    while (p < s.length) {
      p++;
      while (p < s.length && (s[p] === " " || s[p] === "\t" || s[p] === "\n" || s[p] === "\r")) p++;
      let end = p;
      while (end < s.length && s[end] !== ";" && s[end] !== "=") end++;
      const name = StringPrototypeToLowerCase(StringPrototypeSlice(s, p, end));
      p = end;
      if (p >= s.length) break;
      if (s[p] === ";") continue;
      p++;
      let value = "";
      if (s[p] === '"') {
        p++;
        while (p < s.length && s[p] !== '"') {
          if (s[p] === "\\" && p + 1 < s.length) p++;
          value += s[p++];
        }
        p = StringPrototypeIndexOf(s, ";", p);
        if (p < 0) p = s.length;
      } else {
        end = StringPrototypeIndexOf(s, ";", p);
        if (end < 0) end = s.length;
        value = RegExpPrototypeSymbolReplace(tail, StringPrototypeSlice(s, p, end), "");
        p = end;
        if (value === "") continue;
      }
      if (RegExpPrototypeExec(token, name) !== null && RegExpPrototypeExec(quoted, value) !== null && parameter({ parameters }, name) === undefined) {
        ArrayPrototypePush(parameters, name, value);
      }
    }
    return { essence: StringPrototypeToLowerCase(type) + "/" + StringPrototypeToLowerCase(subtype), parameters };
  }

  function parameter(mime, name) {
    for (let i = 0; i < mime.parameters.length; i += 2) if (mime.parameters[i] === name) return mime.parameters[i + 1];
    return undefined;
  }

  function serialize(mime) {
    let out = mime.essence;
    for (let i = 0; i < mime.parameters.length; i += 2) {
      let v = mime.parameters[i + 1];
      if (v === "" || RegExpPrototypeExec(token, v) === null) v = '"' + RegExpPrototypeSymbolReplace(/["\\]/g, v, "\\$&") + '"';
      out += ";" + mime.parameters[i] + "=" + v;
    }
    return out;
  }

  // normalize is the type that a Blob made of a body gets.
  function normalize(s) {
    const m = parse(s);
    return m === null ? "" : serialize(m);
  }

  function parseDataURL(url) {
    const encoding = core.use("encoding"), u = core.use("url");
    const hash = StringPrototypeIndexOf(url, "#");
    const text = StringPrototypeSlice(url, 5, hash < 0 ? url.length : hash);
    const comma = StringPrototypeIndexOf(text, ",");
    if (comma < 0) return null;
    let type = RegExpPrototypeSymbolReplace(edges, StringPrototypeSlice(text, 0, comma), "");
    let bytes = u.percentDecode(encoding.utf8Encode(StringPrototypeSlice(text, comma + 1)));
    const base64 = RegExpPrototypeExec(/; *base64$/i, type);
    if (base64 !== null) {
      bytes = encoding.forgivingDecode(encoding.latin1(bytes));
      if (bytes === null) return null;
      type = StringPrototypeSlice(type, 0, type.length - base64[0].length);
    }
    if (type[0] === ";") type = "text/plain" + type;
    const m = parse(type);
    return { type: m === null ? "text/plain;charset=US-ASCII" : serialize(m), bytes };
  }

  return { parse, parameter, serialize, normalize, parseDataURL };
});
