package scheduler

import (
	"bytes"
	"container/heap"
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/engine/wake"
	"example.com/jsruntime/migrations/tenantdb"
	"example.com/jsruntime/sqlc"
)

const (
	// discoverPage is how many (tenant, script) pairs one loose scan returns; 1,000 take about 10 ms.
	discoverPage = 1000
	// discoverBusy is how often new pairs are looked for while the known ones keep all slots busy: it bounds how long a tenant's
	// first event waits behind another tenant's flood.
	discoverBusy = 250 * time.Millisecond
	// discoverShare is how many times its own duration a discovery stays away. While any session holds a transaction open, the
	// entries of claimed rows stay in the index and each discovery walks them all; so it takes a tenth of the time.
	discoverShare = 10
	// discoverMost is the longest that it stays away in spite of that: a tenant's event is to be found within a second.
	discoverMost = 600 * time.Millisecond
	// recentPairs is how many pairs that ran dry are tried again on each wake-up, before anything is discovered.
	recentPairs = 64
	// aheadWait is how long an execution may wait in this node because it was claimed ahead.
	aheadWait = 20 * time.Millisecond
	// gatherWait is how long a claim waits for more room while executions are shorter.
	gatherWait = 2 * time.Millisecond
	// aheadPerSlot bounds what is claimed ahead, for each execution that may run.
	aheadPerSlot = 3
	// maxTenantConcurrency bounds what a plan says of max_concurrent_runs.
	maxTenantConcurrency = 1_000_000
	// forgetAfter is how long a dry pair is remembered.
	forgetAfter = time.Minute
	// stoppedEvery is how often the ticks of a stopped script are looked for.
	stoppedEvery = 2 * time.Second
)

// pair is what the queue is ordered by.
type pair struct{ tenant, script uuid.UUID }

// queued is what is known about the queue of one script.
type queued struct {
	ready bool // there may be due executions after the floor
	seen  time.Time

	// The claim looks only at rows after this one. Rows before it were claimed, or will be found by the next discovery.
	floorRunAt time.Time
	floorID    uuid.UUID

	scriptLimit, tenantLimit int       // across all nodes
	fullUntil                time.Time // its script was full, see Config.Full
}

// born is an execution that this node's ticks have queued and that is due: its script need not be discovered.
type born struct {
	pair
	runAt        time.Time       // of its row, by the database's clock
	plan, limits json.RawMessage // tenants.plan, scripts.resource_limits
}

// bornLimit bounds what newborn holds; what is beyond it is discovered.
const bornLimit = 20_000

// newborn passes executions from the ticks to the dispatcher. The zero value holds none.
type newborn struct {
	mu   sync.Mutex
	list []born
}

func (n *newborn) add(list []born) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, list[:min(len(list), bornLimit-len(n.list))]...)
}

func (n *newborn) take() []born {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.list
	n.list = nil
	return list
}

// dispatcher claims executions and starts them. It belongs to one goroutine.
type dispatcher struct {
	*Scheduler
	work context.Context
	runs *sync.WaitGroup

	pairs map[pair]*queued
	held  map[pair]time.Time // scripts that are not active, and when their queue may be looked at again

	cursor       pair      // where the next discovery begins
	discovered   time.Time // end of the last one
	discoverTook time.Duration
	roundTook    time.Duration // of the pages so far
	nextDue      time.Time     // when the first execution known to lie in the future is due
	// The concurrency that was resolved last, and of what: most scripts have the same.
	lastPlan, lastLimits json.RawMessage
	lastScript           int
	lastTenant           int

	resume time.Time // when the first pause of a script or tenant that has something to claim ends; zero: there is none
}

// dispatch claims until ctx is done. What it starts lives as long as work.
func (s *Scheduler) dispatch(ctx, work context.Context, runs *sync.WaitGroup) {
	d := &dispatcher{Scheduler: s, work: work, runs: runs, pairs: map[pair]*queued{}, held: map[pair]time.Time{}}
	woken := true
	for ctx.Err() == nil {
		wait, err := d.pass(ctx, woken)
		woken = false
		if err != nil {
			s.complain(ctx, "claim failed", err)
			wait = min(s.cfg.Poll, 500*time.Millisecond)
			if !wake.Pause(ctx, wait) {
				return
			}
			continue
		}
		if wait <= 0 {
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.queueWake:
			woken = true
		}
		timer.Stop()
	}
}

// unableWait is how often a node that takes no work looks whether it does: this asks no database.
const unableWait = 100 * time.Millisecond

// pass claims as much as there is room for, and returns how long to wait for the next one.
func (d *dispatcher) pass(ctx context.Context, woken bool) (time.Duration, error) {
	if until := d.paused.Load(); until != nil && time.Until(*until) > 0 {
		return time.Until(*until), nil
	}
	if !d.cfg.Node.TakesWork() {
		return min(d.cfg.Poll, unableWait), nil
	}
	d.adopt()
	claimed, err := d.claimKnown(ctx, woken)
	if err != nil {
		return 0, err
	}
	room := d.room()
	pairsLeft := false
	if d.mayDiscover(room > 0) {
		if pairsLeft, err = d.discover(ctx); err != nil {
			return 0, err
		}
		more, err := d.claimKnown(ctx, false)
		if err != nil {
			return 0, err
		}
		claimed += more
		room = d.room()
	}
	if room > 0 && (claimed > 0 || pairsLeft) {
		return d.gather(room), nil
	}
	// Without room an execution's end wakes us; the poll is for what nothing announces.
	wait := d.cfg.Poll
	if !d.nextDue.IsZero() {
		wait = min(wait, time.Until(d.nextDue))
	}
	if !d.resume.IsZero() {
		wait = min(wait, time.Until(d.resume))
	}
	if room > 0 || len(d.pairs) > 0 {
		// A discovery that was put off is made as soon as it may be.
		if at := d.discovered.Add(d.discoverGap(room > 0)); at.After(time.Now()) && woken {
			wait = min(wait, time.Until(at))
		}
	}
	return max(wait, time.Millisecond), nil
}

// gather is how long a claim waits for more room. While executions are short a few slots are many in a moment, and a claim of many costs little
// more than a claim of few.
func (d *dispatcher) gather(room int) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if 0 < d.took && d.took < gatherWait && room < d.capacity()/4 {
		return gatherWait
	}
	return 0
}

// discoverGap is how long after a discovery the next one may begin. Without room nothing is claimed meanwhile, and discoveries cost
// no claims.
func (d *dispatcher) discoverGap(room bool) time.Duration {
	if !room {
		return max(discoverBusy, d.discoverTook)
	}
	return min(discoverShare*d.discoverTook, discoverMost)
}

func (d *dispatcher) mayDiscover(room bool) bool {
	return time.Since(d.discovered) >= d.discoverGap(room)
}

// byIndex runs do in a transaction that is planned by the queue's indexes.
func (s *Scheduler) byIndex(ctx context.Context, do func(context.Context, *sqlc.Queries) error) error {
	return cluster.Within(ctx, func(ctx context.Context) error {
		return pgx.BeginTxFunc(ctx, s.cfg.Pool, tenantdb.ServiceTx(), func(tx pgx.Tx) error {
			queries := s.queries.WithTx(tx)
			if err := queries.QueuePlanByIndex(ctx); err != nil {
				return err
			}
			return do(ctx, queries)
		})
	})
}

// room is how many executions may be begun.
func (s *Scheduler) room() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.roomLocked()
}

// roomLocked counts what runs, and what has ended and is still being written: a database that is slow to take endings gets no
// further claims.
func (s *Scheduler) roomLocked() int {
	if s.endings.full() {
		return 0
	}
	return min(s.capacity()-s.slots, endingsPerSlot*s.cfg.Concurrency-len(s.held))
}

// capacity is how many executions may be claimed at one time. While executions are short, so many are claimed beyond Concurrency
// as make a further wait of aheadWait at most: otherwise the slots would be empty for most of the time that a claim takes.
func (s *Scheduler) capacity() int {
	took := s.took
	if took <= 0 {
		return s.cfg.Concurrency
	}
	ahead := float64(s.cfg.Concurrency) * float64(aheadWait) / float64(took)
	return s.cfg.Concurrency + int(min(ahead, float64(aheadPerSlot*s.cfg.Concurrency)))
}

// adopt knows the scripts of what this node's ticks have queued. A script's floor moves back to the new row: another node's claim may have moved it on.
func (d *dispatcher) adopt() {
	now := time.Now()
	for _, b := range d.born.take() {
		q := d.pairs[b.pair]
		if q == nil {
			q = &queued{floorRunAt: b.runAt}
			d.pairs[b.pair] = q
		}
		q.ready, q.seen = true, now
		d.limit(q, b.plan, b.limits)
		if b.runAt.Before(q.floorRunAt) || b.runAt.Equal(q.floorRunAt) {
			q.floorRunAt, q.floorID = b.runAt, uuid.Nil
		}
	}
}

// discover reads a page of pairs that have executions waiting; it reports whether there are more.
func (d *dispatcher) discover(ctx context.Context) (more bool, err error) {
	began := time.Now()
	var page []sqlc.ExecutionDiscoverRow
	err = d.byIndex(ctx, func(ctx context.Context, queries *sqlc.Queries) (err error) {
		page, err = queries.ExecutionDiscover(ctx, sqlc.ExecutionDiscoverParams{
			AfterTenantID: d.cursor.tenant, AfterScriptID: d.cursor.script, RowLimit: discoverPage,
		})
		return err
	})
	if err != nil {
		return false, err
	}
	now := time.Now()
	if d.cursor == (pair{}) {
		d.nextDue = time.Time{}
	}
	for _, row := range page {
		p := pair{row.TenantID, row.ScriptID}
		d.cursor = p
		if !row.TenantActive || row.Archived || !row.ScriptActive {
			delete(d.pairs, p)
			if err := d.stopped(ctx, p, row); err != nil {
				return false, err
			}
			continue
		}
		delete(d.held, p)
		q := d.pairs[p]
		if q == nil {
			q = &queued{}
			d.pairs[p] = q
		}
		q.seen = now
		d.limit(q, row.Plan, row.ResourceLimits)
		q.floorRunAt, q.floorID = time.Time{}, uuid.Nil
		if row.DueInSeconds > 0 {
			q.ready = false
			if at := now.Add(seconds(row.DueInSeconds)); d.nextDue.IsZero() || at.Before(d.nextDue) {
				d.nextDue = at
			}
			continue
		}
		// Everything before the first row that waits is dead.
		q.ready = true
		q.floorRunAt = row.RunAt
	}
	d.roundTook += time.Since(began)
	if len(page) == discoverPage {
		d.discovered = time.Time{} // the next page may follow at once: only whole rounds keep their distance
		return true, nil
	}
	d.cursor = pair{}
	d.discovered, d.discoverTook, d.roundTook = now, d.roundTook, 0
	for p, q := range d.pairs {
		if !q.ready && now.Sub(q.seen) > forgetAfter {
			delete(d.pairs, p)
		}
	}
	return false, nil
}

// limit says how many executions of a script and of its tenant may run at one time across all nodes, by the rules of the engine that will run them.
func (d *dispatcher) limit(q *queued, plan, limits json.RawMessage) {
	if !bytes.Equal(plan, d.lastPlan) || !bytes.Equal(limits, d.lastLimits) || d.lastScript == 0 {
		p := catalog.PlanOf(plan)
		d.lastPlan, d.lastLimits, d.lastScript = plan, limits, d.cfg.Bounds.Limits(p.Limits, limits).MaxConcurrentRuns
		d.lastTenant = d.cfg.TenantConcurrency
		if p.MaxConcurrentRuns != nil {
			d.lastTenant = int(min(*p.MaxConcurrentRuns, maxTenantConcurrency))
		}
	}
	q.scriptLimit, q.tenantLimit = d.lastScript, d.lastTenant
}

// stopped serves a script that is not active: ticks of it that wait are cancelled, what a person asked for by hand runs.
func (d *dispatcher) stopped(ctx context.Context, p pair, row sqlc.ExecutionDiscoverRow) error {
	began := time.Now()
	if began.Before(d.held[p]) {
		return nil
	}
	var forgotten func()
	err := d.byIndex(ctx, func(ctx context.Context, queries *sqlc.Queries) error {
		rows, err := queries.ExecutionCancelStopped(ctx, sqlc.ExecutionCancelStoppedParams{TenantID: p.tenant, ScriptID: p.script, RowLimit: 1000})
		if err != nil {
			return err
		}
		ended := make([]ledger.Ended, len(rows))
		for i, row := range rows {
			ended[i] = ledger.Ended{ID: row.ID, ScriptID: row.ScriptID, Code: engine.CodeCancelled}
		}
		forgotten, err = ledger.Forget(ctx, queries, d.cfg.Storage, ended)
		return err
	})
	if err != nil {
		return err
	}
	forgotten()
	if row.TenantActive && !row.Archived {
		q := &queued{}
		d.limit(q, row.Plan, row.ResourceLimits)
		if _, err := d.claimShare(ctx, []pair{p}, []*queued{q}); err != nil {
			return err
		}
	}
	// The claim walks past all events that wait for the script to be active again.
	d.held[p] = time.Now().Add(max(stoppedEvery, 2*discoverShare*time.Since(began)))
	return nil
}

// claimKnown claims from the pairs that are known to have something, and those that ran dry lately if they may have something new.
func (d *dispatcher) claimKnown(ctx context.Context, woken bool) (int, error) {
	var pairs, dry []pair
	for p, q := range d.pairs {
		switch {
		case q.ready:
			pairs = append(pairs, p)
		case woken:
			dry = append(dry, p)
		}
	}
	slices.SortFunc(dry, func(a, b pair) int { return d.pairs[b].seen.Compare(d.pairs[a].seen) })
	pairs = append(pairs, dry[:min(len(dry), recentPairs)]...)
	if len(pairs) == 0 {
		return 0, nil
	}
	// In a random order, so that no script is always first, and nodes that claim at the same time ask for different ones.
	rand.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	known := make([]*queued, len(pairs))
	for i, p := range pairs {
		known[i] = d.pairs[p]
	}
	return d.claimShare(ctx, pairs, known)
}

// claimShare claims of the pairs what this node has room for.
func (d *dispatcher) claimShare(ctx context.Context, pairs []pair, known []*queued) (int, error) {
	counts := d.share(pairs, known)
	for range fullLooks {
		if !d.findFull(pairs, known, counts) {
			break
		}
		counts = d.share(pairs, known) // what they would have had is another script's
	}
	return d.claim(ctx, pairs, known, counts, d.shareFull(pairs, known, counts))
}

const (
	// fullFor is how long a script that was full counts as full without another look.
	fullFor = 100 * time.Millisecond
	// fullLooks bounds how often one pass divides the slots again.
	fullLooks = 8
)

// findFull asks about the scripts that are to have a slot which are full, and reports whether some are.
func (d *dispatcher) findFull(pairs []pair, known []*queued, counts []int) (found bool) {
	for i, p := range pairs {
		if counts[i] > 0 && d.cfg.Full(p.script) {
			known[i].fullUntil, found = time.Now().Add(fullFor), true
		}
	}
	return found
}

// shareFull gives one execution to each script that is full and has none waiting: it waits in the Executor for its turn among the script's
// requests, without a slot. A tenant has a quarter of Concurrency of them at most. It returns which pairs these are.
func (d *dispatcher) shareFull(pairs []pair, known []*queued, counts []int) map[pair]bool {
	var full map[pair]bool
	byTenant := map[uuid.UUID]int{}
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, p := range pairs {
		q := known[i]
		if !q.fullUntil.After(now) || d.Scheduler.blocked[p.script] > 0 {
			continue
		}
		if _, paused := d.pausedLocked(p, now); paused {
			continue
		}
		if _, over := d.cfg.Quota.Exceeded(p.tenant); over {
			continue
		}
		of := byTenant[p.tenant]
		if d.Scheduler.blocked[p.tenant]+of >= max(1, d.cfg.Concurrency/4) || d.members.Share(q.tenantLimit, p.tenant)-d.running[p.tenant]-of <= 0 ||
			d.members.Share(q.scriptLimit, p.script)-d.running[p.script] <= 0 {
			continue
		}
		if full == nil {
			full = map[pair]bool{}
		}
		full[p], counts[i] = true, 1
		byTenant[p.tenant]++
	}
	return full
}

// claim claims count[i] executions of pairs[i] at most, starts them, and moves the floors. Those of blocked take no slot until they begin.
func (d *dispatcher) claim(ctx context.Context, pairs []pair, known []*queued, counts []int, blocked map[pair]bool) (int, error) {
	params := sqlc.ExecutionClaimParams{NodeID: d.cfg.Node.ID(), LeaseToken: uuid.Must(uuid.NewV7()), LeaseSeconds: d.cfg.Node.Lease().Seconds()}
	asked := map[pair]int{}
	byPair := map[pair]*queued{}
	for i, p := range pairs {
		if counts[i] == 0 {
			continue
		}
		asked[p], byPair[p] = counts[i], known[i]
		params.TenantIds = append(params.TenantIds, p.tenant)
		params.ScriptIds = append(params.ScriptIds, p.script)
		params.Counts = append(params.Counts, int32(counts[i]))
		params.FloorRunAts = append(params.FloorRunAts, known[i].floorRunAt)
		params.FloorIds = append(params.FloorIds, known[i].floorID)
	}
	if len(asked) == 0 {
		return 0, nil
	}
	began := time.Now()
	var rows []sqlc.ExecutionClaimRow
	err := d.byIndex(ctx, func(ctx context.Context, queries *sqlc.Queries) (err error) {
		rows, err = queries.ExecutionClaim(ctx, params)
		return err
	})
	if err != nil {
		d.disown(rows, params.LeaseToken)
		return 0, err
	}
	for i := range rows {
		row := &rows[i]
		p := pair{row.TenantID, row.ScriptID}
		asked[p]--
		q := byPair[p]
		if c := row.RunAt.Compare(q.floorRunAt); c > 0 || c == 0 && bytes.Compare(row.ID[:], q.floorID[:]) > 0 {
			q.floorRunAt, q.floorID = row.RunAt, row.ID
		}
		d.start(row, params.LeaseToken, began, blocked[p])
	}
	for p, missing := range asked {
		byPair[p].ready = missing == 0
		if missing == 0 {
			byPair[p].seen = began
		}
	}
	d.cfg.Observer.Claimed(len(rows), time.Since(began))
	return len(rows), nil
}

// disown gives back what a claim has taken whose commit got no answer, and may have happened or still happen: this node would not run it
// nor renew its lease, and a tick would fail as lost without having begun.
func (d *dispatcher) disown(rows []sqlc.ExecutionClaimRow, token uuid.UUID) {
	for i := range rows {
		row := &rows[i]
		e := &ending{
			held:    &held{row: row, token: token, cancel: func(error) {}, since: time.Now()},
			trigger: engine.Trigger(row.TriggerType), reason: "claim_in_doubt", doubtful: true,
		}
		d.endings.add(e)
	}
}

// start hands an execution to a goroutine of its own.
func (d *dispatcher) start(row *sqlc.ExecutionClaimRow, token uuid.UUID, since time.Time, blocked bool) {
	ctx, cancel := context.WithCancelCause(d.work)
	h := &held{row: row, token: token, cancel: cancel, since: since, claimed: time.Now(), blocked: blocked}
	d.mu.Lock()
	d.Scheduler.held[row.ID] = h
	if blocked {
		d.Scheduler.blocked[row.ScriptID]++
		d.Scheduler.blocked[row.TenantID]++
	} else {
		d.slots++
	}
	d.running[row.ScriptID]++
	d.running[row.TenantID]++
	d.mu.Unlock()
	d.runs.Go(func() { d.execute(ctx, h) })
}

// share divides the free slots: each goes to the tenant that has fewest executions on this node, and there to its scripts in
// turn, within this node's part of the limits of script and tenant. A tenant without any may use slots beyond Concurrency, so that
// it does not wait for a flood of long executions to end.
func (d *dispatcher) share(pairs []pair, known []*queued) []int {
	counts := make([]int, len(pairs))
	d.mu.Lock()
	free := d.roomLocked()
	extra := free + max(1, d.cfg.Concurrency/4)
	byTenant := map[uuid.UUID]*tenantShare{}
	var tenants tenantHeap
	now := time.Now()
	d.resume = time.Time{}
	for i, p := range pairs {
		if until, paused := d.pausedLocked(p, now); paused {
			if d.resume.IsZero() || until.Before(d.resume) {
				d.resume = until
			}
			continue
		}
		if known[i].fullUntil.After(now) {
			continue // see shareFull
		}
		t := byTenant[p.tenant]
		if t == nil {
			running := d.running[p.tenant]
			t = &tenantShare{running: running, order: len(byTenant), room: d.members.Share(known[i].tenantLimit, p.tenant) - running}
			if _, over := d.cfg.Quota.Exceeded(p.tenant); over {
				t.room = 0
			}
			byTenant[p.tenant] = t
			tenants = append(tenants, t)
		}
		if room := d.members.Share(known[i].scriptLimit, p.script) - d.running[p.script]; room > 0 {
			t.scripts = append(t.scripts, scriptShare{index: i, room: room})
		}
	}
	d.mu.Unlock()

	heap.Init(&tenants)
	for len(tenants) > 0 && (free > 0 || tenants[0].running == 0 && extra > 0) {
		t := tenants[0]
		if t.room <= 0 || len(t.scripts) == 0 {
			heap.Pop(&tenants)
			continue
		}
		s := &t.scripts[t.next%len(t.scripts)]
		counts[s.index]++
		s.room--
		if s.room == 0 {
			t.scripts = slices.Delete(t.scripts, t.next%len(t.scripts), t.next%len(t.scripts)+1)
		} else {
			t.next++
		}
		t.room--
		t.running++
		free--
		extra--
		heap.Fix(&tenants, 0)
	}
	return counts
}

type tenantShare struct {
	running, order, room int
	scripts              []scriptShare
	next                 int
}

type scriptShare struct{ index, room int }

// tenantHeap has the tenant with the fewest executions first.
type tenantHeap []*tenantShare

func (h tenantHeap) Len() int { return len(h) }
func (h tenantHeap) Less(i, j int) bool {
	if h[i].running != h[j].running {
		return h[i].running < h[j].running
	}
	return h[i].order < h[j].order
}
func (h tenantHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *tenantHeap) Push(x any)   { *h = append(*h, x.(*tenantShare)) }
func (h *tenantHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
