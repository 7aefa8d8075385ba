import mitt from "mitt";
export default { run() { const e = mitt(), seen = []; e.on("*", (t, v) => seen.push([t, v])); e.on("a", (v) => seen.push(v)); e.emit("a", 1); e.off("a"); e.emit("a", 2); return seen; } };
