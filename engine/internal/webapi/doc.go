// Package webapi holds the JavaScript that gives scripts their globals. It is plain text to Go: the isolate package compiles
// it once a node (an image, see package isolate) or once a worker, and runs it in every new context.
//
// # Files
//
// Each file in js/ is one classic-script function expression, (function (core) { "use strict"; … return { … } }). Package
// webapi joins them into one script whose value is an object {name: function}. boot.js comes first: it captures the
// primordials, gets the natives and makes core. Every other file is called with core, once a context: the small and always
// needed ones at boot, the others when one of their globals is first read (globals.js). What a file returns are its
// exports, which other files reach as core.use("name").
//
// A file never uses a global that a script could have replaced: it takes what it needs from core.primordials, which boot.js
// filled before any of the tenant's code ran, and keeps private state in closures, #fields or WeakMaps.
//
// # Checks
//
// make types has TypeScript check jsruntime.d.ts with the samples in testdata (versions 5.9, 6 and 7), and the files of js: each as a module
// whose core is typed by js/core.ts, so that what core.use gives is checked from file to file. An object that gets its members later is
// marked with /** @type {any} */. A test of cmd/jsruntime runs a sample with every declared member and compares it with what is there.
// globals.d.ts, the second part of the types, is written by globaltypes: the globals that are there, and no other.
//
// # core
//
//	primordials                      the captured built-ins: uncurryThis'd methods (ArrayPrototypePush(a, v)), constructors,
//	                                 SafeMap, SafeWeakMap, SafePromise helpers, JSONParse, JSONStringify …
//	use(file)                        exports of a file, running it if need be
//	native(op, text, bytes?)         synchronous call into the worker's Go code. Returns a string, or a Uint8Array for the ops
//	                                 that are documented to. Throws {name, message} as an Error of that name. Ops:
//	                                   "random"      text = byte count                       → Uint8Array
//	                                   "text.decode" text = {label, fatal}; bytes            → string (legacy encodings)
//	                                   "codec.open"  text = "compress format" or "decompress format", and " force" → string: the
//	                                                 codec's name, "" where too many are open. It ends with the execution.
//	                                   "codec.write" text = name; bytes: at most 64 KiB      → Uint8Array
//	                                   "codec.next"  text = name: what else comes of it      → Uint8Array, empty: write more
//	                                   "codec.close" text = name: the data ends              → Uint8Array
//	                                   "codec.drop"  text = name
//	                                   "place"       text = "line:column" of the compiled script → string: "file:line:column" of the
//	                                                 author's sources, "" for code of ours
//	                                   "url.toASCII" text = domain                           → string (IDNA, "" if invalid)
//	                                   "crypto"      text = JSON {op, …}; bytes = the inputs → Uint8Array or JSON string
//	texts                            an object whose getters convert its text and bytes in C++: see v8text_linux.cc of package isolate.
//	                                 encoding.js alone uses them
//	hostCall(method, args, bytes?)   asynchronous call of the node. args is JSON-able. Resolves to {value, bytes, stream}: the
//	                                 JSON payload, a Uint8Array or null, and for streamed bodies a pull source
//	                                 {read(): Promise<Uint8Array|null>, cancel()}. Rejects with an Error of the node's name,
//	                                 message, code and retryAfter. The promise has .cancel() beside it: {promise, cancel}.
//	now()                            milliseconds since the execution began, as a float
//	execution                        the current one: {id, trigger, attempt, deadline, params, signal …}, undefined at load time
//	log(level, text)                 one line of the execution's log (0 debug … 3 error); bounded and truncated there
//	stackOf(error)                   its stack, with those of its cause and errors; "" for what has none
//	inspect(value, opts?)            the text that console.log prints for a value (from console.js)
//	reportError(error)               an error that nothing caught (a throwing timer or listener): fails the execution
//	report(error)                    the same
//	setTimer(fn, ms, repeat)         runs fn in the worker's loop after ms milliseconds, every ms where repeat is true; returns a
//	                                 positive number. Throws at load time, as hostCall does. fn is called without arguments.
//	clearTimer(number)
//	frames                           the asynchronous context: what the stores of AsyncLocalStorage are at a time. used is false until the
//	                                 first of them. take() → the current frame, for what runs a function of the script later;
//	                                 run(frame, fn, self, args) then. Reactions of promises need nothing: V8 keeps it for them
//	lazy(make, hidden, shown)        defines globals whose values make(name) gives when they are first read: those that are not
//	                                 enumerable and those that are, with spaces in between. Once only
//	files                            the functions of all files by name
//
// Primordials are named as Node's: ArrayPrototypePush, ObjectKeys, MapPrototypeGetSize, SymbolIterator, TypedArrayPrototypeGetLength,
// ArrayIteratorPrototypeNext; and the constructors and prototypes themselves (Array, ArrayPrototype). A built-in is captured because a
// file names it: primordials.go generates the assignments.
//
// # Files that boot.js calls
//
//	globals      run at boot, right after core is made: it defines the lazy properties that run the others
//	fetchEvent   core.use("fetchEvent") exports, for the fetch handler:
//	               makeRequest(head, bytes, text) → Request. head is {method, url, headers} of Run.Head, where headers is
//	                 "name\nvalue\n…", which is cut when a script asks for headers. bytes is a Uint8Array that the request may keep,
//	                 or null; text is the body where it is valid UTF-8 without a byte order mark, or null. Both null: no body.
//	               takeResponse(response) → {status, list, type, body}. list has names and values of headers (each character a byte), and
//	                 is the response's own where a script has asked for its headers: it may change once the script runs again. null:
//	                 there is none. type is a content-type that comes after them, or null. body is a string, a Uint8Array, null, or a
//	                 pull source {read(): Promise<Uint8Array|null>, cancel(reason)} for a body that is a stream or not known yet.
//	                 Throws a TypeError where response is not a usable Response. A promise is awaited by the caller before.
//	module       core.use("module") → the object that require("jsruntime") returns
//	asynchooks   core.use("asynchooks") → the object that require("node:async_hooks") returns. boot.js's builtins lists such modules
//	abort        core.use("abort").makeSignal() → {signal, abort(reason)} of ctx.signal
//	domexception core.use("domexception").DOMException, the reason of ctx.signal (TimeoutError, AbortError)
//	console      core.use("console").inspect(value, opts), behind core.inspect
//
// The crypto op is Go code of this package: func Crypto(text string, data []byte) (reply string, bytes []byte, err error), in
// crypto.go. An *OpError{Name, Message} becomes an Error of that name. The other ops are the isolate package's.
//
// All files see globalThis as V8 makes it, less WebAssembly, SharedArrayBuffer and Atomics.wait, which boot.js removes first.
//
// # ctx
//
// limits has the names of resource_limits. usage asks the worker (op "usage": a JSON array of milliseconds of CPU time, bytes of memory and
// bytes of the log).
//
// Load.Static and Run.Context are JSON objects whose members become those of ctx: organizationId, scriptId, scriptName,
// version, limits from the former; executionId, trigger, attempt from the latter; tenantId and tenantSlug from Lease.
// Input shapes that the node sends: scheduled {cron, scheduledTime, timezone}; event {id, type, time, data}; run any JSON.
//
// # Stacks
//
// boot.js puts a function into Error.prepareStackTrace, which V8 calls when an error's stack is first read. It names the places of the
// author's sources, and leaves out frames of our own: so e.stack, what console prints of an error, and how an execution failed have the same
// text. A script may put its own function there, as in Node; what it makes of raw positions is mapped where it reaches the log or an
// execution's error.
//
// # Conformance
//
// make verify runs the web-platform-tests that Node.js 20.19.2 carries (make wpt), and fails where they fail otherwise than wpt/expected.txt
// says, which gives the reason for each failure: 34,330 of 34,522 pass. They have no tests of fetch, of compression and of URLPattern.
//
// make wpt WPT=folder runs another copy (command wpt). On 2026-11-25, with the public snapshot of 2021-07-21 and, for
// urlpattern, the test data of 2025-05-07:
//
//	area              passed   total       %   what fails, and why
//	url                 1776    1792   99.1    the snapshot is older than today's rules for IPv4-like hosts, control characters and ^
//	urlpattern           337     337  100.0
//	headers               75      75  100.0
//	request              138     141   97.9    duplex is required for streams today; FormData has a closing boundary even if it is empty
//	response             133     139   95.7    the same; two tests want a server's answer
//	body                   8       8  100.0
//	abort                  7       7  100.0
//	events                35      35  100.0
//	encoding           11172   11184   99.9    iso-2022-jp by Go's decoder, which forgives more, and only at the end of a stream
//	streams              967     974   99.3    releaseLock with pending reads, and transformers' cancel, are today's standard
//	structured-clone     106     106  100.0
//	timers                13      13  100.0
//	atob                 380     380  100.0
//	crypto             21087   21201   99.5    deriveBits of 0 bits is allowed today; AES-GCM's tagLength 256 is a TypeError by Web IDL
//	file                 225     225  100.0
//	formdata              36      36  100.0
//	time                   7       7  100.0
//	console               21      21  100.0
//	compression          155     155  100.0
//	data-urls            152     152  100.0
//	mime                1300    1306   99.5    a line break at a header value's edge is stripped today, not refused
//	all                38130   38294   99.6
//
// Left out as not applicable: tests that ask for a document, XMLHttpRequest, shared memory or a server, and the
// browser's list of request headers that a page must not set (a server's script may set Cookie and Host). Those of message channels were
// not run yet.
package webapi
