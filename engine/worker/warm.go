package worker

import (
	"errors"
	"time"

	"example.com/jsruntime/engine/internal/warm"
)

// mayWarm reports whether the loop may take what comes next: the worker has a tenant, and no execution, frame or Cancel waits.
func (w *worker) mayWarm() bool {
	return w.warm && w.leased && !w.worn && len(w.open) == 0
}

// runWarm lets the loop run plain requests until something else comes. It reports whether it has settled that; else it is in the inbox.
func (w *worker) runWarm() (took bool, err error) {
	in := w.in
	in.mu.Lock()
	if len(in.back) > 0 || in.err != nil || len(w.cancelled) > 0 {
		in.mu.Unlock()
		return false, nil
	}
	w.cur.mu.Lock() // an adopter that takes it later sees what this thread has written
	w.inLoop, w.entered = true, false
	w.cur.mu.Unlock()
	code, left, end := w.loop.Run(in.buf, in.start)
	w.cpuAt = 0
	switch code {
	case warm.Settle, warm.Pumped:
		w.Entered()
		w.inLoop = false
		w.loop.Done()
		f, _, _ := w.loop.Front()
		s := w.slots[f.Slot]
		threw, terminated := w.loop.Said()
		if f.Pump {
			w.pumped(s, s.iso.Pumped(threw, terminated))
			return true, nil
		}
		err := s.iso.Began(threw, terminated)
		w.cur.leave()
		return true, w.settle(err)
	}
	w.inLoop = false
	w.takeInbox(left, end)
	switch code {
	case warm.Relieve:
		f, _, _ := w.loop.Front()
		w.relieve(w.slots[f.Slot])
		return true, nil
	case warm.Failed:
		if err := w.loop.Flush(); err != nil {
			return true, err
		}
		return true, errors.New("the loop cannot write")
	}
	return false, nil
}

// takeInbox takes the inbox back from the loop, which has left the bytes from start to end.
func (w *worker) takeInbox(start, end int) {
	w.in.buf, w.in.start, w.in.scanned = w.in.buf[:end], start, start
	w.in.mu.Unlock()
}

// adopt makes what the loop runs the worker's: from then on the rules of executions in Go hold for it, those of the watchdog too, and the
// inbox is free. The watchdog calls it for what takes long, the main thread where JavaScript calls Go or has ended in a way that is not plain.
// False: nothing runs.
func (w *worker) adopt() bool {
	w.cur.mu.Lock()
	defer w.cur.mu.Unlock()
	if !w.loop.Adopt() {
		return false
	}
	f, left, end := w.loop.Front()
	c := &w.cur
	c.seq, c.iso, c.began, c.cpuBegan = f.Seq, w.slots[f.Slot].iso, f.Began, f.CPUBegan
	c.ending = endingAt(f.Began.Add(time.Duration(f.WallMillis) * time.Millisecond))
	c.cpuLimit = time.Duration(f.CPUMillis) * time.Millisecond
	c.inJS, c.terminated, c.peakRSS = true, false, 0
	w.takeInbox(left, end)
	c.active.Store(true)
	return true
}

// Entered implements isolate.Host: where the loop has begun the execution, it is put in front.
func (w *worker) Entered() {
	if !w.inLoop || w.entered {
		return
	}
	w.adopt()
	w.entered = true
	f, _, _ := w.loop.Front()
	if f.Pump {
		w.seq = 0
		return
	}
	w.execution = execution{
		id: f.Slot, slot: w.slots[f.Slot], seq: f.Seq, began: f.Began, wallMillis: f.WallMillis, cpuMillis: f.CPUMillis, outputLimit: f.OutputLimit,
		logLimit: f.LogLimit,
	}
}
