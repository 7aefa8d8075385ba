// expect: failed exception or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    Object.setPrototypeOf(globalThis,new Proxy({},{get(){for(;;);}}));return undefinedThing
  },
};
