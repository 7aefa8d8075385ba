package worker

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"jsruntime/engine/internal/isolate"
)

// current is the execution that runs, as the main thread and the watchdog share it.
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
func (c *current) end() (stop string, terminated bool, peakRSS uint64) {
	c.active.Store(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inJS = false
	c.iso = nil
	return c.stop, c.terminated, c.peakRSS
}

// halt ends the execution seq with code: at once if JavaScript runs.
func (c *current) halt(seq uint32, code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
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
}

// cpuTime is the process's CPU time.
func cpuTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
