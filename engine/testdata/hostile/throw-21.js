// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    (()=>{throw new Error('x',{cause:{get a(){for(;;);}}})})()
    )
  },
};
