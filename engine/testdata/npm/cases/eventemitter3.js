import EventEmitter from "eventemitter3";
export default { run() { const e = new EventEmitter(), seen = []; e.on("a", (x) => seen.push(x)).once("a", () => seen.push("once")); return [e.emit("a", 1), e.emit("a", 2), e.emit("b"), seen, e.listenerCount("a")]; } };
