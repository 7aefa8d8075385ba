// What node:util (package compile bundles it) takes from the console.
(function (core) {
  "use strict";
  const { SymbolFor } = core.primordials;
  const { inspect: show, format: formatArgs } = core.use("console");

  // inspect takes options, or as of old showHidden, depth and colors.
  function inspect(value, options, depth) {
    if (typeof options === "boolean") return show(value, { showHidden: options, depth });
    return show(value, options);
  }
  inspect.custom = SymbolFor("nodejs.util.inspect.custom");
  inspect.defaultOptions = { depth: 2, breakLength: 80, compact: 3, maxArrayLength: 100, maxStringLength: 10000 };

  return {
    inspect,
    format: (...args) => formatArgs(args),
    formatWithOptions: (options, ...args) => formatArgs(args),
  };
});
