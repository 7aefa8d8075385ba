// node:crypto for require: see crypto.mjs.
module.exports = require("jsruntime:crypto.mjs").default;
