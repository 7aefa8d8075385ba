package isolate

/*
#include <stdlib.h>
int jsr_hook(const char* name);
void jsr_entropy(void);
void jsr_fatal_handlers(void);
void jsr_crash_handlers(int statm_fd);
void jsr_trim(void);
*/
import "C"

import "unsafe"

// hookRejections makes the function that globalThis has under name the promise hook of the current context. It must be called from
// within a callback, so that a context is entered.
func hookRejections(name string) bool {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return C.jsr_hook(c) == 1
}

// CatchCrashes makes a fatal signal in native code exit with wire.ExitMemory or wire.ExitCrash. statm is an open /proc/self/statm.
func CatchCrashes(statm int) {
	C.jsr_crash_handlers(C.int(statm))
	C.jsr_fatal_handlers()
}

// seedFromKernel makes V8 take its random seeds from getrandom(2).
func seedFromKernel() { C.jsr_entropy() }

// Trim gives the C heap's free memory back to the kernel.
func Trim() { C.jsr_trim() }
