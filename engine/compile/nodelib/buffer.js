// node:buffer: the package buffer, with base64url, and UTF-8 by the worker's own encoder.
const base = require("jsruntime:vendor/buffer.js");
const { Buffer } = base;

const { copy, equals, toString, write } = Buffer.prototype;
const own = { from: Buffer.from, byteLength: Buffer.byteLength, isEncoding: Buffer.isEncoding, copy, equals, toString, write };
const isBase64url = (encoding) => typeof encoding === "string" && encoding.toLowerCase() === "base64url";
const isUtf8Name = (encoding) => encoding === undefined || encoding === null || /^utf-?8$/i.test(encoding);
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

// From this length on a call of the worker costs less than JavaScript does.
const long = 64;

Buffer.from = function from(value, encoding, length) {
  if (typeof value === "string") {
    if (value.length >= long && isUtf8Name(encoding)) {
      const bytes = encoder.encode(value);
      return own.from.call(Buffer, bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    if (isBase64url(encoding)) encoding = "base64"; // which takes both alphabets
  }
  return own.from.call(Buffer, value, encoding, length);
};
Buffer.byteLength = function byteLength(value, encoding) {
  if (isBase64url(encoding)) return Math.floor((String(value).replace(/=+$/, "").length * 3) / 4);
  return own.byteLength.call(Buffer, value, encoding);
};
Buffer.isEncoding = (encoding) => isBase64url(encoding) || own.isEncoding.call(Buffer, encoding);
Buffer.prototype.toString = function toString(encoding, start, end) {
  if (isBase64url(encoding)) return own.toString.call(this, "base64", start, end).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  if (this.length >= long && isUtf8Name(encoding)) return decoder.decode(start === undefined && end === undefined ? this : this.subarray(start, end));
  return own.toString.apply(this, arguments);
};
Buffer.prototype.toLocaleString = Buffer.prototype.toString;
Buffer.prototype.write = function write(text, offset, length, encoding) {
  const last = [offset, length, encoding].findLast((a) => typeof a === "string");
  if (!isBase64url(last)) return own.write.apply(this, arguments);
  const args = [...arguments].map((a, i) => (i > 0 && a === last ? "base64" : a));
  return own.write.apply(this, args);
};

// The package takes Buffers only.
const asBuffer = (value) => (value instanceof Uint8Array && !Buffer.isBuffer(value) ? own.from.call(Buffer, value.buffer, value.byteOffset, value.byteLength) : value);
Buffer.prototype.equals = function equals(other) {
  return own.equals.call(this, asBuffer(other));
};
Buffer.prototype.copy = function copy(target, ...places) {
  return own.copy.call(this, asBuffer(target), ...places);
};

const bytesOf = (value) => (ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value));

function transcode(source, from, to) {
  return Buffer.from(Buffer.from(source).toString(from), to);
}

module.exports = {
  ...base,
  Buffer,
  Blob: globalThis.Blob,
  File: globalThis.File,
  atob: globalThis.atob,
  btoa: globalThis.btoa,
  constants: { MAX_LENGTH: base.kMaxLength, MAX_STRING_LENGTH: 536870888 },
  kStringMaxLength: 536870888,
  isAscii: (value) => bytesOf(value).every((b) => b < 128),
  isUtf8(value) {
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytesOf(value));
      return true;
    } catch {
      return false;
    }
  },
  transcode,
};
