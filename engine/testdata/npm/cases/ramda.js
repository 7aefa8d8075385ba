import * as R from "ramda";
export default { run() { return [R.pipe(R.filter(R.propSatisfies(R.gt(R.__, 1), "n")), R.map(R.evolve({ n: R.inc })), R.indexBy(R.prop("id")))([{ id: "a", n: 1 }, { id: "b", n: 2 }]), R.path(["x", 0, "y"], { x: [{ y: 5 }] }), R.set(R.lensPath(["a", "b"]), 1, {}), R.curry((a, b, c) => a + b + c)(1)(2, 3)]; } };
