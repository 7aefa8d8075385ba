import _ from "lodash";
export default { async run() {
  const debounced = await new Promise((r) => { let n = 0; const f = _.debounce(() => r(++n), 2); f(); f(); f(); });
  return [_.chunk([1, 2, 3, 4, 5], 2), _.groupBy([1.2, 1.8, 2.1], Math.floor), _.get({ a: [{ b: 1 }] }, "a[0].b"), _.merge({ a: { x: 1 } }, { a: { y: 2 } }), _.camelCase("Foo bar-baz"), _.cloneDeep(new Map([[1, { a: 1 }]])).get(1), _.isEqual(new Set([1]), new Set([1])), debounced, _.template === undefined, _.sortBy([{ n: 2 }, { n: 1 }], "n")];
} };
