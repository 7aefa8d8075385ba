// expect: completed or failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return structuredClone(new ArrayBuffer(8)).constructor.name;
  },
};
