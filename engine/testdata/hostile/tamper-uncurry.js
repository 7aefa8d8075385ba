// expect: completed, within 2 s, output "xy"
export default {
  async run(input, env, ctx) {
    const b = Function.prototype.bind; Function.prototype.bind = function (...a) { return b.apply(this, a); }; return (await new Response('x').text()) + new TextDecoder().decode(new TextEncoder().encode('y'));
  },
};
