// node:crypto as far as the runtime has it: hashes, HMAC, key derivation, random bytes and WebCrypto.
import { Buffer } from "node:buffer";
import * as hashes from "jsruntime:vendor/hashes.mjs";

const webcrypto = globalThis.crypto;
const subtle = webcrypto.subtle;

function failure(Base, code, message) {
  return Object.assign(new Base(message), { code });
}

function invalidType(name, wanted, value) {
  return failure(TypeError, "ERR_INVALID_ARG_TYPE", `The "${name}" argument must be ${wanted}. Received ${value === null ? "null" : `type ${typeof value}`}`);
}

function outOfRange(name, wanted, value) {
  return failure(RangeError, "ERR_OUT_OF_RANGE", `The value of "${name}" is out of range. It must be ${wanted}. Received ${String(value)}`);
}

function bytes(value, encoding, name = "data") {
  if (typeof value === "string") return Buffer.from(value, encoding === "buffer" ? undefined : encoding);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw invalidType(name, "of type string or an instance of Buffer, TypedArray, or DataView", value);
}

function out(value, encoding) {
  const b = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return encoding === undefined || encoding === null || encoding === "buffer" ? b : b.toString(encoding);
}

const byName = () => ({
  __proto__: null, md5: hashes.md5, ripemd160: hashes.ripemd160, rmd160: hashes.ripemd160, sha1: hashes.sha1, sha224: hashes.sha224, sha256: hashes.sha256,
  sha384: hashes.sha384, sha512: hashes.sha512, "sha512-224": hashes.sha512_224, "sha512-256": hashes.sha512_256, "sha3-224": hashes.sha3_224,
  "sha3-256": hashes.sha3_256, "sha3-384": hashes.sha3_384, "sha3-512": hashes.sha3_512,
});
const getHashes = () => Object.keys(byName());

function hashOf(name, what) {
  if (typeof name !== "string") throw invalidType(what, "of type string", name);
  const known = byName(), lower = name.toLowerCase();
  const hash = known[lower] ?? known[lower.replace(/^rsa-/, "")] ?? known[lower.replace(/^sha-/, "sha")] ?? known[lower.replace("/", "-")];
  if (hash === undefined) throw failure(Error, what === "hmac" ? "ERR_CRYPTO_INVALID_DIGEST" : "ERR_OSSL_EVP_UNSUPPORTED", what === "hmac" ? `Invalid digest: ${name}` : "Digest method not supported");
  return hash;
}

class Digest {
  #state;
  #done = false;
  constructor(state) {
    this.#state = state;
  }
  update(data, encoding) {
    if (this.#done) throw failure(Error, "ERR_CRYPTO_HASH_FINALIZED", "Digest already called");
    this.#state.update(bytes(data, encoding));
    return this;
  }
  digest(encoding) {
    if (this.#done) throw failure(Error, "ERR_CRYPTO_HASH_FINALIZED", "Digest already called");
    this.#done = true;
    return out(this.#state.digest(), encoding);
  }
  copyState() {
    if (this.#done) throw failure(Error, "ERR_CRYPTO_HASH_FINALIZED", "Digest already called");
    return this.#state.clone();
  }
}
class Hash extends Digest {
  copy() {
    return new Hash(this.copyState());
  }
}
class Hmac extends Digest {}

function createHash(algorithm) {
  return new Hash(hashOf(algorithm, "algorithm").create());
}

function keyBytes(key, encoding) {
  if (key === null || key === undefined) throw invalidType("key", "of type string or an instance of ArrayBuffer, Buffer, TypedArray, or DataView", key);
  return bytes(key, encoding, "key");
}

function createHmac(algorithm, key, options) {
  return new Hmac(hashes.hmac.create(hashOf(algorithm, "hmac"), keyBytes(key, options?.encoding)));
}

// hash is the one-shot function: crypto.hash("sha256", data, "hex").
function hash(algorithm, data, encoding = "hex") {
  return createHash(algorithm).update(data).digest(typeof encoding === "object" ? encoding.outputEncoding : encoding);
}

// Web Crypto fills at most 64 KiB at once.
function fill(view) {
  for (let at = 0; at < view.byteLength; at += 65536) webcrypto.getRandomValues(view.subarray(at, Math.min(at + 65536, view.byteLength)));
  return view;
}

function size(value, name = "size") {
  if (typeof value !== "number") throw invalidType(name, "of type number", value);
  if (!(value >= 0 && value <= 0x7fffffff)) throw outOfRange(name, ">= 0 && <= 2147483647", value);
  return Math.trunc(value);
}

function randomBytes(n, callback) {
  const b = Buffer.alloc(size(n));
  if (callback === undefined) return fill(b);
  later(callback, () => fill(b));
}

function randomFillSync(target, offset = 0, length) {
  const view = ArrayBuffer.isView(target) ? new Uint8Array(target.buffer, target.byteOffset, target.byteLength) : new Uint8Array(target);
  const unit = target.BYTES_PER_ELEMENT ?? 1, from = offset * unit, to = length === undefined ? view.length : from + length * unit;
  if (!(from >= 0 && to <= view.length && from <= to)) throw outOfRange("offset", `>= 0 && <= ${view.length}`, offset);
  fill(view.subarray(from, to));
  return target;
}

function randomFill(target, offset, length, callback) {
  if (typeof offset === "function") [callback, offset, length] = [offset, undefined, undefined];
  else if (typeof length === "function") [callback, length] = [length, undefined];
  later(callback, () => randomFillSync(target, offset, length));
}

// later calls back as Node does: not before the caller has gone on.
function later(callback, make) {
  if (typeof callback !== "function") throw invalidType("callback", "of type function", callback);
  let error = null, value;
  try {
    value = make();
  } catch (e) {
    error = e;
  }
  queueMicrotask(() => (error === null ? callback(null, value) : callback(error)));
}

function randomInt(min, max, callback) {
  if (max === undefined || typeof max === "function") [min, max, callback] = [0, min, max];
  if (!Number.isSafeInteger(min)) throw invalidType("min", "a safe integer", min);
  if (!Number.isSafeInteger(max)) throw invalidType("max", "a safe integer", max);
  const range = max - min;
  if (!(range > 0)) throw outOfRange("max", `greater than the value of "min" (${min})`, max);
  if (range > 0xffffffffffff) throw outOfRange("max - min", `<= ${0xffffffffffff}`, range);
  const limit = 0x1000000000000 - (0x1000000000000 % range);
  const draw = () => {
    for (;;) {
      const b = fill(new Uint8Array(6));
      const n = b[0] * 2 ** 40 + (b[1] * 2 ** 32 + b[2] * 2 ** 24 + (b[3] << 16) + (b[4] << 8) + b[5]);
      if (n < limit) return min + (n % range);
    }
  };
  if (callback === undefined) return draw();
  later(callback, draw);
}

const randomUUID = () => webcrypto.randomUUID();
const getRandomValues = (view) => webcrypto.getRandomValues(view);

function timingSafeEqual(a, b) {
  const x = bytes(typeof a === "string" ? null : a, undefined, "buf1"), y = bytes(typeof b === "string" ? null : b, undefined, "buf2");
  if (x.length !== y.length) throw failure(RangeError, "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH", "Input buffers must have the same byte length");
  let differ = 0;
  for (let i = 0; i < x.length; i++) differ |= x[i] ^ y[i];
  return differ === 0;
}

function pbkdf2Sync(password, salt, iterations, keylen, digest) {
  return out(hashes.pbkdf2(hashOf(digest, "hmac"), bytes(password, undefined, "password"), bytes(salt, undefined, "salt"), { c: iterations, dkLen: size(keylen, "keylen") }));
}
const pbkdf2 = (password, salt, iterations, keylen, digest, callback) => later(callback, () => pbkdf2Sync(password, salt, iterations, keylen, digest));

function hkdfSync(digest, key, salt, info, keylen) {
  const made = hashes.hkdf(hashOf(digest, "hmac"), keyBytes(key), bytes(salt, undefined, "salt"), bytes(info, undefined, "info"), size(keylen, "length"));
  return made.buffer.slice(made.byteOffset, made.byteOffset + made.byteLength);
}
const hkdf = (digest, key, salt, info, keylen, callback) => later(callback, () => hkdfSync(digest, key, salt, info, keylen));

function scryptSync(password, salt, keylen, options = {}) {
  const N = options.N ?? options.cost ?? 16384, r = options.r ?? options.blockSize ?? 8, p = options.p ?? options.parallelization ?? 1;
  return out(hashes.scrypt(bytes(password, undefined, "password"), bytes(salt, undefined, "salt"), { N, r, p, dkLen: size(keylen, "keylen"), maxmem: (options.maxmem ?? 32 << 20) + 1024 }));
}
function scrypt(password, salt, keylen, options, callback) {
  if (typeof options === "function") [callback, options] = [options, undefined];
  later(callback, () => scryptSync(password, salt, keylen, options));
}

export {
  Hash, Hmac, createHash, createHmac, getHashes, getRandomValues, hash, hkdf, hkdfSync, pbkdf2, pbkdf2Sync, randomBytes, randomFill, randomFillSync, randomInt,
  randomUUID, scrypt, scryptSync, subtle, timingSafeEqual, webcrypto,
};
export default {
  Hash, Hmac, createHash, createHmac, getHashes, getRandomValues, hash, hkdf, hkdfSync, pbkdf2, pbkdf2Sync, randomBytes, randomFill, randomFillSync, randomInt,
  randomUUID, scrypt, scryptSync, subtle, timingSafeEqual, webcrypto,
};
