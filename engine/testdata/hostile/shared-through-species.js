// expect: completed, within 2 s, output ["none","ArrayBuffer"]
// The exchange buffer behind the natives must not show.
export default {
  async run(input, env, ctx) {
    let seen = "none";
    class Spy extends Uint8Array { constructor(...a) { super(...a); if (String(a[0]) === "[object SharedArrayBuffer]") seen = "shared"; } }
    Object.defineProperty(Uint8Array, Symbol.species, { value: Spy });
    Object.defineProperty(Uint8Array.prototype, "constructor", { value: Spy, configurable: true });
    crypto.getRandomValues(new Uint8Array(8));
    new TextEncoder().encode("abc"); new TextDecoder().decode(new Uint8Array([65]));
    return [seen, new TextEncoder().encode("abc").buffer.constructor.name];
  },
};
