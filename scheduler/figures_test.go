package scheduler_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/scheduler"
	"example.com/jsruntime/sqlc"
)

// endings is an Observer that remembers endings.
type endings struct {
	scheduler.NopObserver
	mu   sync.Mutex
	told map[string]int
}

func (o *endings) Ended(trigger engine.Trigger, code engine.Code, followed string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.told == nil {
		o.told = map[string]int{}
	}
	o.told[string(trigger)+" "+code.Outcome()+" "+followed]++
}

func (o *endings) seen() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	seen := map[string]int{}
	for k, n := range o.told {
		seen[k] = n
	}
	return seen
}

// What the sweep ends for good is told as any other ending is: an alert hangs on the dead letters.
func TestEndingsOfLostNodesAreTold(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("a")
	script := w.subscriber(tenant, "x")
	const lost, expired = `status = 'running', started_at = now(), lost_count = 100`, `lease_expires_at = now() - interval '1 min'`
	w.leased(tenant, script, lost+`, trigger_type = 'event'`, expired)
	w.leased(tenant, script, lost, expired+`, cancel_requested = true`)
	w.leased(tenant, script, `lost_count = 100`, expired) // within its first second
	o := &endings{}
	w.node(func(context.Context, *engine.Invocation) (*engine.Result, error) { return done(nil), nil }, func(c *scheduler.Config) { c.Observer = o })
	require.Eventually(t, func() bool { return len(o.seen()) == 3 }, 30*time.Second, 20*time.Millisecond)
	require.Equal(t, map[string]int{"event worker_lost dead_letter": 1, "manual cancelled ": 1, "manual worker_lost ": 1}, o.seen())
	require.Equal(t, 1, one[int](w, `SELECT count(*) FROM script_event_dead_letters`))
}

func TestTheLoadIsTheNodesRow(t *testing.T) {
	w := newWorld(t)
	var node *cluster.Node
	w.node(func(context.Context, *engine.Invocation) (*engine.Result, error) { return done(nil), nil }, func(c *scheduler.Config) {
		node = w.member(c.Pool, cluster.Config{Load: func() any {
			return cluster.Load{Concurrency: 64, Workers: cluster.WorkersLoad{Busy: 2}, Executions: cluster.ExecutionsLoad{Running: 3}, History: cluster.HistoryLoad{BacklogRows: 4}}
		}})
		c.Node = node
	})
	w.eventually(`SELECT count(*) = 1 FROM nodes`)
	require.Equal(t, `[0, 64, 2, 3, 4]`, one[string](w, `SELECT jsonb_build_array(load->'running', load->'concurrency', load->'workers'->'busy',
		load->'executions'->'running', load->'history'->'backlog_rows')::text FROM nodes`))
	require.Eventually(t, func() bool { return !node.Heartbeat().IsZero() }, 30*time.Second, 10*time.Millisecond)
}

func (w *world) backlog(tenantLimit, limit int64) int64 {
	w.Helper()
	var n int64
	require.NoError(w, pgx.BeginFunc(w.Context(), w.db, func(tx pgx.Tx) (err error) {
		queries := sqlc.New(tx)
		if err := queries.QueuePlanByIndex(w.Context()); err != nil {
			return err
		}
		n, err = queries.ExecutionBacklog(w.Context(), sqlc.ExecutionBacklogParams{TenantLimit: tenantLimit, RowLimit: limit})
		return err
	}))
	return n
}

// The backlog is what pods are added for: only what they could run.
func TestBacklogCountsWhatMayBeClaimed(t *testing.T) {
	w := newWorld(t)
	require.Zero(t, w.backlog(1000, 10_000))
	const perScript = 5
	queue := func(tenant, script uuid.UUID, trigger, due string) {
		w.exec(`INSERT INTO script_executions (id, script_id, tenant_id, status, trigger_type, started_at, handler, run_at)
			SELECT gen_random_uuid(), $1, $2, 'pending', $3, NULL, 'run', now() + $4::interval FROM generate_series(1, $5::int)`, script, tenant, trigger, due, perScript)
	}
	a, b, suspended := w.tenant("a"), w.tenant("b"), w.tenant("c")
	active, paused, archived, other, halted := w.script(a, "event"), w.script(a, "event"), w.script(a, "event"), w.script(b, "event"), w.script(suspended, "event")
	queue(a, active, "event", "-1 second")
	queue(a, active, "event", "1 hour") // not due
	queue(a, paused, "event", "-1 second")
	queue(a, archived, "manual", "-1 second")
	queue(b, other, "cron", "-1 second")
	queue(suspended, halted, "manual", "-1 second")
	w.exec(`UPDATE scripts SET status = 'paused' WHERE id = $1`, paused)
	w.exec(`UPDATE scripts SET status = 'archived' WHERE id = $1`, archived)
	w.exec(`UPDATE tenants SET status = 'suspended' WHERE id = $1`, suspended)
	require.EqualValues(t, 2*perScript, w.backlog(1000, 10_000))
	queue(a, paused, "manual", "-1 second") // a person asked for these
	require.EqualValues(t, 3*perScript, w.backlog(1000, 10_000))
	require.EqualValues(t, 7+perScript, w.backlog(7, 10_000), "two scripts of one tenant have one bound")
	require.EqualValues(t, 6, w.backlog(3, 10_000))
	require.EqualValues(t, 4, w.backlog(1000, 4))
	w.exec(`DELETE FROM script_executions`)
}
