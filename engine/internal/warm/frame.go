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

// What frames may have beside their texts: JSR_RESULT_ROOM and its like.
const (
	resultRoom = C.JSR_RESULT_ROOM
	callRoom   = C.JSR_CALL_ROOM
	lineRoom   = C.JSR_LINE_ROOM
)

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

// parseReply is jsr_reply_parse, for the tests. m shares the payload's memory.
func parseReply(payload []byte) (m wire.HostReply, ok bool) {
	var r C.jsr_reply
	if C.jsr_reply_parse((*C.uint8_t)(unsafe.SliceData(payload)), C.size_t(len(payload)), &r) == 0 {
		return m, false
	}
	part := func(p *C.uint8_t, n C.size_t) []byte {
		at := uintptr(unsafe.Pointer(p)) - uintptr(unsafe.Pointer(unsafe.SliceData(payload)))
		return payload[at : at+uintptr(n)]
	}
	return wire.HostReply{
		Seq: uint32(r.Seq), Call: uint32(r.Call), OK: r.OK == 1, Stream: r.Stream == 1, Payload: part(r.Payload, r.PayloadLength), Body: part(r.Body, r.BodyLength),
	}, true
}

// writeCall writes the frame of m, which has neither a body nor a stream, into room bytes: nil where the room is too small.
func writeCall(m *wire.HostCall, room int) []byte {
	c := (*C.jsr_call)(C.calloc(1, C.sizeof_jsr_call)) // of C's memory, as what it points to
	defer C.free(unsafe.Pointer(c))
	method, args := C.CBytes(append([]byte(m.Method), 0)), C.CBytes(append(m.Args[:len(m.Args):len(m.Args)], 0))
	defer C.free(method)
	defer C.free(args)
	c.Seq, c.Call = C.uint32_t(m.Seq), C.uint32_t(m.Call)
	c.Method, c.MethodLength, c.Args, c.ArgsLength = (*C.uint8_t)(method), C.size_t(len(m.Method)), (*C.uint8_t)(args), C.size_t(len(m.Args))
	to := make([]byte, room+1)
	return whole(to, C.jsr_call_write((*C.uint8_t)(unsafe.SliceData(to)), C.size_t(room), c))
}

// writeLine writes the frame of m into room bytes: nil where the room is too small.
func writeLine(m *wire.Log, room int) []byte {
	c := (*C.jsr_line)(C.calloc(1, C.sizeof_jsr_line))
	defer C.free(unsafe.Pointer(c))
	text := C.CBytes(append([]byte(m.Message), 0))
	defer C.free(text)
	c.Seq, c.Level, c.Micros = C.uint32_t(m.Seq), C.uint32_t(m.Level), C.uint64_t(m.Micros)
	c.Text, c.TextLength = (*C.uint8_t)(text), C.size_t(len(m.Message))
	to := make([]byte, room+1)
	return whole(to, C.jsr_line_write((*C.uint8_t)(unsafe.SliceData(to)), C.size_t(room), c))
}

func whole(to []byte, n C.size_t) []byte {
	if n == 0 {
		return nil
	}
	return to[:n]
}
