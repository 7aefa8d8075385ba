package worker

import (
	"time"

	"example.com/jsruntime/engine/internal/isolate"
	"example.com/jsruntime/engine/internal/warm"
)

// pumpApart is how often an execution that waits has its message loop pumped, within its own limits.
const pumpApart = 10 * time.Millisecond

// tidy writes the answers, lets V8 do what it put off in the isolates in which something ran, and gives memory back before its limit
// bites. It is called where nothing of the node's is at hand, and after warm.TidyAfter executions: what callbacks do then is only on the
// clock of the next frame, by warm.PumpWall at most, and its CPU time is the next execution's of their own script.
func (w *worker) tidy() error {
	w.cpuAt = 0
	w.loop.Tidied()
	if err := w.loop.Flush(); err != nil {
		return err
	}
	for id, s := range w.slots {
		if !w.loop.TakeRan(s.Slot) {
			continue
		}
		if s.open == nil {
			w.pump(s)
		}
		if w.slots[id] == s && s.open == nil {
			w.relieve(s)
		}
	}
	return nil
}

// pump runs what V8 has put off for a slot without an execution.
func (w *worker) pump(s *slot) {
	w.loop.Bound(s.Slot)
	w.seq = 0
	w.cur.begin(0, s.iso, time.Now(), warm.PumpWall, warm.PumpCPU, cpuTime())
	w.loop.Stir()
	w.cur.enter()
	w.pumped(s, s.iso.Pump(true))
}

// pumped looks what came of what V8 had put off for a slot without an execution.
func (w *worker) pumped(s *slot, err error) {
	w.cur.leave()
	end, terminated, _, before := w.cur.end()
	s.pumped = time.Now()
	s.Owed += cpuTime() - before
	if end.stop != "" || terminated || err != nil || s.iso.HeapExceeded() {
		w.drop(s.id)
	}
}

// pumpWithin runs what V8 has put off for the execution in front, which waits: within its limits, as an event loop does.
func (w *worker) pumpWithin() error {
	s := w.slot
	now := time.Now()
	if now.Sub(s.pumped) < pumpApart || !w.cur.enter() {
		return nil
	}
	s.pumped = now
	err := s.iso.Pump(false)
	w.leave()
	return err
}

// relieve keeps the worker from its memory limit where V8 alone would not: it collects, and drops the isolate where that does not help.
func (w *worker) relieve(s *slot) {
	_, data, err := w.mem.Size()
	high := w.loop.High(s.Slot)
	if err != nil || data < high {
		return
	}
	w.cur.mu.Lock()
	asked := w.mem.Asked
	w.cur.mu.Unlock()
	if data < asked+s.MaxMemory/8 {
		return // it was as high after the last time
	}
	s.iso.Relieve()
	isolate.Trim()
	if _, data, err = w.mem.Size(); err != nil {
		return
	}
	w.cur.mu.Lock()
	w.mem.Asked = data
	w.cur.mu.Unlock()
	if data < high+s.MaxMemory/4 {
		return
	}
	w.drop(s.id)
	isolate.Trim()
	if _, data, err = w.mem.Size(); err == nil && data >= high && len(w.open) == 0 {
		w.worn = true
	}
}

// less is what is left of the process's own memory for s: without what the isolates of other scripts are known to use.
func (w *worker) less(own uint64, s *slot) uint64 { return own - min(own, w.loop.Others(s.Slot)) }
