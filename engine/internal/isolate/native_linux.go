package isolate

/*
#include <stdint.h>
#include <stdlib.h>
int jsr_layout(int major, int minor);
void* jsr_hook(const char* name, void* made);
void jsr_forget(void* hook);
int jsr_limit_hits(void* hook);
int jsr_pump(void* hook, int tasks, int64_t micros);
void jsr_pressure(void* hook);
void jsr_relieve(void* hook);
int jsr_flags(const char* text);
int jsr_probe_slots(void);
int jsr_probe_new(void);
int jsr_probe_malloc(void);
const char* jsr_icu(uint8_t* icu);
int jsr_lazy(const char* name, const char* names, int attributes);
int jsr_holder(const char* name);
int jsr_continuation(const char* name);
int jsr_hold(const void* data, int length, int wide);
void jsr_collect(void);
void jsr_entropy(void);
void jsr_fatal_handlers(void);
void jsr_crash_handlers(int statm_fd);
void jsr_trim(void);
int jsr_compiles(void);
void* jsr_text(const char* data, size_t length);
uintptr_t* jsr_compile(void* resource, const char* source, int length, const char* origin, const uint8_t* cache, int cache_length, int* accepted);
int jsr_run(uintptr_t* script, const char* name);
void* jsr_code_cache(uintptr_t* script, int* length);
void jsr_drop(uintptr_t* script);
int jsr_warm_supported(void);
int jsr_warm(const char* name, void* hook, size_t heap_limit);
void jsr_cool(void* hook);
int jsr_warm_begin(void* hook, const uint8_t* start, size_t n, const uint8_t* body, size_t body_length);
int jsr_warm_pump(void* hook, int ended);
int jsr_warm_reply(void* hook, const uint8_t* payload, size_t n, int ascii, const uint8_t* body, size_t body_length);
void jsr_exchange(void* hook, uint8_t* exchange, size_t length);
uint64_t jsr_warm_used(void* hook);
size_t jsr_warm_text(void* hook, uint8_t* to, size_t room);
const char* jsr_warm_message(void* hook);
uint64_t jsr_warm_usage(void* hook, uint64_t* limit);
*/
import "C"

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unsafe"
)

// hookRejections makes the function that globalThis has under name the promise hook of the current context. It must be called from
// within a callback, so that a context is entered. made is what it returned for the isolate before, nil at first; nil is a failure.
func hookRejections(name string, made unsafe.Pointer) unsafe.Pointer {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return C.jsr_hook(c, made)
}

// forgetHook is called once the hook's isolate is gone.
func forgetHook(hook unsafe.Pointer) { C.jsr_forget(hook) }

// limitHits is how often the heap limit of the hook's isolate was reached.
func limitHits(hook unsafe.Pointer) int { return int(C.jsr_limit_hits(hook)) }

// pump runs what V8 has put off for the hook's isolate: at most so many tasks, none begun after budget. It returns how many ran.
func pump(hook unsafe.Pointer, tasks int, budget time.Duration) int {
	return int(C.jsr_pump(hook, C.int(tasks), C.int64_t(budget.Microseconds())))
}

// pressure makes V8 give back what it can at the script's next loop or call. It may be called from any thread.
func pressure(hook unsafe.Pointer) { C.jsr_pressure(hook) }

// relieve is pressure on the isolate's own thread, between calls.
func relieve(hook unsafe.Pointer) { C.jsr_relieve(hook) }

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

// takeHolder makes the object that globalThis has under name the object that hold gives strings to. It must be called as hookRejections.
func takeHolder(name string) bool {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return C.jsr_holder(c) == 1
}

// giveContinuation gives the object that globalThis has under name the functions get and set of what V8 keeps for the reactions of
// promises. It must be called as hookRejections.
func giveContinuation(name string) bool {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return C.jsr_continuation(c) == 1
}

// holdBytes gives the holder a string with one character for each byte; holdUnits one of UTF-16 units. False means that V8 makes no such
// string. They must be called as hookRejections.
func holdBytes(b []byte) bool {
	return len(b) <= math.MaxInt32 && C.jsr_hold(unsafe.Pointer(unsafe.SliceData(b)), C.int(len(b)), 0) == 1
}

func holdUnits(u []uint16) bool {
	return len(u) <= math.MaxInt32 && C.jsr_hold(unsafe.Pointer(unsafe.SliceData(u)), C.int(len(u)), 1) == 1
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

// setFlags sets V8's flags. V8 itself does no more with one that it does not know than print a line.
func setFlags(flags ...string) error {
	for _, f := range flags {
		c := C.CString(f)
		code := C.jsr_flags(c)
		C.free(unsafe.Pointer(c))
		if code != 0 {
			return fmt.Errorf("V8 %s does not know the flag %s", Version(), f)
		}
	}
	return nil
}

// useLayout makes the hook assume what holds for V8's version.
func useLayout(version string) error {
	major, minor := numbers(version)
	if C.jsr_layout(C.int(major), C.int(minor)) == 0 {
		return fmt.Errorf("the hook knows no layout for V8 %s", version)
	}
	return nil
}

// compiles reports whether this V8 compiles scripts as the functions below ask it to.
func compiles() bool { return C.jsr_compiles() == 1 }

// newText makes the text of strings that V8 keeps no copy of. b must be ASCII. It is kept for as long as the process lives: mapped says that it
// is no memory of Go's and stays as it is, else it is copied.
func newText(b []byte, mapped bool) unsafe.Pointer {
	p := unsafe.Pointer(unsafe.SliceData(b))
	if !mapped {
		p = C.CBytes(b)
	}
	return C.jsr_text((*C.char)(p), C.size_t(len(b)))
}

// script is a compiled script, which belongs to no context.
type script *C.uintptr_t

// compile compiles a text of newText's, or source where that is nil, with a code cache if cache is one: nil where V8 does not take it. accepted
// says that V8 took the cache. compile, run and codeCache must be called as hookRejections.
func compile(text unsafe.Pointer, source, origin string, cache []byte) (s script, accepted bool) {
	if len(source) > math.MaxInt32 || len(cache) > math.MaxInt32 {
		return nil, false
	}
	name := C.CString(origin)
	defer C.free(unsafe.Pointer(name))
	var took C.int
	s = C.jsr_compile(text, (*C.char)(unsafe.Pointer(unsafe.StringData(source))), C.int(len(source)), name,
		(*C.uint8_t)(unsafe.SliceData(cache)), C.int(len(cache)), &took)
	return s, took == 1
}

// run runs a script in the current context, and gives globalThis its value under name.
func run(s script, name string) bool {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return C.jsr_run(s, c) == 1
}

// codeCache returns what compile takes as a cache, nil where V8 makes none.
func codeCache(s script) []byte {
	var n C.int
	p := C.jsr_code_cache(s, &n)
	if p == nil {
		return nil
	}
	defer C.free(p)
	return C.GoBytes(p, n)
}

// drop gives a script back.
func drop(s script) { C.jsr_drop(s) }

func probeSlots() bool { return C.jsr_probe_slots() == 1 }

// probeAllocator reports what of the C library's allocator is not as Trim and the handler of failed allocations need it.
func probeAllocator() error {
	switch {
	case C.jsr_probe_malloc() != 1:
		return fmt.Errorf("malloc or operator new is not the C library's: memory could not be given back, nor its failure told")
	case C.jsr_probe_new() != 1:
		return fmt.Errorf("a failed operator new does not ask for the handler: the end of memory could not be told")
	}
	return nil
}

// icuVersions returns the versions of ICU and of its time zone data, "unknown" where they are not found.
func icuVersions() (icu, zones string) {
	var v [4]C.uint8_t
	icu, zones = "unknown", "unknown"
	if z := C.jsr_icu(&v[0]); z != nil {
		zones = C.GoString(z)
	}
	if v[0] > 0 {
		icu = fmt.Sprintf("%d.%d", v[0], v[1])
	}
	return icu, zones
}

// Trim gives the C heap's free memory back to the kernel.
func Trim() { C.jsr_trim() }

// warmSupported reports whether this V8 has what the warm path needs.
func warmSupported() bool { return C.jsr_warm_supported() == 1 }

// takeWarm makes the object that globalThis has under name the one whose functions begin, end, reply and answered the warm path calls. It must be called as
// hookRejections.
func takeWarm(name string, hook unsafe.Pointer, heapLimit uint64) bool {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return C.jsr_warm(c, hook, C.size_t(heapLimit)) == 1
}

// cool gives back what takeWarm took of the context.
func cool(hook unsafe.Pointer) { C.jsr_cool(hook) }

// exchangeAt says where the buffer for bytes is that belongs to the hook's isolate. b is V8's memory; nil: there is none any more.
func exchangeAt(hook unsafe.Pointer, b []byte) {
	C.jsr_exchange(hook, (*C.uint8_t)(unsafe.SliceData(b)), C.size_t(len(b)))
}

// warmMessage is what the warm path's last call into the hook's isolate threw.
func warmMessage(hook unsafe.Pointer) string { return C.GoString(C.jsr_warm_message(hook)) }

// warmUsage is what the warm path reads of the memory of the hook's isolate.
func warmUsage(hook unsafe.Pointer) (used, limit uint64) {
	var l C.uint64_t
	used = uint64(C.jsr_warm_usage(hook, &l))
	return used, uint64(l)
}

// WarmCalls returns the C functions by which package warm runs isolates; null where this V8 has not what they need.
func WarmCalls() (begin, pump, used, reply unsafe.Pointer) {
	if !warmSupported() {
		return nil, nil, nil, nil
	}
	return C.jsr_warm_begin, C.jsr_warm_pump, C.jsr_warm_used, C.jsr_warm_reply
}

// WarmText returns the C function by which package warm takes responses that are not short; nil where WarmCalls has none.
func WarmText() unsafe.Pointer {
	if !warmSupported() {
		return nil
	}
	return C.jsr_warm_text
}
