// Package isolate runs scripts in V8. It is the only package that imports the V8 binding, so that a newer V8 is a change of go.mod.
//
//	Runtime   one a process: V8's flags, the joined web API script and its code cache
//	Isolate   one a script: a V8 isolate with one context (the script's version) and the functions of boot.js
//
// # Rules
//
//   - Everything but Terminate is called from one OS thread.
//   - The binding's return values are not trusted: how an execution went is read from the shared control block, which boot.js
//     writes, and from V8's own heap limit (its near-limit callback doubles it, so a grown limit means it fired).
//   - An isolate that was terminated is never used again (Condemned).
//   - A script's values never reach Go: natives get strings, and bytes through a SharedArrayBuffer that boot.js took before the
//     global was deleted. Go copies out of and into it; scripts get copies in ordinary ArrayBuffers.
//   - Values that cross are released within the call; RetainedValues stays flat (tested).
package isolate
