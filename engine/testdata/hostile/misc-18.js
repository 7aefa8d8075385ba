// expect: failed exception, within 2 s
export default {
  async run(input, env, ctx) {
    return (
    new Intl.DateTimeFormat('en',{timeZone:'../../etc/passwd'})
    )
  },
};
