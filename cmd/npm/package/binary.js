// Finds the program jsruntime: JSRUNTIME_BIN, else the one in this package, else the one on PATH.
import { existsSync, realpathSync, statSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const program = process.platform === "win32" ? "jsruntime.exe" : "jsruntime";

/** The program's path. Throws an error that says where it was looked for. */
export function findBinary(env = process.env) {
  if (env.JSRUNTIME_BIN) {
    if (!isProgram(env.JSRUNTIME_BIN)) throw new Error(`JSRUNTIME_BIN: there is no program ${env.JSRUNTIME_BIN}`);
    return env.JSRUNTIME_BIN;
  }
  const packed = join(here, "vendor", `${process.platform}-${process.arch}`, program);
  if (isProgram(packed)) return packed;
  for (const folder of (env.PATH ?? "").split(delimiter)) {
    // npm puts links to this package's launcher on PATH, which would call itself.
    const found = folder && join(folder, program);
    if (found && isProgram(found) && !realpathSync(found).endsWith(".js") && !existsSync(`${found}.cmd`)) return found;
  }
  throw new Error(`the program jsruntime is not here: not in this package for ${process.platform}-${process.arch}, and not on PATH. Set JSRUNTIME_BIN to it.`);
}

function isProgram(path) {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
