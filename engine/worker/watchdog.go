package worker

import (
	"time"

	"example.com/jsruntime/engine/internal/warm"
	"example.com/jsruntime/engine/internal/wire"
)

// terminateTicks is how many ticks a termination is repeated after.
const terminateTicks = 2

// watch is what happens beside the main thread. Its thread waits for a timer of the kernel's, which the main thread sets where it is not
// set: waking a thread costs the waker a context switch at once, and most executions are over before there is anything to watch.
func (w *worker) watch() {
	n := 0
	heldBefore := false
	for {
		w.loop.Wait()
		n++
		warms, since := w.loop.Running()
		active, held := w.cur.active.Load() || warms, w.loop.Held()
		if active || held {
			w.loop.Stir()
		}
		if held && heldBefore {
			_ = w.loop.Flush() // the main thread sees the error at its next flush
			held = false
		}
		heldBefore = held
		if !active {
			continue
		}
		if warms && (since <= warm.Tick/2 || !w.adopt()) {
			continue
		}
		now := time.Now()
		w.cur.mu.Lock()
		stopped := w.cur.stop != ""
		long := now.Sub(w.cur.began) > warm.Tick/2
		inJS := w.cur.inJS
		w.cur.mu.Unlock()
		if !long {
			continue
		}
		if !stopped || n%terminateTicks == 0 {
			w.cur.check(now)
		}
		if inJS {
			w.in.peek(w.look)
			w.answerStopped()
			w.cur.hear(w.loop)
		}
		w.sample()
	}
}

// look sees frames that arrived while JavaScript runs. The inbox is locked.
func (w *worker) look(kind wire.Kind, payload []byte) {
	if kind != wire.KindCancel {
		return
	}
	if m, err := wire.ParseCancel(payload); err == nil {
		w.cancel(m)
	}
}
