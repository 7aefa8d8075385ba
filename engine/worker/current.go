package worker

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine/internal/isolate"
	"example.com/jsruntime/engine/internal/warm"
	"example.com/jsruntime/engine/internal/wire"
)

// current is the execution in front, as the main thread and the watchdog share it, and those that were set aside.
type current struct {
	active atomic.Bool // an execution (or a load) is under way

	mu         sync.Mutex
	seq        uint32
	iso        *isolate.Isolate
	began      time.Time
	cpuLimit   time.Duration // 0: none
	cpuBegan   time.Duration
	inJS       bool
	terminated bool
	peakRSS    uint64
	ending

	said   *warm.Slot // of the script whose records are heard; nil: none
	saying warm.Saying

	aside     []*execution
	reclaimed []*execution // of aside, what the loop had: the main thread has not seen them yet

	mem *warm.Memory // the watchdog looks at it with mu held, while JavaScript runs
}

// pressed asks V8 to give memory back where JavaScript runs and the data segment has grown beyond what its heap explains: finishers of
// Intl objects and the like free memory that V8 does not count. It asks again once a quarter of the way to the limit was used up.
func (c *current) pressed(data uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.inJS || c.iso == nil || c.mem.High == 0 || data < c.mem.High || data < c.mem.Asked+(c.mem.Last-min(c.mem.Last, c.mem.High))/4 {
		return
	}
	c.mem.Asked = data
	c.iso.Pressed()
}

// ending is when and why an execution must end. It is guarded by current.mu.
type ending struct {
	wall      time.Time // its time limit
	deadline  time.Time // wall, or the end of a Cancel's grace before it
	code      string    // error_code at the deadline
	stop      string    // error_code, once it must end
	notice    *notice   // what its script is to be told, nil: nothing
	grace     time.Duration
	left      bool // a Cancel with Left came
	cancelled bool // its script was told that it is cancelled
}

// notice is a Cancel that the script has not been told of.
type notice struct {
	left   bool
	code   string
	reason string
	goesOn bool // the node was told that the execution goes on
}

func endingAt(wall time.Time) ending {
	return ending{wall: wall, deadline: wall, code: wire.CodeExceededWallTime}
}

// hasten makes the execution end with code, after the grace of its Cancel or at its time limit.
func (e *ending) hasten(code string) {
	if at := time.Now().Add(e.grace); at.Before(e.deadline) {
		e.deadline, e.code = at, code
	}
}

// announce takes a Cancel with a grace for the execution of its number. It reports whether that goes on, because no caller waits for its
// answer but work of waitUntil is left.
func (c *current) announce(m *wire.Cancel) (goesOn bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, iso := &c.ending, c.iso
	if !c.active.Load() || c.seq != m.Seq {
		e = nil
		for _, x := range c.aside {
			if x.seq == m.Seq && !x.answered {
				e, iso = &x.ending, x.slot.iso
			}
		}
	}
	if e == nil || e.stop != "" || e.cancelled || e.notice != nil && !e.notice.left || m.Left && e.left {
		return false
	}
	e.left = e.left || m.Left
	e.grace = time.Duration(m.GraceMillis) * time.Millisecond
	e.notice = &notice{left: m.Left, code: m.Code, reason: m.Reason}
	if m.Left && iso.Waits() > 0 {
		e.notice.goesOn = true
		return true
	}
	e.hasten(m.Code)
	return false
}

// takeNotice returns what the script in front is to be told.
func (c *current) takeNotice() *notice {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.notice
	c.notice = nil
	return n
}

// follow is called after the script in front was told of n, or has run (n is nil). stopping is what it makes of it: where no caller waits
// for its answer, it ends only once the work of waitUntil has. It reports whether the node must hear that the execution goes on.
func (c *current) follow(n *notice, stopping bool) (goesOn bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.cancelled, c.stop != "":
	case stopping:
		c.cancelled = true
		if c.code == wire.CodeExceededWallTime {
			c.hasten(wire.CodeCancelled)
		}
	case n != nil && n.left:
		c.deadline, c.code = c.wall, wire.CodeExceededWallTime
		return !n.goesOn
	}
	return false
}

// setAside leaves the execution in front. Its share of the CPU time stops.
func (c *current) setAside(x *execution) {
	c.active.Store(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	x.ending, x.peakRSS, x.cpu = c.ending, c.peakRSS, cpuTime()-c.cpuBegan
	c.inJS, c.iso = false, nil
	c.aside = append(c.aside, x)
}

// resume puts an execution in front that was set aside. False: it was answered already.
func (c *current) resume(x *execution) bool {
	c.mu.Lock()
	c.aside = slices.DeleteFunc(c.aside, func(o *execution) bool { return o == x })
	c.seq, c.iso, c.began, c.ending = x.seq, x.slot.iso, x.began, x.ending
	c.said, c.saying = x.slot.Slot, x.saying()
	c.cpuLimit, c.cpuBegan = time.Duration(x.cpuMillis)*time.Millisecond, cpuTime()-x.cpu
	c.inJS, c.terminated, c.peakRSS = false, false, x.peakRSS
	answered := x.answered
	c.mu.Unlock()
	c.active.Store(true)
	return !answered
}

// begin makes the execution known to the watchdog.
func (c *current) begin(seq uint32, iso *isolate.Isolate, began time.Time, wall, cpu, cpuBegan time.Duration) {
	c.mu.Lock()
	c.seq, c.iso, c.began, c.ending, c.cpuLimit, c.cpuBegan = seq, iso, began, endingAt(began.Add(wall)), cpu, cpuBegan
	c.said = nil
	c.inJS, c.terminated, c.peakRSS = false, false, 0
	c.mu.Unlock()
	c.active.Store(true)
}

// listen makes what the script says by records heard while it runs.
func (c *current) listen(s *warm.Slot, w warm.Saying) {
	c.mu.Lock()
	c.said, c.saying = s, w
	c.mu.Unlock()
}

// hear sends what a script that runs has said by records. The watchdog calls it: a script may go on for long after that, or take the process
// with it.
func (c *current) hear(loop *warm.Loop) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inJS && c.said != nil {
		loop.Hear(c.said, c.saying, true)
	}
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
func (c *current) end() (e ending, terminated bool, peakRSS uint64, cpuBegan time.Duration) {
	c.active.Store(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inJS = false
	c.iso = nil
	return c.ending, c.terminated, c.peakRSS, c.cpuBegan
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
			c.stop = c.code
		case c.cpuLimit > 0 && cpuTime()-c.cpuBegan > c.cpuLimit:
			c.stop = wire.CodeExceededCPU
		}
	}
	if c.stop != "" {
		c.terminate()
	}
	for _, x := range c.aside {
		if x.stop == "" && now.After(x.deadline) {
			x.stop = x.code
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
