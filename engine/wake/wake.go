// Package wake has the two ways in which a loop waits: for a time, or for a signal from another goroutine within a time. Both end with the
// loop's context.
package wake

import (
	"context"
	"time"
)

// Signal wakes one goroutine. A signal that is set again before it is seen is one. Its channel can be received from.
type Signal chan struct{}

// New returns a Signal that is not set.
func New() Signal { return make(Signal, 1) }

// Set wakes the goroutine that waits, or the next one that does. It does not block.
func (s Signal) Set() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// Clear forgets a signal that was not seen.
func (s Signal) Clear() {
	select {
	case <-s:
	default:
	}
}

// Sleep waits until d has passed, the signal is set or ctx is done, and reports whether ctx is still alive.
func (s Signal) Sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-s:
	}
	return ctx.Err() == nil
}

// Pause waits until d has passed or ctx is done, and reports whether ctx is still alive.
func Pause(ctx context.Context, d time.Duration) bool { return Signal(nil).Sleep(ctx, d) }
