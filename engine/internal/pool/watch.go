package pool

import (
	"fmt"
	"time"

	"example.com/jsruntime/engine/internal/outbox"
	"example.com/jsruntime/engine/internal/sandbox"
)

// What is here believes the kernel and not the worker: a worker with native code execution passes RLIMIT_DATA (memory that was made
// read-only, page tables), goes on computing when it has answered, and says of itself what it likes.

const (
	// lookEvery is how often a tenant's worker is looked at. A look is one reading of its CPU clock, 0.7 µs (measured November 2026), so
	// that a thousand workers are looked at five times a second for less than a two-hundredth of a processor's time.
	lookEvery   = 100 * time.Millisecond
	lookSlowest = time.Second
	lookCost    = 200 * time.Microsecond // of lookEvery, for each worker

	// fillRate is more bytes than a process can come to hold within a nanosecond of its CPU time: the kernel zeroes them first, and huge
	// pages at 20 bytes a nanosecond. Reading what a process holds costs 50 µs and more; it is read only when the process had the time to
	// fill what it was short of its limit.
	fillRate = 32

	// heldHeadroom is what a worker may hold beside its scripts' memory: the 16 MiB that it allows itself, generated code, which lies in
	// memory that V8 has reserved before, page tables, and Go's own memory.
	heldHeadroom = 64 << 20

	// An idle worker may use idleShare of a processor, and now and then more: a worker's own collections of garbage are less than a
	// thousandth. After an execution V8 collects garbage and runs finalizers for at most 250 ms of each isolate.
	idleShare   = 100 // 1/idleShare
	idleBurst   = time.Second
	idlePerRun  = 300 * time.Millisecond
	idlePerSlot = 300 * time.Millisecond

	// A worker of whose CPU time its own figures leave more than a half unnamed, and this much, has its executions timed by the kernel's
	// clock, which costs two readings each.
	unnamedTime = 100 * time.Millisecond
)

// watched is what looks at a process found. Guarded by Pool.mu.
type watched struct {
	at      time.Time     // of the last look; zero: none
	cpu     time.Duration // its clock then
	begun   int           // calls that had begun then
	quiet   bool          // it had nothing to do then
	readAt  time.Duration // its clock when sandbox.UsageOf was read
	base    int64         // bytes that it held before it had a tenant
	held    int64         // bytes that it held when that was read
	allowed int64         // bytes that it may hold; only grows
	idle    time.Duration // CPU time that it may still use while it is idle
	named   time.Duration // CPU time of executions since windowAt, in the worker's words
	used    time.Duration // CPU time that was not idle since windowAt, by the kernel's clock
	liar    bool          // executions are timed by the kernel's clock
	last    *Program      // of the call that began last
}

// sample is one look at a process.
type sample struct {
	w       *worker
	pid     int
	readAt  time.Duration // its clock from which on its memory is read
	cpu     time.Duration
	usage   sandbox.Usage
	hasRead bool
}

// lookAt looks at the tenants' workers until stop is closed.
func (p *Pool) lookAt(stop <-chan struct{}) {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	var samples []sample
	for {
		select {
		case <-stop:
			return
		case <-timer.C:
		}
		samples = p.look(samples[:0])
		every := lookSlowest
		if n := len(samples); n > 0 {
			every = min(max(lookEvery, time.Duration(n)*lookCost), lookSlowest)
		}
		clear(samples) // holds no worker
		timer.Reset(every)
	}
}

// look takes one sample of each worker that has a tenant, and ends workers that break a bound. Nothing is read under the lock.
func (p *Pool) look(samples []sample) []sample {
	p.mu.Lock()
	for w := range p.workers {
		if w.leased && !w.doomed {
			short := max(p.allow(w)-w.watched.held, 0)
			samples = append(samples, sample{w: w, pid: w.pid, readAt: w.watched.readAt + time.Duration(short/fillRate)})
		}
	}
	p.mu.Unlock()
	for i := range samples {
		s := &samples[i]
		if s.cpu = processCPU(s.pid); s.cpu > 0 && s.cpu >= s.readAt {
			s.usage, s.hasRead = sandbox.UsageOf(s.pid)
		}
	}
	now := time.Now()
	p.mu.Lock()
	defer p.unlock(nil, now)
	for i := range samples {
		if s := &samples[i]; s.cpu > 0 {
			p.judge(s, now)
		}
	}
	return samples
}

// allow returns the bytes that the worker may hold: what it held before it had a tenant, twice the memory of the script whose limit is the
// largest, since V8 may need that once more while it collects, and the limits of the other scripts that are loaded. It never falls: memory
// comes back later than the node drops a script.
func (p *Pool) allow(w *worker) int64 {
	var total, largest int64
	count := func(prog *Program) {
		if prog != nil {
			total += prog.MaxMemory
			largest = max(largest, prog.MaxMemory)
		}
	}
	for _, l := range w.lanes {
		for _, sl := range l.slots {
			count(sl.program)
		}
	}
	n := w.watched.base + largest + min(total, 3*p.cfg.MaxMemory) + heldHeadroom
	w.watched.allowed = max(w.watched.allowed, n)
	return w.watched.allowed
}

// judge compares a sample with what the worker may do.
func (p *Pool) judge(s *sample, now time.Time) {
	w, v := s.w, &s.w.watched
	select {
	case <-w.exited:
		return // its number may be another process's by now
	default:
	}
	if w.doomed {
		return
	}
	quiet, elapsed, used := w.quiet(), now.Sub(v.at), s.cpu-v.cpu
	first := v.at.IsZero()
	idle := !first && quiet && v.quiet && w.begun == v.begun
	slots := 0
	for _, l := range w.lanes {
		slots += len(l.slots)
	}
	if first {
		v.idle = idleBurst
	} else {
		v.idle += elapsed/idleShare + time.Duration(w.begun-v.begun)*idlePerRun
	}
	v.idle = min(v.idle, idleBurst+time.Duration(slots)*idlePerSlot)
	switch {
	case first:
	case idle:
		v.idle -= used
	default:
		v.used += used
		if c := w.executing(v.at); c != nil {
			c.kernelCPU += used
		}
		if v.used > unnamedTime && v.used > 2*v.named {
			v.liar = true
		}
	}
	v.at, v.cpu, v.quiet, v.begun = now, s.cpu, quiet, w.begun
	if quiet {
		v.used, v.named = 0, 0 // figures of an execution come at its end
	}
	if s.hasRead {
		v.held, v.readAt = s.usage.Held(), s.cpu
		if len(w.lanes) == 1 && slots <= 1 {
			if c := w.lanes[0].head(); c != nil {
				c.kernelHeld = max(c.kernelHeld, v.held-v.base)
			}
		}
	}
	switch {
	case w.out.Stuck(now):
		p.convict(w, CauseNotReading, outbox.ErrNotReading.Error())
	case s.hasRead && v.held > p.allow(w):
		p.convict(w, CauseMemory, fmt.Sprintf("the worker holds %d bytes of memory and may hold %d", v.held, v.allowed))
	case s.hasRead && s.usage.Threads > sandbox.MaxThreads:
		p.convict(w, CauseThreads, fmt.Sprintf("the worker has %d threads and may have %d", s.usage.Threads, sandbox.MaxThreads))
	case idle && v.idle < 0:
		p.convict(w, CauseIdle, "the worker computes while it has nothing to do")
	case idle && s.hasRead && len(w.lanes) <= 1 && p.place.Bloated(&w.seat, v.held):
		w.kill(CauseRetired, "memory")
	}
}

// convict ends a worker that broke a bound. Where nothing executes, the script that executed last is taken for the reason; else the call
// that executes ends with the Death, which says the same.
func (p *Pool) convict(w *worker, cause, reason string) {
	if prog := w.watched.last; prog != nil && w.quiet() {
		p.cfg.Convicted(prog, cause, reason)
	}
	w.kill(cause, reason)
}

// executing returns the call that executes and had begun at the given time, nil if there is none. Of several lanes' calls it is the call that began
// last, or whose host calls were answered last.
func (w *worker) executing(since time.Time) *Call {
	for _, l := range w.lanes {
		if c := l.executing(); c != nil && (c == w.last || len(w.lanes) == 1) && !c.began.After(since) {
			return c
		}
	}
	return nil
}

// timed begins the kernel's account of a call.
func (w *worker) timed(c *Call) {
	v := &w.watched
	v.last = c.Program
	c.kernelCPU, c.kernelHeld = 0, 0
	if c.CPU > 0 || v.liar {
		c.cpuBegan = processCPU(w.pid)
	}
}

// corrected takes the larger of the worker's and the kernel's figures of a call that has ended.
func (w *worker) corrected(c *Call, cpuMicros, memory *uint64) {
	v := &w.watched
	v.named += time.Duration(min(*cpuMicros, 1<<40)) * time.Microsecond
	cpu := c.kernelCPU
	if v.liar && c.cpuBegan > 0 && len(w.lanes) == 1 {
		cpu = max(cpu, processCPU(w.pid)-c.cpuBegan)
	}
	*cpuMicros = max(*cpuMicros, uint64(cpu.Microseconds()))
	*memory = max(*memory, uint64(max(c.kernelHeld, 0)))
}
