package warm

/*
#cgo CXXFLAGS: -std=c++17 -Wall -Wextra -fno-exceptions -fno-rtti
#include <stdlib.h>
#include "frame.h"
*/
import "C"

import (
	"unsafe"

	"example.com/jsruntime/engine/internal/wire"
)

// resultRoom is JSR_RESULT_ROOM.
const resultRoom = C.JSR_RESULT_ROOM

// parseRun is jsr_run_parse, for the tests that compare it with package wire. m shares the payload's memory.
func parseRun(payload []byte) (m wire.Run, ok bool) {
	var r C.jsr_run
	if C.jsr_run_parse((*C.uint8_t)(unsafe.SliceData(payload)), C.size_t(len(payload)), &r) == 0 {
		return m, false
	}
	part := func(p *C.uint8_t, n C.size_t) []byte {
		at := uintptr(unsafe.Pointer(p)) - uintptr(unsafe.Pointer(unsafe.SliceData(payload)))
		return payload[at : at+uintptr(n)]
	}
	return wire.Run{
		Seq: uint32(r.Seq), Slot: uint32(r.Slot), Handler: wire.Handler(r.Handler), WallMillis: uint32(r.WallMillis), CPUMillis: uint32(r.CPUMillis),
		OutputLimit: uint32(r.OutputLimit), LogLimit: uint32(r.LogLimit), HasBody: r.HasBody == 1,
		Context: part(r.Context, r.ContextLength), Head: part(r.Head, r.HeadLength), Body: part(r.Body, r.BodyLength),
	}, true
}

// isASCII is jsr_ascii.
func isASCII(b []byte) bool {
	return C.jsr_ascii((*C.uint8_t)(unsafe.SliceData(b)), C.size_t(len(b))) == 1
}

// writeResult splits text into lines of headers and a body, and writes the frame of m with these into room bytes. A nil frame means that text
// has not so many lines, or that the room is too small.
func writeResult(m *wire.Result, text []byte, lines int32, room int) []byte {
	// Pointers that C keeps in c belong to C's memory.
	c := (*C.jsr_result)(C.calloc(1, C.sizeof_jsr_result))
	defer C.free(unsafe.Pointer(c))
	in := (*C.uint8_t)(C.CBytes(append(text[:len(text):len(text)], 0))) // never without memory
	defer C.free(unsafe.Pointer(in))
	if C.jsr_answer_split(in, C.size_t(len(text)), C.int32_t(lines), c) == 0 {
		return nil
	}
	c.Seq, c.Status = C.uint32_t(m.Seq), C.uint32_t(m.Status)
	c.WallMicros, c.CPUMicros, c.PeakMemory, c.LogBytes = C.uint64_t(m.WallMicros), C.uint64_t(m.CPUMicros), C.uint64_t(m.PeakMemory), C.uint64_t(m.LogBytes)
	to := make([]byte, room+1)
	n := C.jsr_result_write((*C.uint8_t)(unsafe.SliceData(to)), C.size_t(room), c)
	if n == 0 {
		return nil
	}
	return to[:n]
}
