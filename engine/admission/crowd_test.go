package admission_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/admission"
)

// crowd plays a pool in a time of its own: workers execute the calls of their lanes one after the other, and a closed loop of callers sends
// the next call when the last one has ended.
type crowd struct {
	t     *testing.T
	m     *admission.Placement
	now   time.Time
	lanes []*crowdLane
	calls int // that have ended

	workers, loads, waited int // waited: calls that were not placed at once
	evicted                []*admission.Worker
	longest                time.Duration

	load time.Duration
	cost func(script byte, runs int) time.Duration // of the execution that follows so many in the same lane
	wait func() time.Duration                      // of that execution for a host call; nil: it makes none
	next func() *admission.Call                    // nil: no further one
}

type crowdLane struct {
	*admission.Lane
	queue  []*admission.Call
	runs   map[admission.Key]int // of a loaded script
	until  time.Time             // of what it does; zero: nothing
	waited time.Duration         // of its execution, for a host call
	loads  bool
}

func newCrowd(t *testing.T, workers, cores int) *crowd {
	c := &crowd{t: t, now: time.Unix(1_000_000, 0)}
	c.m = admission.NewPlacement(admission.PlacementConfig{
		MaxWorkers: workers, MaxLeased: workers, MaxParked: 8, MaxPending: 1 << 20, Spares: 2, LaneScripts: 128, MaxIdle: 1 << 40, Cores: cores,
		Idle: time.Hour, Age: time.Hour, Runs: 1 << 30, IdleMemory: 256 << 20,
		ScriptShare: func(_ admission.Key, limit int) int { return limit }, TenantShare: func(admission.Key) int { return 0 },
	})
	c.m.Open()
	c.settle()
	return c
}

func (c *crowd) settle() {
	for actions := c.m.Settle(c.now); len(actions) > 0; actions = c.m.Settle(c.now) {
		for _, a := range actions {
			switch a.Do {
			case admission.ActionStart:
				c.m.Greeted(&admission.Worker{}, a.Kind, c.now, c.now)
			case admission.ActionLease:
				c.workers++
				require.True(c.t, c.m.Leased(a.Worker, c.now))
			case admission.ActionPlace:
				l := c.laneOf(a.Lane)
				l.queue = append(l.queue, a.Call)
				c.begin(l)
			case admission.ActionRecall:
				l := c.laneOf(a.Lane)
				for len(l.queue) > 1 {
					last := l.queue[len(l.queue)-1]
					l.queue = l.queue[:len(l.queue)-1]
					c.m.TakenBack(last)
				}
			case admission.ActionRetire:
				require.Equal(c.t, admission.CauseEvicted, a.Cause)
				c.evicted = append(c.evicted, a.Worker)
				c.m.Gone(a.Worker)
			case admission.ActionRefuse:
				c.t.Fatalf("refused: %+v", a.Call.Refusal)
			default:
			}
		}
	}
}

func (c *crowd) laneOf(l *admission.Lane) *crowdLane {
	if l.Owner == nil {
		own := &crowdLane{Lane: l, runs: map[admission.Key]int{}}
		c.lanes = append(c.lanes, own)
		l.Owner = own
	}
	return l.Owner.(*crowdLane)
}

// begin starts what is first in the lane's queue, if the lane does nothing.
func (c *crowd) begin(l *crowdLane) {
	if !l.until.IsZero() || len(l.queue) == 0 {
		return
	}
	call := l.queue[0]
	runs, loaded := l.runs[placeOf(call)]
	if !loaded {
		c.loads++
		l.loads, l.until = true, c.now.Add(c.load)
		c.m.Loading(l.Lane, placeOf(call), c.now)
		return
	}
	l.until = c.now.Add(c.cost(placeOf(call)[0], runs))
	c.m.Began(call, c.now)
	if c.wait != nil {
		l.waited = c.wait()
		l.until = l.until.Add(l.waited)
		c.m.Parked(l.Lane)
	}
}

func (c *crowd) submit(call *admission.Call) {
	call.Owner = c.now
	c.m.Submit(call, c.now)
	c.settle()
	if call.Pending() {
		c.waited++
	}
}

// step lets the time pass until a lane has done something, at most for a millisecond, and has its caller send the next call.
func (c *crowd) step() {
	var first *crowdLane
	for _, l := range c.lanes {
		if !l.until.IsZero() && (first == nil || l.until.Before(first.until)) {
			first = l
		}
	}
	if tick := c.now.Add(time.Millisecond); first == nil || first.until.After(tick) {
		c.now = tick
		for _, l := range c.lanes {
			c.m.Look(l.Lane, c.now)
		}
		c.m.Tick(c.now)
		c.settle()
		return
	}
	c.now = first.until
	c.finish(first)
	c.settle()
}

func (c *crowd) finish(l *crowdLane) {
	l.until = time.Time{}
	call := l.queue[0]
	if l.loads {
		l.loads, l.runs[placeOf(call)] = false, 0
		c.m.Loaded(l.Lane, c.now)
		c.begin(l)
		return
	}
	cost := c.cost(placeOf(call)[0], l.runs[placeOf(call)])
	l.runs[placeOf(call)]++
	l.queue = l.queue[1:]
	c.calls++
	c.longest = max(c.longest, c.now.Sub(call.Owner.(time.Time)))
	var next *admission.Call
	if len(l.queue) > 0 {
		if runs, loaded := l.runs[placeOf(l.queue[0])]; loaded {
			next = l.queue[0]
			l.until = c.now.Add(c.cost(placeOf(next)[0], runs))
		}
	}
	if c.wait != nil {
		c.m.Ready(l.Lane)
	}
	c.m.Ended(call, next, cost, l.waited, c.wait != nil, c.now)
	c.begin(l)
	if more := c.next(); more != nil {
		c.submit(more)
	}
}

// run has callers send calls until so many have ended.
func (c *crowd) run(callers, calls int) {
	for range callers {
		c.submit(c.next())
	}
	for c.calls < calls {
		c.step()
	}
}

// placeOf is what a lane loads for a call.
func placeOf(c *admission.Call) admission.Key {
	if c.Place != (admission.Key{}) {
		return c.Place
	}
	return c.Script
}

func crowdCall(script byte) *admission.Call {
	return &admission.Call{Tenant: admission.Key{1}, Script: admission.Key{script}, Patience: 5 * time.Second, LimitPatience: 5 * time.Second, Standing: 500 * time.Millisecond}
}

// warming is the time of an execution of a short script: its first ones take some milliseconds, as V8 interprets them.
func warming(_ byte, runs int) time.Duration {
	if runs < 5 {
		return 1500 * time.Microsecond / time.Duration(runs+1)
	}
	return 100 * time.Microsecond
}

// One tenant's many short scripts, called at random, are served by as many workers as pay, here one, which loads each of them once. Where
// each call of a script that was not served had a worker of its own, eight loaded everything.
func TestManyShortScriptsShareWorkers(t *testing.T) {
	t.Parallel()
	const scripts, callers, calls = 100, 16, 20_000
	c := newCrowd(t, 8, 1)
	random := rand.New(rand.NewPCG(1, 2))
	c.load, c.cost = 3*time.Millisecond, warming
	c.next = func() *admission.Call { return crowdCall(byte(random.IntN(scripts))) }
	c.run(callers, calls)
	require.Equal(t, 1, c.workers, "workers")
	require.Equal(t, scripts, c.loads, "loads")
	require.Less(t, c.longest, 500*time.Millisecond)
	c.waited, c.longest = 0, 0
	c.run(0, 2*calls)
	require.Less(t, c.waited, calls/10, "calls of all scripts queue at the lane that has them loaded")
	require.Less(t, c.longest, 5*time.Millisecond)
}

// A script's first executions are slow. Calls that come meanwhile make no further worker.
func TestFirstSlowExecutionsMakeNoWorker(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, 8, 2)
	c.load, c.cost = 3*time.Millisecond, warming
	c.next = func() *admission.Call { return crowdCall(1) }
	c.run(4, 1000)
	require.Equal(t, 1, c.workers)
}

// A script whose executions really are long has workers of its own, and keeps no other script of its tenant waiting for more than a moment.
func TestLongScriptsHoldUpNoOther(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, 8, 1)
	c.load = 3 * time.Millisecond
	c.cost = func(script byte, _ int) time.Duration {
		if script == 0 {
			return 300 * time.Millisecond
		}
		return 100 * time.Microsecond
	}
	long := 4
	c.next = func() *admission.Call {
		if long > 0 {
			long--
			return crowdCall(0)
		}
		return nil
	}
	c.run(4, 4)
	require.Equal(t, 4, c.workers, "each long execution has a worker")
	require.Less(t, c.longest, 700*time.Millisecond)

	// Known long ones, then a short one while all of the tenant's workers execute them.
	c.longest = 0
	for range 4 {
		c.submit(crowdCall(0))
	}
	began := c.now
	short := crowdCall(1)
	c.submit(short)
	for short.Pending() || short.Lane() != nil {
		c.step()
	}
	require.Less(t, c.now.Sub(began), 50*time.Millisecond)
}

// More scripts than a lane keeps loaded are divided among workers, so that a call is rarely preceded by a load.
func TestMoreScriptsThanALaneKeeps(t *testing.T) {
	t.Parallel()
	const scripts, callers = 250, 16
	c := newCrowd(t, 8, 1)
	random := rand.New(rand.NewPCG(3, 4))
	c.load, c.cost = 3*time.Millisecond, warming
	c.next = func() *admission.Call { return crowdCall(byte(random.IntN(scripts))) }
	c.run(callers, 20_000)
	require.GreaterOrEqual(t, c.workers, 2)
	before := c.loads
	c.run(0, 40_000)
	require.Less(t, c.loads-before, 20_000/5)
}

func TestEstimateLearns(t *testing.T) {
	t.Parallel()
	var e admission.Estimate
	require.True(t, e.Short(), "it may be")
	e.Observe(2*time.Millisecond, 0, false)
	require.Equal(t, 2, e.Depth(), "one may wait for a slow first execution")
	require.Equal(t, 0, e.Workers(10, 1))
	for range 10 {
		e.Observe(2*time.Millisecond, 0, false)
	}
	require.Equal(t, 1, e.Depth(), "it is no short one")
	require.False(t, e.Short())

	var long admission.Estimate
	long.Observe(admission.Long, 0, false)
	require.Equal(t, 1, long.Depth(), "a long one is known at once")

	var hosted admission.Estimate
	hosted.Observe(2*time.Millisecond, 0, true)
	require.Equal(t, 1, hosted.Depth(), "one that waits for host calls too")
}

// On a machine whose processors are all in use a short execution may be kept waiting for one. That says nothing of its script; to sleep
// twice in a row does.
func TestEstimateOfSleep(t *testing.T) {
	t.Parallel()
	var e admission.Estimate
	for range 10 {
		e.Observe(100*time.Microsecond, 0, false)
		e.Observe(100*time.Microsecond, 50*time.Millisecond, false)
		require.Greater(t, e.Depth(), 1)
	}
	e.Observe(100*time.Microsecond, 50*time.Millisecond, false)
	require.Equal(t, 1, e.Depth())
	require.Equal(t, 4, e.Workers(4, 1), "each call that waits is worth a worker")

	var first admission.Estimate
	first.Observe(3*time.Millisecond, 50*time.Millisecond, false)
	require.True(t, first.Short(), "a cold worker that had to wait for a processor")
}

// A full node evicts a tenant's second worker before another tenant's only worker. When it evicted the worker that had been idle longest, a
// tenant's second worker cost another tenant its only one, whose next call cost a third tenant its own, and so on: with 1,000 tenants, three of
// a hundred requests began with a start.
func TestSecondWorkersAreEvictedFirst(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, 3, 2)
	c.load, c.cost = time.Millisecond, func(byte, int) time.Duration { return 20 * time.Millisecond }
	c.next = func() *admission.Call { return nil }
	ended := 0
	play := func(tenants ...byte) {
		for _, tenant := range tenants {
			call := crowdCall(tenant)
			call.Tenant = admission.Key{tenant}
			c.submit(call)
		}
		for ended += len(tenants); c.calls < ended; {
			c.step()
		}
	}
	play(1)
	only := c.lanes[0].Worker()
	play(2, 2)
	require.Equal(t, 3, c.workers)
	play(3)
	require.Equal(t, []*admission.Worker{only}, c.evicted, "nothing was idle for long: the one that was idle longest goes")
	c.now = c.now.Add(2 * time.Second)
	play(2, 2)
	c.now = c.now.Add(2 * time.Second)
	play(1)
	require.Len(t, c.evicted, 2)
	require.False(t, slices.Contains(c.evicted, c.lanes[3].Worker()), "the only worker of tenant 3 stays")
	c.now = c.now.Add(2 * time.Second)
	play(2, 3, 1, 2, 3, 1)
	require.Len(t, c.evicted, 2, "three workers are enough for three tenants")
}

// An idle worker may hold more where more scripts are loaded in it.
func TestIdleMemoryGrowsWithScripts(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, 1, 1)
	c.load, c.cost = time.Millisecond, warming
	script := byte(0)
	c.next = func() *admission.Call { script++; return crowdCall(script - 1) }
	c.run(1, 1)
	w := c.lanes[0].Worker()
	require.False(t, c.m.Bloated(w, 260<<20))
	require.True(t, c.m.Bloated(w, 264<<20))
	c.run(0, 100)
	require.False(t, c.m.Bloated(w, 600<<20))
	require.True(t, c.m.Bloated(w, 700<<20))
}

// Executions that wait for host calls share few lanes where they wait briefly, in as many workers as there are processors, and have one each
// where they wait long. Lanes beyond need isolates that are slow to make and stay cold.
func TestBriefHostCallsShareLanes(t *testing.T) {
	t.Parallel()
	const callers = 16
	for _, c := range []struct {
		name    string
		wait    time.Duration
		most    int // lanes
		least   int
		workers int // most
	}{{"a key", 500 * time.Microsecond, 8, 3, 2}, {"three keys", 1500 * time.Microsecond, 12, 5, 2}, {"a fetch", 100 * time.Millisecond, callers, callers - 1, callers}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			crowd := newCrowd(t, 8, 2)
			crowd.load = 5 * time.Millisecond
			crowd.cost = func(_ byte, runs int) time.Duration {
				if runs == 0 {
					return 2 * time.Millisecond
				}
				return 20 * time.Microsecond
			}
			crowd.wait = func() time.Duration { return c.wait }
			crowd.next = func() *admission.Call { return crowdCall(1) }
			crowd.run(callers, 20_000)
			require.LessOrEqual(t, len(crowd.lanes), c.most)
			require.GreaterOrEqual(t, len(crowd.lanes), c.least)
			require.LessOrEqual(t, crowd.workers, c.workers)
			t.Logf("%d lanes, %d workers, the longest took %v", len(crowd.lanes), crowd.workers, crowd.longest)
		})
	}
}

// A script whose limit is one lane has two versions. Callers of the live one keep its lane's queue full; a call of the other version, for which no
// further lane may be had, gets the lane as soon as the calls that were placed before it have ended.
func TestALaneMakesRoomForAnotherVersion(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, 4, 1)
	c.load, c.cost = 3*time.Millisecond, warming
	version := func(place byte) *admission.Call {
		call := crowdCall(1)
		call.Place, call.Limit = admission.Key{place}, 1
		return call
	}
	c.next = func() *admission.Call { return version(2) }
	c.run(16, 2000)
	for range 5 { // the second and later ones do not load
		other := version(3)
		c.submit(other)
		require.True(t, other.Pending(), "the lane of the other version has calls")
		before := c.calls
		for other.Pending() {
			require.Less(t, c.calls-before, 500, "the lane goes on with its own version")
			c.step()
		}
		for end := c.calls + 200; c.calls < end; {
			c.step()
		}
	}
	require.Equal(t, 1, c.workers)
}
