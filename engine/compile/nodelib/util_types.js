// node:util/types
module.exports = require("node:util").types;
