// SubtleCrypto and CryptoKey. Algorithms, usages and key formats are checked here; the arithmetic is Go's (package webcrypto).
// Public and private keys are DER, secret ones plain bytes.
(function (core) {
  "use strict";
  const {
    ArrayIsArray, ArrayPrototypeIncludes, ArrayPrototypeJoin, ArrayPrototypePush, ArrayPrototypeSlice, JSONParse, JSONStringify, MathCeil, ObjectFreeze, PromiseReject,
    PromiseResolve, ReflectApply, StringPrototypeReplaceAll, StringPrototypeToUpperCase, StringPrototypeStartsWith, StringPrototypeSlice, TypeError, TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteLength,
    TypedArrayPrototypeGetLength, TypedArrayPrototypeSet, TypedArrayPrototypeGetSymbolToStringTag, Uint8Array, Uint8ArrayPrototypeSlice, RegExpPrototypeExec, Promise, PromisePrototypeThen,
  } = core.primordials;
  const { bytesOf, copyBytes, define, dictionary, enumeration, illegal, integer, isBufferSource, isObject, required, sequence, str } = core.use("webidl");
  const { DOMException } = core.use("domexception");
  const encoding = core.use("encoding");

  const fail = (name, message) => new DOMException(message, name);
  const empty = new Uint8Array(0);

  // ---- Go

  function request(params, inputs) {
    const lens = [];
    let total = 0;
    for (let i = 0; i < inputs.length; i++) {
      const n = TypedArrayPrototypeGetByteLength(inputs[i]);
      ArrayPrototypePush(lens, n);
      total += n;
    }
    let data = inputs.length === 1 ? inputs[0] : new Uint8Array(total);
    if (inputs.length !== 1) {
      for (let i = 0, at = 0; i < inputs.length; i++) {
        TypedArrayPrototypeSet(data, inputs[i], at);
        at += lens[i];
      }
    }
    params.lens = lens;
    return core.native("crypto", JSONStringify(params), data);
  }
  function go(op, params, ...inputs) {
    return request({ __proto__: null, op, ...params }, inputs);
  }
  function buffer(bytes) {
    return TypedArrayPrototypeGetBuffer(bytes);
  }

  // ---- keys

  const usageOrder = ["encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"];

  let internals, isKey, makeKey;
  class CryptoKey {
    #type; #extractable; #algorithm; #usages; #data;
    constructor(token, type, extractable, algorithm, usages, data) {
      if (token !== illegal) throw new TypeError("Illegal constructor");
      this.#type = type;
      this.#extractable = extractable;
      this.#algorithm = algorithm;
      this.#usages = usages;
      this.#data = data;
    }
    get type() { return this.#type; }
    get extractable() { return this.#extractable; }
    get algorithm() { return this.#algorithm; }
    get usages() { return this.#usages; }
    static {
      isKey = (v) => isObject(v) && #data in v;
      // A script may change the objects that algorithm and usages return; what counts is kept beside them.
      internals = (k) => {
        const i = k.#data;
        return { type: k.#type, extractable: k.#extractable, algorithm: i.algorithm, usages: i.usages, data: i.data };
      };
      makeKey = (type, extractable, algorithm, usages, data) => new CryptoKey(illegal, type, extractable, publicAlgorithm(algorithm), ArrayPrototypeSlice(usages), { __proto__: null, algorithm, usages, data });
    }
  }
  define(CryptoKey, "CryptoKey");

  // publicAlgorithm is the object that key.algorithm shows.
  function publicAlgorithm(a) {
    const out = /** @type {any} */ ({ name: a.name });
    if (a.modulusLength !== undefined) out.modulusLength = a.modulusLength;
    if (a.publicExponent !== undefined) out.publicExponent = Uint8ArrayPrototypeSlice(a.publicExponent);
    if (a.hash !== undefined) out.hash = { name: a.hash };
    if (a.namedCurve !== undefined) out.namedCurve = a.namedCurve;
    if (a.length !== undefined) out.length = a.length;
    return out;
  }

  function key(v, what) {
    if (!isKey(v)) throw new TypeError(`${what} is not a CryptoKey`);
    return internals(v);
  }

  function usagesOf(v, what) {
    const list = sequence(v, (u) => enumeration(u, usageOrder, what), what);
    const out = [];
    for (let i = 0; i < usageOrder.length; i++) if (ArrayPrototypeIncludes(list, usageOrder[i])) ArrayPrototypePush(out, usageOrder[i]);
    return out;
  }

  function only(usages, allowed, what) {
    for (let i = 0; i < usages.length; i++) {
      if (!ArrayPrototypeIncludes(allowed, usages[i])) throw fail("SyntaxError", `${what}: a key of this kind cannot be used to ${usages[i]}`);
    }
  }
  function pick(usages, allowed) {
    const out = [];
    for (let i = 0; i < usages.length; i++) if (ArrayPrototypeIncludes(allowed, usages[i])) ArrayPrototypePush(out, usages[i]);
    return out;
  }

  // ---- algorithms

  const hashes = { __proto__: null, "SHA-1": 160, "SHA-256": 256, "SHA-384": 384, "SHA-512": 512 };
  const blockBits = { __proto__: null, "SHA-1": 512, "SHA-256": 512, "SHA-384": 1024, "SHA-512": 1024 };
  const curves = { __proto__: null, "P-256": 256, "P-384": 384, "P-521": 528 };

  const names = { __proto__: null };
  {
    const all = ["SHA-1", "SHA-256", "SHA-384", "SHA-512", "RSASSA-PKCS1-v1_5", "RSA-PSS", "RSA-OAEP", "ECDSA", "ECDH", "Ed25519", "X25519", "AES-CTR", "AES-CBC", "AES-GCM", "AES-KW", "HMAC", "HKDF", "PBKDF2"];
    for (let i = 0; i < all.length; i++) names[StringPrototypeToUpperCase(all[i])] = all[i];
  }

  function member(a, name, what) {
    const v = a[name];
    if (v === undefined) throw new TypeError(`${what}: ${name} is missing`);
    return v;
  }
  function source(a, name, what) {
    const v = member(a, name, what);
    if (!isBufferSource(v)) throw new TypeError(`${what}: ${name} is not an ArrayBuffer or a view on one`);
    return copyBytes(v);
  }
  function optional(a, name, what) {
    return a[name] === undefined ? undefined : source(a, name, what);
  }
  function number(a, name, bits, what) {
    return integer(member(a, name, what), bits, false, "enforce", `${what}: ${name}`);
  }
  function hashMember(a, what) {
    return normalize(member(a, "hash", what), "digest").name;
  }

  // What each operation takes of an algorithm's parameters.
  const rsaGenerate = (a, n) => {
    const hash = hashMember(a, n), modulusLength = number(a, "modulusLength", 32, n);
    const e = member(a, "publicExponent", n);
    if (TypedArrayPrototypeGetSymbolToStringTag(e) !== "Uint8Array") throw new TypeError(`${n}: publicExponent is not a Uint8Array`);
    return { hash, modulusLength, publicExponent: copyBytes(e) };
  };
  const withHash = (a, n) => ({ hash: hashMember(a, n) });
  const curve = (a, n) => ({ namedCurve: str(member(a, "namedCurve", n)) });
  const length16 = (a, n) => ({ length: number(a, "length", 16, n) });
  const nothing = () => ({});
  const hmacParams = (a, n) => ({ hash: hashMember(a, n), length: a.length === undefined ? undefined : integer(a.length, 32, false, "enforce", `${n}: length`) });
  const peer = (a, n) => {
    const p = member(a, "public", n);
    if (!isKey(p)) throw new TypeError(`${n}: public is not a CryptoKey`);
    return { public: internals(p) };
  };
  const gcmParams = (a, n) => ({
    additionalData: optional(a, "additionalData", n), iv: source(a, "iv", n), tagLength: a.tagLength === undefined ? undefined : integer(a.tagLength, 8, false, "enforce", `${n}: tagLength`),
  });
  const ctrParams = (a, n) => ({ counter: source(a, "counter", n), length: number(a, "length", 8, n) });
  const cbcParams = (a, n) => ({ iv: source(a, "iv", n) });

  const operations = {
    __proto__: null,
    digest: { "SHA-1": nothing, "SHA-256": nothing, "SHA-384": nothing, "SHA-512": nothing },
    encrypt: { "RSA-OAEP": (a, n) => ({ label: optional(a, "label", n) }), "AES-CTR": ctrParams, "AES-CBC": cbcParams, "AES-GCM": gcmParams },
    sign: { "RSASSA-PKCS1-v1_5": nothing, "RSA-PSS": (a, n) => ({ saltLength: number(a, "saltLength", 32, n) }), ECDSA: withHash, HMAC: nothing, Ed25519: nothing },
    generateKey: {
      "RSASSA-PKCS1-v1_5": rsaGenerate, "RSA-PSS": rsaGenerate, "RSA-OAEP": rsaGenerate, ECDSA: curve, ECDH: curve, "AES-CTR": length16, "AES-CBC": length16, "AES-GCM": length16,
      "AES-KW": length16, HMAC: hmacParams, Ed25519: nothing, X25519: nothing,
    },
    importKey: {
      "RSASSA-PKCS1-v1_5": withHash, "RSA-PSS": withHash, "RSA-OAEP": withHash, ECDSA: curve, ECDH: curve, "AES-CTR": nothing, "AES-CBC": nothing, "AES-GCM": nothing, "AES-KW": nothing,
      HMAC: hmacParams, HKDF: nothing, PBKDF2: nothing, Ed25519: nothing, X25519: nothing,
    },
    deriveBits: {
      ECDH: peer, X25519: peer, HKDF: (a, n) => ({ hash: hashMember(a, n), info: source(a, "info", n), salt: source(a, "salt", n) }),
      PBKDF2: (a, n) => ({ hash: hashMember(a, n), iterations: number(a, "iterations", 32, n), salt: source(a, "salt", n) }),
    },
    getKeyLength: { "AES-CTR": length16, "AES-CBC": length16, "AES-GCM": length16, "AES-KW": length16, HMAC: hmacParams, HKDF: nothing, PBKDF2: nothing },
    wrapKey: { "AES-KW": nothing },
  };
  for (const op in operations) core.primordials.ObjectSetPrototypeOf(operations[op], null);

  function normalize(algorithm, op) {
    const a = isObject(algorithm) ? algorithm : { __proto__: null, name: str(algorithm) };
    const given = a.name;
    if (given === undefined) throw new TypeError("The algorithm has no name");
    const text = str(given);
    const name = names[StringPrototypeToUpperCase(text)];
    const read = name === undefined ? undefined : operations[op][name];
    if (read === undefined) throw fail("NotSupportedError", `"${text}" is not an algorithm for ${op}`);
    return { __proto__: null, name, ...read(a, name) };
  }

  function needs(k, a, usage) {
    if (k.algorithm.name !== a.name) throw fail("InvalidAccessError", `The key is for ${k.algorithm.name}, not ${a.name}`);
    if (!ArrayPrototypeIncludes(k.usages, usage)) throw fail("InvalidAccessError", `The key cannot be used to ${usage}`);
  }
  function typed(k, type) {
    if (k.type !== type) throw fail("InvalidAccessError", `The key is a ${k.type} one, not a ${type} one`);
  }

  function data(v, what) {
    if (!isBufferSource(v)) throw new TypeError(`${what}: the data is not an ArrayBuffer or a view on one`);
    return copyBytes(v);
  }

  // ---- operations

  function crypt(encrypt, a, k, input) {
    switch (a.name) {
      case "RSA-OAEP":
        typed(k, encrypt ? "public" : "private");
        return go("oaep", { hash: k.algorithm.hash, encrypt }, k.data, input, a.label ?? empty);
      case "AES-GCM": {
        const tag = a.tagLength ?? 128;
        if (!ArrayPrototypeIncludes([32, 64, 96, 104, 112, 120, 128], tag)) throw fail("OperationError", `AES-GCM: tagLength ${tag} is not possible`);
        return go("aes", { mode: a.name, encrypt, tagLength: tag }, k.data, a.iv, input, a.additionalData ?? empty);
      }
      case "AES-CBC": return go("aes", { mode: a.name, encrypt }, k.data, a.iv, input);
      case "AES-CTR":
        if (TypedArrayPrototypeGetByteLength(a.counter) !== 16) throw fail("OperationError", "AES-CTR: counter must have 16 bytes");
        if (a.length < 1 || a.length > 128) throw fail("OperationError", "AES-CTR: length must be from 1 to 128");
        return go("aes", { mode: a.name, encrypt, length: a.length }, k.data, a.counter, input);
      case "AES-KW": return go("aes", { mode: a.name, encrypt }, k.data, empty, input);
    }
    throw fail("NotSupportedError", a.name);
  }

  function signature(a, k, verify, input, sig) {
    if (a.name === "HMAC") {
      return verify ? go("hmac.verify", { hash: k.algorithm.hash }, k.data, input, sig) === "true" : go("hmac", { hash: k.algorithm.hash }, k.data, input);
    }
    typed(k, verify ? "public" : "private");
    const params = { kind: a.name, hash: a.name === "ECDSA" ? a.hash : k.algorithm.hash ?? "", saltLength: a.saltLength ?? 0 };
    return verify ? go("verify", params, k.data, input, sig) === "true" : go("sign", params, k.data, input);
  }

  function generate(a, extractable, usages) {
    switch (a.name) {
      case "HMAC": {
        only(usages, ["sign", "verify"], "generateKey");
        if (a.length === 0) throw fail("OperationError", "generateKey: length must be more than 0");
        const bits = a.length ?? blockBits[a.hash];
        if (usages.length === 0) throw fail("SyntaxError", "generateKey: usages is empty");
        return makeKey("secret", extractable, { __proto__: null, name: a.name, hash: a.hash, length: bits }, usages, core.native("random", `${MathCeil(bits / 8)}`));
      }
      case "AES-CTR": case "AES-CBC": case "AES-GCM": case "AES-KW":
        only(usages, a.name === "AES-KW" ? ["wrapKey", "unwrapKey"] : ["encrypt", "decrypt", "wrapKey", "unwrapKey"], "generateKey");
        aesLength(a.length);
        if (usages.length === 0) throw fail("SyntaxError", "generateKey: usages is empty");
        return makeKey("secret", extractable, { __proto__: null, name: a.name, length: a.length }, usages, core.native("random", `${a.length / 8}`));
    }
    let privateUsages = ["sign"], publicUsages = ["verify"], algorithm, made;
    if (a.name === "RSA-OAEP") {
      privateUsages = ["decrypt", "unwrapKey"];
      publicUsages = ["encrypt", "wrapKey"];
    } else if (a.name === "ECDH" || a.name === "X25519") {
      privateUsages = ["deriveKey", "deriveBits"];
      publicUsages = [];
    }
    only(usages, core.primordials.ArrayPrototypeConcat(privateUsages, publicUsages), "generateKey");
    const own = pick(usages, privateUsages);
    switch (a.name) {
      case "ECDSA": case "ECDH":
        if (!(a.namedCurve in curves)) throw fail("NotSupportedError", `generateKey: the curve ${a.namedCurve} is not known`);
        if (own.length === 0) throw fail("SyntaxError", "generateKey: usages is empty for the private key");
        made = go("generate", { kind: "EC", curve: a.namedCurve });
        algorithm = { __proto__: null, name: a.name, namedCurve: a.namedCurve };
        break;
      case "Ed25519": case "X25519":
        if (own.length === 0) throw fail("SyntaxError", "generateKey: usages is empty for the private key");
        made = go("generate", { kind: a.name });
        algorithm = { __proto__: null, name: a.name };
        break;
      default: {
        const e = a.publicExponent;
        const n = TypedArrayPrototypeGetByteLength(e);
        let value = 0;
        for (let i = 0; i < n; i++) value = value * 256 + e[i];
        if (value !== 65537) throw fail("OperationError", "generateKey: publicExponent must be 65537");
        if (own.length === 0) throw fail("SyntaxError", "generateKey: usages is empty for the private key");
        made = go("generate", { kind: "RSA", modulusLength: a.modulusLength, e: base64([1, 0, 1]) });
        algorithm = { __proto__: null, name: a.name, modulusLength: a.modulusLength, publicExponent: e, hash: a.hash };
      }
    }
    const split = ((made[0] << 24) | (made[1] << 16) | (made[2] << 8) | made[3]) + 4;
    return {
      publicKey: makeKey("public", true, algorithm, pick(usages, publicUsages), Uint8ArrayPrototypeSlice(made, split)),
      privateKey: makeKey("private", extractable, algorithm, own, Uint8ArrayPrototypeSlice(made, 4, split)),
    };
  }

  function base64(bytes) {
    return encoding.btoa(encoding.latin1(new Uint8Array(bytes)));
  }
  function base64url(bytes) {
    return StringPrototypeReplaceAll(StringPrototypeReplaceAll(StringPrototypeReplaceAll(encoding.btoa(encoding.latin1(bytes)), "+", "-"), "/", "_"), "=", "");
  }
  function fromBase64url(s) {
    if (RegExpPrototypeExec(/^[A-Za-z0-9_-]*$/, s) === null) throw fail("DataError", 'The JWK\'s "k" is not base64url');
    const bytes = encoding.forgivingDecode(StringPrototypeReplaceAll(StringPrototypeReplaceAll(s, "-", "+"), "_", "/"));
    if (bytes === null) throw fail("DataError", 'The JWK\'s "k" is not base64url');
    return bytes;
  }

  function aesLength(bits) {
    if (bits !== 128 && bits !== 192 && bits !== 256) throw fail("OperationError", `AES: a key of ${bits} bits is not possible`);
  }

  const jwkMembers = ["alg", "crv", "d", "dp", "dq", "e", "k", "kty", "n", "p", "q", "qi", "use", "x", "y"];
  // readJWK takes a JsonWebKey dictionary over, so that it is read once.
  function readJWK(v) {
    const out = /** @type {any} */ ({ __proto__: null });
    for (let i = 0; i < jwkMembers.length; i++) {
      const m = v[jwkMembers[i]];
      if (m !== undefined) out[jwkMembers[i]] = str(m);
    }
    if (v.ext !== undefined) out.ext = !!v.ext;
    if (v.key_ops !== undefined) out.key_ops = sequence(v.key_ops, str, "key_ops");
    if (v.oth !== undefined) out.oth = true;
    return out;
  }

  function checkJWK(j, kty, use, algorithms, extractable, usages) {
    if (j.kty !== kty) throw fail("DataError", `The JWK's kty is ${j.kty}, not ${kty}`);
    if (usages.length > 0 && j.use !== undefined && j.use !== use) throw fail("DataError", `The JWK's use is ${j.use}, not ${use}`);
    if (j.key_ops !== undefined) {
      for (let i = 0; i < j.key_ops.length; i++) {
        for (let k = 0; k < i; k++) if (j.key_ops[k] === j.key_ops[i]) throw fail("DataError", "The JWK's key_ops has a member twice");
      }
      for (let i = 0; i < usages.length; i++) {
        if (!ArrayPrototypeIncludes(j.key_ops, usages[i])) throw fail("DataError", `The JWK's key_ops does not have ${usages[i]}`);
      }
    }
    if (j.ext === false && extractable) throw fail("DataError", "The JWK is not extractable");
    if (j.alg !== undefined && algorithms !== null && !ArrayPrototypeIncludes(algorithms, j.alg)) throw fail("DataError", `The JWK's alg is ${j.alg}, not ${ArrayPrototypeJoin(algorithms, " or ")}`);
  }

  const hashBits = (hash) => StringPrototypeSlice(hash, 4);
  function rsaAlg(name, hash) {
    const bits = hashBits(hash);
    if (name === "RSA-OAEP") return bits === "1" ? "RSA-OAEP" : `RSA-OAEP-${bits}`;
    return (name === "RSA-PSS" ? "PS" : "RS") + bits;
  }

  function goJWK(j) {
    const out = { __proto__: null };
    const fields = ["kty", "crv", "x", "y", "d", "n", "e", "p", "q", "dp", "dq", "qi"];
    for (let i = 0; i < fields.length; i++) if (j[fields[i]] !== undefined) out[fields[i]] = j[fields[i]];
    return out;
  }

  function importSecret(format, keyData, a, extractable, usages, allowed, jwkAlg) {
    let bytes;
    if (format === "raw") {
      only(usages, allowed, "importKey");
      bytes = keyData;
    } else if (format === "jwk") {
      only(usages, allowed, "importKey");
      if (keyData.kty !== "oct") throw fail("DataError", `The JWK's kty is ${keyData.kty}, not oct`);
      if (keyData.k === undefined) throw fail("DataError", 'The JWK has no "k"');
      bytes = fromBase64url(keyData.k);
      checkJWK(keyData, "oct", a.name === "HMAC" ? "sig" : "enc", jwkAlg(TypedArrayPrototypeGetByteLength(bytes) * 8), extractable, usages);
    } else throw fail("NotSupportedError", `importKey: a secret key cannot be ${format}`);
    return bytes;
  }

  function importKey(format, keyData, a, extractable, usages) {
    switch (a.name) {
      case "AES-CTR": case "AES-CBC": case "AES-GCM": case "AES-KW": {
        const allowed = a.name === "AES-KW" ? ["wrapKey", "unwrapKey"] : ["encrypt", "decrypt", "wrapKey", "unwrapKey"];
        const bytes = importSecret(format, keyData, a, extractable, usages, allowed, (bits) => [`A${bits}${StringPrototypeSlice(a.name, 4)}`]);
        const bits = TypedArrayPrototypeGetByteLength(bytes) * 8;
        if (bits !== 128 && bits !== 192 && bits !== 256) throw fail("DataError", `AES: a key of ${bits} bits is not possible`);
        return makeKey("secret", extractable, { __proto__: null, name: a.name, length: bits }, usages, bytes);
      }
      case "HMAC": {
        const bytes = importSecret(format, keyData, a, extractable, usages, ["sign", "verify"], () => [`HS${hashBits(a.hash)}`]);
        let bits = TypedArrayPrototypeGetByteLength(bytes) * 8;
        if (bits === 0) throw fail("DataError", "HMAC: the key is empty");
        if (a.length !== undefined) {
          if (a.length > bits || a.length <= bits - 8) throw fail("DataError", `HMAC: the key has ${bits} bits, not ${a.length}`);
          bits = a.length;
        }
        return makeKey("secret", extractable, { __proto__: null, name: a.name, hash: a.hash, length: bits }, usages, bytes);
      }
      case "HKDF": case "PBKDF2":
        if (format !== "raw") throw fail("NotSupportedError", `importKey: a key for ${a.name} can only be raw`);
        only(usages, ["deriveKey", "deriveBits"], "importKey");
        if (extractable) throw fail("SyntaxError", `importKey: a key for ${a.name} cannot be extractable`);
        return makeKey("secret", false, { __proto__: null, name: a.name }, usages, keyData);
    }

    // Key pairs.
    let privateUsages = ["sign"], publicUsages = ["verify"], use = "sig", kind = "RSA", kty = "RSA", algorithms = null;
    switch (a.name) {
      case "RSA-OAEP":
        privateUsages = ["decrypt", "unwrapKey"];
        publicUsages = ["encrypt", "wrapKey"];
        use = "enc";
        break;
      case "ECDSA": case "ECDH": case "X25519":
        kind = a.name === "X25519" ? "X25519" : "EC";
        kty = a.name === "X25519" ? "OKP" : "EC";
        if (a.name !== "ECDSA") {
          privateUsages = ["deriveKey", "deriveBits"];
          publicUsages = [];
          use = "enc";
        }
        if (kind === "EC" && !(a.namedCurve in curves)) throw fail("NotSupportedError", `importKey: the curve ${a.namedCurve} is not known`);
        if (a.name === "ECDSA") algorithms = [a.namedCurve === "P-256" ? "ES256" : a.namedCurve === "P-384" ? "ES384" : "ES512"];
        break;
      case "Ed25519":
        kind = "Ed25519";
        kty = "OKP";
        algorithms = ["EdDSA", "Ed25519"];
        break;
    }
    if (kind === "RSA") algorithms = [rsaAlg(a.name, a.hash)];
    let isPrivate, der;
    switch (format) {
      case "pkcs8":
        isPrivate = true;
        only(usages, privateUsages, "importKey");
        der = go("import", { format, private: true }, keyData);
        break;
      case "spki":
        isPrivate = false;
        only(usages, publicUsages, "importKey");
        der = go("import", { format }, keyData);
        break;
      case "raw":
        if (kind === "RSA") throw fail("NotSupportedError", "importKey: an RSA key cannot be raw");
        isPrivate = false;
        only(usages, publicUsages, "importKey");
        der = go("import", { format, curve: kind === "EC" ? a.namedCurve : kind }, keyData);
        break;
      case "jwk":
        isPrivate = keyData.d !== undefined;
        only(usages, isPrivate ? privateUsages : publicUsages, "importKey");
        checkJWK(keyData, kty, use, algorithms, extractable, usages);
        if (kty === "RSA" && keyData.oth !== undefined) throw fail("NotSupportedError", "importKey: an RSA key of more than two primes");
        if (kty !== "RSA" && keyData.crv !== (kind === "EC" ? a.namedCurve : kind)) throw fail("DataError", `The JWK's crv is ${keyData.crv}`);
        der = go("import", { format, private: isPrivate, jwk: goJWK(keyData) });
        break;
    }
    if (isPrivate && usages.length === 0) throw fail("SyntaxError", "importKey: usages is empty for a private key");
    const info = JSONParse(go("info", { private: isPrivate }, der));
    if (info.kind !== kind || (kind === "EC" && info.curve !== a.namedCurve)) throw fail("DataError", `importKey: the key is not one for ${a.name}`);
    const algorithm = /** @type {any} */ ({ __proto__: null, name: a.name });
    if (kind === "RSA") {
      algorithm.modulusLength = info.modulusLength;
      algorithm.publicExponent = new Uint8Array(info.publicExponent);
      algorithm.hash = a.hash;
    } else if (kind === "EC") algorithm.namedCurve = a.namedCurve;
    return makeKey(isPrivate ? "private" : "public", extractable, algorithm, usages, der);
  }

  // exported returns bytes, or an object for jwk.
  function exported(format, k) {
    const a = k.algorithm;
    if (a.name === "HKDF" || a.name === "PBKDF2") throw fail("NotSupportedError", `exportKey: a key for ${a.name} cannot be exported`);
    if (!k.extractable) throw fail("InvalidAccessError", "exportKey: the key is not extractable");
    const isPrivate = k.type === "private";
    switch (format) {
      case "raw":
        if (k.type === "secret") return Uint8ArrayPrototypeSlice(k.data);
        if (a.modulusLength !== undefined) throw fail("NotSupportedError", "exportKey: an RSA key cannot be raw");
        if (isPrivate) throw fail("InvalidAccessError", "exportKey: a private key cannot be raw");
        return go("export", { format }, k.data);
      case "spki":
        if (k.type === "secret") throw fail("NotSupportedError", "exportKey: a secret key cannot be spki");
        if (k.type !== "public") throw fail("InvalidAccessError", "exportKey: spki is for public keys");
        return Uint8ArrayPrototypeSlice(k.data);
      case "pkcs8":
        if (k.type === "secret") throw fail("NotSupportedError", "exportKey: a secret key cannot be pkcs8");
        if (!isPrivate) throw fail("InvalidAccessError", "exportKey: pkcs8 is for private keys");
        return Uint8ArrayPrototypeSlice(k.data);
    }
    let out;
    if (k.type === "secret") {
      const alg = a.name === "HMAC" ? `HS${hashBits(a.hash)}` : `A${a.length}${StringPrototypeSlice(a.name, 4)}`;
      out = { kty: "oct", k: base64url(k.data), alg };
    } else {
      out = JSONParse(go("export", { format, private: isPrivate }, k.data));
      if (a.hash !== undefined) out.alg = rsaAlg(a.name, a.hash);
      else if (a.name === "Ed25519") out.alg = "Ed25519";
    }
    out.key_ops = ArrayPrototypeSlice(k.usages);
    out.ext = k.extractable;
    return out;
  }

  function derive(a, k, length) {
    if (a.name === "ECDH" || a.name === "X25519") {
      typed(k, "private");
      if (a.public.type !== "public") throw fail("InvalidAccessError", "deriveBits: public is not a public key");
      if (a.public.algorithm.name !== k.algorithm.name || a.public.algorithm.namedCurve !== k.algorithm.namedCurve) throw fail("InvalidAccessError", "deriveBits: the keys do not belong together");
      const secret = go("derive", {}, k.data, a.public.data);
      if (length === null) return secret;
      if (TypedArrayPrototypeGetByteLength(secret) * 8 < length) throw fail("OperationError", `deriveBits: ${length} bits are more than there are`);
      const out = Uint8ArrayPrototypeSlice(secret, 0, MathCeil(length / 8));
      const rest = length % 8;
      if (rest > 0) out[out.length - 1] &= 0xff << (8 - rest);
      return out;
    }
    if (length === null || length % 8 !== 0) throw fail("OperationError", "deriveBits: length must be whole bytes");
    if (length > 65536 * 8) throw fail("OperationError", "deriveBits: length is too long");
    if (a.name === "PBKDF2" && a.iterations === 0) throw fail("OperationError", "deriveBits: iterations must be more than 0");
    if (length === 0) return new Uint8Array(0);
    if (a.name === "HKDF") return go("hkdf", { hash: a.hash, length: length / 8 }, k.data, a.salt, a.info);
    return go("pbkdf2", { hash: a.hash, iterations: a.iterations, length: length / 8 }, k.data, a.salt);
  }

  function keyLength(a) {
    if (a.name === "HKDF" || a.name === "PBKDF2") return null;
    if (a.name === "HMAC") {
      if (a.length === 0) throw new TypeError("HMAC: length must be more than 0");
      return a.length ?? blockBits[a.hash];
    }
    aesLength(a.length);
    return a.length;
  }

  const formats = ["raw", "pkcs8", "spki", "jwk"];

  // later makes a promise of what fn returns or throws.
  function later(self, count, have, what, fn) {
    return new Promise((resolve) => {
      brand(self);
      required(have, count, what);
      resolve(fn());
    });
  }

  let brand;
  class SubtleCrypto {
    #brand = true;
    constructor(token) {
      if (token !== illegal) throw new TypeError("Illegal constructor");
    }
    // timingSafeEqual is Cloudflare's: whether two buffers of one length hold the same bytes, in a time that their content does not change.
    timingSafeEqual(a, b) {
      this.#brand;
      required(arguments.length, 2, "timingSafeEqual");
      const x = bytesOf(a), y = bytesOf(b);
      const n = TypedArrayPrototypeGetLength(x);
      if (n !== TypedArrayPrototypeGetLength(y)) throw new TypeError("timingSafeEqual: the buffers have different lengths");
      let different = 0;
      for (let i = 0; i < n; i++) different |= x[i] ^ y[i];
      return different === 0;
    }
    encrypt(algorithm, k, input) {
      return later(this, 3, arguments.length, "encrypt", () => {
        const own = key(k, "encrypt: the key"), bytes = data(input, "encrypt"), a = normalize(algorithm, "encrypt");
        needs(own, a, "encrypt");
        return buffer(crypt(true, a, own, bytes));
      });
    }
    decrypt(algorithm, k, input) {
      return later(this, 3, arguments.length, "decrypt", () => {
        const own = key(k, "decrypt: the key"), bytes = data(input, "decrypt"), a = normalize(algorithm, "encrypt");
        needs(own, a, "decrypt");
        return buffer(crypt(false, a, own, bytes));
      });
    }
    sign(algorithm, k, input) {
      return later(this, 3, arguments.length, "sign", () => {
        const own = key(k, "sign: the key"), bytes = data(input, "sign"), a = normalize(algorithm, "sign");
        needs(own, a, "sign");
        return buffer(signature(a, own, false, bytes));
      });
    }
    verify(algorithm, k, sig, input) {
      return later(this, 4, arguments.length, "verify", () => {
        const own = key(k, "verify: the key"), s = data(sig, "verify: the signature"), bytes = data(input, "verify"), a = normalize(algorithm, "sign");
        needs(own, a, "verify");
        return signature(a, own, true, bytes, s);
      });
    }
    digest(algorithm, input) {
      return later(this, 2, arguments.length, "digest", () => {
        const bytes = data(input, "digest"), a = normalize(algorithm, "digest");
        return buffer(go("digest", { hash: a.name }, bytes));
      });
    }
    generateKey(algorithm, extractable, usages) {
      return later(this, 3, arguments.length, "generateKey", () => {
        const u = usagesOf(usages, "generateKey: usages"), a = normalize(algorithm, "generateKey");
        return generate(a, !!extractable, u);
      });
    }
    deriveKey(algorithm, baseKey, derived, extractable, usages) {
      return later(this, 5, arguments.length, "deriveKey", () => {
        const base = key(baseKey, "deriveKey: the key"), u = usagesOf(usages, "deriveKey: usages");
        const a = normalize(algorithm, "deriveBits"), importer = normalize(derived, "importKey"), lengthOf = normalize(derived, "getKeyLength");
        needs(base, a, "deriveKey");
        const secret = derive(a, base, keyLength(lengthOf));
        const k = importKey("raw", secret, importer, !!extractable, u);
        if (u.length === 0) throw fail("SyntaxError", "deriveKey: usages is empty");
        return k;
      });
    }
    deriveBits(algorithm, baseKey, length = null) {
      return later(this, 2, arguments.length, "deriveBits", () => {
        const base = key(baseKey, "deriveBits: the key"), bits = length === null ? null : integer(length, 32, false);
        const a = normalize(algorithm, "deriveBits");
        needs(base, a, "deriveBits");
        return buffer(derive(a, base, bits));
      });
    }
    importKey(format, keyData, algorithm, extractable, usages) {
      return later(this, 5, arguments.length, "importKey", () => {
        format = enumeration(format, formats, "importKey: the format");
        const u = usagesOf(usages, "importKey: usages");
        const material = keyMaterial(format, keyData), a = normalize(algorithm, "importKey");
        const k = importKey(format, material, a, !!extractable, u);
        if (internals(k).type === "secret" && u.length === 0) throw fail("SyntaxError", "importKey: usages is empty");
        return k;
      });
    }
    exportKey(format, k) {
      return later(this, 2, arguments.length, "exportKey", () => {
        format = enumeration(format, formats, "exportKey: the format");
        const out = exported(format, key(k, "exportKey: the key"));
        return format === "jwk" ? out : buffer(out);
      });
    }
    wrapKey(format, k, wrappingKey, algorithm) {
      return later(this, 4, arguments.length, "wrapKey", () => {
        format = enumeration(format, formats, "wrapKey: the format");
        const inner = key(k, "wrapKey: the key"), outer = key(wrappingKey, "wrapKey: the wrapping key"), a = wrapping(algorithm);
        needs(outer, a, "wrapKey");
        const out = exported(format, inner);
        let bytes = out;
        if (format === "jwk") {
          let text = JSONStringify(out);
          // AES-KW takes whole groups of 8 bytes.
          while (a.name === "AES-KW" && text.length % 8 !== 0) text += " ";
          bytes = encoding.utf8Encode(text);
        }
        return buffer(crypt(true, a, outer, bytes));
      });
    }
    unwrapKey(format, wrapped, unwrappingKey, algorithm, innerAlgorithm, extractable, usages) {
      return later(this, 7, arguments.length, "unwrapKey", () => {
        format = enumeration(format, formats, "unwrapKey: the format");
        const bytes = data(wrapped, "unwrapKey"), outer = key(unwrappingKey, "unwrapKey: the unwrapping key"), u = usagesOf(usages, "unwrapKey: usages");
        const a = wrapping(algorithm), inner = normalize(innerAlgorithm, "importKey");
        needs(outer, a, "unwrapKey");
        const plain = crypt(false, a, outer, bytes);
        let material = plain;
        if (format === "jwk") {
          let parsed;
          try {
            parsed = JSONParse(encoding.utf8DecodeBOM(plain));
          } catch {
            throw fail("DataError", "unwrapKey: what was wrapped is not JSON");
          }
          if (!isObject(parsed)) throw fail("DataError", "unwrapKey: what was wrapped is not a JWK");
          material = readJWK(parsed);
        }
        const k = importKey(format, material, inner, !!extractable, u);
        if (internals(k).type !== "public" && u.length === 0) throw fail("SyntaxError", "unwrapKey: usages is empty");
        return k;
      });
    }
    static {
      brand = (v) => v.#brand;
    }
  }
  define(SubtleCrypto, "SubtleCrypto");

  function wrapping(algorithm) {
    try {
      return normalize(algorithm, "wrapKey");
    } catch (e) {
      if (e?.name !== "NotSupportedError") throw e;
      return normalize(algorithm, "encrypt");
    }
  }

  function keyMaterial(format, v) {
    if (format === "jwk") {
      if (!isObject(v) || isBufferSource(v)) throw new TypeError("importKey: a JWK is an object");
      return readJWK(v);
    }
    if (!isBufferSource(v)) throw new TypeError("importKey: the key is not an ArrayBuffer or a view on one");
    return copyBytes(v);
  }

  function cloneKey(k) {
    const i = internals(k);
    return makeKey(i.type, i.extractable, i.algorithm, i.usages, i.data);
  }

  return { CryptoKey, SubtleCrypto, subtle: new SubtleCrypto(illegal), cloneKey };
});
