// Package sandbox is the operating system's wall around a worker: what is left when V8 itself is broken.
//
// The node's side (Attr) starts the worker in namespaces of its own, as another user where it is root. The worker's side
// (Before, Lock) gives up everything that it does not need, for good, before it is handed any code.
package sandbox
