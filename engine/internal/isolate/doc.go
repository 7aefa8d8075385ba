// Package isolate runs scripts in V8. It is the only package that imports the V8 binding, so that a newer V8 is a change of go.mod.
//
//	Runtime   one a process: V8's flags, the joined web API script and its code cache
//	Isolate   one a script: a V8 isolate with one context (the script's version) and the functions of boot.js
//
// # Rules
//
//   - Everything but Terminate is called from one OS thread.
//   - The binding's return values are not trusted: how an execution went is read from the shared control block, which boot.js
//     writes, and from our own callback at V8's heap limit.
//   - What v8hook_linux.cc assumes of V8 is probed before there is any tenant's code: see probe.go. A worker whose V8 is different does
//     not start, and says why.
//   - V8's message loop is pumped between calls only (Pump), under the worker's watchdog, since callbacks of a FinalizationRegistry are
//     the script's code.
//   - Memory outside of V8's heap, as Intl's, is freed by finishers that wait for a collection and for the message loop. V8 does not
//     count it: the worker watches the process's size and asks V8 for collections (Pressed, Relieve).
//   - An isolate that was terminated is never used again (Condemned).
//   - The web API's text is outside of V8's heap, once for all isolates of a process, and with an image (image.go) once for all workers of
//     the node: an isolate took 1.9 MiB with a copy of it, and takes 1.3. Its functions are compiled when they are first called.
//   - What an image holds is run by workers of all tenants: it is made by a process that never has one.
//   - A script may be compiled with V8's code of it that another worker of the same tenant has made (Script.Cache). V8 does not check its
//     content: it may do in this process whatever native code may do here, which is what the tenant can do to itself. See package pool.
//   - Base64, UTF-8, UTF-16 and tables of one byte a character are converted by getters in C++ (v8text_linux.cc), without a call of Go. They
//     read strings and typed arrays that boot.js put into its holder, take lengths from V8 at the time of the call, and refuse shared memory.
//   - A script's values never reach Go: natives get strings, and bytes through a SharedArrayBuffer that boot.js took before the
//     global was deleted. Go copies out of and into it; scripts get copies in ordinary ArrayBuffers.
//   - Values that cross are released within the call; RetainedValues stays flat (tested).
package isolate
