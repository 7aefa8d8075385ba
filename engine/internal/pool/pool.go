package pool

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"jsruntime/engine/admission"
	"jsruntime/engine/internal/sandbox"
	"jsruntime/engine/internal/wire"
	"jsruntime/engine/text"
)

const longRun = admission.Long

// devel is the build of a binary that was built outside of version control: it goes with any.
const devel = "devel"

// maxTries is how many workers a call may lose before it began.
const maxTries = 5

// maxRecalls is how often a worker may give a call back: far more than scripts of mixed durations cause, so that a worker that
// gives everything back ends the call and not the node's patience.
const maxRecalls = 100

// Config says how a Pool keeps its workers. Zero values of durations and counts are errors of the caller: package engine fills
// in its own defaults.
type Config struct {
	Path        string
	Args        []string
	Build       string // of the node
	SysProcAttr func() *syscall.SysProcAttr

	MaxWorkers int
	MaxLeased  int   // workers that have a tenant, executing or idle
	MaxIdle    int64 // bytes of memory of their own that idle workers may hold together
	MaxParked  int
	Spares     int
	MaxPending int
	Grace      time.Duration // between Cancel, or the end of its grace, and SIGKILL
	CleanUp    time.Duration // how long a script may clean up when its execution is cancelled by shutdown
	DrainGrace time.Duration
	Idle       time.Duration
	Age        time.Duration
	Runs       int
	IdleMemory int64 // resident bytes from which on an idle worker is retired

	HelloTimeout time.Duration // 0 means 10 s
	MaxMemory    int64         // see wire.Lease

	Cgroups *sandbox.Cgroups // nil: workers have none of their own

	Budget *admission.Budget // of the node's memory; nil: none

	Env func(ctx context.Context, tenant Key) (json.RawMessage, error)
	// ScriptShare and TenantShare return how many executions a script with that limit, or a tenant, may have at one time on this node; 0
	// means any number.
	ScriptShare func(script Key, limit int) int
	TenantShare func(tenant Key) int
	// TenantArgs is a further argument of a tenant's workers; empty, or a nil function, means none. It is called often.
	TenantArgs func(tenant Key) string
	Started    func(took time.Duration)
	Ended      func(cause string, death *Death)
	// Convicted is called, under the pool's lock, when a worker without a call is killed for a bound that it broke: prog is what it executed
	// last.
	Convicted func(prog *Program, cause, reason string)
	Condemned func(code string) // a worker dropped an isolate after an execution that ended with code, in the worker's words
	Logger    *slog.Logger
}

type tenant struct {
	id      Key
	slug    string
	gen     uint64
	workers []*worker
	idle    []*worker // most recently used last
	waiting []*script // with pending calls, next first
	busy    int       // workers that serve a script
	leasing int
	active  int
	served  int64
	pending int
	scripts int // known
}

func (t *tenant) load() admission.Load {
	return admission.Load{Active: t.active, Weight: 1, Served: t.served}
}

type script struct {
	id      Key
	tenant  *tenant
	limit   int // of its newest program
	est     admission.Estimate
	workers []*worker // that serve it
	first   *Call     // pending
	last    *Call
	waiting int
	used    time.Time
}

// Pool runs calls in worker processes.
type Pool struct {
	cfg Config

	mu       sync.Mutex
	running  bool
	closing  bool
	workers  map[*worker]struct{}
	tenants  map[Key]*tenant
	scripts  map[Key]*script
	waiting  []*tenant // with pending calls
	spares   []*worker
	dirty    []*worker
	starting int
	kinds    map[string]int // of starting, by the further argument
	leased   int
	active   int
	parked   int
	pending  int
	calls    int // submitted and not ended
	served   int64
	full     bool      // grow found no room, and nothing has changed since
	failures int       // starts that failed, in a row; those of one moment count once
	greeted  time.Time // when a worker last said Hello
	notUntil time.Time
	v8       string
	layers   []string

	spawns  chan spawnRequest
	wake    chan struct{} // to Run: something to look at
	wg      sync.WaitGroup
	ctx     context.Context // of Run's goroutines
	cores   int             // processors that short executions may keep busy: half, since the node's share of a request takes as long as the worker's
	limited bool            // grow wants processes that back-off denies
}

// New returns a Pool that has started nothing yet.
func New(cfg Config) (*Pool, error) {
	if cfg.Path == "" {
		return nil, errors.New("Path must be set")
	}
	cfg.HelloTimeout = cmp.Or(cfg.HelloTimeout, 10*time.Second)
	if cfg.TenantArgs == nil {
		cfg.TenantArgs = func(Key) string { return "" }
	}
	if cfg.Ended == nil {
		cfg.Ended = func(string, *Death) {}
	}
	if cfg.Started == nil {
		cfg.Started = func(time.Duration) {}
	}
	if cfg.Convicted == nil {
		cfg.Convicted = func(*Program, string, string) {}
	}
	if cfg.Condemned == nil {
		cfg.Condemned = func(string) {}
	}
	return &Pool{
		cfg:     cfg,
		workers: map[*worker]struct{}{},
		tenants: map[Key]*tenant{},
		scripts: map[Key]*script{},
		kinds:   map[string]int{},
		wake:    make(chan struct{}, 1),
		cores:   max(1, runtime.GOMAXPROCS(0)/2),
	}, nil
}

// unlock releases the lock and writes what was appended under it. Frames of self are left to its reader, which flushes once it
// has handled all that has arrived.
func (p *Pool) unlock(self *worker) {
	if len(p.dirty) == 0 {
		p.mu.Unlock()
		return
	}
	var few [4]*worker
	dirty := append(few[:0], p.dirty...)
	for i, w := range dirty {
		w.dirty = false
		p.dirty[i] = nil
	}
	p.dirty = p.dirty[:0]
	p.mu.Unlock()
	for _, w := range dirty {
		if self == nil || w.process != self.process {
			w.out.flush()
		}
	}
}

func (p *Pool) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *Pool) scriptOf(prog *Program) *script {
	s := p.scripts[prog.Script]
	if s == nil {
		t := p.tenants[prog.Tenant]
		if t == nil {
			t = &tenant{id: prog.Tenant, slug: prog.TenantSlug}
			p.tenants[prog.Tenant] = t
		}
		s = &script{id: prog.Script, tenant: t}
		t.scripts++
		p.scripts[prog.Script] = s
	}
	s.limit = prog.Concurrency
	return s
}

// room reports whether the script may be served by one more worker, and if not, whose limit says so.
func (p *Pool) room(s *script) (scope Scope, limit int) {
	if limit := p.cfg.ScriptShare(s.id, s.limit); limit > 0 && len(s.workers) >= limit {
		return ScopeScript, limit
	}
	if limit := p.cfg.TenantShare(s.tenant.id); limit > 0 && s.tenant.busy >= limit {
		return ScopeTenant, limit
	}
	return ScopeNone, 0
}

// Full reports whether a script, or its tenant, has as many executions on this node as it may have at one time here: a further call
// would wait for one of them, whatever else the node has to do.
func (p *Pool) Full(id Key) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.scripts[id]
	if s == nil {
		return false
	}
	scope, _ := p.room(s)
	return scope != ScopeNone
}

// busy is the refusal of a call for which there is no worker. Where the tenant has its fair share of the node's workers it waits behind
// its own calls: that says nothing about another tenant's.
func (p *Pool) busy(t *tenant, wait time.Duration) Refusal {
	if t.active > 0 {
		if share := admission.FairShare(p.cfg.MaxWorkers, 1, p.contenders()); t.active >= share {
			return Refusal{Scope: ScopeShare, Limit: share, Wait: wait}
		}
	}
	return Refusal{Scope: ScopeNode, Wait: wait}
}

// Submit hands a call over. Its Ending is signalled by Done.
func (p *Pool) Submit(c *Call) {
	now := time.Now()
	p.mu.Lock()
	s := p.scriptOf(c.Program)
	c.script, c.worker, c.state, c.tries, c.recalls = s, nil, callNew, 0, 0
	c.began, c.cold, c.hosted, c.open, c.cancel = time.Time{}, false, false, 0, ""
	c.left, c.mayGoOn, c.grace = false, false, 0
	s.used, c.submitted = now, now
	p.calls++
	if p.closing {
		p.refuse(c, Refusal{Scope: ScopeClosing, Wait: time.Second}, now)
		p.unlock(nil)
		return
	}
	if s.waiting == 0 {
		if w := p.place(s, c, now); w != nil {
			p.assign(w, c, now)
			p.unlock(nil)
			return
		}
	}
	if r, ok := p.hopeless(s, c, now); ok {
		p.refuse(c, r, now)
		p.unlock(nil)
		return
	}
	p.enqueue(c, false)
	if p.pending == 1 {
		p.poke() // Run watches over how long calls wait
	}
	for _, w := range s.workers {
		if h := w.head(); h != nil && !h.began.IsZero() && !w.parked {
			if ran, overdue := now.Sub(h.began), s.est.Overdue(); ran >= overdue {
				s.est.AtLeast(ran)
			} else {
				w.arm(h.began.Add(overdue))
			}
		}
	}
	p.grow(now)
	p.unlock(nil)
}

// hopeless refuses at once what would be refused after its wait.
func (p *Pool) hopeless(s *script, c *Call, now time.Time) (Refusal, bool) {
	if most := max(1, p.cfg.MaxPending/2); s.tenant.pending >= most {
		return Refusal{Scope: ScopeQueue, Limit: most, Wait: time.Second}, true
	}
	if p.pending >= p.cfg.MaxPending {
		return Refusal{Scope: ScopeNode, Limit: p.cfg.MaxPending, Wait: time.Second}, true
	}
	if len(s.workers) == 0 || !s.est.Known() {
		return Refusal{}, false
	}
	wait := s.est.Wait(s.waiting+1, len(s.workers))
	scope, limit := p.room(s)
	if scope != ScopeNone && wait > c.LimitPatience {
		return Refusal{Scope: scope, Limit: limit, Wait: wait}, true
	}
	if wait > 2*c.Patience && !s.est.Waits() { // those that wait for host calls wait beside each other
		return p.busy(s.tenant, wait), true
	}
	if c.Standing > 0 && s.first != nil {
		stood := now.Sub(s.first.submitted)
		if scope != ScopeNone && stood > min(c.Standing, c.LimitPatience/4) {
			return Refusal{Scope: scope, Limit: limit, Wait: max(wait, 100*time.Millisecond)}, true
		}
		if stood > c.Standing {
			return p.busy(s.tenant, max(wait, time.Second)), true
		}
	}
	return Refusal{}, false
}

// place finds a worker that can take a call of the script now.
func (p *Pool) place(s *script, c *Call, now time.Time) *worker {
	if w := p.queueAt(s, now); w != nil {
		return w
	}
	t := s.tenant
	if len(t.idle) == 0 {
		return nil
	}
	if scope, _ := p.room(s); scope != ScopeNone {
		return nil
	}
	if s.est.Depth() > 1 && p.serving(s, now) >= p.cores {
		return nil // more workers than processors only take turns, with each other and with the node
	}
	// One that has the script, or that can load it and need not drop another, or any.
	var roomy *worker
	for i := len(t.idle) - 1; i >= 0; i-- {
		w := t.idle[i]
		if w.slots[s.id] != nil {
			return w
		}
		if roomy == nil && len(w.slots) < maxSlots {
			roomy = w
		}
	}
	if p.holds(s, c, now) {
		return nil
	}
	return cmp.Or(roomy, t.idle[len(t.idle)-1])
}

// queueAt finds a busy worker of the script whose queue is short enough: the one with the longest such queue, so that as few
// workers as can serve the script are kept busy and the others come to rest.
func (p *Pool) queueAt(s *script, now time.Time) *worker {
	if len(s.workers) == 0 {
		return nil
	}
	depth := s.est.Depth()
	if depth == 1 {
		return nil
	}
	var best *worker
	for _, w := range s.workers {
		if len(w.queue) < depth && w.state == stateReady && !w.stalled(now) && !p.mustYield(w, now) &&
			(best == nil || len(w.queue) > len(best.queue)) {
			best = w
		}
	}
	return best
}

// lanesKept is how long an idle worker keeps its lanes, and their isolates, for the next crowd.
const lanesKept = 3 * time.Second

// turn is how long a worker serves one script while other scripts or tenants wait for a worker.
const turn = 10 * time.Millisecond

// mustYield reports whether the worker is to serve somebody else next.
func (p *Pool) mustYield(w *worker, now time.Time) bool {
	if p.pending == 0 || now.Sub(w.serving) < turn {
		return false
	}
	t := w.tenant
	if p.full && len(p.waiting) > 0 && t.active > admission.FairShare(p.cfg.MaxWorkers, 1, p.contenders()) {
		return true
	}
	for _, s := range t.waiting {
		if s != w.script {
			if scope, _ := p.room(s); scope != ScopeScript && len(s.workers) == 0 {
				return true
			}
		}
	}
	return false
}

// contenders is the number of tenants that have or want a worker.
func (p *Pool) contenders() int {
	n := 0
	for _, t := range p.tenants {
		if t.active > 0 || t.pending > 0 {
			n++
		}
	}
	return n
}

// assign puts the call into the worker's queue, which it may find idle.
func (p *Pool) assign(w *worker, c *Call, now time.Time) {
	if w.script == nil {
		p.unidle(w)
		w.script, w.serving = c.script, now
		c.script.workers = append(c.script.workers, w)
		w.tenant.busy++
		p.setActive(w, true)
	}
	w.push(c)
	w.pump(now)
}

// leave detaches a worker with an empty queue from the script that it served.
func (p *Pool) leave(w *worker) {
	if w.script == nil {
		return
	}
	s := w.script
	s.workers = slices.DeleteFunc(s.workers, func(o *worker) bool { return o == w })
	w.script = nil
	w.tenant.busy--
	p.setActive(w, false)
}

func (p *Pool) setActive(w *worker, active bool) {
	if w.active == active {
		return
	}
	w.active = active
	if active {
		if w.running++; w.running == 1 {
			p.active++
			w.tenant.active++
		}
	} else if w.running--; w.running == 0 {
		p.active--
		w.tenant.active--
		p.full = false
	}
	p.countParked(w)
}

// countParked counts the process as parked while all of its executions wait.
func (p *Pool) countParked(w *worker) {
	parked := w.waiting > 0 && w.running == 0
	if parked == w.process.parked {
		return
	}
	if w.process.parked = parked; parked {
		p.parked++
	} else {
		p.parked--
	}
}

// unidle takes the worker out of the lists of those that wait for work.
func (p *Pool) unidle(w *worker) {
	if w.state == stateSpare || w.tenant == nil {
		p.spares = slices.DeleteFunc(p.spares, func(o *worker) bool { return o == w })
	}
	if t := w.tenant; t != nil {
		if i := slices.Index(t.idle, w); i >= 0 {
			t.idle = slices.Delete(t.idle, i, i+1)
		}
	}
	if i := slices.Index(w.rest, w); i >= 0 {
		w.rest = slices.Delete(w.rest, i, i+1)
	}
}

// park takes a worker whose execution waits for a host call out of the count, or puts it back. A process of which no other lane
// waits is taken out only as long as fewer than MaxParked are.
func (p *Pool) park(w *worker, parked bool) {
	if w.parked == parked || parked && w.waiting == 0 && p.parked >= p.cfg.MaxParked {
		return
	}
	w.parked = parked
	if parked {
		w.waiting++
	} else {
		w.waiting--
	}
	p.setActive(w, !parked)
	p.countParked(w)
}

// share finds, or makes, a lane in a worker of the tenant all of whose executions wait: the one with the fewest. later reports
// whether there is one that may have a lane to give when it waits again.
func (p *Pool) share(t *tenant) (lane *worker, later bool) {
	var best *worker
	for _, w := range t.workers {
		if w.state != stateReady || w.gen != t.gen || w.waiting == 0 || w.niced || w.runs >= p.cfg.Runs ||
			len(w.rest) == 0 && (w.crowded || len(w.lanes) >= maxLanes) {
			continue
		}
		later = true
		if w.running > 0 {
			continue
		}
		for _, l := range w.rest {
			if p.waitsFor(l) != nil {
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
	lane = &worker{pool: p, process: best.process, pid: best.pid, state: stateReady, tenant: t, gen: best.gen, slots: map[Key]*slot{}}
	best.lanes = append(best.lanes, lane)
	best.process.rest = append(best.process.rest, lane)
	return lane, true
}

// heldFor is how long a call of the queue's waits for a lane that has its script, while it may hope for one.
const heldFor = 500 * time.Millisecond

// loadCost is about how long a load takes where there is a crowd: an isolate, its context and the script's first run in V8's
// interpreter are 5 ms of a processor's time, which others want too.
const loadCost = 20 * time.Millisecond

// held reports whether the script's calls had better wait for a lane that has the script: there is a crowd of calls, nobody waits for
// an answer to this one, and one more lane would not pay. The n lanes that have the script end its calls in (calls × duration) / n;
// one more would save about an n-th of that, and costs a load. Where every lane loaded whatever came first, a tenant's many scripts had
// two of three executions preceded by one, and scripts that wait for host calls had as many isolates made as calls waited.
func (p *Pool) held(s *script, now time.Time) bool { return p.holds(s, s.first, now) }

// holds is held for a call of the script.
func (p *Pool) holds(s *script, c *Call, now time.Time) bool {
	if p.pending <= p.cfg.MaxWorkers || c == nil || c.Standing > 0 || now.Sub(c.submitted) >= heldFor {
		return false
	}
	looked, have := 0, 0
	for _, w := range s.tenant.workers {
		if w.state != stateReady || w.gen != s.tenant.gen {
			continue
		}
		for _, l := range w.lanes {
			if l.slots[s.id] != nil && l.head() != nil {
				if have++; !s.est.Known() || s.est.Wait(s.waiting, have) < time.Duration(have)*loadCost {
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

// maxLooked bounds the search for a script that is loaded: it is done under the pool's lock.
const maxLooked = 64

// waitsFor finds a script that has calls pending, may have them executed, and is loaded in the lane: loading another would cost
// milliseconds, and perhaps its place.
func (p *Pool) waitsFor(lane *worker) *script {
	for i, s := range lane.tenant.waiting {
		if i == maxLooked {
			break
		}
		if lane.slots[s.id] != nil {
			if scope, _ := p.room(s); scope == ScopeNone {
				return s
			}
		}
	}
	return nil
}

// dropLanes makes an idle worker one of a single lane again.
func (p *Pool) dropLanes(w *worker) {
	for _, l := range w.lanes[1:] {
		for _, sl := range l.slots {
			w.send(&wire.Drop{Slot: sl.number})
		}
		l.state = stateDead
		if l.timer != nil {
			l.timer.Stop()
		}
	}
	w.lanes, w.rest, w.crowded = slices.Clone(w.lanes[:1]), nil, false
}

// enqueue makes the call pending: last of its script, or first.
func (p *Pool) enqueue(c *Call, front bool) {
	s := c.script
	t := s.tenant
	c.state, c.worker = callPending, nil
	switch {
	case s.first == nil:
		s.first, s.last = c, c
		t.waiting = append(t.waiting, s)
	case front:
		c.next, s.first.prev = s.first, c
		s.first = c
	default:
		c.prev, s.last.next = s.last, c
		s.last = c
	}
	s.waiting++
	p.pending++
	if t.pending++; t.pending == 1 {
		p.waiting = append(p.waiting, t)
	}
}

// dequeue takes a pending call out.
func (p *Pool) dequeue(c *Call) {
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
	s.waiting--
	p.pending--
	if s.waiting == 0 {
		t.waiting = slices.DeleteFunc(t.waiting, func(o *script) bool { return o == s })
	}
	if t.pending--; t.pending == 0 {
		p.waiting = slices.DeleteFunc(p.waiting, func(o *tenant) bool { return o == t })
	}
}

// requeue makes a call pending that a worker had and did not begin.
func (p *Pool) requeue(c *Call) {
	c.began, c.cancel, c.cold = time.Time{}, "", false
	c.left, c.mayGoOn, c.grace = false, false, 0
	p.enqueue(c, true)
	p.poke()
}

// end signals the call's Ending, which is set.
func (p *Pool) end(c *Call) {
	c.state, c.worker = callEnded, nil
	p.calls--
	if p.calls == 0 && p.closing {
		p.poke()
	}
	c.Done <- struct{}{}
}

func (p *Pool) refuse(c *Call, r Refusal, now time.Time) {
	if c.state == callPending {
		p.dequeue(c)
	}
	c.Ending = Ending{Kind: EndRefused, Refusal: r, Ended: now}
	p.end(c)
}

// offer gives a worker with an empty queue the next calls of its tenant, or makes it idle.
func (p *Pool) offer(w *worker, now time.Time) {
	p.leave(w)
	t := w.tenant
	if w.state != stateReady {
		if w.state == stateRetiring && w.quiet() {
			w.kill(cmp.Or(w.reason, CauseRetired), "")
		}
		return
	}
	if w.gen != t.gen {
		w.retire(CauseTenant)
		return
	}
	if w.runs >= p.cfg.Runs || w.niced && !w.renice(0) {
		w.retire(CauseRetired)
		p.grow(now)
		return
	}
	w.niced = false
	quiet := len(w.lanes) == 1 || w.quiet()
	if quiet && p.full && t.active >= admission.FairShare(p.cfg.MaxWorkers, 1, p.contenders()) && p.othersWait(t) {
		w.kill(CauseEvicted, "")
		p.full = false
		p.grow(now)
		return
	}
	if i := p.next(w, now); i >= 0 {
		// The script goes to the end of its tenant's line.
		s := t.waiting[i]
		copy(t.waiting[i:], t.waiting[i+1:])
		t.waiting[len(t.waiting)-1] = s
		p.take(w, s, now)
		return
	}
	if p.closing {
		w.retire(CauseShutdown)
		return
	}
	if !quiet {
		if !slices.Contains(w.rest, w) {
			w.process.rest = append(w.process.rest, w)
		}
	} else {
		first := w.lanes[0]
		first.idleSince = now
		w.process.rest = append(w.rest[:0], w.lanes[1:]...)
		if !slices.Contains(t.idle, first) {
			t.idle = append(t.idle, first)
		}
	}
	if p.pending > 0 {
		p.full = false
		p.grow(now)
	}
}

// loadTurn is how long after a load a worker prefers the scripts that it has loaded. Loading takes some milliseconds of CPU time: where
// a tenant's scripts took turns, more of them than a worker keeps, half of all executions were preceded by a load.
const loadTurn = 100 * time.Millisecond

// next is the place in its tenant's line of the script that the worker takes now: the first, or for a while after a load the first that
// is loaded; -1 if none may run.
func (p *Pool) next(w *worker, now time.Time) int {
	first := -1
	for i, s := range w.tenant.waiting {
		if scope, _ := p.room(s); scope != ScopeNone || w.slots[s.id] == nil && p.held(s, now) {
			continue
		}
		if w.slots[s.id] != nil || now.Sub(w.loadAt) >= loadTurn {
			return i
		}
		if first < 0 {
			first = i
		}
	}
	return first
}

func (p *Pool) othersWait(t *tenant) bool {
	return len(p.waiting) > 1 || len(p.waiting) == 1 && p.waiting[0] != t
}

// take moves pending calls of s to w, at least one, up to the depth of its queue.
func (p *Pool) take(w *worker, s *script, now time.Time) {
	depth := s.est.Depth()
	for first := true; s.first != nil && (first || len(w.queue) < depth); first = false {
		c := s.first
		p.dequeue(c)
		p.assign(w, c, now)
	}
}

// serving is the number of the script's workers that are not held up by a long execution.
func (p *Pool) serving(s *script, now time.Time) int {
	n := 0
	overdue := s.est.Overdue()
	for _, w := range s.workers {
		if c := w.head(); c == nil || c.began.IsZero() || now.Sub(c.began) < overdue {
			n++
		}
	}
	return n
}

// want is how many further workers the tenant's pending calls are worth.
func (p *Pool) want(t *tenant) int {
	n := 0
	now := time.Now()
	for _, s := range t.waiting {
		if p.held(s, now) {
			continue
		}
		serving := p.serving(s, now)
		if s.est.Depth() > 1 && len(s.workers) > 0 && (now.Sub(s.first.submitted) < admission.Stuck || serving >= p.cores) {
			continue // a worker that was held up for a moment catches up sooner than another one starts
		}
		k := s.est.Workers(s.waiting, serving)
		if limit := p.cfg.ScriptShare(s.id, s.limit); limit > 0 {
			k = min(k, limit-len(s.workers))
		}
		if len(s.workers) == 0 {
			k = max(k, 1)
		}
		n += max(k, 0)
	}
	n -= t.leasing
	if limit := p.cfg.TenantShare(t.id); limit > 0 {
		n = min(n, limit-t.busy-t.leasing)
	}
	return n
}

// grow finds workers for the tenants whose calls are pending, fairest first, and keeps the spares up.
func (p *Pool) grow(now time.Time) {
	if !p.running || p.full {
		return
	}
	missing := map[string]int{}
	if p.pending > 0 {
		missing = p.distribute(now)
	}
	was := p.limited
	p.limited = false
	spares := p.cfg.Spares
	if p.greeted.IsZero() || p.failures > 0 {
		spares = max(1, spares) // whether a worker starts is known by starting one
	}
	if p.closing {
		spares = 0
	}
	missing[""] += max(0, spares-p.countSpares(""))
	for _, kind := range slices.Sorted(maps.Keys(missing)) {
		for need := missing[kind] - p.kinds[kind]; need > 0 && p.starting < max(2, runtime.NumCPU()); need-- {
			if now.Before(p.notUntil) || p.failures > 0 && p.starting > 0 {
				// The workers that were promised are not started: the pool is not full because of them.
				p.limited, p.full = true, false
				if !was {
					p.poke() // Run's timer is set to when starts are tried again
				}
				return
			}
			p.startOne(kind)
		}
	}
}

// countSpares is the number of spares with that further argument.
func (p *Pool) countSpares(kind string) int {
	n := 0
	for _, w := range p.spares {
		if w.kind == kind {
			n++
		}
	}
	return n
}

// takeSpare takes the newest spare with that further argument out, nil if there is none.
func (p *Pool) takeSpare(kind string) *worker {
	for i, w := range slices.Backward(p.spares) {
		if w.kind == kind {
			p.spares = slices.Delete(p.spares, i, i+1)
			return w
		}
	}
	return nil
}

// distribute leases spares to tenants and returns how many further workers they may have, by their further argument.
func (p *Pool) distribute(now time.Time) map[string]int {
	var (
		missing    = 0
		kinds      = map[string]int{}
		contenders = p.contenders()
		extra      = map[*tenant]int{}  // promised to the tenant, still to be started
		patient    = map[*tenant]bool{} // to be served by lanes that are not free at the moment
	)
	for {
		var best *tenant
		var load admission.Load
		for _, t := range p.waiting {
			l := t.load()
			l.Active += extra[t]
			if !patient[t] && p.want(t)-extra[t] > 0 && (best == nil || admission.Before(l, load)) {
				best, load = t, l
			}
		}
		if best == nil {
			return kinds
		}
		if n := len(best.idle); n > 0 {
			// Idle workers with calls pending: the calls' limits were in the way, or are still. offer decides.
			w := best.idle[n-1]
			before := best.pending
			p.unidle(w)
			p.offerNow(w, now)
			if best.pending < before {
				continue
			}
		}
		if busy := p.leased - p.idle() + missing; busy >= p.cfg.MaxWorkers {
			lane, later := p.share(best)
			if lane != nil {
				before := best.pending
				p.offerNow(lane, now)
				if best.pending < before {
					continue
				}
			}
			if later && busy >= 2*p.cfg.MaxWorkers {
				patient[best] = true
				continue
			}
		}
		if !admission.Allow(load.Active, p.active+missing, p.cfg.MaxWorkers, 1, contenders) {
			p.full = true
			return kinds
		}
		if p.leased-p.parked+missing >= p.cfg.MaxLeased {
			p.evict(best)
		}
		kind := p.cfg.TenantArgs(best.id)
		if w := p.takeSpare(kind); w != nil {
			p.lease(w, best)
			continue
		}
		extra[best]++
		missing++
		kinds[kind]++
	}
}

// idle is the number of workers that wait for work.
func (p *Pool) idle() int {
	n := 0
	for _, t := range p.tenants {
		n += len(t.idle)
	}
	return n
}

// offerNow gives a lane at rest, or an idle worker, pending calls of its tenant if their limits allow, else leaves it as it is.
func (p *Pool) offerNow(w *worker, now time.Time) {
	t := w.tenant
	if s := p.waitsFor(w); s != nil {
		p.take(w, s, now)
		return
	}
	for _, s := range t.waiting {
		if scope, _ := p.room(s); scope == ScopeNone && !p.held(s, now) {
			p.take(w, s, now)
			return
		}
	}
	if w.quiet() {
		t.idle = append(t.idle, w)
	}
}

// evict retires the worker that has been idle longest, of a tenant other than t, and returns it.
func (p *Pool) evict(t *tenant) *worker {
	var oldest *worker
	for _, o := range p.tenants {
		if o != t && len(o.idle) > 0 && (oldest == nil || o.idle[0].idleSince.Before(oldest.idleSince)) {
			oldest = o.idle[0]
		}
	}
	if oldest != nil {
		oldest.kill(CauseEvicted, "")
	}
	return oldest
}

// lease gives a spare to a tenant, for life.
func (p *Pool) lease(w *worker, t *tenant) {
	p.served++
	t.served = p.served
	t.leasing++
	t.workers = append(t.workers, w)
	w.tenant, w.state = t, stateLeasing
	w.out.lease(t.id)
	p.leased++
	p.setActive(w, true)
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		p.finishLease(w, t)
	}()
}

func (p *Pool) finishLease(w *worker, t *tenant) {
	for {
		p.mu.Lock()
		gen := t.gen
		p.mu.Unlock()
		env := json.RawMessage("{}")
		var err error
		if p.cfg.Env != nil {
			env, err = p.cfg.Env(p.ctx, t.id)
		}
		p.mu.Lock()
		now := time.Now()
		if err == nil && gen != t.gen && w.state == stateLeasing {
			p.unlock(nil)
			continue
		}
		t.leasing--
		if w.state != stateLeasing { // it died, or was killed
			p.setActive(w, false)
			p.unlock(nil)
			return
		}
		if err != nil {
			p.cfg.Logger.Error("tenant's environment unavailable", "tenant_id", keyText(t.id), "error", err)
			for _, s := range slices.Clone(t.waiting) {
				for s.first != nil {
					p.refuse(s.first, Refusal{Scope: ScopeLease, Err: err, Wait: time.Second}, now)
				}
			}
			w.kill(CauseStart, "no environment")
			p.setActive(w, false)
			p.unlock(nil)
			return
		}
		w.state, w.gen = stateReady, gen
		w.send(&wire.Lease{TenantID: keyText(t.id), TenantSlug: t.slug, MaxMemory: uint64(p.cfg.MaxMemory), Env: env})
		p.setActive(w, false)
		p.offer(w, now)
		p.unlock(nil)
		return
	}
}

// startOne starts a process with that further argument, which becomes a spare.
func (p *Pool) startOne(kind string) {
	p.starting++
	p.kinds[kind]++
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		started := time.Now()
		reply := make(chan spawnReply, 1)
		p.spawns <- spawnRequest{kind, reply}
		r := <-reply
		if r.err != nil {
			p.mu.Lock()
			p.started(kind)
			p.cfg.Ended(CauseStart, &Death{Cause: CauseStart, Reason: r.err.Error()})
			p.startFailed(r.err)
			p.unlock(nil)
			return
		}
		p.serve(r.process, started)
	}()
}

// started takes a process out of those that start, whatever became of it.
func (p *Pool) started(kind string) {
	p.starting--
	if p.kinds[kind]--; p.kinds[kind] == 0 {
		delete(p.kinds, kind)
	}
}

// startFailed makes further starts wait, each failure twice as long as the one before. The log gets the first failure in a row and every tenth.
func (p *Pool) startFailed(err error) {
	p.full = false
	p.poke()
	if time.Now().Before(p.notUntil) {
		return // of a round of starts that has failed already
	}
	p.failures++
	wait := min(100*time.Millisecond<<min(p.failures-1, 10), 10*time.Second)
	p.notUntil = time.Now().Add(wait)
	if p.failures%10 == 1 {
		p.cfg.Logger.Error("worker did not start", "error", err, "failures", p.failures, "wait_ms", wait.Milliseconds())
	}
}

// serve follows a worker process from its start to its end.
func (p *Pool) serve(proc *process, started time.Time) {
	w := &worker{pool: p, process: proc, pid: proc.proc.Pid, slots: map[Key]*slot{}}
	w.started, w.exited, w.lanes = started, make(chan struct{}), []*worker{w}
	log := p.cfg.Logger.With("worker_pid", w.pid)
	out, err := newOutbox(proc.conn, p.cfg.Budget)
	if err != nil {
		log.Error("worker's socket", "error", err)
		_ = proc.proc.Kill()
	}
	w.out = out
	p.mu.Lock()
	p.workers[w] = struct{}{}
	p.mu.Unlock()

	var wg sync.WaitGroup
	printed := make(chan struct{})
	wg.Go(func() {
		defer close(printed)
		w.printed.follow(proc.output, log)
	})
	wg.Go(func() {
		defer close(w.exited)
		w.exit, _ = proc.proc.Wait()
	})
	if out != nil {
		wg.Go(out.run)
		err = w.read()
	}
	p.gone(w, err, printed)
	_ = proc.conn.Close()
	if out != nil {
		out.close()
	}
	_ = proc.output.Close() // ends follow, should a stray process hold the other end
	wg.Wait()
}

// gone ends the process of a worker whose reader has ended, and its calls.
func (p *Pool) gone(w *worker, err error, printed <-chan struct{}) {
	p.mu.Lock()
	starting := !w.greeted
	if w.cause == "" {
		lost := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
		switch {
		case starting:
			w.cause = CauseStart
			if !lost {
				w.reason = fmt.Sprint(err)
			}
		case lost:
			w.cause = CauseDied
		case errors.As(err, new(FloodError)):
			w.cause, w.reason = CauseFlood, err.Error()
		default:
			w.cause, w.reason = CauseProtocol, fmt.Sprint(err)
		}
	}
	w.doom()
	p.mu.Unlock()

	_ = w.proc.Kill()
	<-w.exited
	outOfMemory := w.cgroup.Killed()
	if err := w.cgroup.Remove(); err != nil {
		p.cfg.Logger.Warn("a worker's cgroup stays", "worker_pid", w.pid, "error", err)
	}
	select {
	case <-printed:
	case <-time.After(time.Second):
	}

	p.mu.Lock()
	defer p.unlock(nil)
	now := time.Now()
	if w.state == stateDead {
		return
	}
	if outOfMemory && w.cause == CauseDied {
		w.cause, w.reason = CauseMemory, "the kernel killed the worker at its cgroup's limit"
	}
	guilty := w.guilty()
	death := guilty.death()
	ids := guilty.ids()
	for _, l := range w.lanes {
		l.state = stateDead
		if l.timer != nil {
			l.timer.Stop()
		}
	}
	delete(p.workers, w)
	if starting {
		p.started(w.kind)
		if p.closing {
			p.poke()
		} else {
			p.startFailed(fmt.Errorf("%s: exit %d, signal %d, output %q, %s", death.Cause, death.ExitCode, death.Signal, death.Output, death.Reason))
		}
	}
	if t := w.tenant; t != nil {
		t.workers = slices.DeleteFunc(t.workers, func(o *worker) bool { return o == w })
		p.unidle(w)
		for _, l := range w.lanes {
			d := death
			if l != guilty {
				d = &Death{Cause: CauseNeighbour, Signal: death.Signal, ExitCode: death.ExitCode, Reason: death.Cause}
			}
			p.endQueue(l, d, now)
			p.park(l, false)
			p.leave(l)
			p.setActive(l, false)
		}
	}
	p.cfg.Ended(death.Cause, death)
	switch death.Cause {
	case CauseRetired, CauseEvicted, CauseTenant, CauseShutdown:
	default:
		p.cfg.Logger.With(ids...).Warn("worker ended", "worker_pid", w.pid, "cause", death.Cause, "signal", death.Signal,
			"exit_code", death.ExitCode, "reason", death.Reason)
	}
	p.full = false
	p.grow(now)
	p.poke()
}

// endQueue ends the call that was executing, or being loaded, and makes the others pending again, in their order.
func (p *Pool) endQueue(w *worker, death *Death, now time.Time) {
	queue := slices.Clone(w.queue)
	w.queue, w.seqs, w.written = nil, nil, 0
	for i, c := range slices.Backward(queue) {
		if c == nil {
			continue
		}
		began := c.began
		if i == 0 && w.loading != nil && death.Cause != CauseNeighbour {
			began = w.loadAt
		}
		if !began.IsZero() {
			c.Ending = Ending{Kind: EndDeath, Death: death, Cancel: c.cancel, Began: began, Ended: now, Cold: c.cold, PID: w.pid}
			p.end(c)
			continue
		}
		p.again(c, death, now)
	}
}

// again makes a call pending that a worker lost before it began, unless it has lost too many.
func (p *Pool) again(c *Call, death *Death, now time.Time) {
	c.tries++
	switch {
	case c.cancel != "" && c.cancel != wire.CodeRecalled:
		c.Ending = Ending{Kind: EndCancelled, Cancel: c.cancel, Ended: now}
		p.end(c)
	case c.tries >= maxTries:
		c.Ending = Ending{Kind: EndDeath, Death: death, Ended: now}
		p.end(c)
	default:
		p.requeue(c)
	}
}

// ids are what the log calls the worker's tenant, and the script and the execution that it was running.
func (w *worker) ids() []any {
	var ids []any
	if w.tenant != nil {
		ids = append(ids, "tenant_id", keyText(w.tenant.id))
	}
	if c := w.head(); c != nil && (w.loading != nil || !c.began.IsZero()) {
		ids = append(ids, "script_id", keyText(c.Program.Script), "execution_id", keyText(c.Execution))
	}
	return ids
}

// greet makes a worker that said Hello a spare.
func (p *Pool) greet(w *worker, h *wire.Hello) error {
	switch {
	case h.Protocol != wire.Protocol:
		return protocolError(fmt.Sprintf("the worker speaks protocol %d, not %d", h.Protocol, wire.Protocol))
	case p.cfg.Build != devel && h.Build != devel && h.Build != p.cfg.Build:
		return protocolError(fmt.Sprintf("the worker is of build %.100q, not %q", h.Build, p.cfg.Build))
	}
	now := time.Now()
	p.mu.Lock()
	defer p.unlock(nil)
	if w.state != stateStarting {
		return nil // killed by shutdown: the reader sees the end
	}
	w.greeted = true
	p.started(w.kind)
	p.failures, p.greeted = 0, now
	if lacking := sandbox.Lacking(h.Layers); p.layers == nil && len(lacking) > 0 {
		p.cfg.Logger.Warn("workers lack layers of the sandbox", "layers", lacking) // once: they are all alike
	}
	p.v8, p.layers = h.V8, h.Layers
	w.state = stateSpare
	p.spares = append(p.spares, w)
	p.full = false
	p.cfg.Started(now.Sub(w.started))
	if p.closing && p.pending == 0 {
		w.kill(CauseShutdown, "")
		return nil
	}
	p.grow(now)
	if w.state == stateSpare && w.kind != "" && p.countSpares(w.kind) > 1 {
		w.kill(CauseRetired, "") // its tenant was served meanwhile: one is kept of a kind that only some tenants have
	}
	return nil
}

// loaded handles the answer to a Load.
func (p *Pool) loaded(w *worker, payload []byte) error {
	m, err := wire.ParseLoaded(payload)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.unlock(w)
	if i := slices.IndexFunc(w.lanes, func(l *worker) bool { return l.loading != nil && l.loading.number == m.Slot }); i > 0 {
		w = w.lanes[i]
	}
	sl := w.loading
	if sl == nil || sl.number != m.Slot {
		return protocolError("Loaded for a slot that is not being loaded")
	}
	w.loading = nil
	now := time.Now()
	if m.Code == wire.CodeRecalled && len(w.lanes) > 1 {
		// The worker has no room for another isolate: its calls go elsewhere.
		w.crowded = true
		delete(w.slots, sl.script)
		for i := len(w.queue) - 1; i >= 0; i-- {
			c := w.queue[i]
			w.remove(i)
			if c == nil {
				continue
			}
			if c.recalls++; c.recalls > maxRecalls {
				c.Ending = Ending{Kind: EndRefused, Refusal: Refusal{Scope: ScopeLost, Wait: time.Second}, Ended: now}
				p.end(c)
				continue
			}
			p.requeue(c)
		}
		p.leave(w)
		w.process.lanes = slices.DeleteFunc(w.lanes, func(o *worker) bool { return o == w })
		w.state = stateDead
		if w.timer != nil {
			w.timer.Stop()
		}
		p.grow(now)
		return nil
	}
	if m.Code == "" {
		w.pump(now)
		if len(w.queue) == 0 {
			p.offer(w, now)
		}
		return nil
	}
	delete(w.slots, sl.script) // the worker has dropped it
	prog := sl.program
	for i := 0; i < len(w.queue); {
		c := w.queue[i]
		if c == nil || c.Program != prog {
			i++
			continue
		}
		w.remove(i)
		c.Ending = Ending{Kind: EndLoad, Loaded: m, Began: w.loadAt, Ended: now, Cold: true, PID: w.pid}
		p.end(c)
	}
	w.pump(now)
	if len(w.queue) == 0 {
		p.offer(w, now)
	}
	return nil
}

// result handles the end of a call.
func (p *Pool) result(w *worker, payload []byte) error {
	m, err := wire.ParseResult(payload)
	if err != nil {
		return err
	}
	m.Headers, m.Body = slices.Clone(m.Headers), slices.Clone(m.Body)
	now := time.Now()
	p.mu.Lock()
	if len(w.lanes) > 1 {
		w = w.laneOf(m.Seq)
	}
	i := 0
	if w.written == 0 || w.seqs[0] != m.Seq {
		if i = slices.Index(w.seqs[:w.written], m.Seq); i < 0 || m.Seq == 0 {
			p.unlock(w)
			return protocolError("Result for a Run that the worker does not have")
		}
	}
	c := w.queue[i]
	if i > 0 && c != nil && (c.cancel == "" || c.cancel == wire.CodeRecalled && m.Code != wire.CodeRecalled) {
		p.unlock(w)
		return protocolError("Result out of turn")
	}
	w.remove(i)
	w.runs++
	if m.Condemned && w.script != nil && w.slots[w.script.id] != nil {
		delete(w.slots, w.script.id)
		p.cfg.Condemned(m.Code)
	}
	if m.Exiting && w.state == stateReady {
		w.retire(CauseRetired)
	}
	if i == 0 {
		p.park(w, false)
	}
	ended := false
	switch {
	case c == nil:
	case m.Code == wire.CodeRecalled && (c.cancel == "" || c.cancel == wire.CodeRecalled):
		if sl := w.slots[c.Program.Script]; c.cancel == "" && sl != nil && sl.number == c.Run.Slot {
			delete(w.slots, sl.script) // the worker has dropped its isolate, for room: it is loaded again before the next Run
		}
		if c.recalls++; c.recalls > maxRecalls {
			c.Ending = Ending{Kind: EndRefused, Refusal: Refusal{Scope: ScopeLost, Wait: time.Second}, Ended: now}
			p.end(c)
		} else {
			p.requeue(c)
		}
	case i > 0, c.cancel != "" && c.cancel != codeWallTime && m.Code == c.cancel && m.WallMicros == 0: // cancelled before it began
		c.Ending = Ending{Kind: EndCancelled, Cancel: c.cancel, Ended: now}
		p.end(c)
	default:
		c.script.est.Observe(cost(now.Sub(c.began), &m), c.hosted)
		w.corrected(c, &m.CPUMicros, &m.PeakMemory)
		if c.cancel == wire.CodeRecalled {
			c.cancel = ""
		}
		c.Ending = Ending{Kind: EndResult, Result: m, Cancel: c.cancel, Began: c.began, Ended: now, Cold: c.cold, PID: w.pid}
		c.state, c.worker = callEnded, nil
		p.calls--
		if p.calls == 0 && p.closing {
			p.poke()
		}
		ended = true
	}
	p.advance(w, i == 0, now)
	p.unlock(w)
	if ended {
		c.Done <- struct{}{}
	}
	return nil
}

// sleptAfter is how much longer than its CPU time an execution may take before it counts as one that sleeps. Less is what a
// busy machine does to any process.
const sleptAfter = 10 * time.Millisecond

// cost is what an execution tells of how long the next one will keep its worker: its CPU time, which does not grow when the
// machine is busy, except where it slept. The worker's figures are not trusted beyond what was seen; wrong ones can only make the
// script's own executions wait for each other.
func cost(took time.Duration, m *wire.Result) time.Duration {
	c := took
	if w := time.Duration(m.WallMicros) * time.Microsecond; m.WallMicros > 0 && w < c {
		c = w
	}
	if u := time.Duration(m.CPUMicros) * time.Microsecond; m.CPUMicros > 0 && u < c && c-u < sleptAfter {
		c = u
	}
	return c
}

// advance goes on after a call has left the worker's queue.
func (p *Pool) advance(w *worker, front bool, now time.Time) {
	if front && w.written > 0 {
		if c := w.queue[0]; c != nil {
			w.begin(c, now)
		}
	}
	if len(w.queue) == 0 {
		if w.loading == nil {
			p.offer(w, now)
		}
		return
	}
	w.pump(now)
	if s := w.script; w.state == stateReady && s.waiting > 0 && !w.stalled(now) && !p.mustYield(w, now) {
		for depth := s.est.Depth(); s.first != nil && len(w.queue) < depth; {
			c := s.first
			p.dequeue(c)
			p.assign(w, c, now)
		}
	}
}

// frame hands any other frame to the call that it names.
func (p *Pool) frame(w *worker, k wire.Kind, payload []byte) error {
	d := wire.NewDecoder(payload)
	seq := uint32(d.Uint(1<<32 - 1))
	p.mu.Lock()
	var c *Call
	if len(w.lanes) > 1 {
		w = w.laneOf(seq)
	}
	if w.written > 0 && w.seqs[0] == seq {
		c = w.queue[0]
		if c == nil {
			p.mu.Unlock()
			return w.pace.lateFrame() // given up
		}
	} else {
		oldest := w.seq + 1
		if slices.Contains(w.seqs[:w.written], seq) {
			oldest = seq
		}
		p.mu.Unlock()
		late := k == wire.KindHostCancel || k == wire.KindCredit || k == wire.KindChunk
		if seq == 0 || seq >= oldest || !late {
			return protocolError(fmt.Sprintf("frame of kind %d for Run %d, which does not execute", k, seq))
		}
		return w.pace.lateFrame()
	}
	if k == wire.KindHostCall {
		now := time.Now()
		c.hosted = true
		c.open++
		if c.open == 1 {
			p.park(w, true)
			if len(w.queue) > 1 {
				w.recall()
			}
			if p.pending > 0 {
				p.grow(now)
			}
		}
	}
	h := c.Handler
	p.unlock(w)
	return h.Frame(Ref{w, seq}, k, payload)
}

// Send writes a frame to the worker of the call that ref names.
func (p *Pool) Send(ref Ref, m wire.Message) {
	if err := ref.worker.out.append(m); err != nil {
		if errors.Is(err, errNotReading) {
			p.mu.Lock()
			ref.worker.kill(CauseNotReading, err.Error())
			p.unlock(nil)
		}
		return
	}
	ref.worker.out.flush()
}

// Answered says that a HostCall of the call was answered, so that its execution may go on.
func (p *Pool) Answered(ref Ref) {
	w := ref.worker
	p.mu.Lock()
	defer p.unlock(nil)
	if w.written == 0 || w.seqs[0] != ref.seq || w.queue[0] == nil {
		return
	}
	if c := w.queue[0]; c.open > 0 {
		if c.open--; c.open == 0 {
			w.last = c
			p.park(w, false)
		}
	}
}

// Breach kills the worker of a call for a breach of the protocol that was found outside of Handler.Frame.
func (p *Pool) Breach(ref Ref, reason string) {
	p.mu.Lock()
	defer p.unlock(nil)
	ref.worker.kill(CauseProtocol, reason)
}

// goesOn handles the answer to a Stop with Left: the call is not cancelled.
func (p *Pool) goesOn(w *worker, payload []byte) error {
	m, err := wire.ParseGoesOn(payload)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.unlock(w)
	if len(w.lanes) > 1 {
		w = w.laneOf(m.Seq)
	}
	if w.written == 0 || w.seqs[0] != m.Seq {
		return protocolError(fmt.Sprintf("GoesOn for Run %d, which does not execute", m.Seq))
	}
	c := w.queue[0]
	switch {
	case c == nil: // given up
		return nil
	case !c.mayGoOn:
		return protocolError("GoesOn without a Cancel that asks")
	}
	c.mayGoOn = false
	if c.left { // it was not cancelled for another reason meanwhile
		c.cancel, c.left = "", false
		w.arm(c.began.Add(c.Wall))
	}
	return nil
}

// Cancel ends the call as s says. One that was not begun ends with EndCancelled.
func (p *Pool) Cancel(c *Call, s Stop) {
	now := time.Now()
	p.mu.Lock()
	defer p.unlock(nil)
	p.cancel(c, s, now)
}

func (p *Pool) cancel(c *Call, s Stop, now time.Time) {
	switch c.state {
	case callPending:
		p.dequeue(c)
	case callHeld:
		w := c.worker
		i := slices.Index(w.queue, c)
		w.remove(i)
		c.Ending = Ending{Kind: EndCancelled, Cancel: s.Code, Ended: now}
		p.end(c)
		p.advance(w, false, now)
		return
	case callWritten:
		c.worker.cancel(c, s, now)
		return
	default:
		return
	}
	c.Ending = Ending{Kind: EndCancelled, Cancel: s.Code, Ended: now}
	p.end(c)
}

// RetireTenant replaces the tenant's workers: those that are idle at once, the others when the call that they execute has ended.
func (p *Pool) RetireTenant(id Key) {
	now := time.Now()
	p.mu.Lock()
	defer p.unlock(nil)
	t := p.tenants[id]
	if t == nil {
		return
	}
	t.gen++
	for _, w := range slices.Clone(t.workers) {
		if w.state == stateReady {
			w.retire(CauseTenant)
			for _, l := range w.lanes {
				l.recall()
			}
		}
	}
	p.full = false
	p.grow(now)
}

// Stats are the pool's figures of the moment. A process is counted in one of Starting, Spares, Idle, Busy and Parked, until it is
// being killed.
type Stats struct {
	Workers                              int // processes
	Starting, Spares, Idle, Busy, Parked int
	Isolates                             int // with a script
	Tenants, Pending, Calls              int
	V8                                   string
	Layers                               []string
}

// unableAfter is how many starts in a row must fail before a pool without workers counts as unable: by back-off, that takes 0.3 s at
// least. While a binary is being replaced one or two fail.
const unableAfter = 3

// Able reports whether the pool can run calls: a worker has said Hello, and there is one now, or the last starts did not all fail.
func (p *Pool) Able() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.greeted.IsZero():
		return false
	case p.failures < unableAfter:
		return true
	}
	for w := range p.workers {
		if w.greeted && !w.doomed {
			return true
		}
	}
	return false
}

// Stats returns the figures of the moment.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{Workers: len(p.workers), Starting: p.starting, Pending: p.pending, Calls: p.calls, V8: p.v8, Layers: slices.Clone(p.layers)}
	for w := range p.workers {
		switch {
		case !w.greeted || w.doomed: // counted by starting, or as good as gone
		case w.tenant == nil:
			s.Spares++
		case w.process.parked:
			s.Parked++
		case w.state == stateReady && w.quiet():
			s.Idle++
		default:
			s.Busy++
		}
		for _, l := range w.lanes {
			s.Isolates += len(l.slots)
		}
	}
	for _, t := range p.tenants {
		if len(t.workers) > 0 {
			s.Tenants++
		}
	}
	return s
}

// Run keeps the workers until ctx is done, then lets the calls end within DrainGrace, cancels the rest, and returns when all
// processes are gone.
func (p *Pool) Run(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	spawns := make(chan spawnRequest)
	var spawner sync.WaitGroup
	spawner.Go(func() { p.spawner(spawns) })

	p.mu.Lock()
	if p.running || p.closing {
		p.mu.Unlock()
		close(spawns)
		return errors.New("pool: Run was called before")
	}
	p.running, p.ctx, p.spawns = true, inner, spawns
	p.grow(time.Now())
	p.unlock(nil)

	var looking sync.WaitGroup
	gone := make(chan struct{})
	looking.Go(func() { p.lookAt(gone) })
	p.watch(ctx.Done(), nil)
	p.drain(cancel)
	p.wg.Wait()
	close(gone)
	looking.Wait()
	close(spawns)
	spawner.Wait()
	return nil
}

// watch does the pool's regular work until stop is closed or done says so.
func (p *Pool) watch(stop <-chan struct{}, done func() bool) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	chores := time.Now()
	for {
		select {
		case <-stop:
			return
		case <-p.wake:
		case <-timer.C:
		}
		now := time.Now()
		p.mu.Lock()
		next := time.Second
		if p.pending > 0 {
			next = p.expire(now)
		}
		if now.Sub(chores) >= time.Second {
			chores = now
			p.chores(now)
		}
		if p.limited {
			if now.Before(p.notUntil) {
				next = min(next, p.notUntil.Sub(now))
			}
		}
		p.grow(now)
		finished := done != nil && done()
		p.unlock(nil)
		if finished {
			return
		}
		timer.Reset(max(next, time.Millisecond))
	}
}

// coldPatience is how many times its patience a call of a tenant without a worker waits while workers are being started.
const coldPatience = 3

// expire refuses the calls that have waited long enough, and returns when to look again.
func (p *Pool) expire(now time.Time) time.Duration {
	next := time.Second
	for _, t := range slices.Clone(p.waiting) {
		// While processes are being started, or were a moment ago, a tenant without one has its turn to come: many tenants that all begin at once wait
		// longer instead of being refused.
		cold := len(t.workers) == 0 && (p.starting > 0 || now.Sub(p.greeted) < time.Second) && p.failures == 0
		for _, s := range slices.Clone(t.waiting) {
			scope, limit := p.room(s)
			for c := s.first; c != nil; {
				following := c.next
				waited := now.Sub(c.submitted)
				patience, r := c.Patience, Refusal{}
				if scope != ScopeNone && c.LimitPatience < patience {
					patience, r = c.LimitPatience, Refusal{Scope: scope, Limit: limit, Wait: max(s.est.Time(), 100*time.Millisecond)}
				}
				if cold {
					patience *= coldPatience
				}
				if waited >= patience {
					if r.Scope == ScopeNone {
						r = p.busy(t, time.Second)
					}
					p.refuse(c, r, now)
				} else {
					next = min(next, patience-waited, longRun)
				}
				c = following
			}
		}
	}
	return next
}

// chores retires workers by age, idleness and memory, and forgets scripts and tenants that nobody uses.
func (p *Pool) chores(now time.Time) {
	var held int64
	for _, t := range p.tenants {
		for _, w := range slices.Clone(t.idle) {
			if w.measured != w.runs {
				// It has executed since it was measured; one that has not is as large as it was.
				w.measured = w.runs
				w.resident, w.private = memoryOf(w.pid)
			}
			switch {
			case now.Sub(w.started) >= p.cfg.Age, now.Sub(w.idleSince) >= p.cfg.Idle:
				w.kill(CauseRetired, "")
			case len(w.lanes) > 1 && now.Sub(w.idleSince) >= lanesKept:
				p.dropLanes(w)
				w.measured = -1
			case len(w.lanes) > 1: // what it holds for the next crowd is soon gone
			case p.cfg.IdleMemory > 0 && w.resident > p.cfg.IdleMemory:
				w.kill(CauseRetired, "memory")
			default:
				held += w.private
			}
		}
		for _, w := range t.workers {
			if w.state == stateReady && now.Sub(w.started) >= p.cfg.Age {
				w.retire(CauseRetired)
			}
		}
	}
	for held > p.cfg.MaxIdle {
		w := p.evict(nil)
		if w == nil {
			break
		}
		held -= w.private
	}
	for id, s := range p.scripts {
		if s.waiting == 0 && len(s.workers) == 0 && now.Sub(s.used) > 10*time.Minute {
			delete(p.scripts, id)
			t := s.tenant
			if t.scripts--; t.scripts == 0 && len(t.workers) == 0 && t.pending == 0 && t.leasing == 0 {
				delete(p.tenants, t.id)
			}
		}
	}
}

// drain ends everything: see Run.
func (p *Pool) drain(cancel context.CancelFunc) {
	p.mu.Lock()
	p.closing, p.full = true, false
	for _, w := range slices.Clone(p.spares) {
		if p.pending == 0 {
			w.kill(CauseShutdown, "")
		}
	}
	for _, t := range p.tenants {
		for _, w := range slices.Clone(t.idle) {
			w.kill(CauseShutdown, "")
		}
	}
	p.unlock(nil)

	idle := func() bool { return p.calls == 0 }
	p.until(p.cfg.DrainGrace, idle)

	p.mu.Lock()
	now := time.Now()
	for _, t := range slices.Clone(p.waiting) {
		for _, s := range slices.Clone(t.waiting) {
			for s.first != nil {
				p.refuse(s.first, Refusal{Scope: ScopeClosing, Wait: time.Second}, now)
			}
		}
	}
	for w := range p.workers {
		for _, l := range slices.Clone(w.lanes) {
			for _, c := range slices.Clone(l.queue) {
				if c != nil {
					p.cancel(c, Stop{Code: codeCancelled, Reason: "the node is stopping", Grace: p.cfg.CleanUp}, now)
				}
			}
		}
	}
	p.unlock(nil)
	p.until(p.cfg.CleanUp+p.cfg.Grace+time.Second, idle)

	cancel()
	p.mu.Lock()
	for w := range p.workers {
		w.kill(CauseShutdown, "")
	}
	p.unlock(nil)
	p.until(10*time.Second, func() bool {
		for w := range p.workers { // those that were being started
			if w.state != stateDead && w.cause == "" {
				w.kill(CauseShutdown, "")
			}
		}
		return len(p.workers) == 0 && p.starting == 0
	})
}

// until does the regular work for at most d, or until done.
func (p *Pool) until(d time.Duration, done func() bool) {
	p.mu.Lock()
	finished := done()
	p.mu.Unlock()
	if finished {
		return
	}
	stop := make(chan struct{})
	timer := time.AfterFunc(d, func() { close(stop) })
	defer timer.Stop()
	p.watch(stop, done)
}

func keyText(k Key) string { return string(text.AppendUUID(nil, k)) }
