package admission

import "time"

const (
	// WaitTarget is the wait in a worker's queue from which on a further worker is worth its wake-ups. Sixteen callers of a 20 µs
	// script stay at one worker, which on two cores served more requests than four did.
	WaitTarget = 500 * time.Microsecond
	// Backlog is the wait in a worker's queue up to which calls may queue there while their tenant has as many workers as pay: they would only
	// wait elsewhere, and the worker would wait for them on a machine whose processors are all in use.
	Backlog = 2 * time.Millisecond
	// MaxDepth bounds a worker's queue.
	MaxDepth = 64
	// Long is a running time after which a script of which nothing is known counts as a long one.
	Long = 5 * time.Millisecond
	// Stuck is a running time after which an execution of a short script counts as held up for good, and nothing waits behind it
	// any more. On a machine whose processors are all in use a process may be kept waiting for about as long.
	Stuck = 20 * time.Millisecond
	// learning is how many executions a script has before its time is taken for what it is: the first ones are slow, since V8 compiles
	// and interprets then.
	learning = 8
)

// sleptAfter is how much longer than its CPU time an execution may take before it counts as one that sleeps. Less is what a busy machine
// does to any process.
const sleptAfter = 10 * time.Millisecond

// Estimate is what is known about a script's executions. The zero value knows nothing.
type Estimate struct {
	time    time.Duration // moving average that follows short times fast and long ones slowly: see Observe
	took    time.Duration // the same of how long executions with host calls took in all; 0: there was none
	waiting uint32        // moving average of "made a host call", in 1/1024
	seen    uint8         // executions that were observed, up to learning
	known   bool
	slept   bool // the last one took sleptAfter longer than its CPU time
}

// Observe adds an execution that took d of CPU time and slept longer than that, and that made host calls or not.
//
// A short time counts for half of the average and a long one for a sixteenth: on a machine whose processors are all in use any
// execution may take some milliseconds longer than its own work, and a script must not be taken for a long one then. One that
// really is long is known as such after its first execution all the same, since a sixteenth of its time is more than WaitTarget.
//
// Time without a processor counts from the second execution in a row on that had sleptAfter of it: a script that sleeps does so again and
// again, and a worker that was kept waiting for a processor was so by chance. Where one such execution counted, a tenant in a hundred had a
// further worker with each second, on a machine that had no processor for it either.
func (e *Estimate) Observe(d, slept time.Duration, hostCalls bool) {
	var w uint32
	if hostCalls {
		w = 1024
		switch took := d + slept; {
		case e.took == 0:
			e.took = took
		case took < e.took:
			e.took -= (e.took - took) / 2
		default:
			e.took += (took - e.took) / 16
		}
	}
	if sleeps := slept >= sleptAfter; sleeps && e.slept {
		d += slept
	} else {
		e.slept = sleeps
	}
	e.seen = min(e.seen+1, learning)
	if !e.known {
		e.known, e.time, e.waiting = true, d, w
		return
	}
	if d < e.time {
		e.time -= (e.time - d) / 2
	} else {
		e.time += (d - e.time) / 16
	}
	e.waiting = (e.waiting*7 + w) / 8
}

// AtLeast says that an execution is under way that has taken d already. It counts where nothing better is known.
func (e *Estimate) AtLeast(d time.Duration) {
	if !e.known {
		e.known, e.time = true, d
	}
}

// Waits reports whether executions of the script mostly wait for host calls, so that they take no processor meanwhile.
func (e *Estimate) Waits() bool { return e.waiting > 128 }

// Learning reports whether the script's executions took longer than short ones do, and may become short: few were observed, and none of
// them was a long one.
func (e *Estimate) Learning() bool {
	return e.known && e.seen < learning && e.time > WaitTarget && e.time < Long
}

// Short reports whether others may wait for an execution of the script: it is short, or may turn out to be.
func (e *Estimate) Short() bool { return !e.known || e.Depth() > 1 }

// Overdue is how long an execution may take before others no longer wait for it.
func (e *Estimate) Overdue() time.Duration {
	if e.Depth() > 1 && !e.Learning() {
		return Stuck
	}
	return Long
}

// Known reports whether anything was observed.
func (e *Estimate) Known() bool { return e.known }

// Time is the expected duration of an execution.
func (e *Estimate) Time() time.Duration { return e.time }

// Depth is how many executions may be at one worker, the running one included: 1 if they must not queue there.
func (e *Estimate) Depth() int { return e.depth(WaitTarget) }

// depth is Depth for a wait of so long.
func (e *Estimate) depth(wait time.Duration) int {
	switch {
	case !e.known || e.waiting > 128:
		return 1
	case e.Learning():
		return 2
	case e.time > WaitTarget:
		return 1
	}
	return int(min(MaxDepth, 1+wait/max(e.time, time.Microsecond)))
}

// Brief reports whether executions of the script wait for host calls, but so briefly that the next call had better wait for one of them than for
// a further isolate, whose creation takes longer and whose code is cold.
func (e *Estimate) Brief() bool {
	return e.Waits() && (e.took < Long || e.seen < learning && e.took < 10*Long)
}

// Workers is how many further workers n waiting executions are worth, if running workers serve them already and are not held up
// by a long one.
func (e *Estimate) Workers(n, running int) int {
	switch {
	case n == 0:
		return 0
	case !e.known, e.Learning() && e.Depth() > 1:
		return max(0, 1-running) // one shows what they are like
	case e.Brief() && e.took >= Long:
		return max(0, min(n, 2-running)) // the first ones are slow: two show what they are like
	case e.Brief():
		return max(0, int((time.Duration(n)*e.took+2*WaitTarget-1)/(2*WaitTarget))-running)
	case e.Depth() == 1:
		return n
	}
	return max(0, int((time.Duration(n)*e.time+WaitTarget-1)/WaitTarget)-running)
}

// Wait is how long the last of n executions waits when running workers serve them.
func (e *Estimate) Wait(n, running int) time.Duration {
	return time.Duration(n) * e.time / time.Duration(max(1, running))
}
