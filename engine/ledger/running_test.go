package ledger_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/migrations/dbtest"
)

// runs stands for the engine: what runs for long at the moment.
type runs struct {
	mu        sync.Mutex
	running   map[uuid.UUID]*engine.Invocation
	cancelled chan uuid.UUID
}

func newRuns() *runs {
	return &runs{running: map[uuid.UUID]*engine.Invocation{}, cancelled: make(chan uuid.UUID, 100)}
}

func (r *runs) long(_ time.Duration, see func(*engine.Invocation, *engine.Result)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, inv := range r.running {
		see(inv, &engine.Result{StartedAt: time.Now().Add(-2 * time.Second)})
	}
}

func (r *runs) begin(inv *engine.Invocation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running[inv.ExecutionID] = inv
}

func (r *runs) end(inv *engine.Invocation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, inv.ExecutionID)
}

func startRunning(t *testing.T, db *pgxpool.Pool, change func(*ledger.Config)) (*ledger.Ledger, *runs, uuid.UUID) {
	t.Helper()
	r, node := newRuns(), uuid.New()
	_, err := db.Exec(t.Context(), "INSERT INTO nodes (id, hostname, version) VALUES ($1, 'h', 'v')", node)
	require.NoError(t, err)
	cfg := ledger.Config{Pool: db, NodeID: node, Long: r.long, Cancel: func(id uuid.UUID, _ error) bool {
		r.cancelled <- id
		return true
	}}
	if change != nil {
		change(&cfg)
	}
	return start(t, cfg), r, node
}

func status(t *testing.T, db *pgxpool.Pool, id uuid.UUID) (s string) {
	t.Helper()
	if err := db.QueryRow(context.Background(), "SELECT status FROM script_executions WHERE id = $1", id).Scan(&s); err != nil {
		return err.Error()
	}
	return s
}

func shows(t *testing.T, db *pgxpool.Pool, id uuid.UUID) {
	t.Helper()
	require.Eventually(t, func() bool { return status(t, db, id) == "running" }, time.Minute, 5*time.Millisecond)
}

func TestRunningRowBecomesItsEnding(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	script := seed(t, db)
	l, r, node := startRunning(t, db, nil)
	inv, res := httpRun(script)
	r.begin(inv)
	shows(t, db, inv.ExecutionID)
	require.Equal(t, 1, count(t, db, `script_executions JOIN script_execution_queue q USING (id) WHERE id = $1 AND script_executions.attended AND q.attended AND script_executions.node_id = $2 AND lease_expires_at > now()
		AND script_executions.started_at < now() AND completed_at IS NULL AND input->>'method' = 'POST' AND trigger_data->>'path' = '/orders/7' AND script_executions.version = 3 AND handler = 'fetch'`, inv.ExecutionID, node))
	r.end(inv)
	require.NoError(t, l.Record(ctx, inv, res))
	require.NoError(t, l.Flush(ctx))
	require.Equal(t, 1, count(t, db, "script_executions WHERE id = $1 AND status = 'completed' AND NOT attended", inv.ExecutionID))
	require.Zero(t, count(t, db, "script_execution_queue"))
	require.Equal(t, 1, count(t, db, "script_usage_daily WHERE executions = 1"))
	require.Zero(t, l.Stats().Dropped)
}

// The true ending replaces the one that another node gave it, which had not heard of this one for a lease.
func TestEndingReplacesARescue(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	script := seed(t, db)
	l, r, _ := startRunning(t, db, nil)
	inv, res := httpRun(script)
	r.begin(inv)
	shows(t, db, inv.ExecutionID)
	_, err := db.Exec(ctx, `UPDATE script_executions SET status = 'failed', error_code = 'worker_lost', completed_at = now() WHERE id = $1`, inv.ExecutionID)
	require.NoError(t, err)
	r.end(inv)
	require.NoError(t, l.Record(ctx, inv, res))
	require.NoError(t, l.Flush(ctx))
	require.Equal(t, "completed", status(t, db, inv.ExecutionID))
}

// Executions that end while their row is being written have one row, with their end.
func TestRunningRowsAndEndingsRace(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	script := seed(t, db)
	l, r, _ := startRunning(t, db, func(c *ledger.Config) { c.FlushInterval = time.Millisecond })
	const many = 300
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			inv, res := httpRun(script)
			r.begin(inv)
			time.Sleep(time.Duration(i) * time.Second / many) // across several looks
			r.end(inv)
			if err := l.Record(ctx, inv, res); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.NoError(t, l.Flush(ctx))
	require.Equal(t, many, count(t, db, "script_executions WHERE status = 'completed'"))
	require.Equal(t, many, count(t, db, "script_executions"))
	require.Equal(t, 1, count(t, db, "script_usage_daily WHERE executions = $1", many))
	require.Zero(t, l.Stats().Dropped)
}

// A lease is kept while the execution runs, and a request to cancel is found without a notification.
func TestRunningRowIsKeptAndCancelled(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.DB(t)
	script := seed(t, db)
	l, r, _ := startRunning(t, db, func(c *ledger.Config) { c.Lease = 900 * time.Millisecond })
	inv, res := httpRun(script)
	r.begin(inv)
	shows(t, db, inv.ExecutionID)
	var first, later time.Time
	require.NoError(t, db.QueryRow(ctx, "SELECT lease_expires_at FROM script_execution_queue WHERE id = $1", inv.ExecutionID).Scan(&first))
	require.Eventually(t, func() bool {
		require.NoError(t, db.QueryRow(ctx, "SELECT lease_expires_at FROM script_execution_queue WHERE id = $1", inv.ExecutionID).Scan(&later))
		return later.After(first)
	}, time.Minute, 10*time.Millisecond)
	_, err := db.Exec(ctx, "UPDATE script_execution_queue SET cancel_requested = true WHERE id = $1", inv.ExecutionID)
	require.NoError(t, err)
	require.Equal(t, inv.ExecutionID, <-r.cancelled)
	r.end(inv)
	require.NoError(t, l.Record(ctx, inv, res))
	require.NoError(t, l.Flush(ctx))

	// A script that is gone has no rows, and what ran of it none either.
	inv, res = httpRun(script)
	r.begin(inv)
	shows(t, db, inv.ExecutionID)
	_, err = db.Exec(ctx, "DELETE FROM scripts WHERE id = $1", script.ID)
	require.NoError(t, err)
	r.end(inv)
	require.NoError(t, l.Record(ctx, inv, res))
	require.NoError(t, l.Flush(ctx))
	require.Zero(t, count(t, db, "script_executions"))
}
