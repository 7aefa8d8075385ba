// expect: failed exceeded_memory, within 5 s
export default {
  async run(input, env, ctx) {
    let a=[];for(let i=0;;i++){let r=new RegExp('a'.repeat(5e3)+i);r.test('b');a.push(r)}
  },
};
