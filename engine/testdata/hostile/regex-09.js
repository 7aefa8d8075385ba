// expect: completed or timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    new RegExp('['+Array(1e5).fill().map((_,i)=>'\\u{'+(i+0x1000).toString(16)+'}').join('')+']','iu').test('x')
    )
  },
};
