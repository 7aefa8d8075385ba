// expect: completed, within 2 s
export default {
  async run(input, env, ctx) {
    for(let i=0;i<1e5;i++)console.log('x');
    return 1;
  },
};
