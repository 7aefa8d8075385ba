// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    function bad(){Promise.resolve().then(()=>{bad();for(;;);})}bad();for(;;);
  },
};
