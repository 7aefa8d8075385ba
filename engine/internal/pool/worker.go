package pool

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"jsruntime/engine/internal/sandbox"
	"jsruntime/engine/internal/wire"
)

type workerState uint8

const (
	stateStarting workerState = iota // no Hello yet
	stateSpare
	stateLeasing // given to a tenant, its Lease not written
	stateReady
	stateRetiring // gets no further call
	stateDead
)

// maxSlots bounds the scripts that are loaded in one worker. It keeps fewer where they hold much memory: what it dropped by itself it
// says by a Result with CodeRecalled.
const maxSlots = wire.MaxIsolates

// burnAfter is the CPU time of one execution after which its worker yields to others.
const burnAfter = 100 * time.Millisecond

// burnNice is the niceness of a worker that burns: about a tenth of the weight of one that does not.
const burnNice = 10

type slot struct {
	number  uint32
	script  Key
	program *Program // nil while it is not loaded
	used    uint64
}

// maxLanes bounds the executions that wait in one worker. An isolate that waits takes about 2 MiB of memory, so that these stay
// below what one worker may have.
const maxLanes = 64

// worker is one lane of a process: a queue of calls whose first one executes or waits, in isolates of its own. Most processes have
// one lane; share adds others. Its fields are guarded by Pool.mu, except where they say otherwise.
type worker struct {
	pool *Pool
	*process
	pid int // constant

	state  workerState
	tenant *tenant
	gen    uint64 // of the tenant when leased
	script *script
	active bool
	parked bool
	dirty  bool

	queue   []*Call // nil: a call that was given up; its Result is still to come
	seqs    []uint32
	written int // calls at the front that were written

	slots   map[Key]*slot
	loading *slot
	loadAt  time.Time

	measured  int // runs when its memory was measured
	resident  int64
	private   int64
	idleSince time.Time
	serving   time.Time // since when it serves script
	mark      time.Time // of markCPU
	markCPU   time.Duration

	timer   *time.Timer
	timerAt time.Time // when it fires; zero: not armed
}

// quiet reports whether no lane of the process has anything to do.
func (w *worker) quiet() bool {
	for _, l := range w.lanes {
		if len(l.queue) > 0 || l.loading != nil {
			return false
		}
	}
	return true
}

// guilty is the lane whose call is taken for the reason of the process's end: the one that executes, as far as anybody knows.
func (w *worker) guilty() *worker {
	best, rank := w, 0
	for _, l := range w.lanes {
		n := 0
		if c := l.head(); c != nil {
			n = 1
			if c == w.last {
				n = 2
			}
			if l.active {
				n += 2
			}
		}
		if n > rank {
			best, rank = l, n
		}
	}
	return best
}

// laneOf finds the lane that has the Run of that number.
func (w *worker) laneOf(seq uint32) *worker {
	for _, l := range w.lanes[1:] {
		if slices.Contains(l.seqs[:l.written], seq) {
			return l
		}
	}
	return w
}

func (w *worker) head() *Call {
	if len(w.queue) == 0 {
		return nil
	}
	return w.queue[0]
}

// stalled reports whether the running call takes so long that nothing should wait behind it.
func (w *worker) stalled(now time.Time) bool {
	c := w.head()
	if c == nil || w.parked || w.loading != nil {
		return true
	}
	return !c.began.IsZero() && now.Sub(c.began) > max(4*c.script.est.Time(), time.Millisecond)
}

func (w *worker) send(m wire.Message) {
	if err := w.out.append(m); err != nil {
		if errors.Is(err, errNotReading) {
			w.kill(CauseNotReading, err.Error())
		}
		return // the reader learns of a broken socket by itself
	}
	if !w.dirty {
		w.dirty = true
		w.pool.dirty = append(w.pool.dirty, w)
	}
}

func (w *worker) push(c *Call) {
	c.worker, c.state, c.seq = w, callHeld, 0
	w.queue = append(w.queue, c)
	w.seqs = append(w.seqs, 0)
}

// remove takes the call at i out of the queue.
func (w *worker) remove(i int) {
	n := len(w.queue) - 1
	copy(w.queue[i:], w.queue[i+1:])
	copy(w.seqs[i:], w.seqs[i+1:])
	w.queue[n] = nil
	w.queue, w.seqs = w.queue[:n], w.seqs[:n]
	if i < w.written {
		w.written--
	}
}

// pump writes what the worker can take now: the Load of the script, or its calls.
func (w *worker) pump(now time.Time) {
	if w.state == stateLeasing {
		return
	}
	for w.loading == nil && w.written < len(w.queue) {
		c := w.queue[w.written]
		sl := w.slots[c.Program.Script]
		if sl == nil || sl.program != c.Program {
			if w.written == 0 {
				c.cold = true
				w.load(sl, c.Program, now)
			}
			return
		}
		w.seq++
		sl.used = uint64(w.seq)
		c.seq, c.state = w.seq, callWritten
		w.seqs[w.written] = w.seq
		c.Run.Seq, c.Run.Slot = w.seq, sl.number
		w.send(&c.Run)
		w.written++
		if w.written == 1 {
			w.begin(c, now)
		}
	}
}

func (w *worker) load(sl *slot, prog *Program, now time.Time) {
	if sl == nil {
		if len(w.slots) >= maxSlots {
			w.dropOldest()
		}
		sl = &slot{number: w.nextSlot, script: prog.Script}
		w.nextSlot++
		w.slots[prog.Script] = sl
	}
	sl.program, sl.used = prog, uint64(w.seq)
	w.loading, w.loadAt = sl, now
	if err := w.cgroup.Limit(w.pool.allow(w.lanes[0])); err != nil {
		w.pool.cfg.Logger.Warn("a worker's cgroup does not take its limit", "worker_pid", w.pid, "error", err)
	}
	w.send(&wire.Load{Slot: sl.number, MaxMemory: uint64(prog.MaxMemory), Name: prog.Name, Static: prog.Static, Source: prog.Source})
	w.arm(now.Add(prog.LoadTime))
}

func (w *worker) dropOldest() {
	var oldest *slot
	for _, sl := range w.slots {
		if oldest == nil || sl.used < oldest.used {
			oldest = sl
		}
	}
	delete(w.slots, oldest.script)
	w.send(&wire.Drop{Slot: oldest.number})
}

// begin starts the clock of the call at the front.
func (w *worker) begin(c *Call, now time.Time) {
	c.began = now
	if c.cancel != "" && c.cancel != wire.CodeRecalled {
		w.cancelBegun(c, now) // it is told now, not before
	}
	c.begunBefore = w.begun - max(0, w.running+w.waiting-1)
	w.process.begun++
	w.last = c
	w.timed(c)
	if c.CPU > 0 {
		w.arm(now.Add(c.CPU / 2))
	}
	w.mark = time.Time{}
	c.Handler.Begin(now)
	w.arm(now.Add(min(c.Wall, burnAfter)))
	if len(w.queue) > 1 || c.script.waiting > 0 {
		w.arm(now.Add(c.script.est.Overdue()))
	}
}

// arm makes tick run at the given time or before. A timer that fires early costs less than one that is set for each call.
func (w *worker) arm(at time.Time) {
	if !w.timerAt.IsZero() && !at.Before(w.timerAt) {
		return
	}
	w.timerAt = at
	d := time.Until(at)
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.tick)
	} else {
		w.timer.Reset(d)
	}
}

// tick does what is due at this worker.
func (w *worker) tick() {
	p := w.pool
	p.mu.Lock()
	defer p.unlock(nil)
	w.timerAt = time.Time{}
	if w.state == stateDead {
		return
	}
	now := time.Now()
	if w.loading != nil {
		end := w.loadAt.Add(w.loading.program.LoadTime)
		if !now.Before(end) {
			if w.running <= 1 {
				w.last = w.head()
				w.kill(CauseDeadline, "load")
				return
			}
			// Another lane keeps the worker, within limits of its own.
			w.loadAt = now
			end = now.Add(w.loading.program.LoadTime)
		}
		w.arm(end)
	}
	w.giveUp(now)
	c := w.head()
	if c == nil || c.began.IsZero() {
		return
	}
	if c.cancel != "" && c.cancel != wire.CodeRecalled {
		if !now.Before(c.killAt) {
			w.last = c
			w.kill(causeOf(c.cancel), "")
			return
		}
		w.arm(c.killAt)
		return
	}
	ran := now.Sub(c.began)
	if ran >= c.Wall {
		w.cancel(c, Stop{Code: codeWallTime}, now)
		return
	}
	w.arm(c.began.Add(c.Wall))
	if c.CPU > 0 {
		// The worker ends it at the limit by itself; this is for one that cannot.
		// The process's time is that of all executions that were in it meanwhile.
		left := c.CPU*time.Duration(max(1, w.begun-c.begunBefore)) + 2*p.cfg.Grace - (processCPU(w.pid) - c.cpuBegan)
		if left <= 0 {
			w.cancel(c, Stop{Code: codeCPU}, now)
			return
		}
		w.arm(now.Add(max(left/2, 10*time.Millisecond)))
	}
	if overdue := c.script.est.Overdue(); ran >= overdue {
		c.script.est.AtLeast(ran)
		if len(w.queue) > 1 {
			w.recall()
		}
		if c.script.waiting > 0 {
			p.full = false
			p.grow(now)
		}
	} else if len(w.queue) > 1 || c.script.waiting > 0 {
		w.arm(c.began.Add(overdue))
	}
	if ran < burnAfter {
		w.arm(c.began.Add(burnAfter))
	} else {
		w.yieldCPU(now)
	}
}

// yieldCPU lowers the worker's weight once its execution has burnt burnAfter of CPU time.
func (w *worker) yieldCPU(now time.Time) {
	if w.niced || w.parked {
		return
	}
	used := processCPU(w.pid)
	if w.mark.IsZero() {
		w.mark, w.markCPU = now, used
	} else if used-w.markCPU >= burnAfter {
		w.niced = w.renice(burnNice)
		return
	}
	w.arm(now.Add(burnAfter))
}

// renice sets the niceness of all threads of the worker, which leads a process group of its own.
func (w *worker) renice(n int) bool {
	return w.cgroup.Weight(n) || unix.Setpriority(unix.PRIO_PGRP, w.pid, n) == nil
}

func causeOf(code string) string {
	switch code {
	case codeWallTime:
		return CauseDeadline
	case codeCPU:
		return CauseCPU
	default:
		return CauseCancelled
	}
}

// cancel asks the worker to end the call; if it is not gone after the grace, tick kills the worker, or gives the call up if it
// was not begun. A call that is being cancelled already can only be made to end sooner, unless it might go on.
func (w *worker) cancel(c *Call, s Stop, now time.Time) {
	began := !c.began.IsZero()
	killAt := now.Add(w.pool.cfg.Grace)
	if began {
		killAt = w.killAt(c, s.Grace, now)
	}
	switch {
	case c.cancel == "", c.cancel == wire.CodeRecalled, c.left && !s.Left:
		c.cancel, c.left, c.killAt = s.Code, s.Left, killAt
	case killAt.Before(c.killAt):
		c.killAt = killAt
	default:
		return
	}
	c.grace = s.Grace
	if s.Left {
		c.mayGoOn = true
	}
	w.send(&wire.Cancel{Seq: c.seq, Code: s.Code, Reason: s.Reason, GraceMillis: uint32(s.Grace.Milliseconds()), Left: s.Left})
	w.arm(c.killAt)
}

// cancelBegun gives a call its grace that was cancelled before it began, and begins before the worker knows.
func (w *worker) cancelBegun(c *Call, now time.Time) {
	c.killAt = w.killAt(c, c.grace, now)
	w.arm(c.killAt)
}

// killAt is when the worker is killed of a call that is executing and is cancelled now.
func (w *worker) killAt(c *Call, grace time.Duration, now time.Time) time.Time {
	end := now.Add(grace)
	if limit := c.began.Add(c.Wall); limit.Before(end) && limit.After(now) {
		end = limit
	}
	return end.Add(w.pool.cfg.Grace)
}

// giveUp ends the cancelled calls behind the front whose Result did not come. Their Runs stay in the queue without a call.
func (w *worker) giveUp(now time.Time) {
	for i := 1; i < w.written; i++ {
		c := w.queue[i]
		if c == nil || c.cancel == "" || c.cancel == wire.CodeRecalled {
			continue
		}
		if now.Before(c.killAt) {
			w.arm(c.killAt)
			continue
		}
		w.queue[i] = nil
		c.Ending = Ending{Kind: EndCancelled, Cancel: c.cancel, Ended: now}
		w.pool.end(c)
	}
}

// recall takes back what waits behind the front. Runs that were written come back by a Result with CodeRecalled.
func (w *worker) recall() {
	for len(w.queue) > max(w.written, 1) {
		i := len(w.queue) - 1
		c := w.queue[i]
		w.remove(i)
		w.pool.requeue(c)
	}
	for i := 1; i < w.written; i++ {
		if c := w.queue[i]; c != nil && c.cancel == "" {
			c.cancel = wire.CodeRecalled
			w.send(&wire.Cancel{Seq: c.seq, Code: wire.CodeRecalled})
		}
	}
}

// kill ends the process. The reader then sees the end of the socket and does the rest.
func (w *worker) kill(cause, reason string) {
	if w.cause == "" {
		w.cause, w.reason = cause, reason
	}
	w.doom()
	_ = w.proc.Kill() // fails only for a process that is gone
}

// doom makes a worker that is about to end get no further call and take no room.
func (w *worker) doom() {
	if w.state == stateDead || w.doomed {
		return
	}
	w.doomed = true
	for _, l := range w.lanes {
		l.state = stateRetiring
	}
	w.pool.unidle(w.lanes[0])
	if w.tenant != nil {
		w.pool.leased--
	}
}

// retire ends the process as soon as it has nothing to do.
func (w *worker) retire(cause string) {
	if w.state == stateDead || w.doomed {
		return
	}
	if w.quiet() {
		w.kill(cause, "")
		return
	}
	for _, l := range w.lanes {
		l.state = stateRetiring
	}
	w.rest = nil
	if w.reason == "" && w.cause == "" {
		w.reason = cause
	}
}

// read handles the worker's frames until the socket ends.
func (w *worker) read() error {
	p := w.pool
	r := wire.NewReader(w.conn, 0)
	if err := w.conn.SetReadDeadline(time.Now().Add(p.cfg.HelloTimeout)); err != nil {
		return err
	}
	k, payload, err := r.Next()
	if err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	if k != wire.KindHello {
		return protocolError("first frame is not Hello")
	}
	hello, err := wire.ParseHello(payload)
	if err != nil {
		return err
	}
	if err := w.conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	usage, _ := sandbox.UsageOf(w.pid)
	p.mu.Lock()
	w.watched.base, w.watched.held, w.watched.readAt = usage.Held(), usage.Held(), processCPU(w.pid)
	p.mu.Unlock()
	if err := p.greet(w, &hello); err != nil {
		return err
	}
	w.pace = newPace(time.Now())
	for {
		k, payload, err := r.Next()
		if err != nil {
			return err
		}
		if d := w.pace.take(k, len(payload), time.Now); d > 0 {
			w.out.flush()
			select {
			case <-time.After(d):
			case <-w.exited:
				return io.EOF
			}
		}
		switch k {
		case wire.KindResult:
			err = p.result(w, payload)
		case wire.KindLoaded:
			err = p.loaded(w, payload)
		case wire.KindHostCall, wire.KindHostCancel, wire.KindLog, wire.KindHead, wire.KindChunk, wire.KindCredit, wire.KindAnswer:
			err = p.frame(w, k, payload)
		case wire.KindGoesOn:
			err = p.goesOn(w, payload)
		default:
			err = protocolError("a worker does not send this kind of frame")
		}
		if err != nil {
			return err
		}
		if !r.Buffered() {
			w.out.flush()
		}
	}
}

type protocolError string

func (e protocolError) Error() string { return string(e) }

// processCPU is the CPU time of a process, 0 if it is gone. The clock's number is what clock_getcpuclockid(3) makes of a pid.
func processCPU(pid int) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// death says how the process ended. Where it had several lanes, w is the one that is taken for the reason.
func (w *worker) death() *Death {
	d := &Death{Cause: w.cause, Reason: w.reason, ExitCode: -1, Output: w.printed.String()}
	if w.exit != nil {
		if ws, ok := w.exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			d.Signal = int(ws.Signal())
		} else {
			d.ExitCode = w.exit.ExitCode()
		}
		d.CPU = w.exit.UserTime() + w.exit.SystemTime()
		if usage, ok := w.exit.SysUsage().(*syscall.Rusage); ok {
			if d.Memory = usage.Maxrss << 10; d.Memory <= w.floor {
				d.Memory = w.lanes[0].resident // as far as it was looked at
			}
			d.Memory = max(d.Memory, w.watched.held)
		}
		// Where the call ran long enough to be looked at, what the process used before is known.
		if c := w.head(); c != nil && !c.began.IsZero() && !w.mark.IsZero() {
			d.CPU += w.mark.Sub(c.began) - w.markCPU
		}
	}
	return d
}
