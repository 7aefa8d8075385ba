// node:assert
module.exports = require("jsruntime:vendor/assert.js");
