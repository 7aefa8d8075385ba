// node:string_decoder
module.exports = require("jsruntime:vendor/string_decoder.js");
