import qs from "qs";
export default { run() { return [qs.parse("a[b][]=1&a[b][]=2&c=x%20y&d[e]=f"), qs.stringify({ a: { b: [1, 2] }, c: null, d: new Date(0) }), qs.stringify({ a: [1, 2] }, { arrayFormat: "repeat", encode: false })]; } };
