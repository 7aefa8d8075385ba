package worker

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine/internal/wire"
)

// Ticks of the watchdog. Each costs two context switches, about 30 µs, so that 100 a second are 0.3 % of a busy worker's time; ten
// milliseconds more or less do not matter to a deadline.
const (
	tick           = 10 * time.Millisecond
	terminateTicks = 2 // a termination is repeated every 20 ms
)

// busy is how soon after it was set before the timer is set again where the worker has much to do: rest leaves it then.
const busy = tick / 2

// watchdog is what happens beside the main thread. Its thread waits for a timer of the kernel's, which the main thread sets where it
// is not set: waking a thread costs the waker a context switch at once, and most executions are over before there is anything to
// watch. Where the main thread waits for the node it unsets the timer, unless the timer was set twice within busy: two system calls are
// cheaper than to wake a thread, but dearer than to leave the timer. So a busy worker has one tick in ten milliseconds, one that runs
// something now and then has none, and nor has an idle one.
type watchdog struct {
	w     *worker
	timer int // a timerfd
	set   atomic.Bool

	mu    sync.Mutex // held where set and the kernel's timer change together
	setAt time.Time  // when it was set last; guarded by mu
	often bool       // it was set within busy of the time before; guarded by mu
}

func newWatchdog(w *worker) (*watchdog, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("timerfd: %w", err)
	}
	return &watchdog{w: w, timer: fd}, nil
}

// stir makes sure that the watchdog looks within a tick. What it is to see has been stored before.
func (d *watchdog) stir() {
	if d.set.Load() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.set.Load() {
		return
	}
	now := time.Now()
	d.often, d.setAt = now.Sub(d.setAt) < busy, now
	d.set.Store(true)
	d.settime(tick)
}

// rest unsets the timer where nothing is to be watched: no execution is under way and no answer is held. Only the main thread calls it.
func (d *watchdog) rest() {
	if !d.set.Load() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.set.Load() && !d.often {
		d.set.Store(false)
		d.settime(0)
	}
}

func (d *watchdog) settime(after time.Duration) {
	if err := unix.TimerfdSettime(d.timer, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(after))}, nil); err != nil {
		panic("watchdog's timer: " + err.Error()) // nothing would bound what runs
	}
}

// wait returns at the next tick.
func (d *watchdog) wait() {
	var expired [8]byte
	for {
		n, err := unix.Read(d.timer, expired[:])
		switch {
		case n == len(expired):
			d.set.Store(false) // before anything is looked at: what is stored later sets the timer again
			return
		case !errors.Is(err, unix.EINTR):
			panic(fmt.Sprintf("watchdog's timer: %d bytes, %v", n, err))
		}
	}
}

func (d *watchdog) run() {
	w := d.w
	n := 0
	heldBefore := false
	for {
		d.wait()
		n++
		active, held := w.cur.active.Load(), w.out.held.Load()
		if active || held {
			d.stir()
		}
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
