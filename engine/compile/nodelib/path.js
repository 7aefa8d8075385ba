// node:path: POSIX paths.
const path = require("jsruntime:vendor/path.js");

path.toNamespacedPath ??= (p) => p;
path.posix = path;
path.win32 = undefined;
module.exports = path;
