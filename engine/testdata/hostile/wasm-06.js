// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    new WebAssembly.Table({initial:1e7,element:'anyfunc'}).length
    )
  },
};
