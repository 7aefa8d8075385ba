package worker

import (
	"errors"
	"slices"
	"time"

	"example.com/jsruntime/engine/internal/warm"
	"example.com/jsruntime/engine/internal/wire"
)

// mostApart bounds worker.apart.
const mostApart = 64

// mayWarm reports whether the loop may take the next frame: the worker has a tenant. The loop must be able to take waiting executions too: see lend.
func (w *worker) mayWarm() bool {
	if w.apart > 0 && len(w.open) > 0 {
		w.apart--
		return false
	}
	return w.warm && w.leased && !w.worn
}

// tried notes whether the loop has run anything. To lend it many executions and take them back costs microseconds, which are lost where each
// frame is Go's, such as the parts of streams.
func (w *worker) tried(ran bool) {
	if ran || len(w.open) == 0 {
		w.idle = 0
	} else {
		w.idle = min(2*w.idle+1, mostApart)
	}
	w.apart = w.idle
}

// lend gives the waiting executions, and the Runs for their slots, to the loop. It returns false, and gives none, where the loop cannot handle all
// of them. The caller holds the inbox's lock.
func (w *worker) lend() bool {
	if w.in.err != nil || len(w.cancelled) > 0 || slices.ContainsFunc(w.in.back, func(f frame) bool { return f.kind != wire.KindRun }) {
		return false
	}
	w.cur.mu.Lock()
	defer w.cur.mu.Unlock()
	for _, x := range w.open {
		plain := x.stop == "" && x.notice == nil && !x.left && !x.cancelled && !x.answered && !x.trial && x.deadline.Equal(x.wall)
		if !plain || x.slot.Isolate == nil || x.slot.iso.Idle() {
			return false
		}
	}
	for _, x := range w.open {
		w.loop.Lend(x.slot.Slot, &warm.Aside{
			Seq: x.seq, Began: x.began, WallMillis: x.wallMillis, CPUMillis: x.cpuMillis, OutputLimit: x.outputLimit, LogLimit: x.logLimit,
			CPU: x.cpu, Peak: x.peakRSS,
		})
		x.slot.open = nil
	}
	clear(w.open)
	w.open, w.cur.aside = w.open[:0], w.cur.aside[:0]
	for len(w.in.back) > 0 {
		m, err := wire.ParseRun(w.in.back[0].payload)
		if err != nil || !w.loop.Later(m.Slot, w.in.back[0].payload) {
			w.reclaim()
			return false
		}
		w.in.back = w.in.back[1:]
	}
	w.in.back = nil
	return true
}

// reclaim takes the waiting executions and Runs back from the loop. The caller holds the locks of the inbox and of w.cur, and the loop runs nothing,
// or Go has adopted it. The main thread calls reopen afterwards.
func (w *worker) reclaim() {
	if w.loop.Waits() > 0 {
		for id, s := range w.slots {
			a, ok := w.loop.TakeBack(s.Slot)
			if !ok {
				continue
			}
			x := &execution{
				id: id, slot: s, seq: a.Seq, began: a.Began, wallMillis: a.WallMillis, cpuMillis: a.CPUMillis, outputLimit: a.OutputLimit,
				logLimit: a.LogLimit, ending: endingAt(a.Began.Add(time.Duration(a.WallMillis) * time.Millisecond)), cpu: a.CPU, peakRSS: a.Peak,
			}
			w.cur.aside = append(w.cur.aside, x)
			w.cur.reclaimed = append(w.cur.reclaimed, x)
		}
	}
	var back []frame
	for p := w.loop.TakeLater(); p != nil; p = w.loop.TakeLater() {
		back = append(back, frame{kind: wire.KindRun, payload: p})
	}
	w.in.back = append(back, w.in.back...)
}

// reopen makes the main thread know the executions that were reclaimed.
func (w *worker) reopen() {
	w.cur.mu.Lock()
	defer w.cur.mu.Unlock()
	for i, x := range w.cur.reclaimed {
		x.slot.open = x
		w.open = append(w.open, x)
		w.cur.reclaimed[i] = nil
	}
	w.cur.reclaimed = w.cur.reclaimed[:0]
	w.freed = true // executions may have ended in the loop
}

// runWarm lets the loop run plain requests until something else comes. It reports whether it has settled that; else it is in the inbox.
func (w *worker) runWarm() (took bool, err error) {
	in := w.in
	in.mu.Lock()
	if !w.lend() {
		in.mu.Unlock()
		w.reopen()
		return false, nil
	}
	w.cur.mu.Lock() // an adopter that takes it later sees what this thread has written
	w.inLoop, w.entered = true, false
	w.cur.mu.Unlock()
	before := w.loop.Turns()
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
		w.leave()
		if !s.iso.Done() {
			w.cur.check(time.Now()) // it may have used up its CPU time in many short turns
		}
		return true, w.settle(err)
	}
	w.inLoop = false
	w.cur.mu.Lock()
	w.reclaim()
	w.cur.mu.Unlock()
	w.takeInbox(left, end)
	w.reopen()
	w.tried(w.loop.Turns() != before)
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
	c.said = nil
	if !f.Pump {
		c.peakRSS = w.slots[f.Slot].Peak()
		c.said, c.saying = w.slots[f.Slot].Slot, warm.Saying{Seq: f.Seq, LogLimit: f.LogLimit, Began: f.Began}
	}
	w.reclaim()
	w.takeInbox(left, end)
	c.active.Store(true)
	return true
}

// Entered implements isolate.Host: where the loop has begun the execution, it is put in front.
func (w *worker) Entered() {
	if !w.inLoop || w.entered {
		w.said()
		return
	}
	w.adopt()
	w.reopen()
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
	w.said()
}
