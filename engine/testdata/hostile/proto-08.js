// expect: completed, within 2 s
export default {
  async run(input, env, ctx) {
    Error.prepareStackTrace=(e,s)=>s.map(c=>typeof c.getThis()+typeof c.getFunction());
    return (new Error().stack);
  },
};
