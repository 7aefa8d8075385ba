package pool

import (
	"slices"
	"time"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/internal/wire"
)

// burnAfter is the CPU time of one execution after which its worker yields to others.
const burnAfter = 100 * time.Millisecond

// burnNice is the niceness of a worker that burns: about a tenth of the weight of one that does not.
const burnNice = 10

// slot is a script that is loaded in a lane.
type slot struct {
	number  uint32
	place   Key // of its program
	program *Program
	used    uint64 // the worker's number of the last Run in it
	produce bool   // its Loaded is to have V8's code of the program
}

// lane is a queue of calls at a worker whose first one executes or waits, in isolates of its own. Its fields are guarded by Pool.mu, except
// where they say otherwise.
type lane struct {
	*worker                 // constant
	seat    *admission.Lane // constant

	queue   []*Call  // nil: a call that was given up; its Result is still to come
	scripts []Key    // of queue: their places
	seqs    []uint32 // of queue; 0: not written
	written int      // calls at the front that were written

	slots   map[Key]*slot
	loading *slot     // nil: none
	loadAt  time.Time // when it began

	mark    time.Time // of markCPU
	markCPU time.Duration

	closed  bool // gets no further call
	timer   *time.Timer
	timerAt time.Time // when it fires; zero: not armed
}

// laneFor returns the lane of a place, which is made with its first call.
func laneFor(seat *admission.Lane) *lane {
	if seat.Owner == nil {
		w := seat.Worker().Owner.(*worker)
		l := &lane{worker: w, seat: seat, slots: map[Key]*slot{}}
		w.lanes = append(w.lanes, l)
		seat.Owner = l
	}
	return seat.Owner.(*lane)
}

func (l *lane) head() *Call {
	if len(l.queue) == 0 {
		return nil
	}
	return l.queue[0]
}

// executing returns the call that executes, nil if there is none.
func (l *lane) executing() *Call {
	if c := l.head(); c != nil && !c.began.IsZero() {
		return c
	}
	return nil
}

func (l *lane) push(c *Call) {
	c.lane, c.seq = l, 0
	l.queue = append(l.queue, c)
	l.scripts = append(l.scripts, c.Program.place())
	l.seqs = append(l.seqs, 0)
}

// remove takes the call at i out of the queue. Where it was the first one, the call behind it begins if it was written.
func (l *lane) remove(i int, now time.Time) (next *admission.Call) {
	n := len(l.queue) - 1
	copy(l.queue[i:], l.queue[i+1:])
	copy(l.scripts[i:], l.scripts[i+1:])
	copy(l.seqs[i:], l.seqs[i+1:])
	l.queue[n] = nil
	l.queue, l.scripts, l.seqs = l.queue[:n], l.scripts[:n], l.seqs[:n]
	if i < l.written {
		l.written--
	}
	if i == 0 && l.written > 0 {
		if c := l.queue[0]; c != nil {
			l.begin(c, now)
			return &c.Call
		}
	}
	return nil
}

// pump writes what the worker can take now: the Load of the script, or its calls.
func (l *lane) pump(now time.Time) {
	for l.loading == nil && l.written < len(l.queue) {
		c := l.queue[l.written]
		sl := l.slots[c.Program.place()]
		if sl == nil || sl.program != c.Program {
			if l.written == 0 {
				c.cold = true
				l.load(sl, c.Program, now)
			}
			return
		}
		l.worker.seq++
		c.seq = l.worker.seq
		sl.used = uint64(c.seq)
		l.seqs[l.written] = c.seq
		c.Run.Seq, c.Run.Slot = c.seq, sl.number
		l.send(&c.Run)
		l.written++
		if l.written == 1 {
			l.begin(c, now)
			l.pool.place.Began(&c.Call, now)
		}
	}
}

func (l *lane) load(sl *slot, prog *Program, now time.Time) {
	if sl == nil {
		if len(l.slots) >= wire.MaxIsolates {
			l.dropOldest()
		}
		sl = &slot{number: l.nextSlot, place: prog.place()}
		l.nextSlot++
		l.slots[prog.place()] = sl
	}
	sl.program, sl.used = prog, uint64(l.worker.seq)
	l.loading, l.loadAt = sl, now
	if err := l.cgroup.Limit(l.pool.allow(l.worker)); err != nil {
		l.pool.cfg.Logger.Warn("a worker's cgroup does not take its limit", "worker_pid", l.pid, "error", err)
	}
	load := wire.Load{Slot: sl.number, MaxMemory: uint64(prog.MaxMemory), Name: prog.Name, Static: prog.Static, Source: prog.Source, SourceMap: prog.SourceMap}
	if l.env != nil {
		load.Env = l.env(prog.Name)
	}
	if len(prog.Source) >= minCached && l.pool.cfg.CodeCache > 0 {
		load.Cache = l.pool.codes.get(prog, l.kind)
		// A worker that has run anything may have met a stranger's request, and what that made of it would outlive the worker.
		sl.produce = load.Cache == nil && l.begun == 0 && sl.number == 0
		load.Produce = sl.produce
	}
	l.send(&load)
	l.arm(now.Add(prog.LoadTime))
	l.pool.place.Loading(l.seat, prog.place(), now)
}

func (l *lane) dropOldest() {
	var oldest *slot
	for _, sl := range l.slots {
		if oldest == nil || sl.used < oldest.used {
			oldest = sl
		}
	}
	l.forget(oldest.place)
	l.send(&wire.Drop{Slot: oldest.number})
}

// forget notes that the worker does not have the script any more.
func (l *lane) forget(place Key) {
	delete(l.slots, place)
	l.pool.place.Dropped(l.seat, place)
}

// close drops what the lane has loaded: it gets no further call.
func (l *lane) close() {
	for _, sl := range l.slots {
		l.send(&wire.Drop{Slot: sl.number})
	}
	l.lanes = slices.DeleteFunc(l.lanes, func(o *lane) bool { return o == l })
	l.shut()
}

func (l *lane) shut() {
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
}

// begin starts the clock of the call at the front.
func (l *lane) begin(c *Call, now time.Time) {
	w := l.worker
	c.began = now
	if c.cancel != "" && c.cancel != wire.CodeRecalled {
		// It was cancelled before it began, and begins before the worker knows: it is told now, not before.
		c.killAt = l.killAt(c, c.grace, now)
		l.arm(c.killAt)
	}
	c.begunBefore = w.begun - max(0, w.seat.Open()-1)
	w.begun++
	w.last = c
	w.timed(c)
	if c.CPU > 0 {
		l.arm(now.Add(c.CPU / 2))
	}
	l.mark = time.Time{}
	c.Handler.Begin(now)
	l.arm(now.Add(min(c.Wall, burnAfter)))
}

// arm makes tick run at the given time or before. A timer that fires early costs less than one that is set for each call.
func (l *lane) arm(at time.Time) {
	if !l.timerAt.IsZero() && !at.Before(l.timerAt) {
		return
	}
	l.timerAt = at
	d := time.Until(at)
	if l.timer == nil {
		l.timer = time.AfterFunc(d, l.tick)
	} else {
		l.timer.Reset(d)
	}
}

// tick does what is due at this lane.
func (l *lane) tick() {
	p := l.pool
	p.mu.Lock()
	now := time.Now()
	defer p.unlock(nil, now)
	l.timerAt = time.Time{}
	if l.closed {
		return
	}
	p.place.Look(l.seat, now)
	if l.loading != nil {
		end := l.loadAt.Add(l.loading.program.LoadTime)
		if !now.Before(end) {
			if l.worker.seat.Running() <= 1 {
				l.last = l.head()
				l.kill(CauseDeadline, "load")
				return
			}
			// Another lane keeps the worker, within limits of its own.
			l.loadAt = now
			end = now.Add(l.loading.program.LoadTime)
		}
		l.arm(end)
	}
	l.giveUp(now)
	if c := l.executing(); c != nil {
		l.watchOver(c, now)
	}
}

// watchOver holds the call that executes to its limits.
func (l *lane) watchOver(c *Call, now time.Time) {
	if c.cancel != "" && c.cancel != wire.CodeRecalled {
		if !now.Before(c.killAt) {
			l.last = c
			l.kill(causeOf(c.cancel), "")
			return
		}
		l.arm(c.killAt)
		return
	}
	ran := now.Sub(c.began)
	if ran >= c.Wall {
		l.cancel(c, Stop{Code: wire.CodeExceededWallTime}, now)
		return
	}
	l.arm(c.began.Add(c.Wall))
	if c.CPU > 0 {
		// The worker ends it at the limit by itself; this is for one that cannot.
		// The process's time is that of all executions that were in it meanwhile.
		left := c.CPU*time.Duration(max(1, l.begun-c.begunBefore)) + 2*l.pool.cfg.Grace - (processCPU(l.pid) - c.cpuBegan)
		if left <= 0 {
			l.cancel(c, Stop{Code: wire.CodeExceededCPU}, now)
			return
		}
		l.arm(now.Add(max(left/2, 10*time.Millisecond)))
	}
	if ran < burnAfter {
		l.arm(c.began.Add(burnAfter))
	} else {
		l.yieldCPU(now)
	}
}

// yieldCPU lowers the worker's weight once its execution has burnt burnAfter of CPU time.
func (l *lane) yieldCPU(now time.Time) {
	if l.niced || l.seat.Parked() {
		return
	}
	used := processCPU(l.pid)
	if l.mark.IsZero() {
		l.mark, l.markCPU = now, used
	} else if used-l.markCPU >= burnAfter {
		l.niced = l.renice(burnNice)
		l.pool.place.Burning(&l.worker.seat, l.niced)
		return
	}
	l.arm(now.Add(burnAfter))
}

// restore gives a worker its weight back whose execution has burnt CPU time; one that cannot get it back retires.
func (l *lane) restore() {
	if !l.niced || len(l.queue) > 0 {
		return
	}
	l.niced = false
	l.pool.place.Burning(&l.worker.seat, false)
	if !l.renice(0) {
		l.pool.place.Retire(&l.worker.seat)
	}
}

func causeOf(code string) string {
	switch code {
	case wire.CodeExceededWallTime:
		return CauseDeadline
	case wire.CodeExceededCPU:
		return CauseCPU
	default:
		return CauseCancelled
	}
}

// cancel asks the worker to end a call that was written; if it is not gone after the grace, tick kills the worker, or gives the call up if
// it was not begun. A call that is being cancelled already can only be made to end sooner, unless it might go on.
func (l *lane) cancel(c *Call, s Stop, now time.Time) {
	killAt := now.Add(l.pool.cfg.Grace)
	if !c.began.IsZero() {
		killAt = l.killAt(c, s.Grace, now)
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
	l.send(&wire.Cancel{Seq: c.seq, Code: s.Code, Reason: s.Reason, GraceMillis: uint32(s.Grace.Milliseconds()), Left: s.Left})
	l.arm(c.killAt)
}

// killAt is when the worker is killed of a call that is executing and is cancelled now.
func (l *lane) killAt(c *Call, grace time.Duration, now time.Time) time.Time {
	end := now.Add(grace)
	if limit := c.began.Add(c.Wall); limit.Before(end) && limit.After(now) {
		end = limit
	}
	return end.Add(l.pool.cfg.Grace)
}

// giveUp ends the cancelled calls behind the front whose Result did not come. Their Runs stay in the queue without a call.
func (l *lane) giveUp(now time.Time) {
	for i := 1; i < l.written; i++ {
		c := l.queue[i]
		if c == nil || c.cancel == "" || c.cancel == wire.CodeRecalled {
			continue
		}
		if now.Before(c.killAt) {
			l.arm(c.killAt)
			continue
		}
		l.queue[i] = nil
		l.pool.place.Over(&c.Call)
		c.end(Ending{Kind: EndCancelled, Cancel: c.cancel, Ended: now})
	}
}

// recall takes back the calls that wait behind the front. Runs that were written come back by a Result with CodeRecalled.
func (l *lane) recall(now time.Time) {
	for len(l.queue) > max(l.written, 1) {
		i := len(l.queue) - 1
		c := l.queue[i]
		l.remove(i, now)
		c.unplace()
		l.pool.place.TakenBack(&c.Call)
	}
	for i := 1; i < l.written; i++ {
		if c := l.queue[i]; c != nil && c.cancel == "" {
			c.cancel = wire.CodeRecalled
			l.send(&wire.Cancel{Seq: c.seq, Code: wire.CodeRecalled})
		}
	}
}

// lose ends the call that was executing, or being loaded, and makes the others wait again, in their order: their worker has ended.
func (l *lane) lose(death *Death, now time.Time) {
	queue := l.queue
	l.queue, l.scripts, l.seqs, l.written = nil, nil, nil, 0
	for i, c := range slices.Backward(queue) {
		if c == nil {
			continue
		}
		began := c.began
		if i == 0 && l.loading != nil && death.Cause != CauseNeighbour {
			began = l.loadAt
		}
		place, cancel := l.pool.place, c.cancel
		switch {
		case !began.IsZero():
			place.Over(&c.Call)
			c.end(Ending{Kind: EndDeath, Death: death, Cancel: cancel, Began: began, Ended: now, Cold: c.cold, PID: l.pid})
		case cancel != "" && cancel != wire.CodeRecalled:
			place.Over(&c.Call)
			c.end(Ending{Kind: EndCancelled, Cancel: cancel, Ended: now})
		case place.Lost(&c.Call):
			c.unplace()
		default: // it has lost too many workers
			c.end(Ending{Kind: EndDeath, Death: death, Ended: now})
		}
	}
}
