// Package compile turns a script's source, TypeScript or JavaScript, into the one classic script that a worker runs, with the source map
// by which the worker names places of the source in stack traces (see package sourcemap).
//
// # What comes out
//
// Output.Compiled is one expression whose value is a function:
//
//	(function(module,exports,require,__jsruntime_meta,__jsruntime_import,__jsruntime_require,import$,__import$){"use strict";
//	…CommonJS made by esbuild…
//	})
//
// The worker evaluates it, and calls it with module = {exports: {}}, its exports, a require that knows "jsruntime" and throws for every
// other name, import.meta, functions for the import() and require() of patterns (patterns.go), and the function that an import() calls.
// The handlers are then members of module.exports.default, or of module.exports where the source was CommonJS. The source map
// already counts the wrapper, so that a position in Compiled needs no correction: nothing may be put before Compiled on its first line.
// A source map that the source carries as a comment is followed to the sources that it names.
//
// With a top-level await the function is async, and the worker calls it within the script's first execution.
//
// # Modules of Node
//
// node:buffer, node:crypto and their like (nodeModules in node.go) are bundled with the sources that import them, with the prefix or
// without, and count against MaxCompiledBytes; other scripts have nothing of them. nodelib/vendor has kept packages, each in one
// file with its dependencies, made by command nodelib; the files of nodelib are ours and give them the shape of Node's modules. Their
// positions are not in the source map. Where a bundler has put CommonJS into an ES module, its calls of a require that it does not know
// are found in the text, and the worker's require is given those modules. node:async_hooks, and the text that node:util's inspect makes,
// are the worker's.
//
// # What is refused
//
//	source over MaxSourceBytes, NUL, invalid UTF-8    Diagnostics at the place
//	syntax errors                                     esbuild's words, at the place
//	a static import of what is neither of these       at the import: npm packages are bundled before upload
//	output over MaxCompiledBytes                      at 1:1
//	a source that no compiler finishes                nesting or backtracking beyond the child's time, stack or memory
//
// All of these are *Error: the author's. Any other error is ours.
//
// Packages look for modules that may be there, and go on without. So what is not in the upload is no error of the source where it is
// asked for at run time:
//
//	import("x")                     a rejection, code ERR_MODULE_NOT_FOUND
//	require("x"), require.resolve   an Error, code MODULE_NOT_FOUND
//	import.meta                     an object with url
//
// # Handlers
//
// Output.Handlers are the handlers that can be seen in the text of the default export: an object literal's members, the one
// handler of the script's type for a function. Where the default export cannot be seen through (export default app, a spread,
// a computed name), Output.Open is set, and only a run can say which handlers exist.
//
// # Whose turn it is
//
// A Compiler starts one child a source. Tenants take turns at its few places (admission.Turns): one tenant's backlog costs another
// tenant one compilation of wait at most. What it has compiled or refused it remembers by the source's hash, so that a source that
// comes again costs nothing.
//
//	the tenant's queue is full              BusyError, scope tenant
//	the node's queue is full, or too slow   BusyError, scope node
//	no memory for it in the node's budget   admission.OverBudgetError
//
// # The child
//
// A child has an empty environment, a low priority, 2 s of CPU time and ChildMemory, and is what the kernel kills first when memory runs
// out. Once it has read its source it gives up its user, files and network (sandbox.Confine): an attacker who breaks esbuild with a source can
// still only answer, and the node takes no answer that a compiler would not give.
package compile
