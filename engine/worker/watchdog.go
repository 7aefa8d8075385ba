package worker

import (
	"sync/atomic"
	"time"

	"jsruntime/engine/internal/wire"
)

// Ticks of the watchdog. Each costs two context switches, about 30 µs, so that 100 a second are 0.3 % of a busy worker's time; ten
// milliseconds more or less do not matter to a deadline. Parking takes it out of a quiet worker altogether.
const (
	tick           = 10 * time.Millisecond
	terminateTicks = 2 // a termination is repeated every 20 ms
	parkTicks      = 20
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
		long := now.Sub(w.cur.began) > tick/2
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
		}
		w.sampleRSS()
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
