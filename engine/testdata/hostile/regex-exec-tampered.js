// expect: timeout exceeded_wall_time, within 2 s
export default {
  async run(input, env, ctx) {
    RegExp.prototype.exec = function () { return Object.assign([''], { index: 0 }); }; return 'abc'.replace(/./g, 'x');
  },
};
