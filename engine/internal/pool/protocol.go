package pool

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/internal/outbox"
	"example.com/jsruntime/engine/internal/sandbox"
	"example.com/jsruntime/engine/internal/wire"
)

// devel is the build of a binary that was built outside of version control: it goes with any.
const devel = "devel"

type protocolError string

func (e protocolError) Error() string { return string(e) }

// read handles the worker's frames until the socket ends.
func (w *worker) read(socket io.Reader) error {
	p := w.pool
	r := wire.NewReader(socket, 0)
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
	if err := w.greet(&hello); err != nil {
		return err
	}
	w.pace = newPace(time.Now())
	for {
		k, payload, err := r.Next()
		if err != nil {
			return err
		}
		if d := w.pace.take(k, len(payload), time.Now); d > 0 {
			w.out.Flush()
			select {
			case <-time.After(d):
			case <-w.exited:
				return io.EOF
			}
		}
		switch k {
		case wire.KindResult:
			err = w.result(payload)
		case wire.KindLoaded:
			err = w.loaded(payload)
		case wire.KindHostCall, wire.KindHostCancel, wire.KindLog, wire.KindHead, wire.KindChunk, wire.KindCredit, wire.KindAnswer:
			err = w.frame(k, payload)
		case wire.KindGoesOn:
			err = w.goesOn(payload)
		default:
			err = protocolError("a worker does not send this kind of frame")
		}
		if err != nil {
			return err
		}
		if !r.Buffered() {
			w.out.Flush()
		}
	}
}

// greet makes a worker that said Hello one that can be leased.
func (w *worker) greet(h *wire.Hello) error {
	p := w.pool
	switch {
	case h.Protocol != wire.Protocol:
		return protocolError(fmt.Sprintf("the worker speaks protocol %d, not %d", h.Protocol, wire.Protocol))
	case p.cfg.Build != devel && h.Build != devel && h.Build != p.cfg.Build:
		return protocolError(fmt.Sprintf("the worker is of build %.100q, not %q", h.Build, p.cfg.Build))
	}
	usage, _ := sandbox.UsageOf(w.pid)
	now := time.Now()
	p.mu.Lock()
	defer p.unlock(nil, now)
	w.watched.base, w.watched.held, w.watched.readAt = usage.Held(), usage.Held(), processCPU(w.pid)
	if w.doomed {
		return nil // killed by shutdown: the reader sees the end
	}
	w.greeted = true
	if lacking := sandbox.Lacking(h.Layers); p.layers == nil && len(lacking) > 0 {
		p.cfg.Logger.Warn("workers lack layers of the sandbox", "layers", lacking) // once: they are all alike
	}
	p.v8, p.layers = h.V8, h.Layers
	p.cfg.Started(now.Sub(w.started))
	p.place.Greeted(&w.seat, w.kind, w.started, now)
	return nil
}

// laneOf finds the lane that has the Run of that number, else any; nil if there is none.
func (w *worker) laneOf(seq uint32) *lane {
	if len(w.lanes) > 1 {
		for _, l := range w.lanes[1:] {
			if slices.Contains(l.seqs[:l.written], seq) {
				return l
			}
		}
	}
	if len(w.lanes) == 0 {
		return nil
	}
	return w.lanes[0]
}

// loaded handles the answer to a Load.
func (w *worker) loaded(payload []byte) error {
	m, err := wire.ParseLoaded(payload)
	if err != nil {
		return err
	}
	p := w.pool
	p.mu.Lock()
	now := time.Now()
	defer p.unlock(w, now)
	i := slices.IndexFunc(w.lanes, func(l *lane) bool { return l.loading != nil && l.loading.number == m.Slot })
	if i < 0 {
		return protocolError("Loaded for a slot that is not being loaded")
	}
	l := w.lanes[i]
	sl := l.loading
	l.loading = nil
	if len(m.Cache) > 0 && !sl.produce {
		return protocolError("a code cache that was not asked for")
	}
	if sl.produce && m.Code == "" {
		p.codes.put(sl.program, w.kind, m.Cache)
	}
	if m.Refused {
		p.codes.drop(sl.program)
	}
	sl.produce, m.Cache = false, nil // it is the frame's memory
	switch {
	case m.Code == "":
		l.pump(now)
		p.place.Loaded(l.seat, now)
	case m.Code == wire.CodeRecalled && len(w.lanes) > 1:
		l.crowded(sl, now)
	default:
		l.loadFailed(sl, m, now)
	}
	return nil
}

// crowded closes a lane for which the worker has no room: its calls go elsewhere.
func (l *lane) crowded(sl *slot, now time.Time) {
	place := l.pool.place
	l.forget(sl.place)
	for i := len(l.queue) - 1; i >= 0; i-- {
		c, script := l.queue[i], l.scripts[i]
		l.remove(i, now)
		if c == nil {
			place.Freed(l.seat, script, nil, now)
		} else {
			c.unplace()
			place.Returned(&c.Call, nil, now)
		}
	}
	place.Crowded(l.seat)
	l.lanes = slices.DeleteFunc(l.lanes, func(o *lane) bool { return o == l })
	l.shut()
}

// loadFailed ends the calls of a program that cannot be loaded. The worker has dropped it.
func (l *lane) loadFailed(sl *slot, m wire.Loaded, now time.Time) {
	place := l.pool.place
	l.forget(sl.place)
	place.Loaded(l.seat, now)
	for i := 0; i < len(l.queue); {
		c := l.queue[i]
		if c == nil || c.Program != sl.program {
			i++
			continue
		}
		next := l.remove(i, now)
		place.Ended(&c.Call, next, -1, 0, false, now)
		c.end(Ending{Kind: EndLoad, Loaded: m, Began: l.loadAt, Ended: now, Cold: true, PID: l.pid})
	}
	l.pump(now)
}

// result handles the end of a call.
func (w *worker) result(payload []byte) error {
	m, err := wire.ParseResult(payload)
	if err != nil {
		return err
	}
	m.Headers, m.Body = slices.Clone(m.Headers), slices.Clone(m.Body)
	now := time.Now()
	p := w.pool
	p.mu.Lock()
	l := w.laneOf(m.Seq)
	i := -1
	if l != nil && m.Seq != 0 {
		i = slices.Index(l.seqs[:l.written], m.Seq)
	}
	if i < 0 {
		p.unlock(w, now)
		return protocolError("Result for a Run that the worker does not have")
	}
	c, script := l.queue[i], l.scripts[i]
	if i > 0 && c != nil && (c.cancel == "" || c.cancel == wire.CodeRecalled && m.Code != wire.CodeRecalled) {
		p.unlock(w, now)
		return protocolError("Result out of turn")
	}
	next := l.remove(i, now)
	if m.Condemned && l.slots[script] != nil {
		l.forget(script)
		p.cfg.Condemned(m.Code)
	}
	l.restore()
	if m.Exiting {
		p.place.Retire(&w.seat)
	}
	done := l.finish(c, script, next, i == 0, &m, now)
	l.pump(now)
	p.unlock(w, now)
	if done {
		c.Done <- struct{}{}
	}
	return nil
}

// finish says what a Result means for its call of the script, which has left the lane: nil for one that was given up. It reports whether the call has
// ended, so that Done is due.
func (l *lane) finish(c *Call, script Key, next *admission.Call, front bool, m *wire.Result, now time.Time) (done bool) {
	place := l.pool.place
	switch {
	case c == nil:
		place.Freed(l.seat, script, next, now)
		return false
	case m.Code == wire.CodeRecalled && (c.cancel == "" || c.cancel == wire.CodeRecalled):
		if sl := l.slots[c.Program.place()]; c.cancel == "" && sl != nil && sl.number == c.Run.Slot {
			l.forget(sl.place) // the worker has dropped its isolate, for room: it is loaded again before the next Run
		}
		c.unplace()
		place.Returned(&c.Call, next, now)
		return false
	case !front, c.cancel != "" && c.cancel != wire.CodeExceededWallTime && m.Code == c.cancel && m.WallMicros == 0: // cancelled before it began
		place.Ended(&c.Call, next, -1, 0, false, now)
		c.Ending = Ending{Kind: EndCancelled, Cancel: c.cancel, Ended: now}
	default:
		used, slept := cost(now.Sub(c.began), m)
		place.Ended(&c.Call, next, used, slept, c.hosted, now)
		l.corrected(c, &m.CPUMicros, &m.PeakMemory)
		if c.cancel == wire.CodeRecalled {
			c.cancel = ""
		}
		c.Ending = Ending{Kind: EndResult, Result: *m, Cancel: c.cancel, Began: c.began, Ended: now, Cold: c.cold, PID: l.pid}
	}
	c.lane = nil
	return true
}

// cost is what an execution tells of how long the next one will keep its worker: its CPU time, which does not grow when the machine is
// busy, and for how long it slept, or waited for a processor. The worker's figures are not trusted beyond what was seen; wrong ones can only
// make the script's own executions wait for each other.
func cost(took time.Duration, m *wire.Result) (used, slept time.Duration) {
	if w := time.Duration(m.WallMicros) * time.Microsecond; m.WallMicros > 0 && w < took {
		took = w
	}
	used = took
	if u := time.Duration(m.CPUMicros) * time.Microsecond; m.CPUMicros > 0 && u < took {
		used = u
	}
	return used, took - used
}

// frame hands any other frame to the call that it names.
func (w *worker) frame(k wire.Kind, payload []byte) error {
	d := wire.NewDecoder(payload)
	seq := uint32(d.Uint(1<<32 - 1))
	p := w.pool
	p.mu.Lock()
	l := w.laneOf(seq)
	if l == nil || l.written == 0 || l.seqs[0] != seq {
		oldest := w.seq + 1
		if l != nil && slices.Contains(l.seqs[:l.written], seq) {
			oldest = seq
		}
		p.mu.Unlock()
		late := k == wire.KindHostCancel || k == wire.KindCredit || k == wire.KindChunk
		if seq == 0 || seq >= oldest || !late {
			return protocolError(fmt.Sprintf("frame of kind %d for Run %d, which does not execute", k, seq))
		}
		return w.pace.lateFrame()
	}
	c := l.queue[0]
	if c == nil {
		p.mu.Unlock()
		return w.pace.lateFrame() // given up
	}
	h := c.Handler
	if k == wire.KindHostCall {
		c.hosted = true
		if c.open++; c.open == 1 {
			p.place.Parked(l.seat)
			p.unlock(w, time.Now())
			return h.Frame(Ref{l, seq}, k, payload)
		}
	}
	p.mu.Unlock()
	return h.Frame(Ref{l, seq}, k, payload)
}

// goesOn handles the answer to a Stop with Left: the call is not cancelled.
func (w *worker) goesOn(payload []byte) error {
	m, err := wire.ParseGoesOn(payload)
	if err != nil {
		return err
	}
	p := w.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	l := w.laneOf(m.Seq)
	if l == nil || l.written == 0 || l.seqs[0] != m.Seq {
		return protocolError(fmt.Sprintf("GoesOn for Run %d, which does not execute", m.Seq))
	}
	c := l.queue[0]
	switch {
	case c == nil: // given up
		return nil
	case !c.mayGoOn:
		return protocolError("GoesOn without a Cancel that asks")
	}
	c.mayGoOn = false
	if c.left { // it was not cancelled for another reason meanwhile
		c.cancel, c.left = "", false
		l.arm(c.began.Add(c.Wall))
	}
	return nil
}

// Send writes a frame to the worker of the call that ref names.
func (p *Pool) Send(ref Ref, m wire.Message) {
	w := ref.lane.worker
	if err := w.out.Append(m); err != nil {
		if errors.Is(err, outbox.ErrNotReading) {
			p.mu.Lock()
			w.kill(CauseNotReading, err.Error())
			p.unlock(nil, time.Now())
		}
		return
	}
	w.out.Flush()
}

// Answered says that a HostCall of the call was answered, so that its execution may go on.
func (p *Pool) Answered(ref Ref) {
	l := ref.lane
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.written == 0 || l.seqs[0] != ref.seq || l.queue[0] == nil {
		return
	}
	if c := l.queue[0]; c.open > 0 {
		if c.open--; c.open == 0 {
			l.last = c
			p.place.Ready(l.seat)
		}
	}
}

// Breach kills the worker of a call for a breach of the protocol that was found outside of Handler.Frame.
func (p *Pool) Breach(ref Ref, reason string) {
	p.mu.Lock()
	defer p.unlock(nil, time.Now())
	ref.lane.kill(CauseProtocol, reason)
}
