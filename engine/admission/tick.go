package admission

import (
	"slices"
	"time"
)

const (
	// coldPatience is how many times its patience a call of a tenant without a worker waits while workers are being started.
	coldPatience = 3
	// choresEvery is how often workers are looked at for their age, idleness and memory.
	choresEvery = time.Second
	// forgotten is how long after its last call a script's estimate is kept.
	forgotten = 10 * time.Minute
	// scriptMemory is what a small script may hold in an idle worker beside others: it was 2.5 MiB, machine code included.
	scriptMemory = 4 << 20
)

// Tick refuses the calls that have waited long enough, retires workers, and tries starts again. It returns after how long it is due again.
func (m *Placement) Tick(now time.Time) time.Duration {
	next := choresEvery
	if m.pending > 0 {
		next = m.expire(now)
	}
	if now.Sub(m.chored) >= choresEvery {
		m.chored = now
		m.chores(now)
	}
	m.hungry = false
	m.grow(now)
	if m.limited && now.Before(m.notUntil) {
		next = min(next, m.notUntil.Sub(now))
	}
	return max(next, time.Millisecond)
}

// expire refuses the calls that have waited long enough, and returns when to look again.
func (m *Placement) expire(now time.Time) time.Duration {
	next := choresEvery
	for _, t := range slices.Clone(m.waiting) {
		// While workers are being started, or were a moment ago, a tenant without one has its turn to come: many tenants that all begin at
		// once wait longer instead of being refused.
		cold := len(t.workers) == 0 && (m.starting > 0 || now.Sub(m.greeted) < time.Second) && m.failures == 0
		for _, s := range slices.Clone(t.waiting) {
			scope, limit := m.room(s)
			for c := s.first; c != nil; {
				following := c.next
				waited := now.Sub(c.submitted)
				patience, r := c.Patience, Refusal{}
				if scope != ScopeNone && c.LimitPatience < patience {
					patience = c.LimitPatience
					r = Refusal{Reason: ReasonConcurrency, Scope: scope, Limit: limit, Wait: max(s.est.Time(), 100*time.Millisecond)}
				}
				if cold {
					patience *= coldPatience
				}
				if waited >= patience {
					if r.Scope == ScopeNone {
						r = m.busy(t, time.Second)
					}
					m.refuse(c, r)
				} else {
					next = min(next, patience-waited, Long)
				}
				c = following
			}
		}
	}
	return next
}

// chores retires workers by age, idleness and memory, and forgets scripts and tenants without calls.
func (m *Placement) chores(now time.Time) {
	var held int64
	for _, t := range m.tenants {
		for _, w := range slices.Clone(t.idle) {
			switch {
			case now.Sub(w.started) >= m.cfg.Age, now.Sub(w.idleSince) >= m.cfg.Idle:
				m.end(w, CauseRetired)
				continue
			case len(w.lanes) > 1 && now.Sub(w.idleSince) >= lanesKept:
				for _, l := range w.lanes[1:] {
					l.closed = true
					m.do(Action{Do: ActionClose, Lane: l})
				}
				w.lanes, w.rest, w.crowded = slices.Clone(w.lanes[:1]), nil, false
				w.measured = -1
			case len(w.lanes) > 1: // what it holds for the next crowd is soon gone
				continue
			}
			if w.measured != w.runs {
				// It has executed since it was measured; one that has not is as large as it was.
				w.measured = w.runs
				m.do(Action{Do: ActionMeasure, Worker: w})
			}
			held += w.private
		}
		for _, w := range slices.Clone(t.workers) {
			if w.state == workerReady && now.Sub(w.started) >= m.cfg.Age {
				m.retire(w, CauseRetired)
			}
		}
	}
	for held > m.cfg.MaxIdle {
		w := m.evict(nil, now)
		if w == nil {
			break
		}
		held -= w.private
	}
	for id, s := range m.scripts {
		if s.pending == 0 && len(s.lanes) == 0 && now.Sub(s.used) > forgotten {
			delete(m.scripts, id)
			f := s.family
			if f.places = slices.DeleteFunc(f.places, func(o *script) bool { return o == s }); len(f.places) == 0 {
				delete(m.kin, f.id)
			}
			t := s.tenant
			if t.scripts--; t.scripts == 0 && len(t.workers) == 0 && t.pending == 0 && t.leasing == 0 {
				delete(m.tenants, t.id)
			}
		}
	}
}

// Measured says what an idle worker holds: its resident bytes, and those of them that belong to no file.
func (m *Placement) Measured(w *Worker, resident, private int64) {
	w.private = private
	if w.idle && m.Bloated(w, resident) {
		m.end(w, CauseMemory)
	}
}

// Bloated reports whether an idle worker that holds so many bytes holds too much for the scripts that it has loaded.
func (m *Placement) Bloated(w *Worker, resident int64) bool {
	if m.cfg.IdleMemory == 0 {
		return false
	}
	scripts := 0
	for _, l := range w.lanes {
		scripts += len(l.loaded)
	}
	return resident > m.cfg.IdleMemory+int64(max(0, scripts-1))*scriptMemory
}
