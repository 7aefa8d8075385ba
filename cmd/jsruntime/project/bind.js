// Gives a script's handlers an env with vars.
const bound = new WeakMap();
const bind = (env) => {
  let made = bound.get(env);
  if (made === undefined) {
    made = { ...env, ...structuredClone(vars) };
    bound.set(env, made);
  }
  return made;
};

const given = script.default;
const handlers = {};
for (const name of ["fetch", "scheduled", "event", "run"]) {
  if (typeof given?.[name] === "function") handlers[name] = (first, env, ctx) => given[name](first, bind(env), ctx);
}
export default typeof given === "function" && Object.keys(handlers).length === 0 ? (first, env, ctx) => given(first, bind(env), ctx) : handlers;
