package admission

import (
	"cmp"
	"slices"
	"time"
)

const (
	// maxTries is how many workers a call may lose before it began.
	maxTries = 5
	// maxRecalls is how often a worker may give a call back: far more than scripts of mixed durations cause, so that a worker that gives
	// everything back ends the call and not the node's patience.
	maxRecalls = 100
	// maxLanes bounds the executions that wait in one worker. An isolate that waits takes about 2 MiB of memory, so that these stay below
	// what one worker may have.
	maxLanes = 64
	// maxLooked bounds the search for a script that is loaded: it is done under the caller's lock.
	maxLooked = 64

	// lanesKept is how long an idle worker keeps its lanes, and their isolates, for the next crowd.
	lanesKept = 3 * time.Second
	// surplusAfter is how long a worker has been idle that its tenant has beside others when it goes before any tenant's only worker.
	surplusAfter = time.Second
	// turn is how long a worker serves one script while other scripts or tenants wait for a worker.
	turn = 10 * time.Millisecond
	// maxHeld is how long a call waits at most for a lane that has its script loaded, or for the tenant's own lanes to load it, before it is
	// loaded elsewhere.
	maxHeld = 500 * time.Millisecond
	// loadCost is about how long a load takes where there is a crowd: an isolate, its context and the script's first run in V8's
	// interpreter are 5 ms of a processor's time, which others want too.
	loadCost = 20 * time.Millisecond
	// loadLong is how long a load usually takes at most where the machine is busy: the tenant's other calls do not wait for a longer one.
	loadLong = 50 * time.Millisecond
	// loadTurn is how long a full lane prefers its loaded scripts after a load. A load takes some milliseconds of CPU time: without this
	// pause, half of the executions of a tenant with more scripts than a lane keeps were preceded by a load.
	loadTurn = 100 * time.Millisecond
)

func (m *Placement) scriptOf(c *Call) *script {
	place := cmp.Or(c.Place, c.Script)
	s := m.scripts[place]
	if s == nil {
		t := m.tenants[c.Tenant]
		if t == nil {
			t = &tenant{id: c.Tenant}
			m.tenants[c.Tenant] = t
		}
		f := m.kin[c.Script]
		if f == nil {
			f = &family{id: c.Script}
			m.kin[c.Script] = f
		}
		s = &script{id: place, family: f, tenant: t}
		f.places = append(f.places, s)
		t.scripts++
		m.scripts[place] = s
	}
	s.limit = c.Limit
	return s
}

// room returns whose limit says that the script may not be served by one more lane, and that limit: ScopeNone if it may.
func (m *Placement) room(s *script) (scope Scope, limit int) {
	if limit := m.bound(s); limit > 0 {
		return ScopeScript, limit
	}
	if limit := m.cfg.TenantShare(s.tenant.id); limit > 0 && s.tenant.busy >= limit {
		return ScopeTenant, limit
	}
	return ScopeNone, 0
}

// bound returns the limit that says that no further lane may serve the script, which may be that of all its versions together; 0: none.
func (m *Placement) bound(s *script) int {
	f := s.family
	if limit := m.cfg.ScriptShare(f.id, s.limit); limit > 0 && len(s.lanes) >= limit {
		return limit
	}
	if len(f.places) > 1 {
		if limit := m.cfg.ScriptShare(f.id, f.limit()); limit > 0 && f.serving() >= limit {
			return limit
		}
	}
	return 0
}

// fair is how many workers the tenant may keep while others want some. Only a tenant that has or wants a worker is asked for.
func (m *Placement) fair(t *tenant) int { return FairShare(m.cfg.MaxWorkers, t.weight, m.contending) }

// busy is the refusal of a call for which there is no worker. Where the tenant has its fair share of the node's workers it waits behind
// its own calls: that says nothing about another tenant's.
func (m *Placement) busy(t *tenant, wait time.Duration) Refusal {
	if t.active > 0 {
		if share := m.fair(t); t.active >= share {
			return Refusal{Reason: ReasonShare, Scope: ScopeTenant, Limit: share, Wait: wait}
		}
	}
	return Refusal{Reason: ReasonWorkers, Scope: ScopeNode, Wait: wait}
}

// hopeless refuses at once a call that would be refused after its wait.
func (m *Placement) hopeless(s *script, c *Call, now time.Time) (Refusal, bool) {
	if most := max(1, m.cfg.MaxPending/2); s.tenant.pending >= most {
		return Refusal{Reason: ReasonQueue, Scope: ScopeTenant, Limit: most, Wait: time.Second}, true
	}
	if m.pending >= m.cfg.MaxPending {
		return Refusal{Reason: ReasonWorkers, Scope: ScopeNode, Limit: m.cfg.MaxPending, Wait: time.Second}, true
	}
	if len(s.lanes) == 0 || !s.est.Known() {
		return Refusal{}, false
	}
	wait := s.est.Wait(s.pending+1, len(s.lanes))
	scope, limit := m.room(s)
	if scope != ScopeNone && wait > c.LimitPatience {
		return Refusal{Reason: ReasonConcurrency, Scope: scope, Limit: limit, Wait: wait}, true
	}
	if wait > 2*c.Patience && !s.est.Waits() { // executions that wait for host calls wait beside each other
		return m.busy(s.tenant, wait), true
	}
	if c.Standing > 0 && s.first != nil {
		stood := now.Sub(s.first.submitted)
		if scope != ScopeNone && stood > min(c.Standing, c.LimitPatience/4) {
			return Refusal{Reason: ReasonConcurrency, Scope: scope, Limit: limit, Wait: max(wait, 100*time.Millisecond)}, true
		}
		if stood > c.Standing {
			return m.busy(s.tenant, max(wait, time.Second)), true
		}
	}
	return Refusal{}, false
}

// place finds a lane that can take a call of the script now.
func (m *Placement) place(s *script, c *Call, now time.Time) *Lane {
	if l := m.queueAt(s, now); l != nil {
		return l
	}
	t := s.tenant
	if len(t.idle) == 0 {
		return nil
	}
	if scope, _ := m.room(s); scope != ScopeNone {
		return nil
	}
	if s.est.Depth() > 1 && m.serving(s, now) >= m.cfg.Cores || s.est.Short() && len(s.lanes) == 0 && m.soon(s, now) >= m.cfg.Cores {
		return nil // more workers than processors only take turns, with each other and with the node
	}
	// One that has the script, or that can load it and need not drop another, or any.
	var roomy *Worker
	for _, w := range slices.Backward(t.idle) {
		if w.lanes[0].has(s) {
			return w.lanes[0]
		}
		if roomy == nil && len(w.lanes[0].loaded) < m.cfg.LaneScripts {
			roomy = w
		}
	}
	if m.held(s, c, now) {
		return nil
	}
	return cmp.Or(roomy, t.idle[len(t.idle)-1]).lanes[0]
}

func (l *Lane) has(s *script) bool {
	_, ok := l.loaded[s.id]
	return ok
}

// queueAt finds a busy lane whose queue is short enough for a call of the script: one that serves the script, else one that has it loaded.
// Of these it is the one with the longest such queue, so that as few workers as can serve the tenant's calls are kept busy and the others
// come to rest.
func (m *Placement) queueAt(s *script, now time.Time) (best *Lane) {
	if s.est.Depth() == 1 {
		return nil
	}
	for _, l := range s.lanes {
		if m.joins(l, s) && !l.stalled(now) && !m.mustYield(l, now) && (best == nil || l.load > best.load) {
			best = l
		}
	}
	if best != nil {
		return best
	}
	looked := 0
	for _, w := range s.tenant.workers {
		for _, l := range w.lanes {
			if m.joins(l, s) && !l.stalled(now) && !m.mustYield(l, now) && (best == nil || l.load > best.load) {
				best = l
			}
			if looked++; looked == maxLooked {
				return best
			}
		}
	}
	return best
}

// joins reports whether a busy lane may have one more call, which is of script s: all its scripts are short and loaded, and the queue is
// no longer than the longest of them allows.
func (m *Placement) joins(l *Lane, s *script) bool { return l.load < m.depth(l, s) }

// depth is how many calls may be at the busy lane if one of script s is among them; 1 if none of s may join it.
func (m *Placement) depth(l *Lane, s *script) int {
	w := l.worker
	if l.load == 0 || w.state != workerReady || w.gen != w.tenant.gen {
		return 1
	}
	wait := WaitTarget
	if w.tenant.busy >= m.cfg.Cores {
		wait = Backlog
	}
	depth, new := s.est.depth(wait), true
	for i := range l.serves {
		if l.serves[i].script == s {
			new = false
			continue
		}
		depth = min(depth, l.serves[i].script.est.depth(wait))
	}
	if (new || len(l.serves) > 1) && !l.has(s) {
		return 1 // also where its isolate is gone while calls of it wait behind another script's
	}
	if depth > 1 && new {
		if limit := m.bound(s); limit > 0 && (l.member(s.family) == nil || len(s.lanes) >= m.cfg.ScriptShare(s.family.id, s.limit)) {
			return 1
		}
	}
	return depth
}

// soon is how many lanes of the tenant will soon have a place for a call of the script, as far as is known: they have it or may load it,
// their executions are short, or nothing is known of those yet, and they are not held up by a long one.
func (m *Placement) soon(s *script, now time.Time) (n int) {
	t := s.tenant
	for _, w := range t.workers {
		if w.state != workerReady || w.gen != t.gen || w.runs >= m.cfg.Runs {
			continue
		}
		for _, l := range w.lanes {
			switch {
			case !l.busy || l.parked, !l.has(s) && !m.mayLoad(l, now):
			case l.loading:
				n += count(now.Sub(l.loadAt) < loadLong)
			default:
				n += count(l.head == nil || l.head.script.est.Short() && now.Sub(l.began) < l.head.script.est.Overdue())
			}
		}
	}
	return n
}

func count(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

// stalled reports whether the execution of the lane takes so long that nothing should wait behind it, or is not known to be under way.
func (l *Lane) stalled(now time.Time) bool {
	return l.head == nil || l.parked || l.loading || now.Sub(l.began) > max(4*l.head.script.est.Time(), time.Millisecond)
}

// mustYield reports whether the lane is to serve a script that cannot join it now, or another tenant, next. A script that no lane serves
// has it at once where it needs a load or a shorter queue, since a queue is soon over; a script that is not short has it after a turn.
func (m *Placement) mustYield(l *Lane, now time.Time) bool {
	if m.pending == 0 {
		return false
	}
	t := l.worker.tenant
	over := now.Sub(l.serving) >= turn
	if over && m.full && m.rival(t, t.active-1) {
		return true
	}
	loads := m.mayLoad(l, now)
	for i, s := range t.waiting {
		if i == maxLooked {
			break
		}
		if len(s.lanes) > 0 {
			continue
		}
		depth := m.depth(l, s)
		if l.load < depth || !over && !(s.est.Short() && (loads || depth > 1)) {
			continue // it joins the lane, or its turn has not come
		}
		if scope, _ := m.room(s); scope != ScopeScript || l.member(s.family) != nil {
			return true // a lane that serves another version of the script makes room for it
		}
	}
	return false
}

// mayLoad reports whether the lane may load a further script while scripts that it has loaded wait. See loadTurn.
func (m *Placement) mayLoad(l *Lane, now time.Time) bool {
	return !l.tight && len(l.loaded) < m.cfg.LaneScripts || now.Sub(l.loadAt) >= loadTurn
}

// assign gives the call a place at the lane, which may be idle.
func (m *Placement) assign(l *Lane, c *Call, now time.Time) {
	if !l.busy {
		m.unidle(l)
		l.busy, l.serving = true, now
		l.worker.tenant.busy++
		m.setActive(l, true)
	}
	m.join(l, c.script)
	c.lane, c.state = l, callPlaced
	l.load++
	m.do(Action{Do: ActionPlace, Call: c, Lane: l})
}

// join counts a call of the script at the lane.
func (m *Placement) join(l *Lane, s *script) {
	for i := range l.serves {
		if l.serves[i].script == s {
			l.serves[i].calls++
			return
		}
	}
	l.serves = append(l.serves, part{s, 1})
	s.lanes = append(s.lanes, l)
}

// part takes back what join has counted.
func (m *Placement) part(l *Lane, s *script) {
	i := slices.IndexFunc(l.serves, func(p part) bool { return p.script == s })
	if l.serves[i].calls--; l.serves[i].calls == 0 {
		l.serves = slices.Delete(l.serves, i, i+1)
		s.lanes = slices.DeleteFunc(s.lanes, func(o *Lane) bool { return o == l })
	}
}

// leave says that the lane is not busy any more. What calls it has are gone.
func (m *Placement) leave(l *Lane) {
	if !l.busy {
		return
	}
	for _, p := range l.serves {
		p.script.lanes = slices.DeleteFunc(p.script.lanes, func(o *Lane) bool { return o == l })
	}
	l.serves, l.busy = l.serves[:0], false
	l.worker.tenant.busy--
	m.setActive(l, false)
}

func (m *Placement) setActive(l *Lane, active bool) {
	if l.active == active {
		return
	}
	l.active = active
	w, t := l.worker, l.worker.tenant
	if active {
		if w.running++; w.running == 1 {
			m.active++
			t.active++
			m.contend(t)
		}
	} else if w.running--; w.running == 0 {
		m.active--
		t.active--
		m.contend(t)
		m.changed()
	}
	m.countParked(w)
}

// changed says that there may be room for a call that waits.
func (m *Placement) changed() {
	m.full = false
	if m.pending > 0 {
		m.hungry = true
	}
}

// contend counts the tenant's weight while it has or wants a worker.
func (m *Placement) contend(t *tenant) {
	switch contends := t.active > 0 || t.pending > 0; {
	case contends && t.weight == 0:
		t.weight = max(1, m.cfg.Weight(t.id))
		m.contending += t.weight
	case !contends && t.weight > 0:
		m.contending -= t.weight
		t.weight = 0
	}
}

// countParked counts the worker as parked while all of its executions wait.
func (m *Placement) countParked(w *Worker) {
	parked := w.waiting > 0 && w.running == 0
	if parked == w.parked {
		return
	}
	if w.parked = parked; parked {
		m.parked++
	} else {
		m.parked--
	}
}

// park takes a lane whose execution waits for a host call out of the count, or puts it back. A worker of which no other lane waits is
// taken out only as long as lanes of fewer than MaxParked workers wait.
func (m *Placement) park(l *Lane, parked bool) {
	w := l.worker
	if l.parked == parked || parked && w.waiting == 0 && m.hosted >= m.cfg.MaxParked {
		return
	}
	l.parked = parked
	if parked {
		if w.waiting++; w.waiting == 1 {
			m.hosted++
		}
	} else if w.waiting--; w.waiting == 0 {
		m.hosted--
	}
	m.setActive(l, !parked)
	m.countParked(w)
}

// unidle takes the lane, and its worker, out of the lists of those without work.
func (m *Placement) unidle(l *Lane) {
	w := l.worker
	if w.idle {
		w.idle = false
		m.idle--
		t := w.tenant
		t.idle = slices.Delete(t.idle, slices.Index(t.idle, w), slices.Index(t.idle, w)+1)
	}
	if i := slices.Index(w.rest, l); i >= 0 {
		w.rest = slices.Delete(w.rest, i, i+1)
	}
}

func (m *Placement) setIdle(w *Worker) {
	if !w.idle {
		w.idle = true
		m.idle++
		w.tenant.idle = append(w.tenant.idle, w)
	}
}

// quiet reports whether no lane of the worker has anything to do.
func (w *Worker) quiet() bool {
	for _, l := range w.lanes {
		if l.load > 0 || l.loading {
			return false
		}
	}
	return true
}

// held reports whether a call of the script had better wait for a lane that has the script: there is a crowd of calls, no caller waits for
// an answer to this one, and one more lane would not pay. The n lanes that have the script end its calls in (calls × duration) / n; one
// more would save about an n-th of that, and costs a load. Where every lane loaded the first script in line, a tenant's many scripts had
// two of three executions preceded by a load, and scripts that wait for host calls had as many isolates made as calls waited.
func (m *Placement) held(s *script, c *Call, now time.Time) bool {
	if m.pending <= m.cfg.MaxWorkers || c == nil || c.Standing > 0 || now.Sub(c.submitted) >= maxHeld {
		return false
	}
	looked, have := 0, 0
	for _, w := range s.tenant.workers {
		if w.state != workerReady || w.gen != s.tenant.gen {
			continue
		}
		for _, l := range w.lanes {
			if l.load > 0 && l.has(s) {
				if have++; !s.est.Known() || s.est.Wait(s.pending, have) < time.Duration(have)*loadCost {
					return true
				}
			}
			if looked++; looked == 4*maxLooked {
				return false
			}
		}
	}
	return false
}

// loadedAt finds a script that has calls pending, may have them executed, and is loaded in the lane: loading another would cost
// milliseconds, and perhaps its place.
func (m *Placement) loadedAt(l *Lane) *script {
	for i, s := range l.worker.tenant.waiting {
		if i == maxLooked {
			break
		}
		if l.has(s) {
			if scope, _ := m.room(s); scope == ScopeNone {
				return s
			}
		}
	}
	return nil
}

// enqueue makes the call pending. A script's calls stand in the order of their submission: one that came back stands before those that came
// after it, so that the first has waited longest.
func (m *Placement) enqueue(c *Call) {
	s := c.script
	t := s.tenant
	c.state, c.lane = callPending, nil
	if s.first == nil {
		t.waiting = append(t.waiting, s)
	}
	c.prev, c.next = s.last, nil
	if s.first != nil && c.submitted.Before(s.last.submitted) { // it came back
		c.prev, c.next = nil, s.first
		for c.next != nil && c.next.submitted.Before(c.submitted) {
			c.prev, c.next = c.next, c.next.next
		}
	}
	if c.prev != nil {
		c.prev.next = c
	} else {
		s.first = c
	}
	if c.next != nil {
		c.next.prev = c
	} else {
		s.last = c
	}
	s.pending++
	m.pending++
	if t.pending++; t.pending == 1 {
		m.waiting = append(m.waiting, t)
		m.contend(t)
	}
}

// dequeue takes a pending call out.
func (m *Placement) dequeue(c *Call) {
	s := c.script
	t := s.tenant
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		s.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		s.last = c.prev
	}
	c.prev, c.next = nil, nil
	s.pending--
	m.pending--
	if s.pending == 0 {
		t.waiting = slices.DeleteFunc(t.waiting, func(o *script) bool { return o == s })
	}
	if t.pending--; t.pending == 0 {
		m.waiting = slices.DeleteFunc(m.waiting, func(o *tenant) bool { return o == t })
		m.contend(t)
	}
}

// over counts the call as one that has ended.
func (m *Placement) over(c *Call) {
	c.state, c.lane = callOver, nil
	if m.calls--; m.calls == 0 && m.closing {
		m.do(Action{Do: ActionWake})
	}
}

func (m *Placement) refuse(c *Call, r Refusal) {
	if c.state == callPending {
		m.dequeue(c)
	}
	c.Refusal = r
	m.over(c)
	m.do(Action{Do: ActionRefuse, Call: c})
}

// leaves goes on after a call of script s has left its lane; c is nil for one that was over before.
func (m *Placement) leaves(l *Lane, s *script, c, next *Call, now time.Time) {
	l.load--
	m.part(l, s)
	if c != nil && l.head == c {
		l.head = nil
	}
	if next != nil {
		l.head, l.began = next, now
		if l.load > 1 || next.script.pending > 0 {
			m.look(l, now.Add(next.script.est.Overdue()))
		}
	}
	if l.parked && (next != nil || l.head == nil) {
		m.park(l, false)
	}
	if l.load == 0 {
		if !l.loading {
			m.offer(l, s, now)
		}
		return
	}
	if l.worker.tenant.pending > 0 && !l.stalled(now) && !m.mustYield(l, now) {
		m.fill(l, now)
	}
	if s.pending > 0 && len(s.lanes) == 0 {
		m.full, m.hungry = false, true // its calls waited for this lane
	}
}

// fill moves pending calls to a busy lane, one of each script in turn, as long as its queue is short enough.
func (m *Placement) fill(l *Lane, now time.Time) {
	t := l.worker.tenant
	for more := true; more; {
		more = false
		for i := 0; i < min(len(t.waiting), maxLooked); {
			s := t.waiting[i]
			if !m.joins(l, s) {
				i++
				continue
			}
			m.takeFirst(l, s, now)
			more = true
			if s.pending > 0 {
				i++
			}
		}
	}
}

// offer gives a lane without calls the next calls of its tenant, or makes it idle, or ends its worker. served is the script of its last
// call, nil if there was none.
func (m *Placement) offer(l *Lane, served *script, now time.Time) {
	full, hungry, turnOver := m.full, m.hungry, now.Sub(l.serving) >= turn
	m.leave(l)
	w := l.worker
	t := w.tenant
	usable := w.state == workerReady && w.gen == t.gen && w.runs < m.cfg.Runs
	if usable {
		// Where the node is full, a tenant with as good a claim is next. The worker keeps what it has loaded: it is evicted only for room.
		if i := m.next(l, now); i >= 0 && !(full && turnOver && m.rival(t, t.active)) {
			// The script goes to the end of its tenant's line.
			s := t.waiting[i]
			copy(t.waiting[i:], t.waiting[i+1:])
			t.waiting[len(t.waiting)-1] = s
			m.take(l, s, now)
			if served == nil || served.pending == 0 || len(served.lanes) > 0 {
				m.full, m.hungry = full, hungry // the place was given up and taken again, and no script has lost its last lane by that
			}
			return
		}
	}
	m.changed()
	switch {
	case w.state != workerReady:
		if w.state == workerRetiring && !w.doomed && w.quiet() {
			m.end(w, cmp.Or(w.cause, CauseRetired))
		}
	case w.gen != t.gen:
		m.retire(w, CauseTenant)
	case !usable:
		m.retire(w, CauseRetired)
	case m.closing && t.pending == 0:
		m.retire(w, CauseShutdown)
	case !w.quiet():
		if !slices.Contains(w.rest, l) {
			w.rest = append(w.rest, l)
		}
	default:
		w.idleSince = now
		w.rest = append(w.rest[:0], w.lanes[1:]...)
		m.setIdle(w)
	}
}

// next is the place in its tenant's line of the script that the lane takes now: the first, or for a while after a load the first that is
// loaded; -1 if none may run.
func (m *Placement) next(l *Lane, now time.Time) int {
	first := -1
	for i, s := range l.worker.tenant.waiting {
		if scope, _ := m.room(s); scope != ScopeNone || !l.has(s) && m.held(s, s.first, now) {
			continue
		}
		if l.has(s) || m.mayLoad(l, now) {
			return i
		}
		if first < 0 {
			first = i
		}
	}
	return first
}

// take moves pending calls of s to the lane, at least one, up to the depth of its queue, and calls of other scripts that may join them.
func (m *Placement) take(l *Lane, s *script, now time.Time) {
	depth := s.est.Depth()
	for first := true; s.first != nil && (first || l.load < depth); first = false {
		m.takeFirst(l, s, now)
	}
	if l.has(s) {
		m.fill(l, now)
	}
}

func (m *Placement) takeFirst(l *Lane, s *script, now time.Time) {
	c := s.first
	m.dequeue(c)
	m.assign(l, c, now)
}
