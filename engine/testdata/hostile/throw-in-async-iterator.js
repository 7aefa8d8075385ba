// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    for await (const x of (async function* () { throw new Error('gen'); })());
  },
};
