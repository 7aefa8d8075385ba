package admission

import (
	"cmp"
	"runtime"
	"slices"
	"time"
)

// Key is the id of a tenant or script.
type Key = [16]byte

// PlacementConfig bounds a Placement. Every number is required; functions may be nil where they say so.
type PlacementConfig struct {
	// MaxWorkers bounds the workers that execute at one time. A tenant below its fair share may exceed it: see Allow.
	MaxWorkers int
	// MaxLeased bounds the workers that have a tenant, beside those all of whose executions wait for host calls.
	MaxLeased int
	// MaxIdle bounds the bytes that idle workers hold together.
	MaxIdle int64
	// MaxParked bounds the workers all of whose executions wait for host calls.
	MaxParked int
	// Spares is how many workers are kept started and not leased.
	Spares int
	// MaxPending bounds the calls that wait; one tenant may have half of them.
	MaxPending int
	// Cores is how many workers of one script with short executions pay. 0 means half of the processors that Go uses: the node's share of
	// a request takes as long as the worker's.
	Cores int
	// Starts bounds the workers that are being started at one time. 0 means the machine's processors, at least 2.
	Starts int
	// LaneScripts is how many scripts one lane may have loaded.
	LaneScripts int

	// Idle is how long a worker may be idle before it is retired.
	Idle time.Duration
	// Age is how old a worker may get.
	Age time.Duration
	// Runs is how many executions a worker may serve.
	Runs int
	// IdleMemory is the resident bytes from which on an idle worker is retired, beside scriptMemory for each script that it has loaded beyond
	// the first; 0 means no bound.
	IdleMemory int64

	// ScriptShare and TenantShare return how many executions a script with that limit, or a tenant, may have at one time on this node; 0
	// means any number. They are called often, and call nothing of the Placement.
	ScriptShare func(script Key, limit int) int
	TenantShare func(tenant Key) int
	// Kind returns the kind of workers that the tenant needs. Workers are started by kind, and leased only to tenants of theirs. Nil means
	// that all have the empty one.
	Kind func(tenant Key) string
	// Weight returns the tenant's weight when workers are divided, at least 1. Nil means that all have the same.
	Weight func(tenant Key) int
}

// Call is one request to execute. The exported fields are the caller's; a Call may be submitted again once it is over.
type Call struct {
	// Owner is what the caller of the Placement makes of it.
	Owner any
	// Tenant and Script say whose call it is.
	Tenant, Script Key
	// Place names what a lane loads for it: a version of the script that lives beside another one. The zero Key means the script itself.
	Place Key
	// Limit is the script's max_concurrent_runs; 0 means no bound. Places of one script with different limits have the largest together.
	Limit int
	// Patience is how long it may wait for a worker.
	Patience time.Duration
	// LimitPatience is how long it may wait where only its script's or tenant's concurrency is in the way.
	LimitPatience time.Duration
	// Standing is how long the call of its script that waits longest may have waited for this one to wait behind it; 0 means any time.
	// A queue that stands so long does not empty: a call that joins it would only be refused later.
	Standing time.Duration
	// Refusal says why it got no worker. It is set with ActionRefuse.
	Refusal Refusal

	script     *script
	lane       *Lane // where it is placed
	prev, next *Call // while it waits
	submitted  time.Time
	state      callState
	tries      int // workers that it lost before it began
	recalls    int // times that a worker gave it back
}

type callState uint8

const (
	callNew callState = iota
	callPending
	callPlaced
	callOver
)

// Pending reports whether the call was submitted and waits for a worker.
func (c *Call) Pending() bool { return c.state == callPending }

// Lane is where the call was placed; nil if it is not, or is over.
func (c *Call) Lane() *Lane { return c.lane }

// Shared reports whether other calls of its script are pending.
func (c *Call) Shared() bool { return c.script.pending > 0 }

type workerState uint8

const (
	workerSpare workerState = iota + 1
	workerLeasing
	workerReady
	workerRetiring // gets no further call
	workerGone
)

// Worker is a process as the Placement knows it: what it is leased to, and its lanes.
type Worker struct {
	// Owner is what the caller of the Placement makes of it.
	Owner any

	kind    string
	state   workerState
	tenant  *tenant // nil: not leased
	gen     uint64  // of the tenant when it was leased
	leasing bool    // counted in tenant.leasing
	lanes   []*Lane // at least one; an idle worker takes its next call in the first
	rest    []*Lane // lanes without a call while others have one
	running int     // lanes that are active
	waiting int     // lanes that are parked
	parked  bool    // counted in Placement.parked: a lane is parked and none is active
	idle    bool    // in tenant.idle
	crowded bool    // it has said that it has no room for a further isolate
	burning bool    // an execution uses so much CPU time that its weight was lowered
	doomed  bool    // about to end: takes no room
	cause   Cause   // why it retires

	runs      int
	measured  int   // runs when its memory was measured
	private   int64 // bytes
	started   time.Time
	idleSince time.Time
}

// Running is the number of its lanes that execute or load. Open adds the lanes that wait for host calls.
func (w *Worker) Running() int { return w.running }

// Open is the number of its lanes that execute, load or wait for host calls.
func (w *Worker) Open() int { return w.running + w.waiting }

// Lane is a place of a worker: it serves one call after the other. Calls of several scripts are in its queue only while all of them are
// short and loaded.
type Lane struct {
	// Owner is what the caller of the Placement makes of it; nil until the first call is placed there.
	Owner any

	worker  *Worker
	serves  []part // the scripts of its calls
	busy    bool   // counted in tenant.busy: it has calls, or loads
	load    int    // calls that have a place here
	head    *Call  // that executes
	began   time.Time
	active  bool // counted in worker.running
	parked  bool // counted in worker.waiting
	closed  bool
	loading bool
	loaded  map[Key]struct{} // scripts
	tight   bool             // it has lost a script that was loaded: it may have as many as it can keep
	loadAt  time.Time
	serving time.Time // since when it serves calls without a rest
	lookAt  time.Time // when Look is due; zero: not asked for
}

// part is how many calls of one script a lane has: at least one.
type part struct {
	script *script
	calls  int
}

// Worker is the lane's worker.
func (l *Lane) Worker() *Worker { return l.worker }

// Active reports whether the lane counts as executing.
func (l *Lane) Active() bool { return l.active }

// Parked reports whether the lane counts as one that waits for a host call.
func (l *Lane) Parked() bool { return l.parked }

type tenant struct {
	id      Key
	gen     uint64 // counts RetireTenant
	workers []*Worker
	idle    []*Worker // most recently used last
	waiting []*script // with pending calls, next first
	busy    int       // lanes that are busy
	leasing int
	active  int // workers that are active
	served  int64
	pending int
	scripts int // known
	weight  int // counted in Placement.contending; 0: it neither has nor wants a worker

	// Of distribute.
	promised int  // workers that are still to be started
	patient  bool // it is to be served by lanes that are not free at the moment
}

// family is all places of one script: its live version and its other versions. They share the script's limit.
type family struct {
	id     Key
	places []*script
}

// serving is how many lanes serve the family.
func (f *family) serving() int {
	n := 0
	for _, s := range f.places {
		for _, l := range s.lanes {
			n += count(l.member(f) == s)
		}
	}
	return n
}

// member is the first script of the family that the lane serves; nil: none.
func (l *Lane) member(f *family) *script {
	for i := range l.serves {
		if s := l.serves[i].script; s.family == f {
			return s
		}
	}
	return nil
}

// limit is the largest of its places' limits; 0: no bound.
func (f *family) limit() int {
	most := 0
	for _, s := range f.places {
		if s.limit == 0 {
			return 0
		}
		most = max(most, s.limit)
	}
	return most
}

// script is what a lane loads: a script, or a version of it in a place of its own.
type script struct {
	id      Key // of the place
	family  *family
	tenant  *tenant
	limit   int // of its newest call
	est     Estimate
	lanes   []*Lane // that have calls of it
	first   *Call   // pending
	last    *Call
	pending int
	used    time.Time
}

// Placement decides who runs where: which call gets which lane of which worker, which waits, which is refused and why; which worker is
// leased, started and retired. It is a pure state machine, without clock, process, lock or goroutine: its methods are events, and Settle
// returns what is to be done about them. The caller says when it is, with times that do not go back.
//
//	Submit ─► placed ──Began──► executing ─Ended─► over
//	   │  ▲      │ Returned, TakenBack, Lost
//	   │  └──────┤
//	   └► pending┘ ─► refused
//
//	ActionStart ─Greeted─► spare ─ActionLease─Leased─► idle ⇄ busy (⇄ parked) ─► retiring ─ActionRetire─Gone─► gone
//	          └StartFailed
type Placement struct {
	cfg     PlacementConfig
	open    bool // Open was called
	closing bool

	workers map[*Worker]struct{} // that were greeted and are not gone
	tenants map[Key]*tenant
	scripts map[Key]*script // by place
	kin     map[Key]*family // by script
	waiting []*tenant       // with pending calls
	spares  []*Worker

	starting   int
	kinds      map[string]int // of starting
	missing    map[string]int // of grow: workers to be started
	leased     int            // workers that have a tenant and are not doomed
	idle       int            // of them, without a call
	active     int
	parked     int
	hosted     int // workers with a lane that waits for a host call
	contending int // weights of the tenants that have or want a worker
	pending    int
	calls      int // submitted and not over
	served     int64
	full       bool // grow found no room, and nothing has changed since
	hungry     bool // grow is due
	limited    bool // grow wants workers that back-off denies
	failures   int  // starts that failed, in a row; those of one moment count once
	greeted    time.Time
	notUntil   time.Time
	chored     time.Time

	out, taken []Action
}

// NewPlacement returns a Placement without workers. It asks for none before Open.
func NewPlacement(cfg PlacementConfig) *Placement {
	if cfg.Kind == nil {
		cfg.Kind = func(Key) string { return "" }
	}
	if cfg.Weight == nil {
		cfg.Weight = func(Key) int { return 1 }
	}
	cfg.Cores = cmp.Or(cfg.Cores, max(1, runtime.GOMAXPROCS(0)/2))
	cfg.Starts = cmp.Or(cfg.Starts, max(2, runtime.NumCPU()))
	return &Placement{
		cfg: cfg, workers: map[*Worker]struct{}{}, tenants: map[Key]*tenant{}, scripts: map[Key]*script{}, kin: map[Key]*family{}, kinds: map[string]int{},
		missing: map[string]int{},
	}
}

// ActionKind says what is to be done.
type ActionKind uint8

// What a Placement asks for.
const (
	// ActionPlace puts Call behind the calls of Lane. Began is to follow once it executes.
	ActionPlace ActionKind = iota + 1
	// ActionRefuse ends Call with its Refusal.
	ActionRefuse
	// ActionLease gives Worker to the tenant of Call, which waits for it: Call is nil where the tenant's environment changed meanwhile and
	// is to be read again. Leased or LeaseFailed is to follow.
	ActionLease
	// ActionStart starts a worker of Kind. Greeted or StartFailed is to follow.
	ActionStart
	// ActionRetire ends Worker, which has nothing to do. Gone is to follow.
	ActionRetire
	// ActionRecall takes back the calls of Lane behind the call that executes. TakenBack or Returned is to follow for each.
	ActionRecall
	// ActionLook asks for Look of Lane at the time At.
	ActionLook
	// ActionClose drops what Lane has loaded: it gets no further call.
	ActionClose
	// ActionMeasure asks for Measured of Worker.
	ActionMeasure
	// ActionWake asks for Tick now.
	ActionWake
)

// Action is one thing to do.
type Action struct {
	Do     ActionKind
	Cause  Cause // of ActionRetire
	Call   *Call
	Lane   *Lane
	Worker *Worker
	Kind   string
	Spare  bool // of ActionStart: no call waits for it
	At     time.Time
}

// Cause says why a worker retires.
type Cause uint8

// The causes of ActionRetire.
const (
	CauseRetired  Cause = iota + 1 // age, runs or idleness
	CauseMemory                    // it was idle and held too much
	CauseEvicted                   // another tenant needs the room
	CauseTenant                    // RetireTenant
	CauseShutdown                  // Close
	CauseLease                     // its tenant's environment could not be read
)

// Settle returns what is to be done, in order. Events that follow from doing it may come before it is called again, which is to be done
// until nothing is left. The slice is valid until the next call.
func (m *Placement) Settle(now time.Time) []Action {
	if len(m.out) == 0 && m.hungry {
		m.hungry = false
		m.grow(now)
	}
	clear(m.taken)
	out := m.out
	m.out, m.taken = m.taken[:0], out
	return out
}

func (m *Placement) do(a Action) { m.out = append(m.out, a) }

// Open says that workers can be started from now on.
func (m *Placement) Open() { m.open, m.hungry = true, true }

// Submit adds a call: it is placed, refused, or waits.
func (m *Placement) Submit(c *Call, now time.Time) {
	s := m.scriptOf(c)
	c.script, c.lane, c.state, c.tries, c.recalls = s, nil, callNew, 0, 0
	s.used, c.submitted = now, now
	m.calls++
	if m.closing {
		m.refuse(c, Refusal{Reason: ReasonClosing, Scope: ScopeNode, Wait: time.Second})
		return
	}
	if s.pending == 0 {
		if l := m.place(s, c, now); l != nil {
			m.assign(l, c, now)
			return
		}
	}
	if r, ok := m.hopeless(s, c, now); ok {
		m.refuse(c, r)
		return
	}
	m.enqueue(c)
	if m.pending == 1 {
		m.do(Action{Do: ActionWake}) // Tick watches over how long calls wait
	}
	for _, l := range s.lanes {
		if l.head != nil && !l.parked {
			if ran, overdue := now.Sub(l.began), s.est.Overdue(); ran >= overdue {
				s.est.AtLeast(ran)
			} else {
				m.look(l, l.began.Add(overdue))
			}
		}
	}
	m.hungry = true
}

// Began says that the call executes from now on.
func (m *Placement) Began(c *Call, now time.Time) {
	l := c.lane
	if l.parked {
		m.park(l, false)
	}
	l.head, l.began = c, now
	if l.load > 1 || c.script.pending > 0 {
		m.look(l, now.Add(c.script.est.Overdue()))
	}
}

// Ended says that the call is over and has left its lane. cost is the CPU time that it took, less than 0 if it did not execute; slept is for
// how much longer it kept the lane; hosted says whether it made host calls. next is the call behind it that executes from now on, nil if none
// does.
func (m *Placement) Ended(c, next *Call, cost, slept time.Duration, hosted bool, now time.Time) {
	l := c.lane
	if cost >= 0 {
		c.script.est.Observe(cost, slept, hosted)
	}
	l.worker.runs++
	m.over(c)
	m.leaves(l, c.script, c, next, now)
}

// Returned says that the worker gave the call back, which it did not begin. A call that is given back too often is refused.
func (m *Placement) Returned(c, next *Call, now time.Time) {
	l := c.lane
	c.lane = nil
	if c.recalls++; c.recalls > maxRecalls {
		m.refuse(c, Refusal{Reason: ReasonLost, Scope: ScopeTenant, Wait: time.Second})
	} else {
		m.enqueue(c)
		m.do(Action{Do: ActionWake})
	}
	m.leaves(l, c.script, c, next, now)
}

// TakenBack says that the call, which was not handed to the worker yet, was taken from its lane.
func (m *Placement) TakenBack(c *Call) {
	l := c.lane
	l.load--
	m.part(l, c.script)
	m.enqueue(c)
	m.do(Action{Do: ActionWake})
}

// Over says that the call is over. If it was placed its place is free only with Freed, or Gone of the worker.
func (m *Placement) Over(c *Call) {
	if c.state == callPending {
		m.dequeue(c)
		m.hungry = m.pending > 0 // where the crowd is smaller now, other calls need not wait for a lane that has their script
	}
	m.over(c)
}

// Freed says that the place of a call of the script is free of which Over was said before.
func (m *Placement) Freed(l *Lane, id Key, next *Call, now time.Time) {
	l.worker.runs++
	m.leaves(l, m.scripts[id], nil, next, now)
}

// Lost says that the worker of the call ended before the call began. The call waits again, before all others; Lost returns false if it is
// over instead, since it has lost too many workers. Gone of the worker is to follow.
func (m *Placement) Lost(c *Call) bool {
	if c.tries++; c.tries >= maxTries {
		m.over(c)
		return false
	}
	m.enqueue(c)
	m.do(Action{Do: ActionWake})
	return true
}

// Parked says that the call that executes at the lane waits for a host call.
func (m *Placement) Parked(l *Lane) {
	m.park(l, true)
	if l.load > 1 {
		m.do(Action{Do: ActionRecall, Lane: l})
	}
	m.changed()
}

// Ready says that it does not wait any more.
func (m *Placement) Ready(l *Lane) { m.park(l, false) }

// Look sees whether the execution of the lane takes so long that other calls do not wait for it any more. Extra calls do no harm.
func (m *Placement) Look(l *Lane, now time.Time) {
	l.lookAt = time.Time{}
	if l.head == nil || l.closed {
		return
	}
	s := l.head.script
	switch ran, overdue := now.Sub(l.began), s.est.Overdue(); {
	case ran >= overdue:
		s.est.AtLeast(ran)
		if l.load > 1 {
			m.do(Action{Do: ActionRecall, Lane: l})
		}
		if s.tenant.pending > 0 {
			m.full, m.hungry = false, true
		}
	case l.load > 1 || s.pending > 0:
		m.look(l, l.began.Add(overdue))
	}
}

func (m *Placement) look(l *Lane, at time.Time) {
	if l.lookAt.IsZero() || at.Before(l.lookAt) {
		l.lookAt = at
		m.do(Action{Do: ActionLook, Lane: l, At: at})
	}
}

// Loading says that the lane loads a script, for its first call.
func (m *Placement) Loading(l *Lane, script Key, now time.Time) {
	l.loading, l.loadAt = true, now
	if l.loaded == nil {
		l.loaded = map[Key]struct{}{}
	}
	l.loaded[script] = struct{}{}
	if len(l.serves) > 1 {
		m.do(Action{Do: ActionRecall, Lane: l}) // a load may take long: it keeps no other script's calls waiting
	}
}

// Loaded says that it has done so.
func (m *Placement) Loaded(l *Lane, now time.Time) {
	l.loading = false
	if l.load == 0 {
		m.offer(l, nil, now)
	}
}

// Dropped says that the lane does not have the script any more.
func (m *Placement) Dropped(l *Lane, script Key) {
	delete(l.loaded, script)
	l.tight = true
}

// Crowded says that the worker has no room for what the lane was to load: it gets no further lanes, and the lane closes. Returned was said
// of its calls.
func (m *Placement) Crowded(l *Lane) {
	w := l.worker
	w.crowded, l.loading = true, false
	m.leave(l)
	w.lanes = slices.DeleteFunc(w.lanes, func(o *Lane) bool { return o == l })
	l.closed = true
	m.hungry = true
}

// Burning says whether an execution of the worker uses so much CPU time that the worker's weight was lowered.
func (m *Placement) Burning(w *Worker, burning bool) { w.burning = burning }

// Greeted says that a worker that was asked for by ActionStart can be leased.
func (m *Placement) Greeted(w *Worker, kind string, started, now time.Time) {
	w.kind, w.state, w.started = kind, workerSpare, started
	w.lanes = []*Lane{{worker: w}}
	m.start(kind, -1)
	m.workers[w] = struct{}{}
	m.failures, m.greeted, m.full = 0, now, false
	m.spares = append(m.spares, w)
	if m.closing && m.pending == 0 {
		m.end(w, CauseShutdown)
		return
	}
	m.grow(now)
	if w.state == workerSpare && kind != "" && m.countSpares(kind) > 1 {
		m.end(w, CauseRetired) // its tenant was served meanwhile: one is kept of a kind that only some tenants have
	}
}

// StartFailed says that a worker that was asked for did not come. Further starts wait, each failure twice as long as the one before. It
// returns how many failed in a row, and how long starts wait; failures of one moment count once, and return 0 from the second on.
func (m *Placement) StartFailed(kind string, now time.Time) (failures int, wait time.Duration) {
	m.start(kind, -1)
	m.full, m.hungry = false, true
	m.do(Action{Do: ActionWake})
	if m.closing || now.Before(m.notUntil) {
		return 0, 0
	}
	m.failures++
	wait = min(100*time.Millisecond<<min(m.failures-1, 10), 10*time.Second)
	m.notUntil = now.Add(wait)
	return m.failures, wait
}

// Leased says that the worker knows its tenant's environment, as it was after ActionLease, and takes calls. It reports whether that still
// holds: if the tenant has changed meanwhile, another ActionLease follows; if the worker was killed, Gone.
func (m *Placement) Leased(w *Worker, now time.Time) bool {
	if w.state == workerLeasing && w.gen != w.tenant.gen {
		w.gen = w.tenant.gen
		m.do(Action{Do: ActionLease, Worker: w})
		return false
	}
	m.leaseOver(w)
	m.setActive(w.lanes[0], false)
	if w.state != workerLeasing {
		return false
	}
	w.state = workerReady
	m.offer(w.lanes[0], nil, now)
	return true
}

// LeaseFailed says that the environment of the worker's tenant could not be read: the tenant's calls are refused.
func (m *Placement) LeaseFailed(w *Worker, err error) {
	m.leaseOver(w)
	if w.state == workerLeasing {
		for _, s := range slices.Clone(w.tenant.waiting) {
			for s.first != nil {
				m.refuse(s.first, Refusal{Reason: ReasonLease, Scope: ScopeTenant, Err: err, Wait: time.Second})
			}
		}
		m.end(w, CauseLease)
	}
	m.setActive(w.lanes[0], false)
}

func (m *Placement) leaseOver(w *Worker) {
	if w.leasing {
		w.leasing = false
		w.tenant.leasing--
	}
}

// Retire ends the worker as soon as it has nothing to do.
func (m *Placement) Retire(w *Worker) { m.retire(w, CauseRetired) }

// Doomed says that the worker is about to end, for a reason that is not the Placement's: it gets no further call and takes no room.
func (m *Placement) Doomed(w *Worker) { m.doom(w) }

// Gone says that the worker has ended. Over, or Lost, was said of its calls.
func (m *Placement) Gone(w *Worker) {
	m.doom(w)
	if w.state == workerGone {
		return
	}
	w.state = workerGone
	delete(m.workers, w)
	if t := w.tenant; t != nil {
		t.workers = slices.DeleteFunc(t.workers, func(o *Worker) bool { return o == w })
		m.leaseOver(w)
		for _, l := range w.lanes {
			l.load, l.head, l.loading, l.closed = 0, nil, false, true
			m.park(l, false)
			m.leave(l)
			m.setActive(l, false)
		}
	}
	m.full, m.hungry = false, true
}

// RetireTenant replaces the tenant's workers: an idle worker at once, a busy one when its call has ended.
func (m *Placement) RetireTenant(id Key) {
	t := m.tenants[id]
	if t == nil {
		return
	}
	t.gen++
	for _, w := range slices.Clone(t.workers) {
		if w.state == workerReady {
			m.retire(w, CauseTenant)
			if !w.doomed {
				for _, l := range w.lanes {
					m.do(Action{Do: ActionRecall, Lane: l})
				}
			}
		}
	}
	m.full, m.hungry = false, true
}

// Close says that no further call is accepted: workers end as soon as they have nothing to do. Calls that wait may still be placed.
func (m *Placement) Close() {
	m.closing, m.full = true, false
	for _, w := range slices.Clone(m.spares) {
		if m.pending == 0 {
			m.end(w, CauseShutdown)
		}
	}
	for _, t := range m.tenants {
		for _, w := range slices.Clone(t.idle) {
			m.end(w, CauseShutdown)
		}
	}
}

// RefuseAll refuses the calls that wait, since the node ends.
func (m *Placement) RefuseAll() {
	for _, t := range slices.Clone(m.waiting) {
		for _, s := range slices.Clone(t.waiting) {
			for s.first != nil {
				m.refuse(s.first, Refusal{Reason: ReasonClosing, Scope: ScopeNode, Wait: time.Second})
			}
		}
	}
}

// Calls is the number of calls that were submitted and are not over.
func (m *Placement) Calls() int { return m.calls }

// Full reports whether a script, or its tenant, has as many executions on this node as it may have at one time here: a further call
// would wait for one of them, whatever else the node has to do.
func (m *Placement) Full(id Key) bool {
	f := m.kin[id]
	if f == nil {
		return false
	}
	for _, s := range f.places {
		if scope, _ := m.room(s); scope == ScopeNone {
			return false
		}
	}
	return true
}

// unableAfter is how many starts in a row must fail before a pool without workers counts as unable: by back-off, that takes 0.3 s at
// least. While a binary is being replaced one or two fail.
const unableAfter = 3

// Able reports whether calls can run: a worker was greeted, and there is one now, or the last starts did not all fail.
func (m *Placement) Able() bool {
	switch {
	case m.greeted.IsZero():
		return false
	case m.failures < unableAfter:
		return true
	}
	for w := range m.workers {
		if !w.doomed {
			return true
		}
	}
	return false
}

// PlacementStats are the figures of the moment. A worker is counted in one of Starting, Spares, Idle, Busy and Parked, until it is
// doomed.
type PlacementStats struct {
	Starting, Spares, Idle, Busy, Parked int
	Isolates                             int // scripts that are loaded in lanes
	Tenants, Pending, Calls              int
}

// Stats returns the figures of the moment.
func (m *Placement) Stats() PlacementStats {
	s := PlacementStats{Starting: m.starting, Pending: m.pending, Calls: m.calls}
	for w := range m.workers {
		switch {
		case w.doomed: // as good as gone
		case w.tenant == nil:
			s.Spares++
		case w.parked:
			s.Parked++
		case w.state == workerReady && w.quiet():
			s.Idle++
		default:
			s.Busy++
		}
		for _, l := range w.lanes {
			s.Isolates += len(l.loaded)
		}
	}
	for _, t := range m.tenants {
		if len(t.workers) > 0 {
			s.Tenants++
		}
	}
	return s
}
