import Papa from "papaparse";
export default { run() { const r = Papa.parse('a;b\n1;"x; y"\n2;z', { header: true, dynamicTyping: true }); return [r.data, r.meta.delimiter, Papa.unparse([{ a: 1, b: 'q"q' }])]; } };
