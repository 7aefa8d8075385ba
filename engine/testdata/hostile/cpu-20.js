// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    for(let i=0;;i++)new Date(i).toLocaleString('th-TH-u-ca-buddhist')
  },
};
