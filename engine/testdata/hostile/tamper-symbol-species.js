// expect: completed, within 2 s, output "a=1&b=2"
export default {
  async run(input, env, ctx) {
    Object.defineProperty(Array, Symbol.species, { get() { throw new Error('pwn'); } }); return new URLSearchParams('a=1&b=2').toString();
  },
};
