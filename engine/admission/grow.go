package admission

import (
	"maps"
	"slices"
	"time"
)

// serving is the number of the script's lanes that are not held up by a long execution.
func (m *Placement) serving(s *script, now time.Time) int {
	n := 0
	overdue := s.est.Overdue()
	for _, l := range s.lanes {
		if l.head == nil || now.Sub(l.began) < overdue {
			n++
		}
	}
	return n
}

// want is how many further lanes the tenant's pending calls are worth.
func (m *Placement) want(t *tenant, now time.Time) int {
	n, unserved := 0, 0
	for _, s := range t.waiting {
		if m.held(s, s.first, now) {
			continue
		}
		serving := m.serving(s, now)
		waited := now.Sub(s.first.submitted)
		if s.est.Depth() > 1 && len(s.lanes) > 0 && (waited < Stuck || serving >= m.cfg.Cores) {
			continue // a lane that was held up for a moment catches up sooner than another worker starts
		}
		if len(s.lanes) == 0 && s.est.Short() {
			// The tenant's lanes load it, or have it, in their turn. One more worker serves all such scripts.
			if scope, _ := m.room(s); scope == ScopeNone && !m.awaits(s, waited, now) {
				unserved = 1
			}
			continue
		}
		k := s.est.Workers(s.pending, serving)
		if limit := m.cfg.ScriptShare(s.family.id, s.limit); limit > 0 {
			k = min(k, limit-len(s.lanes))
		}
		if f := s.family; len(f.places) > 1 {
			if limit := m.cfg.ScriptShare(f.id, f.limit()); limit > 0 {
				k = min(k, limit-f.serving())
			}
		}
		if len(s.lanes) == 0 {
			k = max(k, 1)
		}
		n += max(k, 0)
	}
	n += unserved - t.leasing
	if limit := m.cfg.TenantShare(t.id); limit > 0 {
		n = min(n, limit-t.busy-t.leasing)
	}
	return n
}

// awaits reports whether a call of a script that no lane serves had better go on waiting for the tenant's own lanes than be worth a further
// worker.
func (m *Placement) awaits(s *script, waited time.Duration, now time.Time) bool {
	switch soon := m.soon(s, now); {
	case soon == 0:
		return false
	case soon >= m.cfg.Cores:
		return waited < maxHeld
	default:
		return len(s.tenant.idle) == 0 && waited < Stuck
	}
}

// grow finds workers for the tenants whose calls are pending, fairest first, and keeps the spares up.
func (m *Placement) grow(now time.Time) {
	if !m.open || m.full {
		return
	}
	clear(m.missing)
	if m.pending > 0 {
		m.distribute(now)
	}
	was := m.limited
	m.limited = false
	spares := m.cfg.Spares
	if m.greeted.IsZero() || m.failures > 0 {
		spares = max(1, spares) // whether a worker starts is known by starting one
	}
	if m.closing {
		spares = 0
	}
	lacking := max(0, spares-m.countSpares(""))
	if lacking > 0 {
		m.missing[""] += lacking
	}
	if len(m.missing) == 0 {
		return
	}
	for _, kind := range slices.Sorted(maps.Keys(m.missing)) {
		for need := m.missing[kind] - m.kinds[kind]; need > 0 && m.starting < m.cfg.Starts; need-- {
			if now.Before(m.notUntil) || m.failures > 0 && m.starting > 0 {
				// The workers that were promised are not started: the node is not full because of them.
				m.limited, m.full = true, false
				if !was {
					m.do(Action{Do: ActionWake}) // Tick returns when starts are tried again
				}
				return
			}
			m.start(kind, 1)
			m.do(Action{Do: ActionStart, Kind: kind, Spare: kind == "" && need <= lacking})
		}
	}
}

// start counts workers that are being started.
func (m *Placement) start(kind string, n int) {
	m.starting += n
	if m.kinds[kind] += n; m.kinds[kind] == 0 {
		delete(m.kinds, kind)
	}
}

// countSpares is the number of spares of that kind.
func (m *Placement) countSpares(kind string) int {
	n := 0
	for _, w := range m.spares {
		if w.kind == kind {
			n++
		}
	}
	return n
}

// takeSpare takes the newest spare of that kind out, nil if there is none.
func (m *Placement) takeSpare(kind string) *Worker {
	for i, w := range slices.Backward(m.spares) {
		if w.kind == kind {
			m.spares = slices.Delete(m.spares, i, i+1)
			return w
		}
	}
	return nil
}

// distribute gives idle workers and spares to the tenants that wait, and counts in m.missing how many further workers they may have, by
// kind.
func (m *Placement) distribute(now time.Time) {
	for _, t := range m.waiting {
		t.promised, t.patient = 0, false
	}
	missing := 0
	for {
		best, load := m.neediest(now)
		if best == nil {
			return
		}
		if n := len(best.idle); n > 0 {
			// Idle workers with calls pending: the calls' limits were in the way, or are still, or the tenant gave its turn to another.
			w := best.idle[n-1]
			before := best.pending
			m.unidle(w.lanes[0])
			m.offerNow(w.lanes[0], now)
			if best.pending < before {
				continue
			}
		}
		// Executions that wait briefly are best beside each other: a worker for each would wake for each.
		brief := len(best.workers) >= m.cfg.Cores && best.brief()
		if busy := m.leased - m.idle + missing; busy >= m.cfg.MaxWorkers || brief {
			lane, later := m.share(best)
			if lane != nil {
				before := best.pending
				m.offerNow(lane, now)
				if best.pending < before {
					continue
				}
			}
			if later && (brief || busy >= 2*m.cfg.MaxWorkers) {
				best.patient = true
				continue
			}
		}
		if !Allow(load.Active, m.active+missing, m.cfg.MaxWorkers, load.Weight, m.contending) {
			m.full = true
			return
		}
		if m.leased-m.parked+missing >= m.cfg.MaxLeased {
			m.evict(best, now)
		}
		kind := m.cfg.Kind(best.id)
		if w := m.takeSpare(kind); w != nil {
			m.lease(w, best)
			continue
		}
		best.promised++
		missing++
		m.missing[kind]++
	}
}

// neediest is the tenant that is to get the next worker, nil if none wants any.
func (m *Placement) neediest(now time.Time) (best *tenant, load Load) {
	for _, t := range m.waiting {
		l := t.load()
		l.Active += t.promised
		if !t.patient && (best == nil || Before(l, load)) && m.want(t, now) > t.promised {
			best, load = t, l
		}
	}
	return best, load
}

// brief reports whether executions of all scripts that wait for a lane wait for host calls only briefly.
func (t *tenant) brief() bool {
	for i, s := range t.waiting {
		if i == maxLooked || !s.est.Brief() {
			return false
		}
	}
	return len(t.waiting) > 0
}

func (t *tenant) load() Load {
	return Load{Active: t.active, Weight: max(1, t.weight), Served: t.served}
}

// rival reports whether a tenant waits that has at least as good a claim to a worker as t would have with active ones, and could use it.
func (m *Placement) rival(t *tenant, active int) bool {
	for _, o := range m.waiting {
		if o == t || (o.active+1)*max(1, t.weight) > (active+1)*max(1, o.weight) {
			continue
		}
		for i, s := range o.waiting {
			if i == maxLooked {
				break
			}
			if scope, _ := m.room(s); scope == ScopeNone {
				return true
			}
		}
	}
	return false
}

// serve notes that the tenant has got a worker.
func (m *Placement) serve(t *tenant) {
	m.served++
	t.served = m.served
}

// offerNow gives a lane at rest pending calls of its tenant if their limits allow, else leaves it as it is.
func (m *Placement) offerNow(l *Lane, now time.Time) {
	w := l.worker
	m.serve(w.tenant)
	if s := m.loadedAt(l); s != nil {
		m.take(l, s, now)
		return
	}
	for _, s := range w.tenant.waiting {
		if scope, _ := m.room(s); scope == ScopeNone && !m.held(s, s.first, now) {
			m.take(l, s, now)
			return
		}
	}
	if w.quiet() {
		m.setIdle(w)
	}
}

// share finds, or makes, a lane in a worker of the tenant all of whose executions wait: the worker with the fewest. later reports whether
// there is one that may have a lane to give when it waits again.
func (m *Placement) share(t *tenant) (lane *Lane, later bool) {
	var best *Worker
	for _, w := range t.workers {
		if w.state != workerReady || w.gen != t.gen || w.waiting == 0 || w.burning || w.runs >= m.cfg.Runs ||
			len(w.rest) == 0 && (w.crowded || len(w.lanes) >= maxLanes) {
			continue
		}
		later = true
		if w.running > 0 {
			continue
		}
		for _, l := range w.rest {
			if m.loadedAt(l) != nil {
				return l, true
			}
		}
		if best == nil || w.waiting < best.waiting {
			best = w
		}
	}
	if best == nil {
		return nil, later
	}
	if n := len(best.rest); n > 0 {
		return best.rest[n-1], true
	}
	lane = &Lane{worker: best}
	best.lanes = append(best.lanes, lane)
	best.rest = append(best.rest, lane)
	return lane, true
}

// evict retires an idle worker of a tenant other than t, and returns it. A worker whose tenant has another one, and did not need it for
// surplusAfter, is evicted first; among equals, the worker that has been idle longest. A tenant that loses its only worker pays for another start at its next call,
// which evicts the next one where the node is full.
func (m *Placement) evict(t *tenant, now time.Time) *Worker {
	var oldest *Worker
	surplus := false
	for _, o := range m.tenants {
		if o == t || len(o.idle) == 0 {
			continue
		}
		w := o.idle[0]
		beside := now.Sub(w.idleSince) >= surplusAfter && slices.ContainsFunc(o.workers, func(other *Worker) bool { return other != w && !other.doomed })
		if oldest == nil || beside && !surplus || beside == surplus && w.idleSince.Before(oldest.idleSince) {
			oldest, surplus = w, beside
		}
	}
	if oldest != nil {
		m.end(oldest, CauseEvicted)
	}
	return oldest
}

// lease gives a spare to a tenant that waits, for life.
func (m *Placement) lease(w *Worker, t *tenant) {
	m.serve(t)
	t.leasing++
	t.workers = append(t.workers, w)
	w.tenant, w.state, w.gen, w.leasing = t, workerLeasing, t.gen, true
	m.leased++
	m.setActive(w.lanes[0], true)
	m.do(Action{Do: ActionLease, Worker: w, Call: t.waiting[0].first})
}

// end retires a worker now.
func (m *Placement) end(w *Worker, cause Cause) {
	if w.doomed || w.state == workerGone {
		return
	}
	m.doom(w)
	m.do(Action{Do: ActionRetire, Worker: w, Cause: cause})
}

// retire ends the worker as soon as it has nothing to do.
func (m *Placement) retire(w *Worker, cause Cause) {
	if w.doomed || w.state == workerGone {
		return
	}
	if w.quiet() {
		m.end(w, cause)
		return
	}
	w.state, w.rest = workerRetiring, nil
	if w.cause == 0 {
		w.cause = cause
	}
}

// doom makes a worker that is about to end get no further call and take no room.
func (m *Placement) doom(w *Worker) {
	if w.doomed || w.state == 0 {
		return
	}
	w.doomed = true
	if w.state != workerGone {
		w.state = workerRetiring
	}
	m.spares = slices.DeleteFunc(m.spares, func(o *Worker) bool { return o == w })
	m.unidle(w.lanes[0])
	if w.tenant != nil {
		m.leased--
	}
}
