import { decode, encode, ExtensionCodec } from "@msgpack/msgpack";
export default { run() {
  const codec = new ExtensionCodec(); codec.register({ type: 1, encode: (v) => (v instanceof Set ? encode([...v]) : null), decode: (b) => new Set(decode(b)) });
  const bytes = encode({ a: [1, -1, 1.5, 2 ** 40], t: "\u00fc", b: new Uint8Array([1, 2]), n: null, s: new Set([7]) }, { extensionCodec: codec }), back = decode(bytes, { extensionCodec: codec });
  return [Array.from(bytes), back.a, [...back.s], back.b.length];
} };
