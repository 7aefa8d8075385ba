// node:url for require: see url.mjs.
module.exports = require("jsruntime:url.mjs").default;
