#!/usr/bin/env node
// Starts the program with the same arguments and terminal, and ends as it ends.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { findBinary } from "./binary.js";

let binary;
try {
  binary = findBinary();
} catch (e) {
  console.error(`jsruntime: ${e.message}`);
  process.exit(1);
}
const child = spawn(binary, process.argv.slice(2), { stdio: "inherit" });
// At a terminal the signal reaches both, and the program says when it has ended.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => signal !== "SIGINT" && child.kill(signal));
child.on("error", (e) => {
  console.error(`jsruntime: ${binary}: ${e.message}`);
  process.exit(1);
});
child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
