// expect: failed unsettled, within 2 s
export default {
  async run(input, env, ctx) {
    for await (const x of { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) });
  },
};
