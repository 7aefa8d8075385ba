// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    new Function(Array(7e4).fill().map((_,i)=>'a'+i).join(),'return 1')()
    )
  },
};
