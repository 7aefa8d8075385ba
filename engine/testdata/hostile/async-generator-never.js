// expect: failed unsettled, within 2 s
export default {
  async run(input, env, ctx) {
    const g = (async function* () { yield await new Promise(() => {}); })(); await g.next();
  },
};
