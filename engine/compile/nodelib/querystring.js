// node:querystring
const base = require("jsruntime:vendor/querystring.js");

// As Node's escape: encodeURIComponent, and a lone surrogate is an error there too.
function escape(text) {
  return encodeURIComponent(typeof text === "object" ? String(text) : `${text}`);
}

function unescape(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return String(text).replace(/%[0-9a-f]{2}/gi, (hex) => String.fromCharCode(parseInt(hex.slice(1), 16)));
  }
}

module.exports = { ...base, decode: base.parse, encode: base.stringify, escape, unescape };
