package isolate

/*
#include <stdlib.h>
int jsr_hook(const char* name);
int jsr_lazy(const char* name, const char* names, int attributes);
void jsr_collect(void);
void jsr_entropy(void);
void jsr_fatal_handlers(void);
void jsr_crash_handlers(int statm_fd);
void jsr_trim(void);
*/
import "C"

import (
	"strings"
	"unsafe"
)

// hookRejections makes the function that globalThis has under name the promise hook of the current context. It must be called from
// within a callback, so that a context is entered.
func hookRejections(name string) bool {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return C.jsr_hook(c) == 1
}

// lazyGlobals defines globals whose values the function that globalThis has under a name makes from theirs when they are first read.
// text has that name, the globals that are not enumerable, and those that are, a line each. It must be called as hookRejections.
func lazyGlobals(text string) bool {
	const dontEnum = 2 // v8::PropertyAttribute
	name, names, _ := strings.Cut(text, "\n")
	hidden, shown, _ := strings.Cut(names, "\n")
	n, h, s := C.CString(name), C.CString(hidden), C.CString(shown)
	defer C.free(unsafe.Pointer(n))
	defer C.free(unsafe.Pointer(h))
	defer C.free(unsafe.Pointer(s))
	return C.jsr_lazy(n, h, dontEnum) == 1 && C.jsr_lazy(n, s, 0) == 1
}

// collectGarbage frees what nothing refers to any more. It must be called as hookRejections.
func collectGarbage() { C.jsr_collect() }

// CatchCrashes makes a fatal signal in native code exit with wire.ExitMemory or wire.ExitCrash. statm is an open /proc/self/statm.
func CatchCrashes(statm int) {
	C.jsr_crash_handlers(C.int(statm))
	C.jsr_fatal_handlers()
}

// seedFromKernel makes V8 take its random seeds from getrandom(2).
func seedFromKernel() { C.jsr_entropy() }

// Trim gives the C heap's free memory back to the kernel.
func Trim() { C.jsr_trim() }
