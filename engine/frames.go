package engine

import (
	"fmt"

	"example.com/jsruntime/engine/internal/pool"
	"example.com/jsruntime/engine/internal/wire"
)

// frames counts what a worker sends for one execution, against what a worker of ours can send at most, and some room. More comes only from
// one that was taken over: it is killed. The worker's reader owns it. What a script can cause in any number (parts of a stream, calls) is
// slowed down instead: see package pool's budget.go.
type frames struct {
	logs, logBytes   int64
	cancels, credits int64
	empty            int64 // Chunks without data that are not the last
	refused          int64 // HostCalls beyond the number that may be open
	calls            int64
}

const (
	// logLineCost is what a worker counts for a line beside its bytes.
	logLineCost = 16
	// framesRoom is the room beside what is exact.
	framesRoom = 1024
)

// log counts a line.
func (f *frames) log(payload int, limit int64) error {
	f.logs++
	if f.logs > limit/logLineCost+framesRoom {
		return flood("%d log lines, with max_log_bytes %d", f.logs, limit)
	}
	f.logBytes += int64(payload)
	// The payload has three numbers beside the text.
	if f.logBytes > limit+24*f.logs+2*maxLogLine {
		return flood("%d bytes of log, with max_log_bytes %d", f.logBytes, limit)
	}
	return nil
}

// count counts any other frame. sent is how many Chunks the node has sent for the execution.
func (f *frames) count(k wire.Kind, sent int64) error {
	switch k {
	case wire.KindHostCall:
		f.calls++
	case wire.KindHostCancel:
		if f.cancels++; f.cancels > f.calls+framesRoom {
			return flood("%d cancelled host calls of %d", f.cancels, f.calls)
		}
	case wire.KindCredit:
		if f.credits++; f.credits > sent+framesRoom {
			return flood("%d credits for %d parts of streams", f.credits, sent)
		}
	}
	return nil
}

// emptyChunk counts a Chunk that carries nothing.
func (f *frames) emptyChunk() error {
	if f.empty++; f.empty > framesRoom {
		return flood("%d empty parts of streams", f.empty)
	}
	return nil
}

// refusedCall counts a HostCall that a worker of ours would have kept until another was answered.
func (f *frames) refusedCall() error {
	if f.refused++; f.refused > framesRoom {
		return flood("%d host calls beyond the %d that may be open", f.refused, wire.MaxOpenCalls)
	}
	return nil
}

func flood(format string, args ...any) error {
	return pool.FloodError("the worker floods the node: " + fmt.Sprintf(format, args...))
}
