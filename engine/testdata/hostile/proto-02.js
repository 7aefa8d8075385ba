// expect: completed, within 2 s, output "pwn"
export default {
  async run(input, env, ctx) {
    Array.prototype.toJSON=()=>'pwn';
    return ([1]);
  },
};
