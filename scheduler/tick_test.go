package scheduler_test

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/scheduler"
	"example.com/jsruntime/sqlc"
)

// noGaps is true where every second between a schedule's first and last tick has a row.
const noGaps = `SELECT bool_and(n = extract(epoch FROM last - first) + 1) FROM (
	SELECT script_id, count(*) AS n, min(scheduled_for) AS first, max(scheduled_for) AS last FROM script_schedule_ticks GROUP BY script_id) t`

func TestEveryTickStartsOnce(t *testing.T) {
	w := newWorld(t)
	a, b := w.tenant("a"), w.tenant("b")
	const jobs = 50
	for i := range jobs {
		w.job([]uuid.UUID{a, b}[i%2], "* * * * * *", "")
	}
	c := newCounter()
	run := func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		defer c.begin(inv)()
		return done(nil), nil
	}
	var stops []func()
	for range 3 {
		_, stop := w.node(run)
		stops = append(stops, stop)
	}
	w.eventually(`SELECT count(*) >= $1 FROM script_schedule_ticks`, jobs*6)
	// It locks the rows in another order than the nodes do, and Postgres may end it as a deadlock's victim.
	require.Eventually(t, func() bool {
		_, err := w.db.Exec(t.Context(), `UPDATE script_scheduled_jobs SET is_active = false`)
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	w.eventually(nothingLeft)
	for _, stop := range stops {
		stop()
	}
	require.True(t, one[bool](w, noGaps))
	// Where the machine was too slow for a second's ticks, later ones ran for them.
	require.Equal(t, one[int](w, `SELECT count(*) FROM script_schedule_ticks WHERE outcome IN ('started', 'queued')`), c.total())
	require.Equal(t, one[int](w, `SELECT count(*) FROM script_executions WHERE status = 'completed'`), len(c.starts))
	require.Zero(t, one[int](w, `SELECT count(*) FROM script_scheduled_jobs WHERE is_running OR last_run_status <> 'completed' OR last_run_at IS NULL`))
	for id, starts := range c.starts {
		require.Equal(t, 1, starts, id)
	}
}

func TestOverlap(t *testing.T) {
	for _, policy := range []string{"skip", "queue_one", "allow"} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t)
			tenant := w.tenant("a")
			w.job(tenant, "* * * * * *", `overlap_policy = '`+policy+`'`)
			c := newCounter()
			var script atomic.Value
			w.node(func(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
				script.Store(inv.Script.ID)
				defer c.begin(inv)()
				time.Sleep(2500 * time.Millisecond)
				return done(nil), nil
			})
			w.eventually(`SELECT count(*) >= 8 FROM script_schedule_ticks`)
			w.exec(`UPDATE script_scheduled_jobs SET is_active = false`)
			w.eventually(nothingLeft)
			require.True(t, one[bool](w, noGaps))
			outcome := func(name string) int {
				return one[int](w, `SELECT count(*) FROM script_schedule_ticks WHERE outcome = $1`, name)
			}
			t.Log(one[string](w, `SELECT string_agg(outcome || ' ' || to_char(scheduled_for, 'SS') || ' ' || to_char(decided_at, 'SS.MS'), ', ' ORDER BY scheduled_for) FROM script_schedule_ticks`))
			t.Log(one[string](w, `SELECT string_agg(to_char(scheduled_for, 'SS') || ' ' || to_char(started_at, 'SS.MS') || ' ' || to_char(completed_at, 'SS.MS'), ', ' ORDER BY scheduled_for) FROM script_executions`))
			most := c.most[script.Load().(uuid.UUID)]
			switch policy {
			case "skip":
				require.Equal(t, 1, most)
				require.GreaterOrEqual(t, outcome("skipped_overlap"), 4)
				require.Zero(t, outcome("queued"))
			case "queue_one":
				require.Equal(t, 1, most)
				require.GreaterOrEqual(t, outcome("queued"), 1)
				require.GreaterOrEqual(t, outcome("skipped_overlap"), 2)
			case "allow":
				require.GreaterOrEqual(t, most, 2)
				require.Zero(t, outcome("skipped_overlap")+outcome("queued"))
			}
			require.Equal(t, outcome("started")+outcome("queued"), c.total())
		})
	}
}

func TestMissedTicks(t *testing.T) {
	for policy, want := range map[string]struct{ started, traces int }{"run_once": {1, 20}, "skip": {0, 20}, "run_all": {20, 20}} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t)
			tenant := w.tenant("a")
			// The last 20 minutes were missed, half a minute ago for the last time.
			script := w.job(tenant, "* * * * *", `missed_policy = '`+policy+`', next_run_at = date_trunc('minute', now()) - interval '19 minutes'`)
			if one[float64](w, `SELECT extract(second FROM now())::float8`) < 20 {
				// Too close to the last full minute to call its tick late.
				w.exec(`UPDATE script_scheduled_jobs SET cron_expression = '30 * * * * *', next_run_at = NULL`)
				w.exec(`UPDATE script_scheduled_jobs SET next_run_at = date_trunc('minute', now()) + interval '30 seconds' - interval '20 minutes'`)
			}
			c := newCounter()
			w.node(func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
				defer c.begin(inv)()
				return done(nil), nil
			})
			w.eventually(`SELECT count(*) >= $1 FROM script_schedule_ticks`, want.traces)
			w.exec(`UPDATE script_scheduled_jobs SET is_active = false`)
			w.eventually(nothingLeft)
			require.InDelta(t, want.started, c.total(), 1) // a minute may have turned meanwhile
			require.LessOrEqual(t, c.most[script], 1, "one after the other")
		})
	}
}

func TestStoppedSchedulesStartNothing(t *testing.T) {
	w := newWorld(t)
	a, b := w.tenant("a"), w.tenant("b")
	paused, suspended, goes := w.job(a, "* * * * * *", ""), w.job(b, "* * * * * *", ""), w.job(a, "* * * * * *", "")
	c := newCounter()
	w.node(func(_ context.Context, inv *engine.Invocation) (*engine.Result, error) {
		defer c.begin(inv)()
		return done(nil), nil
	})
	each := `SELECT count(DISTINCT script_id) = 3 FROM script_executions WHERE status = 'completed'`
	w.eventually(each)
	w.exec(`UPDATE scripts SET status = 'paused' WHERE id = $1`, paused)
	w.exec(`UPDATE tenants SET status = 'suspended' WHERE id = $1`, b)
	stopped := time.Now()
	w.eventually(`SELECT count(*) = 2 FROM script_scheduled_jobs WHERE next_run_at IS NULL`)
	n := one[int](w, `SELECT count(*) FROM script_executions WHERE script_id = $1`, goes)
	w.eventually(`SELECT count(*) >= $2 FROM script_executions WHERE script_id = $1`, goes, n+2)
	require.Zero(t, one[int](w, `SELECT count(*) FROM script_executions WHERE script_id <> $1 AND started_at > $2 AND status <> 'cancelled'`, goes, stopped.Add(200*time.Millisecond)))
	w.exec(`UPDATE scripts SET status = 'active' WHERE id = $1`, paused)
	w.exec(`UPDATE tenants SET status = 'active' WHERE id = $1`, b)
	for _, script := range []uuid.UUID{paused, suspended} {
		w.within(12*time.Second, `SELECT max(started_at) > $2 FROM script_executions WHERE script_id = $1 AND status = 'completed'`, script, stopped.Add(time.Second))
		require.Zero(t, one[int](w, `SELECT count(*) FROM script_schedule_ticks WHERE script_id = $1 AND outcome IN ('missed', 'coalesced')`, script), "armed from now on")
	}
}

func TestAChangedExpressionCountsAtOnce(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	script := w.job(tenant, "0 0 1 1 *", "")
	w.node(func(context.Context, *engine.Invocation) (*engine.Result, error) { return done(nil), nil })
	w.eventually(`SELECT next_run_at > now() + interval '1 second' FROM script_scheduled_jobs`)
	w.exec(`UPDATE script_scheduled_jobs SET cron_expression = '* * * * * *' WHERE script_id = $1`, script)
	w.within(12*time.Second, `SELECT count(*) > 0 FROM script_executions WHERE status = 'completed'`)
	w.exec(`UPDATE script_scheduled_jobs SET cron_expression = '0 12 * * *', timezone = 'Asia/Tokyo' WHERE script_id = $1`, script)
	w.eventually(`SELECT extract(hour FROM next_run_at AT TIME ZONE 'Asia/Tokyo') = 12 FROM script_scheduled_jobs`)
}

func TestAScheduleThatSaysItRunsIsFreed(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	w.job(tenant, "* * * * * *", `is_running = true, execution_id = gen_random_uuid()`)
	w.node(func(context.Context, *engine.Invocation) (*engine.Result, error) { return done(nil), nil }, func(c *scheduler.Config) { c.Node = w.member(c.Pool, cluster.Config{Lease: 3 * time.Second}) })
	w.eventually(`SELECT count(*) > 0 FROM script_executions WHERE status = 'completed'`)
}

// TestNodesThatAreKilled: two nodes of their own processes, killed with -9 and started again at random, while schedules fall due
// every second and events are published. What the executors wrote themselves is the truth.
func TestNodesThatAreKilled(t *testing.T) {
	w := newWorld(t)
	w.exec(startsTable)
	a, b := w.tenant("a"), w.tenant("b")
	for i := range 20 {
		w.job([]uuid.UUID{a, b}[i%2], "* * * * * *", "")
	}
	lostAgain := w.job(a, "* * * * * *", "retry_lost = true")
	subscribers := []uuid.UUID{w.subscriber(a, "x"), w.subscriber(a, "*"), w.subscriber(b, "x")}
	url := w.db.Config().ConnString()
	nodes := []*exec.Cmd{spawn(t, url), spawn(t, url)}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	kills := 4
	if os.Getenv("CRASH_DURATION") != "" {
		d, err := time.ParseDuration(os.Getenv("CRASH_DURATION"))
		require.NoError(t, err)
		kills = int(d / (2 * time.Second))
	}
	published := 0
	for range kills {
		w.publish(a, "x", 200)
		w.publish(b, "x", 200)
		published += 200
		time.Sleep(time.Duration(200+random.IntN(1500)) * time.Millisecond)
		w.eventually(`SELECT count(DISTINCT node_id) = 2 FROM script_execution_queue WHERE lease_expires_at > now() + interval '1 second'`)
		i := random.IntN(len(nodes))
		require.NoError(t, nodes[i].Process.Signal(syscall.SIGKILL))
		_ = nodes[i].Wait()
		nodes[i] = spawn(t, url)
	}
	w.within(3*time.Minute, `SELECT NOT EXISTS (SELECT FROM script_executions WHERE status IN ('pending', 'running') AND trigger_type = 'event')`)
	w.exec(`UPDATE script_scheduled_jobs SET is_active = false`)
	w.within(3*time.Minute, nothingLeft)
	w.within(10*time.Second, `SELECT NOT EXISTS (SELECT FROM script_scheduled_jobs WHERE is_running)`)

	require.True(t, one[bool](w, noGaps), "no tick without a trace")
	require.Zero(t, one[int](w, `SELECT count(*) FROM (SELECT FROM script_executions WHERE scheduled_for IS NOT NULL GROUP BY script_id, scheduled_for HAVING count(*) > 1) d`))
	require.Zero(t, one[int](w, `SELECT count(*) FROM (SELECT FROM test_starts WHERE tick IS NOT NULL AND script_id <> $1 GROUP BY script_id, tick HAVING count(*) > 1) d`, lostAgain), "a tick starts once")
	for _, s := range subscribers {
		require.Equal(t, published, one[int](w, `SELECT count(DISTINCT execution_id) FROM test_starts WHERE script_id = $1 AND tick IS NULL`, s), "every event reached every subscriber")
	}
	require.Zero(t, one[int](w, `SELECT count(*) FROM script_executions WHERE status = 'failed' AND (error_code <> 'worker_lost' OR trigger_type <> 'cron')`))
	require.Zero(t, one[int](w, `SELECT count(*) FROM script_executions WHERE status = 'failed' AND script_id = $1`, lostAgain))
	require.Positive(t, one[int](w, `SELECT sum(lost_count) FROM script_executions`), "the kills hit something")
	t.Logf("%d executions, %d second runs of events, %d ticks lost under way, rescued %d",
		one[int](w, `SELECT count(*) FROM script_executions`),
		one[int](w, `SELECT count(*) - count(DISTINCT execution_id) FROM test_starts WHERE tick IS NULL`),
		one[int](w, `SELECT count(*) FROM script_executions WHERE status = 'failed'`),
		one[int](w, `SELECT sum(lost_count) FROM script_executions`))
}

// TestAnEndSaysWhetherATickIsDue: only where a schedule's next tick is due may one have waited for the end of the last.
func TestAnEndSaysWhetherATickIsDue(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	for next, want := range map[string]bool{"now() - interval '1 second'": true, "now() + interval '1 hour'": false, "NULL": false} {
		script, run := w.job(tenant, "0 0 1 1 *", "next_run_at = "+next+", is_running = true"), uuid.New()
		w.exec(`UPDATE script_scheduled_jobs SET execution_id = $2, lease_token = $2, lease_expires_at = now() WHERE script_id = $1`, script, run)
		due, err := sqlc.New(w.db).ScheduledJobFinish(t.Context(), sqlc.ScheduledJobFinishParams{
			ScriptIds: []uuid.UUID{script}, ExecutionIds: []uuid.UUID{run}, NextExecutionIds: []uuid.UUID{uuid.Nil}, Statuses: []string{"completed"},
			BeganAts: []time.Time{time.Now()}, ClaimedAts: []time.Time{time.Now()},
		})
		require.NoError(t, err)
		require.Equal(t, want, due, next)
		require.False(t, one[bool](w, `SELECT is_running OR lease_token IS NOT NULL FROM script_scheduled_jobs WHERE script_id = $1`, script))
	}
	w.exec(`DELETE FROM script_scheduled_jobs`)
}
