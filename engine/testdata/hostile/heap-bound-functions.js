// expect: failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    let f = () => 1; const a = []; for (;;) { f = f.bind(null, a); a.push(f); }
  },
};
