package worker

import (
	"sync/atomic"
	"time"

	"jsruntime/engine/internal/wire"
)

// Ticks of the watchdog. One millisecond bounds how long an answer is held back; terminations are repeated every terminateTicks.
const (
	tick           = time.Millisecond
	terminateTicks = 20
	sampleTicks    = 5
	parkTicks      = 50 // of quiet, before it sleeps until the next execution
)

// watchdog is what happens beside the main thread. It costs nothing while the worker is idle.
type watchdog struct {
	w      *worker
	wake   chan struct{}
	parked atomic.Bool
}

// stir makes sure that the watchdog is awake.
func (d *watchdog) stir() {
	if d.parked.Load() && d.parked.CompareAndSwap(true, false) {
		d.wake <- struct{}{}
	}
}

func (d *watchdog) run() {
	w := d.w
	quiet, n := 0, 0
	heldBefore := false
	for {
		time.Sleep(tick)
		n++
		active, held := w.cur.active.Load(), w.out.held.Load()
		if !active && !held {
			heldBefore = false
			if quiet++; quiet >= parkTicks {
				d.parked.Store(true)
				if w.cur.active.Load() && d.parked.CompareAndSwap(true, false) {
					quiet = 0
					continue
				}
				<-d.wake
				quiet = 0
			}
			continue
		}
		quiet = 0
		if held && heldBefore {
			_ = w.out.flush() // the main thread sees the error at its next flush
			held = false
		}
		heldBefore = held
		if !active {
			continue
		}
		now := time.Now()
		w.cur.mu.Lock()
		stopped := w.cur.stop != ""
		long := w.cur.inJS && now.Sub(w.cur.began) > tick
		w.cur.mu.Unlock()
		if !stopped || n%terminateTicks == 0 {
			w.cur.check(now)
		}
		if long {
			w.in.peek(w.look)
		}
		if n%sampleTicks == 0 {
			w.sampleRSS()
		}
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
