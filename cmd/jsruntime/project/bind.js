// Gives a script's handlers an env with vars and with Workers KV's methods over the tenant's kv. A namespace is a prefix of keys. Text is
// kept as a JSON string, bytes as {$base64}.
import { kv } from "jsruntime";

const encode = async (value) => {
  if (typeof value === "string") return value;
  if (value instanceof ReadableStream) value = await new Response(value).arrayBuffer();
  const bytes = ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : value instanceof ArrayBuffer ? new Uint8Array(value) : undefined;
  if (bytes === undefined) throw new TypeError("KV put() accepts only strings, ArrayBuffers, ArrayBufferViews, and ReadableStreams as values.");
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return { $base64: btoa(text) };
};

const bytesOf = (value) =>
  typeof value?.$base64 === "string" ? Uint8Array.from(atob(value.$base64), (c) => c.charCodeAt(0)) : new TextEncoder().encode(textOf(value));
const textOf = (value) =>
  typeof value === "string" ? value : typeof value?.$base64 === "string" ? new TextDecoder().decode(bytesOf(value)) : JSON.stringify(value);

const decode = (value, type = "text") => {
  if (value === null) return null;
  switch (type) {
    case "text":
      return textOf(value);
    case "json":
      return JSON.parse(textOf(value));
    case "arrayBuffer":
      return bytesOf(value).buffer;
    case "stream":
      return new Response(bytesOf(value)).body;
  }
  throw new TypeError(`Unknown response type. Possible types are "text", "arrayBuffer", "json", and "stream".`);
};

const typeOf = (options) => (typeof options === "string" ? options : options?.type);

class KVNamespace {
  #prefix;
  constructor(prefix) {
    this.#prefix = prefix;
  }
  async get(key, options) {
    if (Array.isArray(key)) return new Map(await Promise.all(key.map(async (k) => [k, await this.get(k, options)])));
    return decode(await kv.get(this.#prefix + key), typeOf(options));
  }
  async getWithMetadata(key, options) {
    if (Array.isArray(key)) return new Map(await Promise.all(key.map(async (k) => [k, await this.getWithMetadata(k, options)])));
    const entry = await kv.getWithMetadata(this.#prefix + key);
    return { value: decode(entry.value, typeOf(options)), metadata: entry.metadata, cacheStatus: null };
  }
  async put(key, value, options = {}) {
    const given = {};
    if (options.expirationTtl != null) given.expirationTtl = Number(options.expirationTtl);
    else if (options.expiration != null) given.expirationTtl = Math.max(1, Math.ceil(Number(options.expiration) - Date.now() / 1000));
    if (options.metadata != null) given.metadata = options.metadata;
    await kv.put(this.#prefix + key, await encode(value), given);
  }
  async delete(key) {
    await kv.delete(this.#prefix + key);
  }
  async list(options = {}) {
    const given = { prefix: this.#prefix + (options.prefix ?? ""), limit: options.limit ?? 1000 };
    if (options.cursor != null) given.cursor = options.cursor;
    const page = await kv.list(given);
    const keys = page.keys.map(({ name, expiration, metadata }) => {
      const key = { name: name.slice(this.#prefix.length) };
      if (expiration !== null) key.expiration = expiration;
      if (metadata !== undefined) key.metadata = metadata;
      return key;
    });
    return page.complete ? { keys, list_complete: true, cacheStatus: null } : { keys, list_complete: false, cursor: page.cursor, cacheStatus: null };
  }
}

const bound = new WeakMap();
const bind = (env) => {
  let made = bound.get(env);
  if (made === undefined) {
    made = { ...env, ...structuredClone(vars) };
    for (const name in namespaces) made[name] = new KVNamespace(namespaces[name]);
    bound.set(env, made);
  }
  return made;
};

const given = script.default;
const handlers = {};
for (const name of ["fetch", "scheduled", "event", "run"]) {
  if (typeof given?.[name] === "function") handlers[name] = (first, env, ctx) => given[name](first, bind(env), ctx);
}
export default typeof given === "function" && Object.keys(handlers).length === 0 ? (first, env, ctx) => given(first, bind(env), ctx) : handlers;
