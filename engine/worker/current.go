package worker

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"jsruntime/engine/internal/isolate"
)

// current is the execution in front, as the main thread and the watchdog share it, and those that were set aside.
type current struct {
	active atomic.Bool // an execution (or a load) is under way

	mu         sync.Mutex
	seq        uint32
	iso        *isolate.Isolate
	began      time.Time
	deadline   time.Time
	cpuLimit   time.Duration // 0: none
	cpuBegan   time.Duration
	inJS       bool
	stop       string // error_code, once it must end
	terminated bool
	peakRSS    uint64

	aside []*execution

	mem *memory // whose high and asked mu guards
}

// pressed asks V8 to give memory back where JavaScript runs and the data segment has grown beyond what its heap explains: finishers of
// Intl objects and the like free memory that V8 does not count. It asks again once a quarter of the way to the limit was used up.
func (c *current) pressed(data uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.inJS || c.iso == nil || c.mem.high == 0 || data < c.mem.high || data < c.mem.asked+(c.mem.last-min(c.mem.last, c.mem.high))/4 {
		return
	}
	c.mem.asked = data
	c.iso.Pressed()
}

// setAside leaves the execution in front. Its share of the CPU time stops.
func (c *current) setAside(x *execution) {
	c.active.Store(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	x.deadline, x.stop, x.peakRSS, x.cpu = c.deadline, c.stop, c.peakRSS, cpuTime()-c.cpuBegan
	c.inJS, c.iso = false, nil
	c.aside = append(c.aside, x)
}

// resume puts an execution in front that was set aside. False: it was answered already.
func (c *current) resume(x *execution) bool {
	c.mu.Lock()
	c.aside = slices.DeleteFunc(c.aside, func(o *execution) bool { return o == x })
	c.seq, c.iso, c.began, c.deadline = x.seq, x.slot.iso, x.began, x.deadline
	c.cpuLimit, c.cpuBegan = time.Duration(x.cpuMillis)*time.Millisecond, cpuTime()-x.cpu
	c.inJS, c.stop, c.terminated, c.peakRSS = false, x.stop, false, x.peakRSS
	answered := x.answered
	c.mu.Unlock()
	c.active.Store(true)
	return !answered
}

// begin makes the execution known to the watchdog.
func (c *current) begin(seq uint32, iso *isolate.Isolate, began time.Time, wall, cpu, cpuBegan time.Duration) {
	c.mu.Lock()
	c.seq, c.iso, c.began, c.deadline, c.cpuLimit, c.cpuBegan = seq, iso, began, began.Add(wall), cpu, cpuBegan
	c.inJS, c.stop, c.terminated, c.peakRSS = false, "", false, 0
	c.mu.Unlock()
	c.active.Store(true)
}

// enter is called before JavaScript runs. False: the execution must end, it does not run.
func (c *current) enter() bool {
	c.mu.Lock()
	ok := c.stop == ""
	c.inJS = ok
	c.mu.Unlock()
	return ok
}

// leave is called after JavaScript has run.
func (c *current) leave() {
	c.mu.Lock()
	c.inJS = false
	c.mu.Unlock()
}

// grace gives an execution that must end a little time, for the listeners of ctx.signal.
func (c *current) grace(d time.Duration) {
	c.mu.Lock()
	c.stop = ""
	c.deadline = time.Now().Add(d)
	c.inJS = true
	c.mu.Unlock()
}

// end makes the execution unknown to the watchdog.
func (c *current) end() (stop string, terminated bool, peakRSS uint64, cpuBegan time.Duration) {
	c.active.Store(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inJS = false
	c.iso = nil
	return c.stop, c.terminated, c.peakRSS, c.cpuBegan
}

// halt ends the execution seq with code: at once if JavaScript runs.
func (c *current) halt(seq uint32, code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.aside {
		if x.seq == seq && x.stop == "" {
			x.stop = code
		}
	}
	if !c.active.Load() || c.seq != seq || c.stop != "" {
		return
	}
	c.stop = code
	c.terminate()
}

func (c *current) terminate() {
	if c.inJS && c.iso != nil {
		c.terminated = true
		c.iso.Terminate()
	}
}

// check ends what is beyond its limits. The watchdog calls it every tick.
func (c *current) check(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.active.Load() {
		return
	}
	if c.stop == "" {
		switch {
		case now.After(c.deadline):
			c.stop = codeWallTime
		case c.cpuLimit > 0 && cpuTime()-c.cpuBegan > c.cpuLimit:
			c.stop = codeCPU
		}
	}
	if c.stop != "" {
		c.terminate()
	}
	for _, x := range c.aside {
		if x.stop == "" && now.After(x.deadline) {
			x.stop = codeWallTime
		}
	}
}

// cpuTime is the process's CPU time.
func cpuTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
