// node:util: the package util, with the worker's inspect and format, and what Node has added since.
const base = require("jsruntime:vendor/util.js");
const { format, formatWithOptions, inspect } = require("jsruntime:inspect");

const custom = Symbol.for("nodejs.util.promisify.custom");

function promisify(fn) {
  if (typeof fn !== "function") throw Object.assign(new TypeError('The "original" argument must be of type function.'), { code: "ERR_INVALID_ARG_TYPE" });
  if (typeof fn[custom] === "function") return fn[custom];
  if (fn === globalThis.setTimeout) return (ms, value) => new Promise((resolve) => setTimeout(resolve, ms, value));
  if (fn === globalThis.setImmediate) return (value) => new Promise((resolve) => setImmediate(resolve, value));
  return base.promisify(fn);
}
promisify.custom = custom;

const tag = (v) => Object.prototype.toString.call(v);
const types = {
  ...base.types,
  isAsyncFunction: (v) => typeof v === "function" && tag(v).startsWith("[object Async"),
  isCryptoKey: (v) => typeof CryptoKey === "function" && v instanceof CryptoKey,
  isKeyObject: () => false,
  isModuleNamespaceObject: (v) => tag(v) === "[object Module]",
  isProxy: () => false, // a script cannot tell
};

function stripVTControlCharacters(text) {
  return text.replace(/[\u001B\u009B][[\]()#;?]*(?:(?:(?:(?:;[-a-zA-Z\d/#&.:=?%@~_]+)*|[a-zA-Z\d]+(?:;[-a-zA-Z\d/#&.:=?%@~_]*)*)?(?:\u0007|\u001B\u005C|\u009C))|(?:(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-ntqry=><~]))/g, "");
}

module.exports = {
  ...base, promisify, types, inspect, format, formatWithOptions, stripVTControlCharacters,
  TextDecoder: globalThis.TextDecoder, TextEncoder: globalThis.TextEncoder,
  debug: base.debuglog,
  isArray: Array.isArray,
  isDeepStrictEqual: (a, b) => require("jsruntime:vendor/comparisons.js").isDeepStrictEqual(a, b),
  styleText: (style, text) => text,
  toUSVString: (text) => `${text}`.toWellFormed(),
};
