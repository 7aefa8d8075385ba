package admission_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"example.com/jsruntime/engine/admission"
)

// node is the plain reference: workers with queues, as a pool keeps them, and what must hold of them whatever a Placement decides. It
// counts everything anew from its queues.
type node struct {
	t   *rapid.T
	m   *admission.Placement
	cfg admission.PlacementConfig
	now time.Time

	tenants []*modelTenant
	scripts []*modelScript
	calls   []*modelCall
	workers []*modelWorker // leased, spare or about to end
	starts  []string       // kinds that were asked for
	backoff time.Time
	failed  int
	closing bool
}

type modelTenant struct {
	id      admission.Key
	share   int
	weight  int
	kind    string
	changes int // RetireTenant
}

// modelScript is a script, or another version of one: family is the script's id, which is the live version's own.
type modelScript struct {
	id     admission.Key
	family admission.Key
	tenant *modelTenant
	limit  int
}

type modelCall struct {
	admission.Call
	script   *modelScript
	at       time.Time // of Submit
	lane     *modelLane
	executes bool
	recalled bool
	refused  bool
	over     bool
}

type modelWorker struct {
	admission.Worker
	kind    string
	tenant  *modelTenant
	leasing bool
	read    int  // tenant.changes when ActionLease came
	ending  bool // ActionRetire came, or it was killed
	lanes   []*modelLane
	runs    int
}

type modelLane struct {
	*admission.Lane
	worker  *modelWorker
	queue   []*modelCall   // nil: over, and its Result is still to come
	of      []*modelScript // of queue
	loading bool
	parked  bool
	loaded  map[admission.Key]bool
	closed  bool
}

func newNode(t *rapid.T) *node {
	n := &node{t: t, now: time.Unix(1_000_000, 0)}
	byTenant, byScript := map[admission.Key]*modelTenant{}, map[admission.Key]*modelScript{}
	for i := range rapid.IntRange(1, 4).Draw(t, "tenants") {
		tenant := &modelTenant{
			id: admission.Key{1, byte(i)}, share: rapid.SampledFrom([]int{0, 0, 1, 2, 3}).Draw(t, "share"),
			weight: rapid.IntRange(1, 3).Draw(t, "weight"), kind: rapid.SampledFrom([]string{"", "", "", "lite"}).Draw(t, "kind"),
		}
		n.tenants, byTenant[tenant.id] = append(n.tenants, tenant), tenant
		for j := range rapid.IntRange(1, 3).Draw(t, "scripts") {
			id := admission.Key{2, byte(i), byte(j)}
			s := &modelScript{id: id, family: id, tenant: tenant, limit: rapid.SampledFrom([]int{0, 0, 1, 2, 3}).Draw(t, "limit")}
			n.scripts, byScript[s.id] = append(n.scripts, s), s
			for k := range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "versions") { // beside the live one
				v := &modelScript{id: admission.Key{3, byte(i), byte(j), byte(k)}, family: id, tenant: tenant, limit: s.limit}
				if rapid.IntRange(0, 3).Draw(t, "other") == 0 {
					v.limit = rapid.SampledFrom([]int{0, 1, 2, 3}).Draw(t, "version's limit")
				}
				n.scripts, byScript[v.id] = append(n.scripts, v), v
			}
		}
	}
	workers := rapid.IntRange(1, 4).Draw(t, "workers")
	n.cfg = admission.PlacementConfig{
		MaxWorkers: workers, MaxLeased: workers + rapid.IntRange(0, 3).Draw(t, "warm"), MaxParked: rapid.IntRange(1, 6).Draw(t, "parked"),
		MaxIdle: 100 << 20, Spares: rapid.IntRange(0, 2).Draw(t, "spares"), MaxPending: rapid.IntRange(4, 40).Draw(t, "pending"),
		Cores: rapid.IntRange(1, 2).Draw(t, "cores"), Starts: 2, LaneScripts: 2,
		Idle: time.Minute, Age: 10 * time.Minute, Runs: rapid.IntRange(3, 50).Draw(t, "runs"), IdleMemory: 64 << 20,
		ScriptShare: func(_ admission.Key, limit int) int { return limit },
		TenantShare: func(id admission.Key) int { return byTenant[id].share },
		Kind:        func(id admission.Key) string { return byTenant[id].kind },
		Weight:      func(id admission.Key) int { return byTenant[id].weight },
	}
	n.m = admission.NewPlacement(n.cfg)
	n.m.Open()
	n.settle()
	return n
}

// settle does what the Placement asks for, and checks that each action may be done.
func (n *node) settle() {
	for actions := n.m.Settle(n.now); len(actions) > 0; actions = n.m.Settle(n.now) {
		for _, a := range actions {
			n.do(a)
		}
	}
	n.check()
}

func (n *node) do(a admission.Action) {
	switch a.Do {
	case admission.ActionPlace:
		n.place(a.Call.Owner.(*modelCall), n.laneOf(a.Lane))
	case admission.ActionRefuse:
		n.refuse(a.Call.Owner.(*modelCall))
	case admission.ActionLease:
		w := a.Worker.Owner.(*modelWorker)
		if w.tenant == nil {
			active := 0
			for _, o := range n.workers {
				if o.tenant != nil && !o.ending && o.active() {
					active++
				}
			}
			n.require(active < 2*n.cfg.MaxWorkers, "a lease with %d workers active of %d", active, n.cfg.MaxWorkers)
			w.tenant, w.leasing = a.Call.Owner.(*modelCall).script.tenant, true
			n.require(w.kind == w.tenant.kind, "a worker of kind %q for a tenant of kind %q", w.kind, w.tenant.kind)
		}
		n.require(w.leasing, "leased twice")
		w.read = w.tenant.changes
	case admission.ActionStart:
		n.starts = append(n.starts, a.Kind)
		n.require(len(n.starts) <= n.cfg.Starts, "%d starts", len(n.starts))
		n.require(!n.now.Before(n.backoff), "a start during back-off")
	case admission.ActionRetire:
		w := a.Worker.Owner.(*modelWorker)
		n.require(!w.ending, "retired twice")
		n.require(w.quiet(), "a worker with work retires")
		w.ending = true
	case admission.ActionRecall:
		l := n.laneOf(a.Lane)
		for _, c := range slices.Backward(l.queue[min(len(l.queue), 1):]) {
			if c == nil || c.recalled {
				continue
			}
			if rapid.Bool().Draw(n.t, "written") {
				c.recalled = true // its worker gives it back, or has begun it
				continue
			}
			l.drop(slices.Index(l.queue, c))
			c.lane = nil
			n.m.TakenBack(&c.Call)
		}
	case admission.ActionClose:
		l := n.laneOf(a.Lane)
		n.require(len(l.queue) == 0, "a lane with calls closes")
		l.closed, l.loaded = true, nil
	case admission.ActionMeasure:
		n.m.Measured(a.Worker, rapid.Int64Range(0, 80<<20).Draw(n.t, "resident"), 10<<20)
	case admission.ActionLook, admission.ActionWake:
	default:
		n.t.Fatalf("action %d", a.Do)
	}
}

func (n *node) require(ok bool, format string, args ...any) {
	n.t.Helper()
	if !ok {
		n.t.Fatalf(format, args...)
	}
}

func (n *node) laneOf(l *admission.Lane) *modelLane {
	if l.Owner == nil {
		w := l.Worker().Owner.(*modelWorker)
		own := &modelLane{Lane: l, worker: w, loaded: map[admission.Key]bool{}}
		l.Owner = own
		w.lanes = append(w.lanes, own)
	}
	return l.Owner.(*modelLane)
}

func (n *node) place(c *modelCall, l *modelLane) {
	w := l.worker
	n.require(!c.over && !c.refused && c.lane == nil, "a call is placed that does not wait")
	n.require(w.tenant == c.script.tenant, "a call at another tenant's worker")
	n.require(w.read == w.tenant.changes, "a call at a worker with an old environment")
	n.require(!w.leasing && !w.ending && !l.closed, "a call at a worker that takes none: leasing %t, ending %t", w.leasing, w.ending)
	for _, s := range l.of {
		n.require(s == c.script || l.loaded[c.script.id], "a call waits behind another script's, and is not loaded")
	}
	c.lane = l
	l.queue, l.of = append(l.queue, c), append(l.of, c.script)
	n.pump(l)
}

// pump begins the first call of the lane, or loads its script.
func (n *node) pump(l *modelLane) {
	if len(l.queue) == 0 || l.loading || l.queue[0] == nil || l.queue[0].executes {
		return
	}
	c := l.queue[0]
	if !l.loaded[c.script.id] {
		for id := range l.loaded {
			if len(l.loaded) >= n.cfg.LaneScripts {
				delete(l.loaded, id)
				n.m.Dropped(l.Lane, id)
			}
		}
		l.loading = true
		n.m.Loading(l.Lane, c.script.id, n.now)
		return
	}
	c.executes = true
	n.m.Began(&c.Call, n.now)
}

func (n *node) refuse(c *modelCall) {
	n.require(!c.over && !c.refused && c.lane == nil, "a call is refused that does not wait")
	c.refused = true
	r := c.Refusal
	n.require(r.Wait > 0, "a refusal does not say when to try again")
	waited := n.now.Sub(c.at)
	switch r.Reason {
	case admission.ReasonConcurrency:
		switch r.Scope {
		case admission.ScopeScript:
			own := r.Limit == c.script.limit && n.lanesOf(c.script) >= r.Limit
			shared := r.Limit >= c.script.limit && n.kinOf(c.script) >= r.Limit &&
				slices.ContainsFunc(n.scripts, func(s *modelScript) bool { return s.family == c.script.family && s.limit == r.Limit })
			n.require(own || shared, "refused for the script's limit %d, which is not reached", r.Limit)
		case admission.ScopeTenant:
			n.require(r.Limit == c.script.tenant.share && n.busy(c.script.tenant) >= r.Limit, "refused for the tenant's limit %d, which is not reached", r.Limit)
		default:
			n.t.Fatalf("concurrency of scope %s", r.Scope)
		}
		n.require(waited == 0 || waited >= c.LimitPatience, "refused after %s", waited)
	case admission.ReasonShare, admission.ReasonWorkers:
		n.require(r.Scope == admission.ScopeTenant || r.Reason == admission.ReasonWorkers && r.Scope == admission.ScopeNode, "scope %s", r.Scope)
		n.require(waited == 0 || waited >= c.Patience, "refused after %s", waited)
	case admission.ReasonClosing:
		n.require(n.closing && r.Scope == admission.ScopeNode, "refused as closing")
	case admission.ReasonQueue, admission.ReasonLease, admission.ReasonLost:
		n.require(r.Scope == admission.ScopeTenant, "scope %s", r.Scope)
	default:
		n.t.Fatalf("reason %d", r.Reason)
	}
}

func (w *modelWorker) quiet() bool {
	return !slices.ContainsFunc(w.lanes, func(l *modelLane) bool { return len(l.queue) > 0 || l.loading })
}

// active reports whether the worker executes, or is made ready: not all of its calls wait for the host.
func (w *modelWorker) active() bool {
	return w.leasing || slices.ContainsFunc(w.lanes, func(l *modelLane) bool { return len(l.queue) > 0 && !l.Parked() })
}

// lanesOf is how many lanes serve the script: no more of its calls than that execute.
func (n *node) lanesOf(s *modelScript) (count int) {
	for _, w := range n.workers {
		for _, l := range w.lanes {
			if slices.Contains(l.of, s) {
				count++
			}
		}
	}
	return count
}

// kinOf is how many lanes serve the script or another of its versions: no more of their calls than that execute.
func (n *node) kinOf(s *modelScript) (count int) {
	for _, w := range n.workers {
		for _, l := range w.lanes {
			if slices.ContainsFunc(l.of, func(o *modelScript) bool { return o.family == s.family }) {
				count++
			}
		}
	}
	return count
}

// shared is the limit that the versions of a script have together: the largest of those for which ok holds, 0 where one of these has none.
func (n *node) shared(s *modelScript, ok func(*modelScript) bool) (limit int) {
	for _, v := range n.scripts {
		if v.family != s.family || !ok(v) {
			continue
		}
		if v.limit == 0 {
			return 0
		}
		limit = max(limit, v.limit)
	}
	return limit
}

// whole reports whether the lanes that serve the script's versions are as many as all of these may have together.
func (n *node) whole(s *modelScript) bool {
	limit := n.shared(s, func(*modelScript) bool { return true })
	return limit > 0 && n.kinOf(s) >= limit
}

// filled is whole by the versions that have calls: the least that the Placement knows of.
func (n *node) filled(s *modelScript) bool {
	limit := n.shared(s, func(v *modelScript) bool {
		return v == s || n.lanesOf(v) > 0 || slices.ContainsFunc(n.calls, func(c *modelCall) bool { return c.script == v && c.Pending() })
	})
	return limit > 0 && n.kinOf(s) >= limit
}

func (n *node) busy(t *modelTenant) (count int) {
	for _, w := range n.workers {
		for _, l := range w.lanes {
			if w.tenant == t && len(l.queue) > 0 {
				count++
			}
		}
	}
	return count
}

// check says what holds at any time.
func (n *node) check() {
	waiting := 0
	for _, c := range n.calls {
		if !c.over && !c.refused && c.lane == nil {
			waiting++
			n.require(c.Pending(), "a call is lost")
		}
	}
	s := n.m.Stats()
	n.require(s.Pending == waiting, "%d calls wait, not %d", waiting, s.Pending)
	for _, s := range n.scripts {
		n.require(s.limit == 0 || n.lanesOf(s) <= s.limit, "a script of limit %d has %d executions", s.limit, n.lanesOf(s))
		if limit := n.shared(s, func(*modelScript) bool { return true }); limit > 0 {
			n.require(n.kinOf(s) <= limit, "versions of limit %d together have %d executions", limit, n.kinOf(s))
		}
	}
	parked := 0
	for _, t := range n.tenants {
		n.require(t.share == 0 || n.busy(t) <= t.share, "a tenant of limit %d has %d executions", t.share, n.busy(t))
	}
	for _, w := range n.workers {
		if w.tenant != nil && !w.quiet() && !w.active() {
			parked++
		}
		n.require(w.runs <= n.cfg.Runs+len(w.lanes)*admission.MaxDepth, "a worker served %d", w.runs)
	}
	n.require(parked <= n.cfg.MaxParked, "%d workers wait for the host", parked)
}

// mayWait fails where a call waits that no rule keeps waiting: neither limits of its own tenant, nor the node's, nor its own script's
// executions. What another tenant's limits say never matters.
func (n *node) mayWait(c *modelCall) {
	s, t := c.script, c.script.tenant
	if s.limit > 0 && n.lanesOf(s) >= s.limit || n.filled(s) || t.share > 0 && n.busy(t) >= t.share || n.lanesOf(s) > 0 {
		return
	}
	if len(n.starts) > 0 || n.now.Before(n.backoff) || n.failed > 0 {
		return // a worker is to come, or none can
	}
	active, busy := 0, 0
	for _, w := range n.workers {
		if w.tenant == nil {
			continue
		}
		if w.tenant == t && !w.quiet() && w.active() && n.now.Sub(c.at) < 500*time.Millisecond {
			return // one of the tenant's own workers has a place for it soon
		}
		if w.leasing && w.tenant == t {
			return
		}
		active += count(w.active())
		busy += count(w.leasing || !w.quiet())
	}
	n.require(active >= n.cfg.MaxWorkers || busy >= 2*n.cfg.MaxWorkers || n.held(s), "a call waits while %d of %d workers are active, %d busy",
		active, n.cfg.MaxWorkers, busy)
}

func count(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

// held reports whether the script's calls may wait for a lane that has it loaded.
func (n *node) held(s *modelScript) bool {
	if !slices.ContainsFunc(n.calls, func(c *modelCall) bool {
		return c.Pending() && c.script == s && c.Standing == 0 && n.now.Sub(c.at) < 500*time.Millisecond
	}) {
		return false
	}
	for _, w := range n.workers {
		for _, l := range w.lanes {
			if len(l.queue) > 0 && l.loaded[s.id] {
				return true
			}
		}
	}
	return false
}

// Events.

func (n *node) submit() {
	s := n.scripts[rapid.IntRange(0, len(n.scripts)-1).Draw(n.t, "script")]
	c := &modelCall{script: s, at: n.now}
	c.Call = admission.Call{Tenant: s.tenant.id, Script: s.family, Limit: s.limit, Patience: 5 * time.Second, LimitPatience: 5 * time.Second}
	if s.id != s.family {
		c.Place = s.id
	}
	if rapid.Bool().Draw(n.t, "http") {
		c.LimitPatience, c.Standing = 250*time.Millisecond, 500*time.Millisecond
	}
	c.Owner = c
	n.calls = append(n.calls, c)
	n.m.Submit(&c.Call, n.now)
}

// pick draws one of the lanes for which ok holds.
func (n *node) pick(ok func(*modelLane) bool) *modelLane {
	var lanes []*modelLane
	for _, w := range n.workers {
		if w.tenant != nil && !w.leasing {
			for _, l := range w.lanes {
				if ok(l) {
					lanes = append(lanes, l)
				}
			}
		}
	}
	if len(lanes) == 0 {
		return nil
	}
	return lanes[rapid.IntRange(0, len(lanes)-1).Draw(n.t, "lane")]
}

func executing(l *modelLane) bool {
	return len(l.queue) > 0 && l.queue[0] != nil && l.queue[0].executes
}

func (l *modelLane) drop(i int) {
	l.queue, l.of = slices.Delete(l.queue, i, i+1), slices.Delete(l.of, i, i+1)
}

// leave takes the call at i out of the lane and begins the next one.
func (n *node) leave(l *modelLane, i int) (next *admission.Call) {
	l.worker.runs++
	l.drop(i)
	if i == 0 {
		l.parked = false
		if len(l.queue) > 0 && l.queue[0] != nil && !l.loading && l.loaded[l.queue[0].script.id] {
			l.queue[0].executes = true
			return &l.queue[0].Call
		}
	}
	return nil
}

func (n *node) end(l *modelLane, cost time.Duration) {
	c := l.queue[0]
	c.over, c.lane = true, nil
	next := n.leave(l, 0)
	n.m.Ended(&c.Call, next, cost, rapid.SampledFrom([]time.Duration{0, 0, 20 * time.Millisecond}).Draw(n.t, "slept"), rapid.Bool().Draw(n.t, "hosted"), n.now)
	n.pump(l)
}

func (n *node) giveBack(l *modelLane, i int) {
	c := l.queue[i]
	c.lane, c.recalled, c.executes = nil, false, false
	next := n.leave(l, i)
	n.m.Returned(&c.Call, next, n.now)
	n.pump(l)
}

func (n *node) die(w *modelWorker) {
	n.workers = slices.DeleteFunc(n.workers, func(o *modelWorker) bool { return o == w })
	for _, l := range w.lanes {
		for _, c := range slices.Backward(l.queue) {
			if c == nil {
				continue
			}
			c.lane, c.recalled = nil, false
			if c.executes {
				c.executes, c.over = false, true
				n.m.Over(&c.Call)
			} else if !n.m.Lost(&c.Call) {
				c.over = true
			}
		}
		l.queue, l.of, l.loading = nil, nil, false
	}
	n.m.Gone(&w.Worker)
}

func (n *node) greet(kind string) {
	n.starts = slices.Delete(n.starts, slices.Index(n.starts, kind), slices.Index(n.starts, kind)+1)
	w := &modelWorker{kind: kind}
	w.Owner = w
	n.workers = append(n.workers, w)
	n.failed = 0
	n.m.Greeted(&w.Worker, kind, n.now, n.now)
}

func (n *node) leased(w *modelWorker, ok bool) {
	if !ok {
		n.m.LeaseFailed(&w.Worker, errors.New("no"))
		w.leasing = false
		return
	}
	before := w.leasing
	w.leasing = false
	if !n.m.Leased(&w.Worker, n.now) && !w.ending {
		w.leasing = before // it is leased again
	}
}

func (n *node) tick(d time.Duration) {
	n.now = n.now.Add(d)
	full := map[*modelScript]bool{}
	for _, s := range n.scripts {
		full[s] = n.fullOf(s)
	}
	n.m.Tick(n.now)
	n.settle()
	for _, c := range n.calls {
		if c.over || c.refused || c.lane != nil {
			continue
		}
		n.mayWait(c)
		waited := n.now.Sub(c.at)
		n.require(waited < 3*c.Patience, "a call waits for %s", waited)
		served := slices.ContainsFunc(n.workers, func(w *modelWorker) bool { return w.tenant == c.script.tenant && !w.leasing && !w.ending })
		if !served {
			continue // it waits longer while workers are being started
		}
		n.require(waited < c.Patience, "a call waits for %s", waited)
		if full[c.script] && n.fullOf(c.script) {
			n.require(waited < c.LimitPatience, "a call waits for its script's limit for %s", waited)
		}
	}
}

// fullOf reports whether no further lane may serve the script.
func (n *node) fullOf(s *modelScript) bool {
	return s.limit > 0 && n.lanesOf(s) >= s.limit || n.whole(s)
}

func (n *node) some(ok func(*modelWorker) bool) *modelWorker {
	var workers []*modelWorker
	for _, w := range n.workers {
		if ok(w) {
			workers = append(workers, w)
		}
	}
	if len(workers) == 0 {
		return nil
	}
	return workers[rapid.IntRange(0, len(workers)-1).Draw(n.t, "worker")]
}

// event is something that happens to the node; often is how much more often than the rarest.
type event struct {
	name  string
	often int
	do    func()
}

func (n *node) events() []event {
	cost := func() time.Duration {
		return rapid.SampledFrom([]time.Duration{20 * time.Microsecond, 200 * time.Microsecond, 3 * time.Millisecond, time.Second}).Draw(n.t, "cost")
	}
	on := func(ok func(*modelLane) bool, do func(*modelLane)) func() {
		return func() {
			if l := n.pick(ok); l != nil {
				do(l)
			}
		}
	}
	of := func(ok func(*modelWorker) bool, do func(*modelWorker)) func() {
		return func() {
			if w := n.some(ok); w != nil {
				do(w)
			}
		}
	}
	leasing := func(w *modelWorker) bool { return w.leasing }
	behind := func(l *modelLane) bool { return len(l.queue) > 1 && l.queue[1] != nil }
	return []event{
		{"submit", 30, n.submit},
		{"ends", 15, on(executing, func(l *modelLane) { n.end(l, cost()) })},
		{"loaded", 20, on(func(l *modelLane) bool { return l.loading }, n.load)},
		{"starts", 15, func() {
			if len(n.starts) > 0 {
				n.greet(n.starts[0])
			}
		}},
		{"leased", 15, of(leasing, func(w *modelWorker) { n.leased(w, true) })},
		{"parks", 6, on(func(l *modelLane) bool { return executing(l) && !l.parked }, func(l *modelLane) { l.parked = true; n.m.Parked(l.Lane) })},
		{"ready", 3, on(func(l *modelLane) bool { return executing(l) && l.parked }, func(l *modelLane) { l.parked = false; n.m.Ready(l.Lane) })},
		{"looks", 2, on(func(l *modelLane) bool { return !l.closed }, func(l *modelLane) { n.m.Look(l.Lane, n.now) })},
		{"time", 10, func() {
			n.tick(rapid.SampledFrom([]time.Duration{0, time.Millisecond, 11 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second, 70 * time.Second}).Draw(n.t, "passes"))
		}},
		{"ended", 4, of(func(w *modelWorker) bool { return w.ending }, n.die)},
		{"ends without executing", 1, on(behind, func(l *modelLane) { // cancelled before it began
			c := l.queue[1]
			c.over, c.lane = true, nil
			n.m.Ended(&c.Call, n.leave(l, 1), -1, 0, false, n.now)
		})},
		{"given up", 1, on(behind, func(l *modelLane) {
			c := l.queue[1]
			c.over, c.lane = true, nil
			l.queue[1] = nil
			n.m.Over(&c.Call)
		})},
		{"freed", 3, on(func(l *modelLane) bool { return len(l.queue) > 0 && l.queue[0] == nil }, n.free)},
		{"recalled", 3, on(func(l *modelLane) bool { return behind(l) && l.queue[1].recalled }, func(l *modelLane) { n.giveBack(l, 1) })},
		{"returned", 1, on(executing, func(l *modelLane) {
			delete(l.loaded, l.queue[0].script.id)
			n.m.Dropped(l.Lane, l.queue[0].script.id)
			n.giveBack(l, 0)
		})},
		{"load fails", 1, on(func(l *modelLane) bool { return l.loading && len(l.queue) > 0 && l.queue[0] != nil }, n.loadFails)},
		{"crowded", 1, on(func(l *modelLane) bool {
			return l.loading && len(l.worker.lanes) > 1 && !slices.Contains(l.queue, nil)
		}, n.crowd)},
		{"start fails", 1, func() {
			if len(n.starts) > 0 {
				kind := n.starts[0]
				n.starts = n.starts[1:]
				n.failed++
				_, wait := n.m.StartFailed(kind, n.now)
				n.backoff = n.now.Add(wait)
			}
		}},
		{"lease fails", 1, of(leasing, func(w *modelWorker) { n.leased(w, false) })},
		{"dies", 1, of(func(w *modelWorker) bool { return !w.leasing }, n.die)},
		{"killed", 1, of(func(w *modelWorker) bool { return !w.ending }, func(w *modelWorker) {
			w.ending = true
			n.m.Doomed(&w.Worker)
		})},
		{"exits", 1, of(func(w *modelWorker) bool { return w.tenant != nil && !w.leasing }, func(w *modelWorker) { n.m.Retire(&w.Worker) })},
		{"burns", 1, of(func(w *modelWorker) bool { return w.tenant != nil }, func(w *modelWorker) {
			n.m.Burning(&w.Worker, rapid.Bool().Draw(n.t, "burns"))
		})},
		{"tenant changes", 1, func() {
			t := n.tenants[rapid.IntRange(0, len(n.tenants)-1).Draw(n.t, "tenant")]
			t.changes++
			n.m.RetireTenant(t.id)
		}},
		{"cancelled", 1, func() {
			if i := slices.IndexFunc(n.calls, func(c *modelCall) bool { return c.Pending() }); i >= 0 {
				n.calls[i].over = true
				n.m.Over(&n.calls[i].Call)
			}
		}},
	}
}

// live has some of the events happen.
func (n *node) live(steps int) {
	var deck []event
	for _, e := range n.events() {
		for range e.often {
			deck = append(deck, e)
		}
	}
	for range steps {
		e := deck[rapid.IntRange(0, len(deck)-1).Draw(n.t, "event")]
		n.t.Log(e.name)
		e.do()
		n.settle()
	}
}

func (n *node) free(l *modelLane) {
	id := l.of[0].id
	n.m.Freed(l.Lane, id, n.leave(l, 0), n.now)
	n.pump(l)
}

func (n *node) loadFails(l *modelLane) {
	l.loading = false
	n.m.Dropped(l.Lane, l.queue[0].script.id)
	n.m.Loaded(l.Lane, n.now)
	for len(l.queue) > 0 {
		c, id := l.queue[0], l.of[0].id
		next := n.leave(l, 0)
		if c == nil {
			n.m.Freed(l.Lane, id, next, n.now)
			continue
		}
		c.over, c.lane = true, nil
		n.m.Ended(&c.Call, next, -1, 0, false, n.now)
	}
}

func (n *node) load(l *modelLane) {
	l.loading = false
	if len(l.queue) > 0 && l.queue[0] != nil {
		l.loaded[l.queue[0].script.id] = true
	}
	n.m.Loaded(l.Lane, n.now)
	n.pump(l)
}

func (n *node) crowd(l *modelLane) {
	n.m.Dropped(l.Lane, l.queue[0].script.id)
	for _, c := range slices.Backward(slices.Clone(l.queue)) {
		c.lane = nil
		l.drop(len(l.queue) - 1)
		n.m.Returned(&c.Call, nil, n.now)
	}
	l.loading, l.closed = false, true
	n.m.Crowded(l.Lane)
	l.worker.lanes = slices.DeleteFunc(l.worker.lanes, func(o *modelLane) bool { return o == l })
}

// drain ends everything that was begun, as a node does that shuts down: every call must come to its end.
func (n *node) drain() {
	n.closing = true
	n.m.Close()
	n.settle()
	for range 10_000 {
		if !slices.ContainsFunc(n.calls, func(c *modelCall) bool { return !c.over && !c.refused }) {
			break
		}
		for len(n.starts) > 0 {
			n.greet(n.starts[0])
			n.settle()
		}
		for _, w := range slices.Clone(n.workers) {
			if w.leasing {
				n.leased(w, true)
				n.settle()
			}
			for _, l := range slices.Clone(w.lanes) {
				switch {
				case l.loading:
					n.load(l)
				case executing(l):
					n.end(l, time.Millisecond)
				case len(l.queue) > 0 && l.queue[0] == nil:
					n.free(l)
				}
				n.settle()
			}
			if w.ending && slices.Contains(n.workers, w) {
				n.die(w)
				n.settle()
			}
		}
		n.tick(10 * time.Millisecond)
	}
	for _, c := range n.calls {
		n.require(c.over || c.refused, "a call has no end")
	}
	for len(n.starts) > 0 {
		n.greet(n.starts[0])
		n.settle()
	}
	s := n.m.Stats()
	n.require(s.Pending == 0 && s.Calls == 0 && s.Starting == 0, "left over: %+v", s)
	for _, w := range slices.Clone(n.workers) {
		n.die(w)
		n.settle()
	}
	s = n.m.Stats()
	n.require(s == admission.PlacementStats{}, "left over: %+v", s)
}

// Whatever happens to calls, workers and limits, in whatever order: no call is lost or placed twice, no limit of a version, of a script's versions
// together, of tenant or node is exceeded, no call waits without a reason of its own tenant's or the node's, and none beyond its patience.
func TestPlacement(t *testing.T) {
	t.Parallel()
	for range 10 { // a Check is a hundred histories: some interleavings are rarer than that
		rapid.Check(t, func(t *rapid.T) {
			n := newNode(t)
			n.live(200)
			n.drain()
		})
	}
}

// Tenants that all want more than there is have workers by their weights, whichever came first; where they are more than the node may have
// workers, they take turns.
func TestPlacementIsFairByWeight(t *testing.T) {
	t.Parallel()
	for _, weights := range [][]int{{1, 1}, {1, 3}, {1, 1, 2}, {2, 3, 3}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}} {
		t.Run(fmt.Sprint(weights), func(t *testing.T) {
			t.Parallel()
			const workers = 8
			active, executed := placeByWeight(t, workers, weights)
			total, sum := 0, 0
			for i, w := range weights {
				total += w
				sum += executed[i]
			}
			for i, w := range weights {
				if len(weights) < workers {
					require.InDelta(t, float64(workers*w)/float64(total), float64(active[i]), 1, "%v: %v", weights, active)
				}
				require.Greater(t, executed[i], sum*w/total/2, "%v: %v", weights, executed)
			}
		})
	}
}

// placeByWeight has tenants with long executions and an endless queue each, of which the first comes alone. It returns how many workers
// each has after some hundred executions, and how many of those were its own.
func placeByWeight(t *testing.T, workers int, weights []int) (active, executed []int) {
	m := admission.NewPlacement(admission.PlacementConfig{
		MaxWorkers: workers, MaxLeased: workers, MaxParked: 1, MaxPending: 1 << 20, Spares: 1, LaneScripts: 8, MaxIdle: 1 << 40,
		Idle: time.Hour, Age: time.Hour, Runs: 1 << 20,
		ScriptShare: func(admission.Key, int) int { return 0 }, TenantShare: func(admission.Key) int { return 0 },
		Weight: func(id admission.Key) int { return weights[id[0]] },
	})
	now := time.Unix(1_000_000, 0)
	active, executed = make([]int, len(weights)), make([]int, len(weights))
	var executing []*admission.Call
	settle := func() {
		for actions := m.Settle(now); len(actions) > 0; actions = m.Settle(now) {
			for _, a := range actions {
				switch a.Do {
				case admission.ActionStart:
					m.Greeted(&admission.Worker{}, a.Kind, now, now)
				case admission.ActionLease:
					require.True(t, m.Leased(a.Worker, now))
				case admission.ActionPlace:
					m.Began(a.Call, now)
					executing = append(executing, a.Call)
					active[a.Call.Tenant[0]]++
				case admission.ActionRetire:
					m.Gone(a.Worker)
				case admission.ActionRefuse:
					t.Fatalf("refused: %+v", a.Call.Refusal)
				default:
				}
			}
		}
	}
	m.Open()
	for i := range weights {
		for range 400 {
			m.Submit(&admission.Call{Tenant: admission.Key{byte(i)}, Script: admission.Key{byte(i)}, Patience: time.Hour, LimitPatience: time.Hour}, now)
			settle()
		}
	}
	for i := range 150 * len(weights) {
		now = now.Add(50 * time.Millisecond)
		c := executing[0]
		executing = executing[1:]
		active[c.Tenant[0]]--
		if i >= 50*len(weights) {
			executed[c.Tenant[0]]++
		}
		m.Ended(c, nil, 50*time.Millisecond, 0, false, now)
		settle()
		m.Tick(now)
		settle()
	}
	return active, executed
}

// A call of a small script that finds an idle worker costs the node's lock this much.
func BenchmarkPlacement(b *testing.B) {
	m := admission.NewPlacement(admission.PlacementConfig{
		MaxWorkers: 8, MaxLeased: 8, MaxParked: 8, MaxPending: 1000, LaneScripts: 8, MaxIdle: 1 << 40, Idle: time.Hour, Age: time.Hour, Runs: 1 << 40,
		ScriptShare: func(admission.Key, int) int { return 0 }, TenantShare: func(admission.Key) int { return 0 },
	})
	now := time.Unix(1_000_000, 0)
	c := &admission.Call{Patience: time.Second, LimitPatience: time.Second}
	settle := func() {
		for actions := m.Settle(now); len(actions) > 0; actions = m.Settle(now) {
			for _, a := range actions {
				switch a.Do {
				case admission.ActionStart:
					m.Greeted(&admission.Worker{}, a.Kind, now, now)
				case admission.ActionLease:
					m.Leased(a.Worker, now)
				case admission.ActionPlace:
					m.Began(a.Call, now)
				default:
				}
			}
		}
	}
	m.Open()
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(10 * time.Microsecond)
		m.Submit(c, now)
		settle()
		m.Ended(c, nil, 10*time.Microsecond, 0, false, now)
		settle()
	}
}
