package scheduler

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/scheduler/cron"
	"example.com/jsruntime/sqlc"
)

func TestDecideTicks(t *testing.T) {
	t.Parallel()
	minutely, err := cron.Parse("* * * * *", "UTC")
	require.NoError(t, err)
	secondly, err := cron.Parse("* * * * * *", "UTC")
	require.NoError(t, err)
	at := func(clock string) time.Time {
		parsed, err := time.Parse("15:04:05", clock)
		require.NoError(t, err)
		return parsed.AddDate(2026, 0, 0).UTC()
	}
	base := schedule{overlap: "skip", missed: "run_once", window: time.Hour}
	with := func(next string, change func(*schedule)) schedule {
		j := base
		j.next = at(next)
		if change != nil {
			change(&j)
		}
		return j
	}
	for _, tc := range []struct {
		name string
		cron cron.Schedule
		job  schedule
		now  string
		want []string
		left string
	}{
		{"on time", minutely, with("10:00:00", nil), "10:00:00", []string{"10:00:00 started"}, "10:01:00"},
		{"a little late", minutely, with("10:00:00", nil), "10:00:09", []string{"10:00:00 started"}, "10:01:00"},
		{"late, alone: it runs once", minutely, with("10:00:00", nil), "10:00:30", []string{"10:00:00 started"}, "10:01:00"},
		{"missed, run_once: the newest runs", minutely, with("10:00:00", nil), "10:03:30",
			[]string{"10:00:00 coalesced", "10:01:00 coalesced", "10:02:00 coalesced", "10:03:00 started"}, "10:04:00"},
		{"missed, run_once, and one on time: that one runs for them", minutely, with("10:00:00", nil), "10:02:01",
			[]string{"10:00:00 coalesced", "10:01:00 coalesced", "10:02:00 started"}, "10:03:00"},
		{"missed, skip", minutely, with("10:00:00", func(j *schedule) { j.missed = "skip" }), "10:02:01",
			[]string{"10:00:00 missed", "10:01:00 missed", "10:02:00 started"}, "10:03:00"},
		{"missed, skip, none on time", minutely, with("10:00:00", func(j *schedule) { j.missed = "skip" }), "10:01:30",
			[]string{"10:00:00 missed", "10:01:00 missed"}, "10:02:00"},
		{"missed, run_all, one at a time", minutely, with("10:00:00", func(j *schedule) { j.missed = "run_all" }), "10:02:30",
			[]string{"10:00:00 started"}, "10:01:00"},
		{"missed, run_all, all at once", minutely, with("10:00:00", func(j *schedule) { j.missed, j.overlap = "run_all", "allow" }), "10:02:30",
			[]string{"10:00:00 started", "10:01:00 started", "10:02:00 started"}, "10:03:00"},
		{"out of the window", minutely, with("08:00:00", func(j *schedule) { j.window = 2 * time.Minute }), "10:00:30",
			[]string{"08:00:00 missed", "09:59:00 coalesced", "10:00:00 started"}, "10:01:00"},
		{"no window", minutely, with("09:58:00", func(j *schedule) { j.window = 0 }), "10:00:01",
			[]string{"09:58:00 missed", "10:00:00 started"}, "10:01:00"},
		{"overlap, skip", minutely, with("10:00:00", func(j *schedule) { j.running = true }), "10:00:00", []string{"10:00:00 skipped_overlap"}, "10:01:00"},
		{"overlap, allow", minutely, with("10:00:00", func(j *schedule) { j.running, j.overlap = true, "allow" }), "10:00:00", []string{"10:00:00 started"}, "10:01:00"},
		{"overlap, queue_one: it waits", minutely, with("10:00:00", func(j *schedule) { j.running, j.overlap = true, "queue_one" }), "10:00:00", nil, "10:00:00"},
		{"overlap, queue_one: the first of those that fell due meanwhile", minutely,
			with("10:00:00", func(j *schedule) {
				j.overlap, j.lastStarted, j.lastFinished = "queue_one", at("09:59:00"), at("10:02:10")
			}), "10:02:11",
			[]string{"10:00:00 queued", "10:01:00 skipped_overlap", "10:02:00 skipped_overlap"}, "10:03:00"},
		{"overlap, queue_one: and the next waits again", minutely,
			with("10:00:00", func(j *schedule) {
				j.overlap, j.lastStarted, j.lastFinished = "queue_one", at("09:59:00"), at("10:00:59")
			}), "10:01:00",
			[]string{"10:00:00 queued"}, "10:01:00"},
		{"overlap, skip: those that fell due during the last run, though it has ended", secondly,
			with("10:00:01", func(j *schedule) { j.lastStarted, j.lastFinished = at("10:00:00"), at("10:00:03") }), "10:00:05",
			[]string{"10:00:01 skipped_overlap", "10:00:02 skipped_overlap", "10:00:03 skipped_overlap", "10:00:04 started"}, "10:00:05"},
		{"two on time at once: our lateness, the second is left", secondly, with("10:00:00", nil), "10:00:01", []string{"10:00:00 started"}, "10:00:01"},
		{"two on time at once, allow", secondly, with("10:00:00", func(j *schedule) { j.overlap = "allow" }), "10:00:01",
			[]string{"10:00:00 started", "10:00:01 started"}, "10:00:02"},
		{"all skipped while running", secondly, with("10:00:00", func(j *schedule) { j.running = true }), "10:00:02",
			[]string{"10:00:00 skipped_overlap", "10:00:01 skipped_overlap", "10:00:02 skipped_overlap"}, "10:00:03"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			decisions, left := decideTicks(tc.job, tc.cron.Next, at(tc.now), 10*time.Second)
			var got []string
			for _, d := range decisions {
				got = append(got, d.at.Format("15:04:05")+" "+d.outcome)
				require.Equal(t, d.outcome == tickStarted || d.outcome == tickQueued, d.starts)
			}
			require.Equal(t, tc.want, got)
			require.Equal(t, tc.left, left.Format("15:04:05"))
		})
	}
}

// TestDecideTicksLosesNone: called again and again with what it left, every tick is decided on once, in order, and none that is due
// is left but for a running one.
func TestDecideTicksLosesNone(t *testing.T) {
	t.Parallel()
	secondly, err := cron.Parse("*/7 * * * * *", "UTC")
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		j := schedule{
			next: start, overlap: rapid.SampledFrom([]string{"skip", "queue_one", "allow"}).Draw(t, "overlap"),
			missed: rapid.SampledFrom([]string{"run_once", "skip", "run_all"}).Draw(t, "missed"), window: time.Hour,
		}
		now := start
		expect := start
		for range 20 {
			now = now.Add(time.Duration(rapid.IntRange(0, 120_000).Draw(t, "ms")) * time.Millisecond)
			j.running = rapid.Bool().Draw(t, "running")
			decisions, left := decideTicks(j, secondly.Next, now, 10*time.Second)
			starts := 0
			for _, d := range decisions {
				require.Equal(t, expect, d.at)
				require.False(t, d.at.After(now))
				expect, _ = secondly.Next(expect)
				if d.starts {
					starts++
				}
			}
			require.Equal(t, expect, left)
			if j.overlap != overlapAllow {
				require.LessOrEqual(t, starts, 1)
				if j.running {
					require.Zero(t, starts)
				}
			}
			if !j.running && len(decisions) == 0 {
				require.True(t, left.After(now), "what is due is decided on")
			}
			j.next = left
			if starts > 0 {
				j.lastStarted, j.lastFinished = now, now.Add(time.Duration(rapid.IntRange(0, 30_000).Draw(t, "run"))*time.Millisecond)
				now = j.lastFinished
			}
		}
	})
}

func TestPolicyOf(t *testing.T) {
	t.Parallel()
	usual := policyOf(nil, false)
	require.Equal(t, policy{attempts: 4, backoff: 2 * time.Second, maxBackoff: time.Hour, jitter: 0.2}, usual)
	with := func(change func(p *policy)) policy {
		p := usual
		p.explicit = true
		change(&p)
		return p
	}
	for raw, want := range map[string]policy{
		`null`:                                   usual,
		``:                                       usual,
		`"x"`:                                    usual,
		`{}`:                                     usual,
		`{"max_attempts":0,"backoff_ms":-1}`:     usual,
		`{"max_backoff_ms":-1,"jitter":2}`:       usual,
		`{"max_attempts":"3","backoff_ms":5}`:    usual,
		`{"max_attempts":1}`:                     with(func(p *policy) { p.attempts = 1 }),
		`{"max_attempts":1e9,"backoff_ms":1e30}`: with(func(p *policy) { p.attempts, p.backoff = 25, time.Hour }),
		`{"backoff_ms":0}`:                       with(func(p *policy) { p.backoff = 0 }),
		`{"max_backoff_ms":3000,"jitter":0}`:     with(func(p *policy) { p.maxBackoff, p.jitter = 3*time.Second, 0 }),
	} {
		require.Equal(t, want, policyOf(json.RawMessage(raw), false), raw)
	}
	bounded := policyOf(json.RawMessage(`{"max_backoff_ms":3000,"jitter":0}`), false)
	require.Equal(t, []time.Duration{2 * time.Second, 3 * time.Second, 3 * time.Second}, []time.Duration{bounded.delay(1), bounded.delay(2), bounded.delay(3)})
	p := policyOf(nil, false)
	for attempt, want := range map[int]time.Duration{1: 2 * time.Second, 2: 4 * time.Second, 3: 8 * time.Second, 1000: time.Hour} {
		for range 100 {
			require.InDelta(t, want, p.delay(attempt), float64(want)/5)
		}
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	event, tick, hand := engine.TriggerEvent, engine.TriggerCron, engine.TriggerManual
	once, explicit := policy{attempts: 4}, policy{attempts: 2, explicit: true}
	result := func(code engine.Code) *engine.Result { return &engine.Result{Code: code, Began: true} }
	for _, tc := range []struct {
		name   string
		a      attempt
		result *engine.Result
		policy policy
		want   action
	}{
		{"event completed", attempt{trigger: event, number: 1}, result(engine.CodeNone), once, actionEnd},
		{"event failed", attempt{trigger: event, number: 1}, result(engine.CodeException), once, actionRetry},
		{"event timed out", attempt{trigger: event, number: 3}, result(engine.CodeExceededWallTime), once, actionRetry},
		{"event failed for the last time", attempt{trigger: event, number: 4}, result(engine.CodeException), once, actionDeadLetter},
		{"event not retryable", attempt{trigger: event, number: 1}, &engine.Result{Code: engine.CodeException, NoRetry: true}, once, actionDeadLetter},
		{"event in a loop", attempt{trigger: event, number: 1}, result(engine.CodeLoopDetected), once, actionDeadLetter},
		{"event cancelled", attempt{trigger: event, number: 1, cause: errCancelRequested}, result(engine.CodeCancelled), once, actionEnd},
		{"tick failed", attempt{trigger: tick, number: 1}, result(engine.CodeException), once, actionEnd},
		{"tick failed, with a policy", attempt{trigger: tick, number: 1}, result(engine.CodeException), explicit, actionRetry},
		{"tick failed, with a policy, for the last time", attempt{trigger: tick, number: 2}, result(engine.CodeException), explicit, actionEnd},
		{"request failed", attempt{trigger: engine.TriggerHTTP, number: 1}, result(engine.CodeException), once, actionEnd},
		{"request failed, with a policy", attempt{trigger: engine.TriggerHTTP, number: 1}, result(engine.CodeException), explicit, actionRetry},
		{"request failed, with a policy, for the last time", attempt{trigger: engine.TriggerHTTP, number: 2}, result(engine.CodeException), explicit, actionEnd},
		{"run by hand failed", attempt{trigger: hand, number: 1}, result(engine.CodeException), explicit, actionEnd},
		{"redrive completed", attempt{trigger: event, number: 1, redrive: true}, result(engine.CodeNone), once, actionResolve},
		{"redrive failed", attempt{trigger: event, number: 1, redrive: true}, result(engine.CodeException), once, actionKeepLetter},
		{"redrive cancelled", attempt{trigger: event, number: 1, redrive: true, cause: errCancelRequested}, result(engine.CodeCancelled), once, actionKeepLetter},
		{"redrive lost", attempt{trigger: event, number: 1, redrive: true}, result(engine.CodeWorkerLost), once, actionLost},
		{"event lost", attempt{trigger: event, number: 4, lostCount: 4}, result(engine.CodeWorkerLost), once, actionLost},
		{"event lost too often", attempt{trigger: event, number: 1, lostCount: 5}, result(engine.CodeWorkerLost), once, actionDeadLetter},
		{"run by hand lost", attempt{trigger: hand, number: 1}, result(engine.CodeWorkerLost), once, actionLost},
		{"tick lost", attempt{trigger: tick, number: 1}, result(engine.CodeWorkerLost), once, actionEnd},
		{"tick lost before it began", attempt{trigger: tick, number: 1}, &engine.Result{Code: engine.CodeWorkerLost}, once, actionLost},
		{"tick lost, retry_lost", attempt{trigger: tick, number: 1}, result(engine.CodeWorkerLost), policy{retryLost: true}, actionLost},
		{"overloaded", attempt{trigger: event, number: 1}, result(engine.CodeOverloaded), once, actionGiveBack},
		{"lease lost", attempt{trigger: event, number: 1, cause: errLeaseLost}, result(engine.CodeCancelled), once, actionDrop},
		{"ended, but something was not done for want of a lease", attempt{trigger: event, number: 1, refused: true, cause: errLeaseLost}, result(engine.CodeNone), once, actionDrop},
		{"ended in spite of a lost lease", attempt{trigger: event, number: 1, cause: errLeaseLost}, result(engine.CodeNone), once, actionEnd},
		{"drained", attempt{trigger: event, number: 1, cause: errDrained}, result(engine.CodeCancelled), once, actionGiveBack},
		{"tick drained", attempt{trigger: tick, number: 1, cause: errDrained}, result(engine.CodeCancelled), once, actionEnd},
		{"tick drained before it began", attempt{trigger: tick, number: 1, cause: errDrained}, &engine.Result{Code: engine.CodeCancelled}, once, actionGiveBack},
		{"cancelled by somebody else", attempt{trigger: event, number: 1, cause: errors.New("x")}, result(engine.CodeCancelled), once, actionEnd},
	} {
		require.Equal(t, tc.want, decide(tc.a, tc.result, tc.policy), tc.name)
	}
}

// TestARefusalPausesWhatItIsAbout: a script or tenant that meets its own limit is not claimed from for a while, and nothing else is delayed.
func TestARefusalPausesWhatItIsAbout(t *testing.T) {
	t.Parallel()
	script := pair{uuid.New(), uuid.New()}
	sibling, stranger := pair{script.tenant, uuid.New()}, pair{uuid.New(), uuid.New()}
	pairs := []pair{script, sibling, stranger}
	limits := &queued{scriptLimit: 1, tenantLimit: 10}
	known := []*queued{limits, limits, limits}
	row := &sqlc.ExecutionClaimRow{TenantID: script.tenant, ScriptID: script.script}
	for _, c := range []struct {
		scope engine.Scope
		want  []int
		all   bool
	}{
		{engine.ScopeScript, []int{0, 1, 1}, false},
		{engine.ScopeTenant, []int{0, 0, 1}, false},
		{engine.ScopeNode, []int{1, 1, 1}, true},
	} {
		d := &dispatcher{Scheduler: &Scheduler{
			cfg: Config{Concurrency: 8}, members: new(cluster.Members), running: map[uuid.UUID]int{}, blocked: map[uuid.UUID]int{},
			pauses: map[uuid.UUID]time.Time{}, held: map[uuid.UUID]*held{},
		}}
		until := time.Now().Add(time.Hour)
		d.pause(c.scope, row, until)
		require.Equal(t, c.want, d.share(pairs, known), c.scope)
		require.Equal(t, c.all, d.paused.Load() != nil, c.scope)
		if !c.all {
			require.Equal(t, until, d.resume, "the next pass comes when the pause ends")
		}
		for id := range d.pauses {
			d.pauses[id] = time.Now()
		}
		require.Equal(t, []int{1, 1, 1}, d.share(pairs, known), c.scope)
		require.Empty(t, d.pauses)
	}
}

// TestShareIsFair: no tenant gets a second slot more than another that could use it.
func TestShareIsFair(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := &dispatcher{Scheduler: &Scheduler{cfg: Config{Concurrency: rapid.IntRange(1, 64).Draw(t, "slots")}, members: new(cluster.Members), running: map[uuid.UUID]int{}, held: map[uuid.UUID]*held{}}}
		var pairs []pair
		var known []*queued
		tenants := rapid.IntRange(1, 10).Draw(t, "tenants")
		limit := map[uuid.UUID]int{}
		for range tenants {
			tenant := uuid.New()
			limit[tenant] = rapid.IntRange(0, 10).Draw(t, "tenant limit")
			d.running[tenant] = rapid.IntRange(0, 3).Draw(t, "running")
			d.slots += d.running[tenant]
			for range rapid.IntRange(1, 4).Draw(t, "scripts") {
				pairs = append(pairs, pair{tenant, uuid.New()})
				known = append(known, &queued{scriptLimit: rapid.IntRange(0, 6).Draw(t, "script limit"), tenantLimit: limit[tenant]})
			}
		}
		counts := d.share(pairs, known)
		total, byTenant, room := 0, map[uuid.UUID]int{}, map[uuid.UUID]int{}
		for i, p := range pairs {
			require.LessOrEqual(t, counts[i], known[i].scriptLimit)
			byTenant[p.tenant] += counts[i]
			room[p.tenant] += known[i].scriptLimit - counts[i]
			total += counts[i]
		}
		free := max(0, d.cfg.Concurrency-d.slots)
		require.LessOrEqual(t, total, free+max(1, d.cfg.Concurrency/4))
		for a, got := range byTenant {
			require.LessOrEqual(t, got+d.running[a], max(limit[a], d.running[a]))
			for b := range byTenant {
				hungry := room[b] > 0 && byTenant[b]+d.running[b] < limit[b]
				if got > 0 && hungry {
					require.LessOrEqual(t, got+d.running[a], byTenant[b]+d.running[b]+1, "one tenant got more while another wanted some")
				}
			}
		}
	})
}
