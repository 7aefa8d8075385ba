import { parse } from "csv-parse/browser/esm/sync";
export default { run() { return parse('a,b\n1,"x, y"\n2,"q""q"\n', { columns: true, cast: (v, c) => (c.header || c.column !== "a" ? v : Number(v)) }); } };
