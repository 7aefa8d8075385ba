// expect: completed, within 2 s
export default {
  async run(input, env, ctx) {
    return ['\ud800', '\udc00x', { ['\ud800']: 1 }];
  },
};
