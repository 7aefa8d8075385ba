package pool

import (
	"fmt"
	"time"

	"example.com/jsruntime/engine/internal/wire"
)

// A worker that keeps to the protocol, and sends more small frames than the node can read beside its other work, is slowed down: its
// reader waits. What a worker of ours never sends, however its scripts behave, ends it (FloodError); package engine knows that for the
// frames of an execution.

const (
	// frameRate and frameBurst bound the frames of one worker that are no answers to the node's own. A frame costs the node 1 to 2 µs, so
	// that a flood costs it a thirtieth of a processor.
	frameRate  = 20_000 // a second
	frameBurst = 20_000
	// byteRate and byteBurst bound what they carry.
	byteRate  = 128 << 20 // a second
	byteBurst = 64 << 20
	// paceWait is how long a reader waits at one time.
	paceWait = 20 * time.Millisecond
	// lateFrames bounds the frames of one worker for Runs that have ended. One of ours sends none but where two frames cross.
	lateFrames = 10_000
)

// FloodError is a breach of the frames that an execution may send. The worker is killed with CauseFlood.
type FloodError string

func (e FloodError) Error() string { return string(e) }

// pace is what a worker may send without being slowed down. Its reader owns it.
type pace struct {
	frames, bytes int64 // left
	at            time.Time
	late          int
}

func newPace(now time.Time) pace { return pace{frames: frameBurst, bytes: byteBurst, at: now} }

// take counts a frame and returns how long the reader waits before it handles it.
func (p *pace) take(k wire.Kind, n int, clock func() time.Time) time.Duration {
	switch k {
	case wire.KindResult, wire.KindLoaded, wire.KindAnswer, wire.KindGoesOn:
		return 0 // at most one for each Run, Load or Cancel of the node's
	}
	p.frames--
	p.bytes -= int64(n)
	if p.frames >= 0 && p.bytes >= 0 {
		return 0
	}
	now := clock()
	d := min(now.Sub(p.at), time.Second)
	p.at = now
	p.frames = min(p.frames+int64(d)*frameRate/int64(time.Second), frameBurst)
	p.bytes = min(p.bytes+int64(d)*byteRate/int64(time.Second), byteBurst)
	if p.frames >= 0 && p.bytes >= 0 {
		return 0
	}
	return paceWait
}

// lateFrame counts a frame for a Run that has ended.
func (p *pace) lateFrame() error {
	if p.late++; p.late > lateFrames {
		return FloodError(fmt.Sprintf("the worker sent more than %d frames for executions that have ended", lateFrames))
	}
	return nil
}
